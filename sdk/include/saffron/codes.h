#pragma once

#include <saffron/namespace.h>

#include <ATen/core/Tensor.h>

#include <cstdint>

// Codes: the sparse activations f [B, F] of a dictionary, in the form in which they were made.
//
//   topk   values [B, k]       indices [B, k]      int32 latent of each entry; a value may be 0
//   csr    values [capacity]   indices [capacity]  offsets [B + 1] int32; row b owns entries
//                                                  [offsets[b], offsets[b+1]), ascending latents
//   dense  values [B, F]
//
// A row never names a latent twice. Entries at or past offsets[B] of a csr are unspecified: its
// capacity is fixed so that a captured graph holds, `overflow` (int32 scalar) is non-zero when rows
// wanted more than the capacity. values() is what a loss differentiates; it may be an autograd
// leaf. Nothing densifies unless to_dense() is called. Copies share storage. float32 or float64.

namespace saffron::inline sdk_v1 {

class SAFFRON_EXPORT Codes {
 public:
  enum class Layout : std::uint8_t { topk, csr, dense };

  Codes() = default;  // empty; defined() is false
  // Each checks shapes and dtypes (Error invalid); index ranges are the maker's duty.
  [[nodiscard]] static Codes topk(at::Tensor values, at::Tensor indices, std::int64_t latents);
  [[nodiscard]] static Codes csr(at::Tensor values, at::Tensor indices, at::Tensor offsets,
                                 at::Tensor overflow, std::int64_t latents);
  [[nodiscard]] static Codes dense(at::Tensor values);
  // The entries of f [B, F] that are not 0, as csr of exact capacity.
  [[nodiscard]] static Codes from_dense(const at::Tensor& f);

  [[nodiscard]] bool defined() const { return values_.defined(); }
  [[nodiscard]] Layout layout() const { return layout_; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t latents() const { return latents_; }

  [[nodiscard]] const at::Tensor& values() const { return values_; }
  [[nodiscard]] const at::Tensor& indices() const;  // int32; Error for dense
  [[nodiscard]] const at::Tensor& offsets() const;  // int32 [B + 1]; Error unless csr
  [[nodiscard]] const at::Tensor& overflow() const { return overflow_; }
  // Indices as int64, for at::gather and friends.
  [[nodiscard]] at::Tensor gather_index() const;

  // The same support with other values (same shape): a detached leaf, a scaled copy, an edit.
  [[nodiscard]] Codes with_values(at::Tensor values) const;
  [[nodiscard]] Codes detach() const { return with_values(values_.detach()); }
  // per_latent [F] at the latents of the entries, in the values' shape; differentiable.
  [[nodiscard]] at::Tensor by_entry(const at::Tensor& per_latent) const;
  // The entries of a csr of exact capacity for which `keep` (bool, by entry) is true, as such a csr.
  [[nodiscard]] Codes where(const at::Tensor& keep) const;

  // What an SAE takes from each row by itself and its decode puts back:  xhat = row_scale * decoded +
  // row_shift.  Scale [B, 1] (layer norm, standardisation); shift [B, 1], or [B, d_out] of a skip
  // connection. Undefined = 1 and 0.
  [[nodiscard]] Codes with_row_normalisation(at::Tensor scale, at::Tensor shift) const;
  [[nodiscard]] const at::Tensor& row_scale() const { return row_scale_; }
  [[nodiscard]] const at::Tensor& row_shift() const { return row_shift_; }
  // row_scale * decoded + row_shift
  [[nodiscard]] at::Tensor restore_rows(const at::Tensor& decoded) const;

  // [B] number of entries that are not 0 (L0 of each row), int64.
  [[nodiscard]] at::Tensor l0() const;
  // [B] sum of |f| of each row; differentiable in values.
  [[nodiscard]] at::Tensor l1() const;
  // [F] number of rows in which each latent is not 0, int64.
  [[nodiscard]] at::Tensor firing_counts() const;
  // [B, F]; differentiable in values.
  [[nodiscard]] at::Tensor to_dense() const;
  // [B] the value of one latent in each row, 0 where it is absent.
  [[nodiscard]] at::Tensor column(std::int64_t latent) const;

 private:
  Layout layout_ = Layout::dense;
  std::int64_t rows_ = 0, latents_ = 0;
  at::Tensor values_, indices_, offsets_, overflow_, row_scale_, row_shift_;
};

}  // namespace saffron::inline sdk_v1
