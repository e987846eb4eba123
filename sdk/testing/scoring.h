#pragma once

#include "testing/driver.h"

#include <saffron/scorer.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// The host's side of scoring, for the driver and the checks of scorers: rows of the source that the
// SAEs read, and what the SAEs make of them. That is computed once, block by block, so that a row has
// the same bits in every batch.

namespace saffron::testing {

class Scoring {
 public:
  using Cuts = std::vector<std::pair<std::int64_t, std::int64_t>>;  // rows [first, end) of a batch
  static constexpr std::int64_t kBlocks = 4;

  // Four blocks, which follow from `data`; in a shuffled order where the scorer asks for `rows`.
  // Skips the check where the scorer names no SAE whose source could be read.
  explicit Scoring(const ScorerNeeds& needs, std::uint64_t data = 1);

  [[nodiscard]] bool in_contexts() const { return needs_.order == RowOrder::contexts; }
  [[nodiscard]] bool wants_rows() const { return needs_.rows_wanted; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  // Batches of `size` rows; of whole blocks where the scorer reads contexts.
  [[nodiscard]] Cuts cuts(std::int64_t size) const;

  // A batch of copies. Tensors go through `inputs` where there are any.
  [[nodiscard]] std::unique_ptr<ScoreBatch> batch(std::pair<std::int64_t, std::int64_t> cut,
                                                  Inputs* inputs = nullptr) const;
  // Codes come in this layout; dense unless set.
  void set_layout(Codes::Layout layout) { layout_ = layout; }

  // Adds all batches of these cuts.
  void add(Accumulator& to, const Cuts& cuts, Inputs* inputs = nullptr) const;
  // A report on all rows, in batches of `size`.
  [[nodiscard]] Report report(const Scorer& scorer, std::int64_t size) const;

 private:
  struct Made {  // by one SAE, of all rows
    std::vector<at::Tensor> codes, reconstructions;
  };
  void read(Source& source, std::int64_t block);
  void shuffle(std::uint64_t data);

  ScorerNeeds needs_;
  Codes::Layout layout_ = Codes::Layout::dense;
  ActivationRows all_;
  std::vector<Made> made_;
  std::int64_t rows_ = 0;
  std::vector<std::int64_t> blocks_, first_;  // numbers and first rows of the blocks
};

// A report as one text without numbers, and the numbers in it, in order.
struct FlatReport {
  std::string text;
  at::Tensor numbers;  // float64
};
[[nodiscard]] FlatReport flat(const Report& report);

}  // namespace saffron::testing
