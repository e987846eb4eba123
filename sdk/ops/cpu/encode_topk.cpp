#include <saffron/ops.h>

#include "ops/cpu/encode_tiles.h"
#include "ops/cpu/screened_tiles.h"
#include "ops/cpu/screened_topk.h"
#include "ops/cpu/topk_selection.h"
#include "ops/cuda_ops.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace saffron::inline sdk_v1::ops {
namespace {

using ops_cpu::Workspace;

template <class T>
class TopkEncoder {
 public:
  // `latents` names those that W has, where these are not all.
  TopkEncoder(const ops_cpu::EncodeArguments& arguments, std::int64_t k, Keep keep,
              const at::Tensor& latents, ops_cpu::Products products = ops_cpu::Products::matrix)
      : tiles_(arguments, products), k_(k), keep_(keep), latents_(latents) {}

  // Values and indices [B, k] of the arguments' rows; the first is named first_row.
  void run(T* values, std::int32_t* indices, std::int64_t first_row) {
    Workspace& workspace = Workspace::of_thread();
    const std::int64_t capacity = ops_cpu::Selection<T>::capacity(k_);
    auto* const keys = workspace.room<ops_cpu::Key<T>>(Workspace::keys, tiles_.rows() * capacity);
    selections_ = workspace.room<ops_cpu::Selection<T>>(Workspace::state, tiles_.rows());
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
    ops_cpu::Selection<T>& selection = selections_[row];
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
        selection.add(ops_cpu::key_of(values[i], places[i], magnitude));
      }
    }
    selection.settle();
  }

  // The k-th best of the best of more than k groups is at most the k-th best of all.
  void seed(const ops_cpu::Tile<T>& tile, std::int64_t r, T* best,
            ops_cpu::Selection<T>& selection) const {
    const std::int64_t groups = (2 * k_ + 63) / 64 * 64;
    if (2 * groups > tile.width) return;
    ops_cpu::group_maxima(tile.width, tile.row(r), tile.bias, tile.scale, keep_ == Keep::magnitude,
                          groups, best);
    selection.at_least(ops_cpu::keep_largest(best, groups, k_, best + groups));
  }

  void store(std::int64_t row, T* values, std::int32_t* indices) {
    ops_cpu::write_entries<T>(selections_[row].finish(), k_, keep_, values, indices);
    for (std::int64_t i = 0; i < k_; ++i) indices[i] = named(indices[i]);
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
  ops_cpu::Selection<T>* selections_ = nullptr;
  std::array<std::mutex, kLocks> locks_;
  ops_cpu::NanPlace nan_;
};

// The rows `some` of the arguments by themselves, into the values and indices [B, k] of all. Which rows
// these are depends on the order in which threads came by their tiles, so that the values must not depend
// on it: they are those that screening would have formed.
void encode_rows(const ops_cpu::EncodeArguments& all, const std::vector<std::int64_t>& some,
                 std::int64_t k, Keep keep, at::Tensor& values, at::Tensor& indices) {
  const at::Tensor rows = at::tensor(some, at::kLong);
  const auto count = static_cast<std::int64_t>(some.size());
  at::Tensor own_values = at::empty({count, k}, values.options());
  at::Tensor own_indices = at::empty({count, k}, indices.options());
  TopkEncoder<float>({all.x.index_select(0, rows), all.W, all.b, all.scale}, k, keep, {},
                     ops_cpu::Products::single)
      .run(own_values.mutable_data_ptr<float>(), own_indices.mutable_data_ptr<std::int32_t>(), 0);
  values.index_copy_(0, rows, own_values);
  indices.index_copy_(0, rows, own_indices);
}

// By screened tiles, where they serve and can tell.
bool encode_screened(const ops_cpu::EncodeArguments& all, std::int64_t k, Keep keep,
                     const at::Tensor& latents, at::Tensor values, at::Tensor indices) {
  constexpr std::int64_t kLeastShare =
      16;  // more of a row's entries than 1 / this are no selection
  if (k * kLeastShare > all.W.size(0) || !ops_cpu::ScreenedTiles::suits(all)) return false;
  const auto left = ops_cpu::screened_topk(all, k, keep, values.mutable_data_ptr<float>(),
                                           indices.mutable_data_ptr<std::int32_t>());
  if (!left) return false;
  if (!left->empty()) encode_rows(all, *left, k, keep, values, indices);
  if (latents.defined()) {
    indices.copy_(latents.index_select(0, indices.flatten()).view(indices.sizes()));
  }
  return true;
}

// Over as many rows at a time as leave the selections within kMostKeys.
template <class T>
Codes encode(const ops_cpu::EncodeArguments& all, std::int64_t k, Keep keep,
             const at::Tensor& latents, std::int64_t F) {
  constexpr std::int64_t kMostKeys = std::int64_t{1} << 22;
  const std::int64_t B = all.x.size(0);
  const std::int64_t rows =
      std::max<std::int64_t>(kMostKeys / ops_cpu::Selection<T>::capacity(k), 32);
  at::Tensor values = at::empty({B, k}, all.x.options());
  at::Tensor indices = at::empty({B, k}, all.x.options().dtype(at::kInt));
  for (std::int64_t first = 0; first < B; first += rows) {
    const std::int64_t last = std::min(first + rows, B);
    const ops_cpu::EncodeArguments part = {all.x.slice(0, first, last), all.W, all.b, all.scale};
    if constexpr (std::is_same_v<T, float>) {
      if (encode_screened(part, k, keep, latents, values.slice(0, first, last),
                          indices.slice(0, first, last))) {
        continue;
      }
    }
    TopkEncoder<T>(part, k, keep, latents)
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
