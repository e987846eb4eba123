#include <saffron/ops.h>

#include "ops/cpu/encode_scan.h"
#include "ops/cpu/encode_tiles.h"
#include "ops/cuda_ops.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace saffron::inline sdk_v1::ops {
namespace {

// The entries of one chunk in the order in which they are found: tile after tile, in a tile row
// after row.
template <class T>
struct Found {
  std::unique_ptr<T[]> values;
  std::unique_ptr<std::int32_t[]> places;
  std::int64_t count = 0, capacity = 0;
  std::vector<std::int32_t> pieces;  // how many of each tile's each row

  void reserve(std::int64_t wanted) {
    if (wanted <= capacity) return;
    const auto size = static_cast<std::size_t>(std::max(wanted, capacity + capacity / 2));
    std::unique_ptr<T[]> more_values(new T[size]);  // left as it is: all is written before read
    std::unique_ptr<std::int32_t[]> more_places(new std::int32_t[size]);
    std::copy_n(values.get(), count, more_values.get());
    std::copy_n(places.get(), count, more_places.get());
    values = std::move(more_values);
    places = std::move(more_places);
    capacity = static_cast<std::int64_t>(size);
  }
};

template <class T>
class AboveEncoder {
 public:
  AboveEncoder(const ops_cpu::EncodeArguments& arguments, at::Tensor bounds)
      : tiles_(arguments, std::numeric_limits<std::int64_t>::max()),
        bounds_(std::move(bounds)),
        options_(arguments.x.options()),
        found_(static_cast<std::size_t>(tiles_.chunks())) {}

  Codes run() {
    tiles_.for_chunks([&](const ops_cpu::RowChunk& chunk) { look(chunk); });
    nan_.check();
    at::Tensor offsets = at::empty({tiles_.rows() + 1}, options_.dtype(at::kInt));
    const std::int64_t total = count_rows(offsets.mutable_data_ptr<std::int32_t>());
    at::Tensor values = at::empty({total}, options_);
    at::Tensor indices = at::empty({total}, options_.dtype(at::kInt));
    tiles_.for_chunks([&](const ops_cpu::RowChunk& chunk) {
      put(chunk, offsets.const_data_ptr<std::int32_t>(), values.mutable_data_ptr<T>(),
          indices.mutable_data_ptr<std::int32_t>());
    });
    const at::Tensor overflow = at::zeros({}, options_.dtype(at::kInt));
    return Codes::csr(values, indices, offsets, overflow, tiles_.latents());
  }

 private:
  void look(const ops_cpu::RowChunk& chunk) {
    Found<T>& found = found_[static_cast<std::size_t>(chunk.index)];
    found.pieces.reserve(static_cast<std::size_t>(tiles_.tiles() * chunk.rows));
    const T* const bounds = bounds_.template const_data_ptr<T>();
    tiles_.for_tiles(chunk, [&](const ops_cpu::Tile<T>& tile) {
      for (std::int64_t r = 0; r < chunk.rows; ++r) {
        found.reserve(found.count + tile.width + ops_cpu::kCompressSlack);
        T* const values = found.values.get() + found.count;
        std::int32_t* const places = found.places.get() + found.count;
        const auto [count, nan] =
            ops_cpu::compress(tile.width, tile.row(r), tile.bias, tile.scale,
                              bounds + tile.first, tile.latent(), values, places);
        if (nan) note(chunk.first + r, count, values, places);
        found.count += count;
        found.pieces.push_back(static_cast<std::int32_t>(count));
      }
      // The other tiles will hold about as many.
      if (tile.first == 0) found.reserve((found.count + found.count / 8) * tiles_.tiles());
    });
  }

  void note(std::int64_t row, std::int64_t count, const T* values, const std::int32_t* places) {
    const T* const at = std::find_if(values, values + count, [](T a) { return std::isnan(a); });
    if (at != values + count) nan_.note(row, places[at - values]);
  }

  // Offsets of the rows; the number of entries in all.
  std::int64_t count_rows(std::int32_t* offsets) const {
    std::int64_t total = 0;
    for (std::int64_t i = 0; i < tiles_.chunks(); ++i) {
      const ops_cpu::RowChunk chunk = tiles_.chunk(i);
      const auto& pieces = found_[static_cast<std::size_t>(i)].pieces;
      for (std::int64_t r = 0; r < chunk.rows; ++r) {
        offsets[chunk.first + r] = static_cast<std::int32_t>(total);
        for (std::int64_t t = 0; t < tiles_.tiles(); ++t) {
          total += pieces[static_cast<std::size_t>(t * chunk.rows + r)];
        }
        if (total > std::numeric_limits<std::int32_t>::max()) {
          throw Error(cat("encode_above: rows 0 to ", chunk.first + r, " hold ", total,
                          " entries, more than int32 can number"))
              .with_help("use a smaller batch or higher bounds");
        }
      }
    }
    offsets[tiles_.rows()] = static_cast<std::int32_t>(total);
    return total;
  }

  void put(const ops_cpu::RowChunk& chunk, const std::int32_t* offsets, T* values,
           std::int32_t* indices) {
    const Found<T>& found = found_[static_cast<std::size_t>(chunk.index)];
    std::vector<std::int32_t> next(offsets + chunk.first, offsets + chunk.first + chunk.rows);
    std::int64_t from = 0;
    for (std::size_t piece = 0; piece < found.pieces.size(); ++piece) {
      std::int32_t& to = next[piece % next.size()];
      const std::int32_t count = found.pieces[piece];
      std::copy_n(found.values.get() + from, count, values + to);
      std::copy_n(found.places.get() + from, count, indices + to);
      from += count;
      to += count;
    }
  }

  ops_cpu::EncodeTiles<T> tiles_;
  at::Tensor bounds_;
  at::TensorOptions options_;
  std::vector<Found<T>> found_;
  ops_cpu::NanPlace nan_;
};

}  // namespace

Codes encode_above(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                   const at::Tensor& bounds, const at::Tensor& scale) {
  ops_cpu::check_encode("encode_above", x, W, b, scale);
  ops_cpu::check_per_latent("encode_above", "bounds", bounds, x, W);
  if (x.is_cuda() || W.is_cuda()) ops_cuda::refuse("encode_above", x, {W, b, bounds, scale});
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
    return AboveEncoder<T>(arguments, lower).run();
  });
}

}  // namespace saffron::inline sdk_v1::ops
