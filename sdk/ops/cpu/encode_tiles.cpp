#include "ops/cpu/encode_tiles.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <new>

namespace saffron::ops_cpu {
namespace {

// A matrix whose rows the product can read where they are.
at::Tensor with_whole_rows(const at::Tensor& matrix) {
  const at::Tensor plain = matrix.detach();
  return plain.stride(1) == 1 && plain.stride(0) >= plain.size(1) ? plain : plain.contiguous();
}

}  // namespace

void check_per_latent(const char* op, const char* name, const at::Tensor& vector,
                      const at::Tensor& x, const at::Tensor& W) {
  if (!vector.defined()) return;
  if (vector.dim() != 1 || vector.size(0) != W.size(0) || vector.scalar_type() != x.scalar_type()) {
    throw Error(cat(op, ": ", name, " ", vector.sizes(), " is not [", W.size(0), "] of x's type"));
  }
}

void check_encode(const char* op, const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                  const at::Tensor& scale) {
  if (x.dim() != 2 || W.dim() != 2 || x.size(1) != W.size(1)) {
    throw Error(cat(op, ": x ", x.sizes(), " and W ", W.sizes(), " are not [B, d] and [F, d]"));
  }
  if (x.scalar_type() != W.scalar_type()) {
    throw Error(cat(op, ": x and W must both be float32 or float64, not ", x.toString(), " and ",
                    W.toString()));
  }
  check_per_latent(op, "b", b, x, W);
  check_per_latent(op, "scale", scale, x, W);
}

EncodeArguments encode_arguments(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                                 const at::Tensor& scale) {
  return {with_whole_rows(x), with_whole_rows(W),
          b.defined() ? b.detach().contiguous() : at::zeros({W.size(0)}, x.options()),
          scale.defined() ? scale.detach().contiguous() : at::ones({W.size(0)}, x.options())};
}

void NanPlace::note(std::int64_t row, std::int32_t latent) {
  const std::uint64_t here =
      static_cast<std::uint64_t>(row) << 32 | static_cast<std::uint32_t>(latent);
  std::uint64_t before = place_.load(std::memory_order_relaxed);
  while (here < before && !place_.compare_exchange_weak(before, here)) {
  }
}

void NanPlace::check() const {
  const std::uint64_t place = place_.load();
  if (place == kNone) return;
  throw Error(ErrorKind::numeric, cat("the pre-activation of row ", place >> 32, ", latent ",
                                      place & 0xffffffff, " is NaN"))
      .with_help("look for non-finite inputs or weights; a lower learning rate often helps");
}

Workspace& Workspace::of_thread() {
  thread_local Workspace workspace;
  return workspace;
}

std::byte* Workspace::bytes(Use use, std::size_t size) {
  Kept& kept = kept_[use];
  if (kept.size < size) {
    kept.bytes.reset();
    kept.bytes.reset(static_cast<std::byte*>(::operator new[](size, std::align_val_t{kAlignment})));
    kept.size = size;
  }
  return kept.bytes.get();
}

}  // namespace saffron::ops_cpu
