#pragma once

#include <saffron/codes.h>

// Products of csr codes that are hardly sparse, as those of ReLU are before a penalty has worked: past
// some share of the entries, dense products of all of them cost less than gathering the rows of
// those that are there. A part of the batch is dense at a time.

namespace saffron::ops_cpu {

// On the CPU; never of few entries.
bool crowded(const Codes& codes);

// What ops::decode, code_gradient and form_gradient return.
at::Tensor decode_crowded(const Codes& codes, const at::Tensor& W, const at::Tensor& b);
at::Tensor code_gradient_crowded(const Codes& codes, const at::Tensor& W, const at::Tensor& g);
at::Tensor form_crowded(const Codes& support, const at::Tensor& rows);

}  // namespace saffron::ops_cpu
