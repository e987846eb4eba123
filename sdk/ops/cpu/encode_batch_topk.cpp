#include <saffron/ops.h>

#include "ops/cpu/encode_scan.h"
#include "ops/cpu/encode_tiles.h"
#include "ops/cpu/screened_batch_topk.h"
#include "ops/cpu/screened_tiles.h"
#include "ops/cuda_ops.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace saffron::inline sdk_v1::ops {
namespace {

using ops_cpu::BatchEntry;
using ops_cpu::Workspace;

// The best entries of the batch so far. They come in any order, so that the bound is just below
// the worst that belongs to the best: an equal value may still win by its place. The order of
// arrival moves only how fast the bound rises.
template <class T>
class Pool {
 public:
  Pool(std::int64_t wanted, T bound)
      : wanted_(static_cast<std::size_t>(wanted)), capacity_(2 * wanted_ + kRoom), bound_(bound) {
    held_.reserve(capacity_ + kRoom);
  }
  static constexpr std::size_t kRoom = 16384;  // more than one row of a tile has

  [[nodiscard]] T bound() const { return bound_.load(std::memory_order_relaxed); }

  // Takes the entries and leaves `found` empty.
  void take(std::vector<BatchEntry<T>>& found) {
    const std::lock_guard<std::mutex> hold(guard_);
    held_.insert(held_.end(), found.begin(), found.end());
    found.clear();
    if (held_.size() >= capacity_) shrink();
  }
  std::vector<BatchEntry<T>>& finish() {
    if (held_.size() > wanted_) shrink();
    return held_;
  }

 private:
  void shrink() {
    const auto last = held_.begin() + static_cast<std::ptrdiff_t>(wanted_) - 1;
    std::nth_element(held_.begin(), last, held_.end(), ops_cpu::before<T>);
    bound_.store(std::nextafter(last->value, T(0)), std::memory_order_relaxed);
    held_.resize(wanted_);
  }

  std::mutex guard_;
  std::size_t wanted_, capacity_;
  std::vector<BatchEntry<T>> held_;
  std::atomic<T> bound_;
};

template <class T>
class BatchTopkEncoder {
 public:
  BatchTopkEncoder(const ops_cpu::EncodeArguments& arguments, std::int64_t k)
      : arguments_(arguments), tiles_(arguments), wanted_(k * tiles_.rows()) {}

  BatchTopk run(double hint) {
    const T start = hint > 0 ? std::nextafter(static_cast<T>(hint), T(0)) : T(0);
    if (start > T(0)) {
      const std::vector<BatchEntry<T>> kept = best_above(start);
      if (static_cast<std::int64_t>(kept.size()) == wanted_) return as_codes(kept);
    }
    return as_codes(best_above(T(0)));  // also after a guess that was too high
  }

 private:
  std::vector<BatchEntry<T>> best_above(T start) {
    if constexpr (std::is_same_v<T, float>) {
      if (ops_cpu::ScreenedTiles::suits(arguments_)) {
        auto found = ops_cpu::screened_batch_topk(arguments_, wanted_, start);
        if (found) return std::move(*found);
      }
    }
    Pool<T> pool(wanted_, start);
    fill(pool);
    return std::move(pool.finish());
  }

  void fill(Pool<T>& pool) {
    tiles_.for_each([&](const ops_cpu::Tile<T>& tile) {
      std::vector<BatchEntry<T>> found;
      found.reserve(2 * kFlush);
      for (std::int64_t r = 0; r < tile.rows; ++r) {
        look(tile, r, pool.bound(), found);
        if (found.size() >= kFlush) pool.take(found);
      }
      pool.take(found);
    });
    nan_.check();
  }

  void look(const ops_cpu::Tile<T>& tile, std::int64_t r, T bound,
            std::vector<BatchEntry<T>>& found) {
    const auto row = static_cast<std::int32_t>(tile.first_row + r);
    constexpr std::int64_t kRoom = ops_cpu::EncodeTiles<T>::kTileWidth + ops_cpu::kCompressSlack;
    T* const values = Workspace::of_thread().room<T>(Workspace::values, kRoom);
    auto* const places = Workspace::of_thread().room<std::int32_t>(Workspace::places, kRoom);
    const auto [count, nan] = ops_cpu::compress(tile.width, tile.row(r), tile.bias, tile.scale,
                                                bound, false, tile.latent(), values, places);
    for (std::int64_t i = 0; i < count; ++i) {
      if (nan && std::isnan(values[i])) {
        nan_.note(row, places[i]);
      } else {
        found.push_back({values[i], row, places[i]});
      }
    }
  }

  // Entries by row and, in a row, by latent.
  BatchTopk as_codes(const std::vector<BatchEntry<T>>& kept) const {
    const auto count = static_cast<std::int64_t>(kept.size());
    at::Tensor offsets = at::zeros({tiles_.rows() + 1}, tiles_.options().dtype(at::kInt));
    at::Tensor values = at::empty({count}, tiles_.options());
    at::Tensor indices = at::empty({count}, tiles_.options().dtype(at::kInt));
    auto* const offset = offsets.mutable_data_ptr<std::int32_t>();
    T smallest = count > 0 ? kept.front().value : T(0);
    for (const BatchEntry<T>& entry : kept) {
      ++offset[entry.row + 1];
      smallest = std::min(smallest, entry.value);
    }
    for (std::int64_t r = 0; r < tiles_.rows(); ++r) offset[r + 1] += offset[r];
    std::vector<std::int32_t> next(offset, offset + tiles_.rows());
    std::vector<BatchEntry<T>> ordered(kept.size());
    for (const BatchEntry<T>& entry : kept) {
      const auto row = static_cast<std::size_t>(entry.row);
      ordered[static_cast<std::size_t>(next[row]++)] = entry;
    }
    T* const to_values = values.mutable_data_ptr<T>();
    auto* const to_indices = indices.mutable_data_ptr<std::int32_t>();
    at::parallel_for(0, tiles_.rows(), kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        put(offset[r], offset[r + 1], ordered.data(), to_values, to_indices);
      }
    });
    const at::Tensor overflow = at::zeros({}, tiles_.options().dtype(at::kInt));
    return {Codes::csr(values, indices, offsets, overflow, tiles_.latents()),
            static_cast<double>(smallest)};
  }

  static void put(std::int32_t begin, std::int32_t end, BatchEntry<T>* entries, T* values,
                  std::int32_t* indices) {
    std::sort(entries + begin, entries + end,
              [](const BatchEntry<T>& a, const BatchEntry<T>& b) { return a.latent < b.latent; });
    for (std::int32_t e = begin; e < end; ++e) {
      values[e] = entries[e].value;
      indices[e] = entries[e].latent;
    }
  }

  static constexpr std::int64_t kRowGrain = 64;
  static constexpr std::size_t kFlush = 4096;  // entries that a thread brings to the pool at once
  ops_cpu::EncodeArguments arguments_;
  ops_cpu::EncodeTiles<T> tiles_;
  std::int64_t wanted_;
  ops_cpu::NanPlace nan_;
};

}  // namespace

BatchTopk encode_batch_topk(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                            std::int64_t k, const at::Tensor& scale, double hint) {
  ops_cpu::check_encode("encode_batch_topk", x, W, b, scale);
  if (k < 1 || k > W.size(0)) {
    throw Error(cat("encode_batch_topk: k = ", k, " is outside [1, ", W.size(0), "]"));
  }
  if (k * x.size(0) > std::numeric_limits<std::int32_t>::max()) {
    throw Error(cat("encode_batch_topk: ", k, " entries for each of ", x.size(0),
                    " rows are more than int32 can number"));
  }
  if (x.is_cuda() || W.is_cuda()) return ops_cuda::encode_batch_topk(x, W, b, k, scale, hint);
  const c10::AutoGradMode no_grad(false);
  const ops_cpu::EncodeArguments arguments = ops_cpu::encode_arguments(x, W, b, scale);
  return ops_cpu::by_type("encode_batch_topk", x,
                          [&]<class T>(T) { return BatchTopkEncoder<T>(arguments, k).run(hint); });
}

}  // namespace saffron::inline sdk_v1::ops
