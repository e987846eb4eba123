#include "ops/cpu/screened_tiles.h"

#include "ops/cpu/row_sums.h"

#include <algorithm>
#include <cmath>

namespace saffron::ops_cpu {
namespace {

// A float32 product of a whole tile costs less than single ones of more than this share of it.
constexpr std::int64_t kCrowd = 8;

std::int64_t in_groups(std::int64_t rows) { return (rows + kBf16Rows - 1) / kBf16Rows * kBf16Rows; }

}  // namespace

void form_exact(const EncodeArguments& of, std::int64_t row, std::int64_t count,
                const std::int32_t* latents, float* values) {
  const auto** const W_rows =
      Workspace::of_thread().room<const float*>(Workspace::addresses, count);
  const float* const W = of.W.const_data_ptr<float>();
  const float* const bias = of.b.const_data_ptr<float>();
  const float* const scale = of.scale.const_data_ptr<float>();
  const std::int64_t stride = of.W.stride(0);
  for (std::int64_t i = 0; i < count; ++i) W_rows[i] = W + latents[i] * stride;
  inner_products(of.x.size(1), {count, nullptr, W_rows},
                 of.x.const_data_ptr<float>() + row * of.x.stride(0), values);
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = (values[i] + bias[latents[i]]) * scale[latents[i]];
  }
}

const Tile<float>& ScreenedTile::exact() const {
  if (exact_.products == nullptr) {
    float* const buffer = Workspace::of_thread().room<float>(
        Workspace::exact_products, ScreenedTiles::kTileRows * ScreenedTiles::kTileWidth);
    at::Tensor out = at::from_blob(buffer, {rows, width}, of_.x.options());
    at::mm_out(out, of_.x.slice(0, first_row, first_row + rows),
               of_.W.slice(0, first, first + width).t());
    exact_ = *this;
    exact_.products = buffer;
    exact_.stride = width;
  }
  return exact_;
}

template <class Rough, class Bound, class Lower>
Compressed ScreenedTile::screen(std::int64_t r, Bound bound, Rough rough, Lower lower,
                                float* values, std::int32_t* places) const {
  const std::int64_t likely = rough(values, places);
  if (likely * kCrowd > width) return exact().above(r, bound, values, places);
  form_exact(of_, first_row + r, likely, places, values);
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < likely; ++i) {
    values[count] = values[i];
    places[count] = places[i];
    count += values[i] > lower(places[i]) ? 1 : 0;
  }
  return {count, false};
}

Compressed ScreenedTile::above(std::int64_t r, float bound, float* values,
                               std::int32_t* places) const {
  const auto rough = [&](float* v, std::int32_t* p) {
    return Tile::above(r, bound - slack[r], v, p).count;
  };
  return screen(r, bound, rough, [bound](std::int32_t) { return bound; }, values, places);
}

Compressed ScreenedTile::above(std::int64_t r, const float* each, float* values,
                               std::int32_t* places) const {
  const auto rough = [&](float* v, std::int32_t* p) {
    float* const lowered = Workspace::of_thread().room<float>(Workspace::lowered, width);
    for (std::int64_t i = 0; i < width; ++i) lowered[i] = each[i] - slack[r];
    return Tile::above(r, lowered, v, p).count;
  };
  const auto lower = [&](std::int32_t place) { return each[place - latent()]; };
  return screen(r, each, rough, lower, values, places);
}

bool ScreenedTiles::suits(const EncodeArguments& arguments) {
  constexpr std::int64_t kLeastLatents = 256, kLeastWidth = 32;
  return has_bf16_unit() && arguments.x.scalar_type() == at::kFloat &&
         arguments.x.size(0) >= kBf16Rows && arguments.W.size(0) >= kLeastLatents &&
         arguments.x.size(1) >= kLeastWidth;
}

ScreenedTiles::Packed ScreenedTiles::pack_rows() const {
  const at::Tensor& x = arguments_.x;
  const std::int64_t d = x.size(1), groups = in_groups(rows()) / kBf16Rows;
  Workspace& workspace = Workspace::of_thread();
  auto* const numbers =
      workspace.room<std::uint16_t>(Workspace::packed_rows, groups * kBf16Rows * packed_columns(d));
  auto* const bounds = workspace.room<RowBounds>(Workspace::row_bounds, groups * kBf16Rows);
  at::parallel_for(0, groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin * kBf16Rows; first < end * kBf16Rows; first += kBf16Rows) {
      pack_bf16(Side::left, std::min(kBf16Rows, rows() - first), d,
                x.const_data_ptr<float>() + first * x.stride(0), x.stride(0),
                numbers + first * packed_columns(d), bounds + first);
    }
  });
  return {numbers, bounds};
}

ScreenedTiles::Packed ScreenedTiles::pack_latents(std::int64_t tile) const {
  const at::Tensor& W = arguments_.W;
  const std::int64_t d = W.size(1), first = tile * kTileWidth;
  Workspace& workspace = Workspace::of_thread();
  auto* const numbers =
      workspace.room<std::uint16_t>(Workspace::packed_latents, kTileWidth * packed_columns(d));
  auto* const bounds = workspace.room<RowBounds>(Workspace::latent_bounds, kTileWidth);
  pack_bf16(Side::right, width_of(tile), d, W.const_data_ptr<float>() + first * W.stride(0),
            W.stride(0), numbers, bounds);
  return {numbers, bounds};
}

bool ScreenedTiles::find_slack(std::int64_t tile, const Packed& x, const Packed& W,
                               float* slack) const {
  const float* const bias = arguments_.b.const_data_ptr<float>() + tile * kTileWidth;
  const float* const scale = arguments_.scale.const_data_ptr<float>() + tile * kTileWidth;
  double norm = 0, off = 0, most_bias = 0, most_scale = 0;
  bool sound = true;
  for (std::int64_t i = 0; i < width_of(tile); ++i) {
    norm = std::max<double>(norm, W.bounds[i].norm);
    off = std::max<double>(off, W.bounds[i].rounded_off);
    most_bias = std::max<double>(most_bias, std::abs(bias[i]));
    most_scale = std::max<double>(most_scale, scale[i]);
    sound = sound && std::isfinite(W.bounds[i].norm) && std::isfinite(W.bounds[i].rounded_off) &&
            std::isfinite(bias[i]) && std::isfinite(scale[i]) && scale[i] >= 0;
  }
  constexpr double kMost = 0x1p100;  // sums below it do not overflow
  const auto d = static_cast<double>(arguments_.x.size(1));
  for (std::int64_t r = 0; r < rows(); ++r) {
    const double x_norm = x.bounds[r].norm, x_off = x.bounds[r].rounded_off;
    const double product = (x_norm + x_off) * (norm + off);
    const double rounding = x_off * norm + (x_norm + x_off) * off;
    // Both sums; adding the bias and scaling, twice; and numbers too small for float32.
    const double sums = (d + 32) * 0x1p-23 * product + 0x1p-21 * (product + most_bias);
    const double a = (rounding + sums + d * 0x1p-120) * most_scale;
    sound = sound && product < kMost && most_bias < kMost && a < kMost;
    slack[r] = static_cast<float>(a * (1 + 0x1p-20) + 0x1p-120);
  }
  return sound;
}

ScreenedTile ScreenedTiles::multiply(std::int64_t tile, std::int64_t first_row, const Packed& x,
                                     const Packed& W, const float* slack) const {
  const std::int64_t columns = packed_columns(arguments_.x.size(1)), width = width_of(tile);
  // Rows a power of two apart would compete for the same lines of the cache.
  constexpr std::int64_t kStride = kTileWidth + 16;
  float* const products =
      Workspace::of_thread().room<float>(Workspace::products, kTileRows * kStride);
  const Bf16Unit unit;
  for (std::int64_t i = 0; i < width; i += kBf16Rows) {
    unit.multiply(columns, x.numbers + first_row * columns, W.numbers + i * columns, products + i,
                  kStride);
  }
  const Tile<float> rounded = {first_row / kTileRows * per_row() + tile,
                               first_row,
                               std::min(kTileRows, rows() - first_row),
                               tile * kTileWidth,
                               width,
                               kStride,
                               products,
                               arguments_.b.const_data_ptr<float>() + tile * kTileWidth,
                               arguments_.scale.const_data_ptr<float>() + tile * kTileWidth};
  return {rounded, slack, arguments_};
}

}  // namespace saffron::ops_cpu
