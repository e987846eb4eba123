#include <saffron/ops.h>

#include "ops/cpu/encode_scan.h"
#include "ops/cpu/encode_tiles.h"
#include "ops/cuda_ops.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/nonzero.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

namespace saffron::inline sdk_v1::ops {
namespace {

using ops_cpu::Workspace;

// An entry as one unsigned number that is larger the earlier it belongs in the result: the bits of
// its rank in their numeric order, then the latent, lower ones first; last and without weight,
// whether the value is below 0, which the rank of `magnitude` does not say.
template <class T>
struct Entry;
template <>
struct Entry<float> {
  using Bits = std::uint32_t;
  using Key = std::uint64_t;
};
template <>
struct Entry<double> {
  using Bits = std::uint64_t;
  __extension__ typedef unsigned __int128 Key;
};
template <class T>
using Key = typename Entry<T>::Key;

template <class T>
Key<T> key_of(T value, std::int32_t latent, bool magnitude) {
  using Bits = typename Entry<T>::Bits;
  constexpr int kSign = sizeof(T) * 8 - 1;
  const T rank = magnitude ? std::abs(value) : value + T(0);  // -0 ranks as 0
  const auto bits = std::bit_cast<Bits>(rank);
  const Bits ordered = (bits >> kSign) != 0 ? ~bits : bits | (Bits{1} << kSign);
  const std::uint32_t low = (0x7fffffffU - static_cast<std::uint32_t>(latent)) << 1;
  return static_cast<Key<T>>(ordered) << 32 | low | (value < T(0) ? 1U : 0U);
}

template <class T>
T rank_of(Key<T> key) {
  using Bits = typename Entry<T>::Bits;
  constexpr int kSign = sizeof(T) * 8 - 1;
  const auto ordered = static_cast<Bits>(key >> 32);
  return std::bit_cast<T>((ordered >> kSign) != 0 ? ordered ^ (Bits{1} << kSign) : ~ordered);
}

template <class T>
std::int32_t latent_of(Key<T> key) {
  return static_cast<std::int32_t>(0x7fffffffU - (static_cast<std::uint32_t>(key) >> 1));
}

// The best entries that a row has shown so far. Latents come ascending, so that a rank equal to
// the k-th best always loses: the bound is exclusive. A bound that is NaN lets all through.
template <class T>
class Selection {
 public:
  Selection(Key<T>* keys, std::int64_t k) : keys_(keys), k_(k) {}

  static std::int64_t capacity(std::int64_t k) { return 2 * k + 64; }
  [[nodiscard]] T bound() const { return bound_; }
  // Something that at least k of the entries to come are above.
  void start_above(T bound) { bound_ = bound; }
  void add(Key<T> key) {
    if (key <= least_) return;
    keys_[held_++] = key;
    if (held_ == capacity(k_)) shrink();
  }
  // Where enough has come together for a higher bound to pay for itself.
  void settle() {
    if (held_ >= k_ + std::max<std::int64_t>(k_ / 4, 4)) shrink();
  }
  // The k best in order; null if there are fewer.
  const Key<T>* finish() {
    if (held_ < k_) return nullptr;
    if (held_ > k_) shrink();
    std::sort(keys_, keys_ + k_, std::greater<>());
    return keys_;
  }

 private:
  void shrink() {
    std::nth_element(keys_, keys_ + k_ - 1, keys_ + held_, std::greater<>());
    held_ = k_;
    least_ = keys_[k_ - 1];
    bound_ = rank_of<T>(least_);
  }

  Key<T>* keys_;
  std::int64_t k_, held_ = 0;
  Key<T> least_ = 0;  // nothing at or below it can be among the k best
  T bound_ = std::numeric_limits<T>::quiet_NaN();
};

template <class T>
class TopkEncoder {
 public:
  TopkEncoder(const ops_cpu::EncodeArguments& arguments, std::int64_t k, Keep keep,
              const at::Tensor& latents)
      : tiles_(arguments, std::max<std::int64_t>(kMostKeys / Selection<T>::capacity(k), 8)),
        k_(k),
        keep_(keep),
        latents_(latents),
        values_(at::empty({tiles_.rows(), k}, arguments.x.options())),
        indices_(at::empty({tiles_.rows(), k}, arguments.x.options().dtype(at::kInt))) {}

  Codes run(std::int64_t F) {
    tiles_.for_chunks([&](const ops_cpu::RowChunk& chunk) { encode(chunk); });
    nan_.check();
    return Codes::topk(values_, indices_, F);
  }

 private:
  static constexpr std::int64_t kMostKeys = std::int64_t{1} << 21;  // of one chunk: 16 MB

  void encode(const ops_cpu::RowChunk& chunk) {
    Workspace& workspace = Workspace::of_thread();
    const std::int64_t capacity = Selection<T>::capacity(k_);
    auto* const selections = workspace.room<Selection<T>>(Workspace::state, chunk.rows);
    auto* const keys = workspace.room<Key<T>>(Workspace::keys, chunk.rows * capacity);
    for (std::int64_t r = 0; r < chunk.rows; ++r) {
      std::construct_at(selections + r, keys + r * capacity, k_);
    }
    tiles_.for_tiles(chunk, [&](const ops_cpu::Tile<T>& tile) {
      for (std::int64_t r = 0; r < chunk.rows; ++r) look(tile, r, chunk.first + r, selections[r]);
    });
    for (std::int64_t r = 0; r < chunk.rows; ++r) store(chunk.first + r, selections[r]);
  }

  void look(const ops_cpu::Tile<T>& tile, std::int64_t r, std::int64_t row,
            Selection<T>& selection) {
    constexpr std::int64_t kRoom = ops_cpu::EncodeTiles<T>::kTileWidth + ops_cpu::kCompressSlack;
    T* const values = Workspace::of_thread().room<T>(Workspace::values, kRoom);
    auto* const places = Workspace::of_thread().room<std::int32_t>(Workspace::places, kRoom);
    const bool magnitude = keep_ == Keep::magnitude;
    if (tile.first == 0) seed(tile, r, values, selection);
    const auto [count, nan] =
        ops_cpu::compress(tile.width, tile.row(r), tile.bias, tile.scale, selection.bound(),
                          magnitude, tile.latent(), values, places);
    for (std::int64_t i = 0; i < count; ++i) {
      if (nan && std::isnan(values[i])) {
        nan_.note(row, named(places[i]));
      } else {
        selection.add(key_of(values[i], places[i], magnitude));
      }
    }
    if (count > 0) selection.settle();
  }

  // The k-th best of the best of more than k groups is at most the k-th best of all.
  void seed(const ops_cpu::Tile<T>& tile, std::int64_t r, T* best, Selection<T>& selection) const {
    const std::int64_t groups = (2 * k_ + 63) / 64 * 64;
    if (2 * groups > tile.width) return;
    ops_cpu::group_maxima(tile.width, tile.row(r), tile.bias, tile.scale,
                          keep_ == Keep::magnitude, groups, best);
    std::nth_element(best, best + k_ - 1, best + groups, std::greater<>());
    constexpr T kLowest = -std::numeric_limits<T>::infinity();
    if (best[k_ - 1] > kLowest) selection.start_above(std::nextafter(best[k_ - 1], kLowest));
  }

  void store(std::int64_t row, Selection<T>& selection) {
    const Key<T>* const kept = selection.finish();
    if (kept == nullptr) return;  // a NaN's row
    T* const values = values_.template mutable_data_ptr<T>() + row * k_;
    auto* const indices = indices_.template mutable_data_ptr<std::int32_t>() + row * k_;
    for (std::int64_t i = 0; i < k_; ++i) {
      const T rank = rank_of<T>(kept[i]);
      const bool negative = keep_ == Keep::magnitude && (kept[i] & 1U) != 0;
      values[i] = keep_ == Keep::rectified ? std::max(rank, T(0)) : negative ? -rank : rank;
      indices[i] = named(latent_of<T>(kept[i]));
    }
  }

  // The latent's number in all of W, of which only the allowed part may be here.
  [[nodiscard]] std::int32_t named(std::int32_t latent) const {
    if (!latents_.defined()) return latent;
    return static_cast<std::int32_t>(latents_.template const_data_ptr<std::int64_t>()[latent]);
  }

  ops_cpu::EncodeTiles<T> tiles_;
  std::int64_t k_;
  Keep keep_;
  at::Tensor latents_, values_, indices_;
  ops_cpu::NanPlace nan_;
};

at::Tensor chosen(const at::Tensor& vector, const at::Tensor& latents) {
  return vector.defined() ? at::index_select(vector.detach(), 0, latents) : vector;
}

}  // namespace

Codes encode_topk(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b, std::int64_t k,
                  Keep keep, const at::Tensor& allowed, const at::Tensor& scale) {
  ops_cpu::check_encode("encode_topk", x, W, b, scale);
  if (k < 1 || k > W.size(0)) {
    throw Error(cat("encode_topk: k = ", k, " is outside [1, ", W.size(0), "]"));
  }
  if (allowed.defined() && (allowed.numel() != W.size(0) || allowed.scalar_type() != at::kBool)) {
    throw Error(cat("encode_topk: allowed is not bool [", W.size(0), "]"));
  }
  if (x.is_cuda() || W.is_cuda()) return ops_cuda::encode_topk(x, W, b, k, keep, allowed, scale);
  const c10::AutoGradMode no_grad(false);
  at::Tensor latents;
  ops_cpu::EncodeArguments arguments;
  if (allowed.defined()) {  // only these rows of W are multiplied
    latents = at::nonzero(allowed.reshape({-1})).squeeze(1);
    if (latents.size(0) < k) {
      throw Error(cat("only ", latents.size(0), " latents may be chosen, k is ", k));
    }
    arguments = ops_cpu::encode_arguments(x, chosen(W, latents), chosen(b, latents),
                                          chosen(scale, latents));
  } else {
    arguments = ops_cpu::encode_arguments(x, W, b, scale);
  }
  return ops_cpu::by_type("encode_topk", x, [&]<class T>(T) {
    return TopkEncoder<T>(arguments, k, keep, latents).run(W.size(0));
  });
}

}  // namespace saffron::inline sdk_v1::ops
