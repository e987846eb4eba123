#include <saffron/ops.h>

#include "ops/cpu/vector.h"
#include "ops/cuda_ops.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace saffron::inline sdk_v1::ops {
namespace {

constexpr std::int64_t kRowChunk = 256;     // rows whose pre-activations are formed together
constexpr std::int64_t kLatentTile = 1024;  // latents of one tile: 1 MB of float32 with kRowChunk

template <class T>
struct Candidate {
  T value;
  std::int32_t latent;
};

// Larger values first; among equal ones the lower latent.
template <class T>
bool before(const Candidate<T>& a, const Candidate<T>& b) {
  return a.value > b.value || (a.value == b.value && a.latent < b.latent);
}

// The k best entries that a row has shown so far. Values arrive by ascending latent, so that one equal
// to the k-th best always loses: `bound_` is exclusive.
template <class T>
class Selection {
 public:
  void reset(std::int64_t k) {
    k_ = static_cast<std::size_t>(k);
    capacity_ = std::max<std::size_t>(4 * k_, k_ + 64);
    held_.clear();
    held_.reserve(capacity_);
    bound_ = -std::numeric_limits<T>::infinity();
    full_ = false;
  }
  [[nodiscard]] T bound() const { return bound_; }
  [[nodiscard]] bool full() const { return full_; }
  void offer(T value, std::int32_t latent) {
    if (full_ && !(value > bound_)) return;
    held_.push_back({value, latent});
    if (held_.size() >= capacity_ || (!full_ && held_.size() == k_)) shrink();
  }
  std::vector<Candidate<T>>& finish() {
    if (held_.size() > k_) shrink();
    std::sort(held_.begin(), held_.end(), before<T>);
    return held_;
  }

 private:
  void shrink() {
    const auto kth = held_.begin() + static_cast<std::ptrdiff_t>(k_) - 1;
    std::nth_element(held_.begin(), kth, held_.end(), before<T>);
    held_.resize(k_);
    bound_ = kth->value;
    full_ = true;
  }

  std::size_t k_ = 0, capacity_ = 0;
  std::vector<Candidate<T>> held_;
  T bound_ = 0;
  bool full_ = false;
};

template <class T>
class TopkEncoder {
 public:
  TopkEncoder(at::Tensor x, at::Tensor W, const at::Tensor& b, std::int64_t k, bool rectify,
              const at::Tensor& allowed)
      : x_(std::move(x)), W_(std::move(W)), k_(k), rectify_(rectify) {
    if (b.defined()) b_ = b.contiguous();
    if (allowed.defined()) allowed_ = allowed.contiguous();
    values_ = at::empty({x_.size(0), k}, x_.options());
    indices_ = at::empty({x_.size(0), k}, x_.options().dtype(at::kInt));
  }

  Codes run() {
    const std::int64_t chunks = (x_.size(0) + kRowChunk - 1) / kRowChunk;
    at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
      const c10::AutoGradMode no_grad(false);
      at::Tensor tile = at::empty({kRowChunk * kLatentTile}, x_.options());
      std::vector<Selection<T>> selections(kRowChunk);
      for (std::int64_t chunk = begin; chunk < end; ++chunk) encode_chunk(chunk, tile, selections);
    });
    return Codes::topk(values_, indices_, W_.size(0));
  }

 private:
  void encode_chunk(std::int64_t chunk, at::Tensor& buffer, std::vector<Selection<T>>& selections) {
    const std::int64_t first = chunk * kRowChunk;
    const std::int64_t rows = std::min(kRowChunk, x_.size(0) - first);
    for (std::int64_t r = 0; r < rows; ++r) selections[static_cast<std::size_t>(r)].reset(k_);
    const at::Tensor x = x_.slice(0, first, first + rows);
    for (std::int64_t begin = 0; begin < W_.size(0); begin += kLatentTile) {
      const std::int64_t width = std::min(kLatentTile, W_.size(0) - begin);
      at::Tensor tile = buffer.slice(0, 0, rows * width).view({rows, width});
      at::mm_out(tile, x, W_.slice(0, begin, begin + width).t());
      for (std::int64_t r = 0; r < rows; ++r) {
        scan(tile.const_data_ptr<T>() + r * width, begin, width, first + r,
             selections[static_cast<std::size_t>(r)]);
      }
    }
    for (std::int64_t r = 0; r < rows; ++r)
      store(first + r, selections[static_cast<std::size_t>(r)]);
  }

  void scan(const T* a, std::int64_t begin, std::int64_t width, std::int64_t row,
            Selection<T>& selection) const {
    const T* b = b_.defined() ? b_.const_data_ptr<T>() + begin : nullptr;
    std::int64_t j = 0;
    for (; j + ops_cpu::kLanes <= width; j += ops_cpu::kLanes) {
      if (selection.full() &&
          !ops_cpu::any_above(a + j, b != nullptr ? b + j : nullptr, selection.bound())) {
        continue;
      }
      for (std::int64_t i = j; i < j + ops_cpu::kLanes; ++i) offer(a, b, begin, i, row, selection);
    }
    for (; j < width; ++j) offer(a, b, begin, j, row, selection);
  }

  void offer(const T* a, const T* b, std::int64_t begin, std::int64_t i, std::int64_t row,
             Selection<T>& selection) const {
    const T value = b != nullptr ? a[i] + b[i] : a[i];
    if (std::isnan(value)) {
      throw Error(ErrorKind::numeric,
                  cat("the pre-activation of row ", row, ", latent ", begin + i, " is NaN"))
          .with_help("look for non-finite inputs or weights; a lower learning rate often helps");
    }
    if (allowed_.defined() && !allowed_.const_data_ptr<bool>()[begin + i]) return;
    selection.offer(value, static_cast<std::int32_t>(begin + i));
  }

  void store(std::int64_t row, Selection<T>& selection) {
    const auto& kept = selection.finish();
    if (static_cast<std::int64_t>(kept.size()) < k_) {
      throw Error(cat("only ", kept.size(), " latents may be chosen, k is ", k_));
    }
    T* values = values_.mutable_data_ptr<T>() + row * k_;
    std::int32_t* indices = indices_.mutable_data_ptr<std::int32_t>() + row * k_;
    for (std::int64_t i = 0; i < k_; ++i) {
      const Candidate<T>& candidate = kept[static_cast<std::size_t>(i)];
      values[i] = rectify_ ? std::max(candidate.value, T(0)) : candidate.value;
      indices[i] = candidate.latent;
    }
  }

  at::Tensor x_, W_, b_, allowed_, values_, indices_;
  std::int64_t k_;
  bool rectify_;
};

}  // namespace

Codes encode_topk(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b, std::int64_t k,
                  bool rectify, const at::Tensor& allowed) {
  if (x.dim() != 2 || W.dim() != 2 || x.size(1) != W.size(1)) {
    throw Error(
        cat("encode_topk: x ", x.sizes(), " and W ", W.sizes(), " are not [B, d] and [F, d]"));
  }
  if (k < 1 || k > W.size(0)) {
    throw Error(cat("encode_topk: k = ", k, " is outside [1, ", W.size(0), "]"));
  }
  if (b.defined() &&
      (b.dim() != 1 || b.size(0) != W.size(0) || b.scalar_type() != x.scalar_type())) {
    throw Error(cat("encode_topk: b ", b.sizes(), " is not [", W.size(0), "] of x's type"));
  }
  if (allowed.defined() && (allowed.numel() != W.size(0) || allowed.scalar_type() != at::kBool)) {
    throw Error(cat("encode_topk: allowed is not bool [", W.size(0), "]"));
  }
  if (x.is_cuda() || W.is_cuda()) return ops_cuda::encode_topk(x, W, b, k, rectify, allowed);
  const c10::AutoGradMode no_grad(false);
  const at::Tensor rows = x.detach().contiguous(), weights = W.detach().contiguous();
  if (x.scalar_type() == at::kFloat && W.scalar_type() == at::kFloat) {
    return TopkEncoder<float>(rows, weights, b, k, rectify, allowed).run();
  }
  if (x.scalar_type() == at::kDouble && W.scalar_type() == at::kDouble) {
    return TopkEncoder<double>(rows, weights, b, k, rectify, allowed).run();
  }
  throw Error(cat("encode_topk: x and W must both be float32 or float64, not ", x.toString(),
                  " and ", W.toString()));
}

}  // namespace saffron::inline sdk_v1::ops
