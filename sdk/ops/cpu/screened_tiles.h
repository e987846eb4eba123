#pragma once

#include "ops/cpu/encode_tiles.h"
#include "ops/cpu/screening_unit.h"

#include <atomic>
#include <cstdint>
#include <vector>

// The encoders' product where few of its entries are wanted: formed of rows rounded to few bits, many
// times as fast, with a bound on how far each entry is off. What may be wanted is formed again in
// float32, so that no result depends on the rounding.
//
// With x = x' + e and w = w' + g, x' and w' rounded,  <x, w> - <x', w'> = <e, w> + <x', g>, at most
// |e| |w| + |x'| |g|, where |w| and |x'| leave out the columns that both keep as they are: e and g are 0
// there. To that come the roundings of both sums, at most d 2^-24 |x| |w| each.

namespace saffron::ops_cpu {

// The exact a of a row at `count` latents.
void form_exact(const EncodeArguments& of, std::int64_t row, std::int64_t count,
                const std::int32_t* latents, float* values);

class ScreenedTiles;

// Tile of rounded products. Every a that they lead to is off by at most slack[r] in row r.
struct ScreenedTile : Tile<float> {
  ScreenedTile(const Tile<float>& rounded, const float* slacks, const ScreenedTiles& of)
      : Tile<float>(rounded), slack(slacks), of_(of) {}

  const float* slack;

  // The entries of row r whose exact a is above a bound, as Tile's are.
  Compressed above(std::int64_t r, float bound, float* values, std::int32_t* places) const;
  Compressed above(std::int64_t r, const float* each, float* values, std::int32_t* places) const;

 private:
  // rough(values, places) finds what may be above, lower(place) is an entry's own bound.
  template <class Rough, class Bound, class Lower>
  Compressed screen(std::int64_t r, Bound bound, Rough rough, Lower lower, float* values,
                    std::int32_t* places) const;
  // The same tile of float32 products, formed when a row wants too many single ones.
  [[nodiscard]] const Tile<float>& exact() const;
  const ScreenedTiles& of_;
  mutable Tile<float> exact_{};
};

class ScreenedTiles {
 public:
  using Number = float;
  static constexpr std::int64_t kTileRows = ScreeningUnit::kRows;
  static constexpr std::int64_t kTileWidth = 512;

  // Whether there is a unit, and these are shapes and types for it.
  static bool suits(const EncodeArguments& arguments);

  // Of what suits.
  explicit ScreenedTiles(EncodeArguments arguments)
      : arguments_(std::move(arguments)),
        unit_(*screening_unit()),
        bias_(arguments_.b.const_data_ptr<float>()),
        scale_(arguments_.scale.const_data_ptr<float>()) {}

  [[nodiscard]] const ScreeningUnit& unit() const { return unit_; }
  [[nodiscard]] std::int64_t rows() const { return arguments_.x.size(0); }
  [[nodiscard]] std::int64_t latents() const { return arguments_.W.size(0); }
  [[nodiscard]] at::TensorOptions options() const { return arguments_.x.options(); }
  [[nodiscard]] const EncodeArguments& arguments() const { return arguments_; }
  [[nodiscard]] std::int64_t per_row() const { return (latents() + kTileWidth - 1) / kTileWidth; }
  [[nodiscard]] std::int64_t count() const {
    return (rows() + kTileRows - 1) / kTileRows * per_row();
  }

  // Calls call(ScreenedTile) for every tile, in parallel. False, perhaps after some calls, where a
  // number is not finite or too large for the bound, or a scale is negative: screening says nothing
  // then.
  template <class Call>
  bool for_each(Call&& call) {
    const std::byte* const x = pack_rows();
    std::atomic<bool> bounded = true;
    // At least two tasks, as EncodeTiles has, for float32 products in here.
    at::parallel_for(
        0, std::max<std::int64_t>(per_row(), 2), 1, [&](std::int64_t begin, std::int64_t end) {
          const c10::AutoGradMode no_grad(false);
          for (std::int64_t i = begin; i < std::min(end, per_row()) && bounded; ++i) {
            const std::byte* const W = pack_latents(i);
            float* const slack = Workspace::of_thread().room<float>(Workspace::slack, rows());
            if (!find_slack(i, slack)) {
              bounded = false;
              break;
            }
            for (std::int64_t first = 0; first < rows(); first += kTileRows) {
              call(multiply(i, first, x, W, slack + first));
            }
          }
        });
    return bounded;
  }

  // How far the a of this entry may be off, of tiles that for_each has been through: often less than what
  // its tile says of the row, which is the most of all its latents.
  [[nodiscard]] float slack_of(std::int64_t row, std::int64_t latent) const;

 private:
  std::byte* pack_rows();
  [[nodiscard]] std::byte* pack_latents(std::int64_t tile) const;
  // The slack of every row in a tile of latents; false where it is not finite.
  bool find_slack(std::int64_t tile, float* slack) const;
  [[nodiscard]] ScreenedTile multiply(std::int64_t tile, std::int64_t first_row, const std::byte* x,
                                      const std::byte* W, const float* slack) const;
  [[nodiscard]] std::int64_t width_of(std::int64_t tile) const {
    return std::min(kTileWidth, latents() - tile * kTileWidth);
  }

  EncodeArguments arguments_;
  const ScreeningUnit& unit_;
  const float *bias_, *scale_;       // the tensors' data: asking for it once an entry is slow
  std::vector<std::int32_t> apart_;  // RowsToRound's
  RowBounds *row_bounds_ = nullptr, *latent_bounds_ = nullptr;  // in the caller's workspace
};

}  // namespace saffron::ops_cpu
