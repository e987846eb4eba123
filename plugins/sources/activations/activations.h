#pragma once

#include "shard.h"

#include <saffron/context.h>
#include <saffron/normalise.h>
#include <saffron/random.h>
#include <saffron/schema.h>
#include <saffron/source.h>
#include <saffron/state.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace saffron::plugins {

// Rows of activations from files, which stay memory-mapped.
//
//   block i = rows p(i n), ..., p((i + 1) n - 1) of all files one after another, n = block_rows;
//             p is a pseudo-random permutation (seed) of all rows, or, without shuffle, p(r) = r
//   x = (a - mean) scale
//
// So a row's neighbours in a block come from anywhere in the files, however these were written.
// Mean and scale of each stream are estimated over normalise_rows rows drawn in the same way, when
// rows are first asked for. A row with a value that is not finite is refused when it is read.
class Activations final : public Source, public Normalised, public Stateful {
 public:
  struct Options {
    Path path;
    std::vector<std::string> streams;
    std::string stream;
    bool shuffle = true;
    std::int64_t block_rows = 8192;
    Centring centre = Centring::none;
    Scaling scale = Scaling::none;
    std::int64_t normalise_rows = 16384;
  };
  static Schema<Options> schema();

  Activations(const Options& options, const Context& context);

  const std::vector<StreamInfo>& streams() const override { return streams_; }
  const SourceInfo& info() override { return info_; }
  ActivationRows block(std::int64_t index) override;
  std::int64_t rows_of(std::int64_t index) override;

  const Normalisation& normalisation(std::int64_t stream) const override;
  // What centres and scales the rows (normalise.h); empty while it is not estimated.
  State save() const override { return normaliser_.save(); }
  void load(const State& state) override { normaliser_.load(state); }

 private:
  struct Place {
    std::size_t shard;
    std::int64_t row;  // in the shard
  };

  [[nodiscard]] std::vector<std::int64_t> rows_of_block(std::int64_t index) const;
  [[nodiscard]] std::vector<Place> find(std::span<const std::int64_t> rows) const;
  void estimate() const;
  // [places, width] in the recipe's dtype.
  [[nodiscard]] at::Tensor read(std::size_t stream, std::span<const Place> places) const;
  [[nodiscard]] at::Tensor origin(std::span<const Place> places) const;

  Options options_;
  const Context& context_;
  std::vector<Shard> shards_;
  std::vector<std::int64_t> first_row_;      // of each shard among all rows; then their number
  std::vector<std::int64_t> first_context_;  // of each shard
  std::vector<StreamInfo> streams_;
  SourceInfo info_;
  mutable Normaliser normaliser_;  // fitted when first needed
};

}  // namespace saffron::plugins
