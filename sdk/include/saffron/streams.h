#pragma once

#include <saffron/source.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// Rows of several streams side by side, for SAEs that read or predict more than one: [B, d_1], [B, d_2], ...
// as one matrix [B, d_1 + d_2 + ...]. One stream stays the tensor that it is.

namespace saffron::inline sdk_v1 {

[[nodiscard]] SAFFRON_EXPORT std::vector<std::int64_t> widths_of(
    const std::vector<StreamInfo>& streams);

// Whether the two lists name the same streams in the same order.
[[nodiscard]] SAFFRON_EXPORT bool same_streams(const std::vector<StreamInfo>& a,
                                               const std::vector<StreamInfo>& b);

[[nodiscard]] SAFFRON_EXPORT at::Tensor side_by_side(const std::vector<at::Tensor>& rows);
// The same for gradients: an undefined one counts as 0, all undefined give an undefined one.
[[nodiscard]] SAFFRON_EXPORT at::Tensor side_by_side(const std::vector<at::Tensor>& gradients,
                                                     const std::vector<std::int64_t>& widths);
// Back: views of its columns.
[[nodiscard]] SAFFRON_EXPORT std::vector<at::Tensor> apart(const at::Tensor& rows,
                                                           const std::vector<std::int64_t>& widths);

// Whether the two lists hold the very same tensors.
[[nodiscard]] SAFFRON_EXPORT bool same_tensors(const std::vector<at::Tensor>& a,
                                               const std::vector<at::Tensor>& b);

}  // namespace saffron::inline sdk_v1
