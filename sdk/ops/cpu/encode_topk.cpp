#include <saffron/ops.h>

#include "ops/cpu/encode_scan.h"
#include "ops/cpu/encode_select.h"
#include "ops/cpu/encode_tiles.h"
#include "ops/cuda_ops.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/nonzero.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>

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

// The best entries that a row has shown so far, whatever their order: an entry of the bound's rank
// may still be among them by its latent, so that the bound is just below what is wanted. A bound
// that is NaN lets all through.
template <class T>
class Selection {
 public:
  Selection(Key<T>* keys, std::int64_t k) : keys_(keys), k_(k) {}

  static std::int64_t capacity(std::int64_t k) { return 2 * k + 64; }
  [[nodiscard]] T bound() const { return bound_.load(std::memory_order_relaxed); }
  // At least k entries, of those to come too, have this rank or more.
  void at_least(T rank) {
    constexpr T kLowest = -std::numeric_limits<T>::infinity();
    if (rank > kLowest && !(rank <= bound())) {
      bound_.store(std::nextafter(rank, kLowest), std::memory_order_relaxed);
    }
  }
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
    auto* const scratch = Workspace::of_thread().room<Key<T>>(Workspace::scratch, capacity(k_));
    least_ = ops_cpu::keep_largest(keys_, held_, k_, scratch);
    held_ = k_;
    at_least(rank_of<T>(least_));
  }

  Key<T>* keys_;
  std::int64_t k_, held_ = 0;
  Key<T> least_ = 0;  // nothing at or below it can be among the k best
  std::atomic<T> bound_ = std::numeric_limits<T>::quiet_NaN();
};

template <class T>
class TopkEncoder {
 public:
  // `latents` names those that W has, where these are not all.
  TopkEncoder(const ops_cpu::EncodeArguments& arguments, std::int64_t k, Keep keep,
              const at::Tensor& latents)
      : tiles_(arguments), k_(k), keep_(keep), latents_(latents) {}

  // Values and indices [B, k] of the arguments' rows; the first is named first_row.
  void run(T* values, std::int32_t* indices, std::int64_t first_row) {
    Workspace& workspace = Workspace::of_thread();
    const std::int64_t capacity = Selection<T>::capacity(k_);
    auto* const keys = workspace.room<Key<T>>(Workspace::keys, tiles_.rows() * capacity);
    selections_ = workspace.room<Selection<T>>(Workspace::state, tiles_.rows());
    for (std::int64_t r = 0; r < tiles_.rows(); ++r) {
      std::construct_at(selections_ + r, keys + r * capacity, k_);
    }
    tiles_.for_each([&](const ops_cpu::Tile<T>& tile) {
      for (std::int64_t r = 0; r < tile.rows; ++r) look(tile, r, first_row);
    });
    nan_.check();
    at::parallel_for(0, tiles_.rows(), kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) store(r, values + r * k_, indices + r * k_);
    });
  }

 private:
  static constexpr std::int64_t kRowGrain = 64;

  void look(const ops_cpu::Tile<T>& tile, std::int64_t r, std::int64_t first_row) {
    constexpr std::int64_t kRoom = ops_cpu::EncodeTiles<T>::kTileWidth + ops_cpu::kCompressSlack;
    T* const values = Workspace::of_thread().room<T>(Workspace::values, kRoom);
    auto* const places = Workspace::of_thread().room<std::int32_t>(Workspace::places, kRoom);
    const std::int64_t row = tile.first_row + r;
    Selection<T>& selection = selections_[row];
    const bool magnitude = keep_ == Keep::magnitude;
    if (std::isnan(selection.bound())) seed(tile, r, values, selection);
    const auto [count, nan] =
        ops_cpu::compress(tile.width, tile.row(r), tile.bias, tile.scale, selection.bound(),
                          magnitude, tile.latent(), values, places);
    if (count == 0) return;
    const std::lock_guard<std::mutex> hold(locks_[static_cast<std::size_t>(row) % kLocks]);
    for (std::int64_t i = 0; i < count; ++i) {
      if (nan && std::isnan(values[i])) {
        nan_.note(first_row + row, named(places[i]));
      } else {
        selection.add(key_of(values[i], places[i], magnitude));
      }
    }
    selection.settle();
  }

  // The k-th best of the best of more than k groups is at most the k-th best of all.
  void seed(const ops_cpu::Tile<T>& tile, std::int64_t r, T* best, Selection<T>& selection) const {
    const std::int64_t groups = (2 * k_ + 63) / 64 * 64;
    if (2 * groups > tile.width) return;
    ops_cpu::group_maxima(tile.width, tile.row(r), tile.bias, tile.scale, keep_ == Keep::magnitude,
                          groups, best);
    selection.at_least(ops_cpu::keep_largest(best, groups, k_, best + groups));
  }

  void store(std::int64_t row, T* values, std::int32_t* indices) {
    const Key<T>* const kept = selections_[row].finish();
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

  static constexpr std::size_t kLocks = 64;  // row r's selection is under lock r mod kLocks
  ops_cpu::EncodeTiles<T> tiles_;
  std::int64_t k_;
  Keep keep_;
  at::Tensor latents_;
  Selection<T>* selections_ = nullptr;
  std::array<std::mutex, kLocks> locks_;
  ops_cpu::NanPlace nan_;
};

// Over as many rows at a time as leave the selections within kMostKeys.
template <class T>
Codes encode(const ops_cpu::EncodeArguments& all, std::int64_t k, Keep keep,
             const at::Tensor& latents, std::int64_t F) {
  constexpr std::int64_t kMostKeys = std::int64_t{1} << 22;
  const std::int64_t B = all.x.size(0);
  const std::int64_t rows = std::max<std::int64_t>(kMostKeys / Selection<T>::capacity(k), 32);
  at::Tensor values = at::empty({B, k}, all.x.options());
  at::Tensor indices = at::empty({B, k}, all.x.options().dtype(at::kInt));
  for (std::int64_t first = 0; first < B; first += rows) {
    const at::Tensor x = all.x.slice(0, first, std::min(first + rows, B));
    TopkEncoder<T>({x, all.W, all.b, all.scale}, k, keep, latents)
        .run(values.mutable_data_ptr<T>() + first * k,
             indices.mutable_data_ptr<std::int32_t>() + first * k, first);
  }
  return Codes::topk(std::move(values), std::move(indices), F);
}

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
    return encode<T>(arguments, k, keep, latents, W.size(0));
  });
}

}  // namespace saffron::inline sdk_v1::ops
