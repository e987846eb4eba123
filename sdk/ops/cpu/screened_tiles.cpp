#include "ops/cpu/screened_tiles.h"

#include "ops/cpu/row_sums.h"

#include <algorithm>
#include <cmath>

namespace saffron::ops_cpu {
namespace {

// A float32 product of a whole tile costs less than single ones of more than this share of it.
constexpr std::int64_t kCrowd = 8;

constexpr std::int64_t kRows = ScreeningUnit::kRows;

std::int64_t groups_of(std::int64_t rows) { return (rows + kRows - 1) / kRows; }

constexpr double kMost = 0x1p100;  // sums below it do not overflow

// What a latent, or the worst of some, adds to a bound.
struct Latents {
  double norm = 0, rounded = 0, off = 0, bias = 0, scale = 0;
};

// Up to `most` columns of x whose mean square, of some of its rows, is many times that of the median column.
std::vector<std::int32_t> columns_apart(const at::Tensor& x, std::int64_t most) {
  constexpr std::int64_t kRowsSeen = 128;
  constexpr float kManyTimes = 16;
  if (most == 0) return {};
  const std::int64_t d = x.size(1), step = std::max<std::int64_t>(x.size(0) / kRowsSeen, 1);
  std::vector<float> squares(static_cast<std::size_t>(d));
  for (std::int64_t r = 0; r < x.size(0); r += step) {
    const float* const row = x.const_data_ptr<float>() + r * x.stride(0);
    for (std::int64_t c = 0; c < d; ++c) squares[static_cast<std::size_t>(c)] += row[c] * row[c];
  }
  for (float& sum : squares) sum = std::isfinite(sum) ? sum : 0;
  std::vector<float> sorted = squares;
  std::sort(sorted.begin(), sorted.end());
  const auto at_most = static_cast<std::size_t>(std::min(most, d / 2));
  const float least =
      std::max(kManyTimes * sorted[sorted.size() / 2], sorted[sorted.size() - at_most - 1]);
  std::vector<std::int32_t> columns;
  for (std::size_t c = 0; c < squares.size(); ++c) {
    if (squares[c] > least) columns.push_back(static_cast<std::int32_t>(c));
  }
  return columns;
}

// Not below kMost where there is no bound.
double slack_between(const RowBounds& row, const Latents& w, double d) {
  const double x_norm = row.norm, x_off = row.rounded_off;
  const double product = (x_norm + x_off) * (w.norm + w.off);
  const double rounding = x_off * w.rounded + (row.rounded + x_off) * w.off;
  // Both sums; adding the bias and scaling, twice; and numbers too small for float32.
  const double sums = (d + 32) * 0x1p-23 * product + 0x1p-21 * (product + w.bias);
  const double a = (rounding + sums + d * 0x1p-120) * w.scale;
  return product < kMost && w.bias < kMost && a < kMost ? a * (1 + 0x1p-20) + 0x1p-120 : 2 * kMost;
}

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
    at::Tensor out = at::from_blob(buffer, {rows, width}, of_.arguments().x.options());
    at::mm_out(out, of_.arguments().x.slice(0, first_row, first_row + rows),
               of_.arguments().W.slice(0, first, first + width).t());
    exact_ = *this;
    exact_.products = buffer;
    exact_.stride = width;
  }
  return exact_;
}

template <class Rough, class Bound, class Lower>
Compressed ScreenedTile::screen(std::int64_t r, Bound bound, Rough rough, Lower lower,
                                float* values, std::int32_t* places) const {
  const std::int64_t found = rough(values, places);
  std::int64_t likely = 0;
  for (std::int64_t i = 0; i < found; ++i) {
    const std::int32_t place = places[likely] = places[i];
    likely += values[i] + of_.slack_of(first_row + r, place) > lower(place) ? 1 : 0;
  }
  if (likely * kCrowd > width) return exact().above(r, bound, values, places);
  form_exact(of_.arguments(), first_row + r, likely, places, values);
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
  constexpr std::int64_t kMostWidth = std::int64_t{1} << 17;  // 127^2 times it is an int32
  return screening_unit() != nullptr && arguments.x.scalar_type() == at::kFloat &&
         arguments.x.size(0) >= kRows && arguments.W.size(0) >= kLeastLatents &&
         arguments.x.size(1) >= kLeastWidth && arguments.x.size(1) <= kMostWidth;
}

std::byte* ScreenedTiles::pack_rows() {
  const at::Tensor& x = arguments_.x;
  const std::int64_t d = x.size(1), groups = groups_of(rows()), bytes = unit_.group_bytes(d);
  Workspace& workspace = Workspace::of_thread();
  auto* const packed = workspace.room<std::byte>(Workspace::packed_rows, groups * bytes);
  apart_ = columns_apart(x, unit_.most_apart());
  row_bounds_ = workspace.room<RowBounds>(Workspace::row_bounds, rows());
  latent_bounds_ = workspace.room<RowBounds>(Workspace::latent_bounds, latents());
  at::parallel_for(0, groups, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kRows;
    unit_.pack(Side::left,
               {std::min(end * kRows, rows()) - first, d,
                x.const_data_ptr<float>() + first * x.stride(0), x.stride(0), apart_},
               packed + begin * bytes, row_bounds_ + first);
  });
  return packed;
}

std::byte* ScreenedTiles::pack_latents(std::int64_t tile) const {
  const at::Tensor& W = arguments_.W;
  const std::int64_t d = W.size(1), first = tile * kTileWidth;
  auto* const packed = Workspace::of_thread().room<std::byte>(
      Workspace::packed_latents, groups_of(kTileWidth) * unit_.group_bytes(d));
  unit_.pack(
      Side::right,
      {width_of(tile), d, W.const_data_ptr<float>() + first * W.stride(0), W.stride(0), apart_},
      packed, latent_bounds_ + first);
  return packed;
}

bool ScreenedTiles::find_slack(std::int64_t tile, float* slack) const {
  const std::int64_t first = tile * kTileWidth;
  const RowBounds* const bounds = latent_bounds_ + first;
  const float *const bias = bias_ + first, *const scale = scale_ + first;
  Latents worst;
  bool sound = true;
  for (std::int64_t i = 0; i < width_of(tile); ++i) {
    worst.norm = std::max<double>(worst.norm, bounds[i].norm);
    worst.rounded = std::max<double>(worst.rounded, bounds[i].rounded);
    worst.off = std::max<double>(worst.off, bounds[i].rounded_off);
    worst.bias = std::max<double>(worst.bias, std::abs(bias[i]));
    worst.scale = std::max<double>(worst.scale, scale[i]);
    sound = sound && std::isfinite(bounds[i].norm) && std::isfinite(bounds[i].rounded_off) &&
            std::isfinite(bias[i]) && std::isfinite(scale[i]) && scale[i] >= 0;
  }
  const auto d = static_cast<double>(arguments_.x.size(1));
  for (std::int64_t r = 0; r < rows(); ++r) {
    slack[r] = static_cast<float>(slack_between(row_bounds_[r], worst, d));
    sound = sound && slack[r] <= kMost;
  }
  return sound;
}

float ScreenedTiles::slack_of(std::int64_t row, std::int64_t latent) const {
  const RowBounds& bounds = latent_bounds_[latent];
  const Latents one = {bounds.norm, bounds.rounded, bounds.rounded_off, std::abs(bias_[latent]),
                       scale_[latent]};
  const auto d = static_cast<double>(arguments_.x.size(1));
  return static_cast<float>(slack_between(row_bounds_[row], one, d));
}

ScreenedTile ScreenedTiles::multiply(std::int64_t tile, std::int64_t first_row, const std::byte* x,
                                     const std::byte* W, const float* slack) const {
  const std::int64_t d = arguments_.x.size(1), width = width_of(tile);
  // Rows a power of two apart would compete for the same lines of the cache.
  constexpr std::int64_t kStride = kTileWidth + 16;
  float* const products =
      Workspace::of_thread().room<float>(Workspace::products, kTileRows * kStride);
  unit_.multiply(d, x + first_row / kRows * unit_.group_bytes(d), W, groups_of(width), products,
                 kStride);
  const Tile<float> rounded = {first_row / kTileRows * per_row() + tile,
                               first_row,
                               std::min(kTileRows, rows() - first_row),
                               tile * kTileWidth,
                               width,
                               kStride,
                               products,
                               bias_ + tile * kTileWidth,
                               scale_ + tile * kTileWidth};
  return {rounded, slack, *this};
}

}  // namespace saffron::ops_cpu
