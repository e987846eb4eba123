#include <saffron/ops.h>

#include "ops/cpu/encode_tiles.h"
#include "ops/cpu/screened_tiles.h"
#include "ops/cuda_ops.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace saffron::inline sdk_v1::ops {
namespace {

using ops_cpu::Workspace;

// The entries of one tile, row after row.
template <class T>
struct Found {
  std::int64_t rows, first_row;
  std::unique_ptr<T[]> values;
  std::unique_ptr<std::int32_t[]> places;
  std::vector<std::int32_t> counts;  // of each row
  std::vector<std::int32_t> starts;  // of each row in the result
};

// Over EncodeTiles or ScreenedTiles.
template <class Tiles>
class AboveEncoder {
  using T = typename Tiles::Number;

 public:
  AboveEncoder(const ops_cpu::EncodeArguments& arguments, at::Tensor bounds)
      : tiles_(arguments),
        bounds_(std::move(bounds)),
        found_(static_cast<std::size_t>(tiles_.count())) {}

  // Undefined where the tiles could not tell.
  Codes run() {
    if (!tiles_.for_each([&](const auto& tile) { look(tile); })) return {};
    nan_.check();
    at::Tensor offsets = at::zeros({tiles_.rows() + 1}, tiles_.options().dtype(at::kInt));
    const std::int64_t total = place(offsets.mutable_data_ptr<std::int32_t>());
    at::Tensor values = at::empty({total}, tiles_.options());
    at::Tensor indices = at::empty({total}, tiles_.options().dtype(at::kInt));
    T* const to_values = values.mutable_data_ptr<T>();
    auto* const to_indices = indices.mutable_data_ptr<std::int32_t>();
    at::parallel_for(0, tiles_.count(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        put(found_[static_cast<std::size_t>(i)], to_values, to_indices);
      }
    });
    const at::Tensor overflow = at::zeros({}, tiles_.options().dtype(at::kInt));
    return Codes::csr(values, indices, offsets, overflow, tiles_.latents());
  }

 private:
  template <class Tile>
  void look(const Tile& tile) {
    const std::int64_t room = tile.rows * tile.width + ops_cpu::kCompressSlack;
    T* const values = Workspace::of_thread().room<T>(Workspace::values, room);
    auto* const places = Workspace::of_thread().room<std::int32_t>(Workspace::places, room);
    const T* const bounds = bounds_.template const_data_ptr<T>() + tile.first;
    Found<T>& found = found_[static_cast<std::size_t>(tile.index)];
    found.rows = tile.rows;
    found.first_row = tile.first_row;
    found.counts.reserve(static_cast<std::size_t>(tile.rows));
    std::int64_t held = 0;
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      const auto [count, nan] = tile.above(r, bounds, values + held, places + held);
      if (nan) note(tile.first_row + r, count, values + held, places + held);
      found.counts.push_back(static_cast<std::int32_t>(count));
      held += count;
    }
    const auto size = static_cast<std::size_t>(held);
    found.values.reset(new T[size]);  // not make_unique, which would clear it first
    found.places.reset(new std::int32_t[size]);
    std::copy_n(values, held, found.values.get());
    std::copy_n(places, held, found.places.get());
  }

  void note(std::int64_t row, std::int64_t count, const T* values, const std::int32_t* places) {
    const T* const at = std::find_if(values, values + count, [](T a) { return std::isnan(a); });
    if (at != values + count) nan_.note(row, places[at - values]);
  }

  // Where each row and each tile's part of it starts; the number of entries in all.
  std::int64_t place(std::int32_t* offsets) {
    for (const Found<T>& found : found_) {
      for (std::int64_t r = 0; r < found.rows; ++r) {
        offsets[found.first_row + r + 1] += found.counts[static_cast<std::size_t>(r)];
      }
    }
    std::int64_t total = 0;
    for (std::int64_t r = 0; r < tiles_.rows(); ++r) {
      total += offsets[r + 1];
      if (total > std::numeric_limits<std::int32_t>::max()) {
        throw Error(cat("encode_above: rows 0 to ", r, " hold ", total,
                        " entries, more than int32 can number"))
            .with_help("use a smaller batch or higher bounds");
      }
      offsets[r + 1] = static_cast<std::int32_t>(total);
    }
    std::vector<std::int32_t> next(offsets, offsets + tiles_.rows());
    for (Found<T>& found : found_) {
      const auto first = next.begin() + found.first_row;
      found.starts.assign(first, first + found.rows);
      std::transform(found.counts.begin(), found.counts.end(), first, first, std::plus<>());
    }
    return total;
  }

  static void put(const Found<T>& found, T* values, std::int32_t* indices) {
    std::int64_t from = 0;
    for (std::size_t r = 0; r < found.counts.size(); ++r) {
      std::copy_n(found.values.get() + from, found.counts[r], values + found.starts[r]);
      std::copy_n(found.places.get() + from, found.counts[r], indices + found.starts[r]);
      from += found.counts[r];
    }
  }

  Tiles tiles_;
  at::Tensor bounds_;
  std::vector<Found<T>> found_;
  ops_cpu::NanPlace nan_;
};

}  // namespace

Codes encode_above(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                   const at::Tensor& bounds, const at::Tensor& scale) {
  ops_cpu::check_encode("encode_above", x, W, b, scale);
  ops_cpu::check_per_latent("encode_above", "bounds", bounds, x, W);
  if (x.is_cuda() || W.is_cuda()) return ops_cuda::encode_above(x, W, b, bounds, scale);
  const c10::AutoGradMode no_grad(false);
  const ops_cpu::EncodeArguments arguments = ops_cpu::encode_arguments(x, W, b, scale);
  const at::Tensor lower =
      bounds.defined() ? bounds.detach().contiguous() : at::zeros({W.size(0)}, x.options());
  return ops_cpu::by_type("encode_above", x, [&]<class T>(T) {
    const T* const first = lower.const_data_ptr<T>();
    const T* const nan =
        std::find_if(first, first + lower.size(0), [](T bound) { return std::isnan(bound); });
    if (nan != first + lower.size(0)) {
      throw Error(ErrorKind::numeric, cat("the bound of latent ", nan - first, " is NaN"))
          .with_help("look for non-finite thresholds; a lower learning rate often helps");
    }
    if constexpr (std::is_same_v<T, float>) {
      if (ops_cpu::ScreenedTiles::suits(arguments)) {
        const Codes codes = AboveEncoder<ops_cpu::ScreenedTiles>(arguments, lower).run();
        if (codes.defined()) return codes;
      }
    }
    return AboveEncoder<ops_cpu::EncodeTiles<T>>(arguments, lower).run();
  });
}

}  // namespace saffron::inline sdk_v1::ops
