#include <saffron/codes.h>
#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace saffron::inline sdk_v1 {
namespace {

void require(bool holds, const char* what, const at::Tensor& tensor) {
  if (!holds) throw Error(cat("codes: ", what, ", got ", tensor.toString(), " ", tensor.sizes()));
}

// Row number of each entry of a csr, int64 [nnz].
at::Tensor csr_rows(const at::Tensor& offsets, std::int64_t rows) {
  const at::Tensor counts = (offsets.slice(0, 1) - offsets.slice(0, 0, rows)).to(at::kLong);
  return at::repeat_interleave(at::arange(rows, at::kLong), counts);
}

}  // namespace

Codes Codes::topk(at::Tensor values, at::Tensor indices, std::int64_t latents) {
  require(values.dim() == 2, "values must be [B, k]", values);
  require(indices.sizes() == values.sizes(), "indices must have the values' shape", indices);
  require(indices.scalar_type() == at::kInt, "indices must be int32", indices);
  Codes codes;
  codes.layout_ = Layout::topk;
  codes.rows_ = values.size(0);
  codes.latents_ = latents;
  codes.values_ = std::move(values);
  codes.indices_ = std::move(indices);
  return codes;
}

Codes Codes::csr(at::Tensor values, at::Tensor indices, at::Tensor offsets, at::Tensor overflow,
                 std::int64_t latents) {
  require(values.dim() == 1, "values must be [capacity]", values);
  require(indices.sizes() == values.sizes(), "indices must have the values' shape", indices);
  require(indices.scalar_type() == at::kInt, "indices must be int32", indices);
  require(offsets.dim() == 1 && offsets.size(0) >= 1 && offsets.scalar_type() == at::kInt,
          "offsets must be int32 [B + 1]", offsets);
  Codes codes;
  codes.layout_ = Layout::csr;
  codes.rows_ = offsets.size(0) - 1;
  codes.latents_ = latents;
  codes.values_ = std::move(values);
  codes.indices_ = std::move(indices);
  codes.offsets_ = std::move(offsets);
  codes.overflow_ = std::move(overflow);
  return codes;
}

Codes Codes::dense(at::Tensor values) {
  require(values.dim() == 2, "values must be [B, F]", values);
  Codes codes;
  codes.layout_ = Layout::dense;
  codes.rows_ = values.size(0);
  codes.latents_ = values.size(1);
  codes.values_ = std::move(values);
  return codes;
}

Codes Codes::from_dense(const at::Tensor& f) {
  require(f.dim() == 2, "values must be [B, F]", f);
  const at::Tensor at_nonzero = at::nonzero(f);  // row-major order: rows, then ascending latents
  const at::Tensor rows = at_nonzero.select(1, 0), latents = at_nonzero.select(1, 1);
  at::Tensor offsets = at::zeros({f.size(0) + 1}, at::kLong);
  offsets.slice(0, 1).copy_(at::bincount(rows, {}, f.size(0)).cumsum(0));
  return csr(f.index({rows, latents}), latents.to(at::kInt), offsets.to(at::kInt), {}, f.size(1));
}

const at::Tensor& Codes::indices() const {
  if (layout_ == Layout::dense) throw Error("codes: dense codes have no indices; use values()");
  return indices_;
}

const at::Tensor& Codes::offsets() const {
  if (layout_ != Layout::csr) throw Error("codes: only csr codes have offsets");
  return offsets_;
}

at::Tensor Codes::gather_index() const { return indices().to(at::kLong); }

Codes Codes::with_values(at::Tensor values) const {
  if (values.sizes() != values_.sizes()) {
    throw Error(
        cat("codes: new values have shape ", values.sizes(), ", the old ones ", values_.sizes()));
  }
  Codes other = *this;
  other.values_ = std::move(values);
  return other;
}

at::Tensor Codes::by_entry(const at::Tensor& per_latent) const {
  if (layout_ == Layout::dense) return per_latent.expand_as(values_);
  // Entries past a csr's end may hold any index.
  const at::Tensor latents =
      layout_ == Layout::csr ? indices_.clamp(0, latents_ - 1) : indices_.flatten();
  return per_latent.index_select(0, latents).view(values_.sizes());
}

Codes Codes::where(const at::Tensor& keep) const {
  const at::Tensor upto = at::zeros({values_.size(0) + 1}, indices_.options());
  upto.slice(0, 1).copy_(keep.cumsum(0));
  Codes other = *this;
  other.values_ = values_.masked_select(keep);
  other.indices_ = indices_.masked_select(keep);
  other.offsets_ = upto.index_select(0, offsets());
  return other;
}

Codes Codes::with_row_normalisation(at::Tensor scale, at::Tensor shift) const {
  Codes other = *this;
  other.row_scale_ = std::move(scale);
  other.row_shift_ = std::move(shift);
  return other;
}

at::Tensor Codes::restore_rows(const at::Tensor& decoded) const {
  at::Tensor rows = row_scale_.defined() ? decoded * row_scale_ : decoded;
  return row_shift_.defined() ? rows + row_shift_ : rows;
}

at::Tensor Codes::l0() const {
  if (layout_ != Layout::csr) return values_.ne(0).sum(1);
  const at::Tensor rows = csr_rows(offsets_, rows_);
  return at::zeros({rows_}, at::kLong)
      .index_add_(0, rows, values_.slice(0, 0, rows.size(0)).ne(0).to(at::kLong));
}

at::Tensor Codes::l1() const {
  if (layout_ != Layout::csr) return values_.abs().sum(1);
  const at::Tensor rows = csr_rows(offsets_, rows_);
  return at::zeros({rows_}, values_.options().requires_grad(false))
      .index_add(0, rows, values_.slice(0, 0, rows.size(0)).abs());
}

at::Tensor Codes::firing_counts() const {
  if (layout_ == Layout::dense) return values_.ne(0).sum(0);
  at::Tensor values = values_.detach().flatten(), latents = indices_.flatten().to(at::kLong);
  if (layout_ == Layout::csr) {
    const std::int64_t count = offsets_[rows_].item<int>();
    values = values.slice(0, 0, count);
    latents = latents.slice(0, 0, count);
  }
  return at::zeros({latents_}, at::kLong).index_add_(0, latents, values.ne(0).to(at::kLong));
}

at::Tensor Codes::to_dense() const {
  if (layout_ == Layout::dense) return values_;
  const at::Tensor zero = at::zeros({rows_, latents_}, values_.options().requires_grad(false));
  if (layout_ == Layout::topk) return zero.scatter(1, gather_index(), values_);
  const at::Tensor rows = csr_rows(offsets_, rows_);
  const at::Tensor latents = indices_.slice(0, 0, rows.size(0)).to(at::kLong);
  return zero.index_put({rows, latents}, values_.slice(0, 0, rows.size(0)));
}

at::Tensor Codes::column(std::int64_t latent) const {
  if (latent < 0 || latent >= latents_) {
    throw Error(cat("codes: latent ", latent, " is outside [0, ", latents_, ")"));
  }
  if (layout_ == Layout::dense) return values_.select(1, latent);
  if (layout_ == Layout::topk) {
    return at::where(indices_.eq(latent), values_, at::zeros({}, values_.options())).sum(1);
  }
  const at::Tensor rows = csr_rows(offsets_, rows_);
  const at::Tensor values = values_.slice(0, 0, rows.size(0));
  const at::Tensor hit = indices_.slice(0, 0, rows.size(0)).eq(latent);
  return at::zeros({rows_}, values_.options().requires_grad(false))
      .index_add(0, rows, at::where(hit, values, at::zeros({}, values_.options())));
}

}  // namespace saffron::inline sdk_v1
