#include "ops/cuda_call.h"
#include "ops/cuda_ops.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

// The encoders on a GPU: LibTorch multiplies, a tile or a block of rows at a time, the kernels look
// at the products.

namespace saffron::ops_cuda {
namespace {

// A tile of products has at most this many rows and latents: 32 MB of float32, which the
// second-level cache of a large GPU holds until they are looked at.
constexpr std::int64_t kTileRows = 2048;
constexpr std::int64_t kTileLatents = 4096;
// Products of whole rows that are formed at a time, about: each such block is waited for.
constexpr std::int64_t kBlockProducts = std::int64_t{1} << 25;

constexpr std::int64_t kNothing = std::numeric_limits<std::int64_t>::max();

static_assert(static_cast<int>(Keep::signed_values) == static_cast<int>(ops::Keep::signed_values) &&
              static_cast<int>(Keep::rectified) == static_cast<int>(ops::Keep::rectified) &&
              static_cast<int>(Keep::magnitude) == static_cast<int>(ops::Keep::magnitude));

// What an encoder is given, without gradients and gaps.
struct Arguments {
  Arguments(const Call& call, const at::Tensor& x_, const at::Tensor& W_, const at::Tensor& b_,
            const at::Tensor& scale_)
      : x(plain(x_)), W(plain(W_)), b(plain(b_)), scale(plain(scale_)) {
    call.check_type("W", W);
    call.check_type("b", b);
    call.check_type("scale", scale);
  }
  at::Tensor x, W, b, scale;
  // Where latent i's element of a vector over latents lies; null where that is undefined.
  [[nodiscard]] static const void* at_latent(const at::Tensor& vector, std::int64_t i) {
    if (!vector.defined()) return nullptr;
    return static_cast<const char*>(vector.const_data_ptr()) + i * vector.element_size();
  }
};

void check_nan(std::int64_t place) {
  if (place == kNothing) return;
  throw Error(ErrorKind::numeric, cat("the pre-activation of row ", place >> 32, ", latent ",
                                      place & 0xffffffff, " is NaN"))
      .with_help("look for non-finite inputs or weights; a lower learning rate often helps");
}

// Throws what select_topk left in `status`. Waits for the device; not while a graph is captured,
// which forbids it: there a NaN shows in the values.
void check_selection(const Call& call, const at::Tensor& status, std::int64_t k) {
  if (call.capturing()) return;
  const at::Tensor host = status.cpu();
  const auto* found = host.const_data_ptr<std::int64_t>();
  check_nan(found[0]);
  if (found[1] != kNothing) {
    throw Error(cat("only ", found[1], " latents may be chosen, k is ", k));
  }
}

// Entries above bounds, gathered block of rows by block of rows in arrays that grow.
class AboveEncoder {
 public:
  AboveEncoder(const Call& call, const char* op, const Arguments& arguments)
      : call_(call), op_(op), arguments_(arguments) {
    if (call.capturing()) {
      throw Error(ErrorKind::plugin, cat(op, ": a CUDA graph cannot be captured of it: how many ",
                                         "entries there are is known only on the device"))
          .with_help("encode outside of the capture, or by encode_topk");
    }
    const at::TensorOptions options = arguments.x.options();
    offsets_ = at::zeros({rows() + 1}, options.dtype(at::kInt));
    values_ = at::empty({0}, options);
    indices_ = at::empty({0}, options.dtype(at::kInt));
    block_ = std::clamp<std::int64_t>(kBlockProducts / std::max<std::int64_t>(latents(), 1), 1,
                                      std::max<std::int64_t>(rows(), 1));
    buffer_ = at::empty({block_ * latents()}, options);
    restart();
  }

  [[nodiscard]] std::int64_t rows() const { return arguments_.x.size(0); }
  [[nodiscard]] std::int64_t latents() const { return arguments_.W.size(0); }
  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] bool done() const { return next_ == rows(); }

  void restart() { next_ = count_ = 0; }

  // The next block's entries above `bounds` [F], or above 0 where that is undefined. Waits.
  void add_block(const at::Tensor& bounds) {
    const std::int64_t rows = std::min(block_, this->rows() - next_);
    at::Tensor products = buffer_.slice(0, 0, rows * latents()).view({rows, latents()});
    at::mm_out(products, arguments_.x.slice(0, next_, next_ + rows), arguments_.W.t());
    at::Tensor status =
        at::tensor({kNothing, kNothing, count_}, at::kLong).to(arguments_.x.device());
    AboveRows work{.scalar = call_.scalar(),
                   .products = products.const_data_ptr(),
                   .bias = pointer(arguments_.b),
                   .scale = pointer(arguments_.scale),
                   .bounds = pointer(bounds),
                   .rows = rows,
                   .F = latents(),
                   .first_row = next_,
                   .capacity = kMaxIndex,
                   .offsets = offsets_.mutable_data_ptr<std::int32_t>() + next_,
                   .values = nullptr,
                   .indices = nullptr,
                   .overflow = nullptr,
                   .status = status.mutable_data_ptr<std::int64_t>()};
    call_.check(call_.library().count_above(call_.place(), work));
    next_ += rows;
    count_ = checked(status.cpu());
    grow();
    work.values = values_.mutable_data_ptr();
    work.indices = indices_.mutable_data_ptr<std::int32_t>();
    call_.check(call_.library().write_above(call_.place(), work));
  }

  // Only the `wanted` largest entries stay; the smallest of them.
  double keep_largest(std::int64_t wanted) {
    const std::int64_t kept = std::min(wanted, count_);
    std::size_t bytes = 0;
    call_.check(call_.library().largest_workspace(count_, &bytes));
    at::Tensor values = at::empty({kept}, values_.options());
    at::Tensor indices = at::empty({kept}, indices_.options());
    at::Tensor offsets = at::zeros(offsets_.sizes(), offsets_.options());
    at::Tensor smallest = at::empty({1}, values_.options().dtype(at::kDouble));
    at::Tensor workspace =
        at::empty({static_cast<std::int64_t>(bytes)}, values_.options().dtype(at::kByte));
    call_.check(call_.library().keep_largest(
        call_.place(),
        {call_.scalar(), values_.const_data_ptr(), indices_.const_data_ptr<std::int32_t>(),
         offsets_.const_data_ptr<std::int32_t>(), next_, count_, wanted, values.mutable_data_ptr(),
         indices.mutable_data_ptr<std::int32_t>(), offsets.mutable_data_ptr<std::int32_t>(),
         smallest.mutable_data_ptr<double>(), workspace.mutable_data_ptr(), bytes}));
    values_ = std::move(values);
    indices_ = std::move(indices);
    offsets_ = std::move(offsets);
    count_ = kept;
    return smallest.item<double>();
  }

  // Of exact capacity.
  [[nodiscard]] Codes codes() const {
    const at::Tensor overflow = at::zeros({}, indices_.options());
    return Codes::csr(exact(values_), exact(indices_), offsets_, overflow, latents());
  }

 private:
  // How many entries there are, once it is known that no number is NaN.
  [[nodiscard]] std::int64_t checked(const at::Tensor& status) const {
    const auto* const found = status.const_data_ptr<std::int64_t>();
    if (found[1] != kNothing) {
      throw Error(ErrorKind::numeric, cat("the bound of latent ", found[1], " is NaN"))
          .with_help("look for non-finite thresholds; a lower learning rate often helps");
    }
    check_nan(found[0]);
    if (found[2] > kMaxIndex) {
      throw Error(cat(op_, ": rows 0 to ", next_ - 1, " hold ", found[2],
                      " entries, more than int32 can number"))
          .with_help("use a smaller batch or higher bounds");
    }
    return found[2];
  }

  // Room for `count_` entries, and for those to come if further rows have as many.
  void grow() {
    const std::int64_t before = values_.size(0);
    if (count_ <= before) return;
    const auto share = static_cast<double>(rows()) / static_cast<double>(next_);
    const auto likely = static_cast<std::int64_t>(1.05 * share * static_cast<double>(count_));
    const std::int64_t room = done() ? count_ : std::max(count_, std::min(likely, kMaxIndex));
    for (at::Tensor* const array : {&values_, &indices_}) {
      at::Tensor larger = at::empty({room}, array->options());
      larger.slice(0, 0, before).copy_(*array);
      *array = std::move(larger);
    }
  }

  // The entries alone; without the room behind them where that is more than a little.
  [[nodiscard]] at::Tensor exact(const at::Tensor& array) const {
    const at::Tensor used = array.slice(0, 0, count_);
    return array.size(0) > count_ + count_ / 8 ? used.clone() : used;
  }

  const Call& call_;
  const char* op_;
  const Arguments& arguments_;
  at::Tensor values_, indices_, offsets_, buffer_;
  std::int64_t block_ = 0, next_ = 0, count_ = 0;  // next_: the first row that is not in yet
};

// The `wanted` largest of what is above `start`, and the smallest of them. Of equal values the
// earlier one is kept, so that once there are enough only larger ones can still enter.
template <class T>
double best_above(AboveEncoder& encoder, std::int64_t wanted, T start,
                  const at::TensorOptions& options) {
  const auto bounds_of = [&](double bound) {
    return bound > 0 ? at::full({encoder.latents()}, bound, options) : at::Tensor();
  };
  at::Tensor bounds = bounds_of(static_cast<double>(start));
  encoder.restart();
  while (!encoder.done()) {
    encoder.add_block(bounds);
    if (encoder.count() > 2 * wanted && !encoder.done()) {
      bounds = bounds_of(encoder.keep_largest(wanted));
    }
  }
  return encoder.keep_largest(wanted);
}

template <class T>
ops::BatchTopk batch_topk(AboveEncoder& encoder, std::int64_t wanted, double hint,
                          const at::TensorOptions& options) {
  const T start = hint > 0 ? std::nextafter(static_cast<T>(hint), T(0)) : T(0);
  double smallest = best_above(encoder, wanted, start, options);
  if (start > T(0) && encoder.count() < wanted) {  // the guess was too high
    smallest = best_above(encoder, wanted, T(0), options);
  }
  return {encoder.codes(), smallest};
}

}  // namespace

Codes encode_topk(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b, std::int64_t k,
                  ops::Keep keep, const at::Tensor& allowed, const at::Tensor& scale) {
  if (k > kMaxTopk) {
    throw Error(cat("encode_topk: k = ", k, " is more than the ", kMaxTopk,
                    " that the CUDA kernels select"))
        .with_help("choose a smaller k, or keep the tensors on the CPU");
  }
  const Call call("encode_topk", x, {W, b, allowed, scale});
  const c10::AutoGradMode no_grad(false);
  const at::NoTF32Guard full_precision;
  const Arguments all(call, x, W, b, scale);
  const at::Tensor mask = plain(allowed);
  const std::int64_t B = x.size(0), F = W.size(0), element = x.element_size();
  at::Tensor values = at::empty({B, k}, all.x.options());
  at::Tensor indices = at::empty({B, k}, all.x.options().dtype(at::kInt));
  at::Tensor status = at::full({2}, kNothing, all.x.options().dtype(at::kLong));
  at::Tensor buffer =
      at::empty({std::min(B, kTileRows) * std::min(F, kTileLatents)}, all.x.options());
  SelectTile tile{};
  tile.scalar = call.scalar();
  tile.k = k;
  tile.keep = static_cast<Keep>(keep);
  tile.status = status.mutable_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < B; row += kTileRows) {
    tile.first_row = row;
    tile.rows = std::min(kTileRows, B - row);
    tile.values = static_cast<char*>(values.mutable_data_ptr()) + row * k * element;
    tile.indices = indices.mutable_data_ptr<std::int32_t>() + row * k;
    for (std::int64_t latent = 0; latent < F; latent += kTileLatents) {
      tile.first_latent = latent;
      tile.width = std::min(kTileLatents, F - latent);
      tile.last = latent + tile.width == F;
      at::Tensor products =
          buffer.slice(0, 0, tile.rows * tile.width).view({tile.rows, tile.width});
      at::mm_out(products, all.x.slice(0, row, row + tile.rows),
                 all.W.slice(0, latent, latent + tile.width).t());
      tile.products = products.const_data_ptr();
      tile.bias = Arguments::at_latent(all.b, latent);
      tile.scale = Arguments::at_latent(all.scale, latent);
      tile.allowed = static_cast<const std::uint8_t*>(Arguments::at_latent(mask, latent));
      call.check(call.library().select_topk(call.place(), tile));
    }
  }
  check_selection(call, status, k);
  return Codes::topk(std::move(values), std::move(indices), F);
}

Codes encode_above(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                   const at::Tensor& bounds, const at::Tensor& scale) {
  const Call call("encode_above", x, {W, b, bounds, scale});
  const c10::AutoGradMode no_grad(false);
  const at::NoTF32Guard full_precision;
  const Arguments all(call, x, W, b, scale);
  const at::Tensor lower = plain(bounds);
  AboveEncoder encoder(call, "encode_above", all);
  while (!encoder.done()) encoder.add_block(lower);
  return encoder.codes();
}

ops::BatchTopk encode_batch_topk(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                                 std::int64_t k, const at::Tensor& scale, double hint) {
  const Call call("encode_batch_topk", x, {W, b, scale});
  const c10::AutoGradMode no_grad(false);
  const at::NoTF32Guard full_precision;
  const Arguments all(call, x, W, b, scale);
  AboveEncoder encoder(call, "encode_batch_topk", all);
  const std::int64_t wanted = k * x.size(0);
  return all.x.scalar_type() == at::kDouble
             ? batch_topk<double>(encoder, wanted, hint, all.x.options())
             : batch_topk<float>(encoder, wanted, hint, all.x.options());
}

}  // namespace saffron::ops_cuda
