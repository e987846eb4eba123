#pragma once

#include <saffron/codes.h>
#include <saffron/report.h>
#include <saffron/sae.h>
#include <saffron/source.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

// Which rows of a source: those that training reads, or whole blocks that it never sees.
enum class Split : std::uint8_t { train, held_out };

// How a scorer wants its rows: `rows` in a fixed shuffled order, or `contexts`, block by block, each
// context's positions one after another.
enum class RowOrder : std::uint8_t { rows, contexts };

struct ScorerNeeds {
  RowOrder order = RowOrder::rows;
  // SAEs that the scorer reads; all on one source. Usually its options' RefList<Sae>.
  std::vector<const TrainedSae*> saes;
  // A scorer of parameters alone needs no rows: it is finished without an add.
  bool rows_wanted = true;
};

// One batch, with what each SAE makes of it. Codes and reconstructions are computed when first asked
// for and shared by all who ask.
class SAFFRON_EXPORT ScoreBatch {
 public:
  virtual ~ScoreBatch();
  [[nodiscard]] virtual const ActivationRows& rows() const = 0;
  [[nodiscard]] virtual std::int64_t block() const = 0;  // RowOrder::contexts: the block's number
  [[nodiscard]] virtual const std::vector<at::Tensor>& inputs(std::int64_t sae) const = 0;
  [[nodiscard]] virtual const std::vector<at::Tensor>& targets(std::int64_t sae) const = 0;
  [[nodiscard]] virtual const std::vector<Codes>& codes(std::int64_t sae) const = 0;
  [[nodiscard]] virtual const std::vector<at::Tensor>& reconstructions(std::int64_t sae) const = 0;
};

// What a scorer collects. merge(b) after adding x to a and y to b equals adding x and y to a, up to
// rounding; save and load carry it between ranks, and copy: no later add changes a State, nor a
// State the accumulator. finish may be called once, after the last merge.
class SAFFRON_EXPORT Accumulator {
 public:
  virtual ~Accumulator();
  virtual void add(const ScoreBatch& batch) = 0;
  virtual void merge(const Accumulator& other) = 0;  // of the same scorer
  [[nodiscard]] virtual State save() const = 0;
  virtual void load(const State& state) = 0;
  [[nodiscard]] virtual Report finish() = 0;
};

// A report on trained SAEs. The host reads the rows (split `held_out` unless the recipe says
// otherwise; the kind's own keys are `split`, `rows` and `batch`) and drives the accumulator.
// [host thread; parallel inside, no gradients]
class SAFFRON_EXPORT Scorer {
 public:
  static constexpr const char* kKind = "scorer";
  static constexpr const char* kInterface = "saffron.scorer/1";
  using Interface = Scorer;

  Scorer() = default;
  Scorer(const Scorer&) = delete;
  Scorer& operator=(const Scorer&) = delete;
  virtual ~Scorer();

  [[nodiscard]] virtual ScorerNeeds needs() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Accumulator> begin() const = 0;
};

}  // namespace saffron::inline sdk_v1
