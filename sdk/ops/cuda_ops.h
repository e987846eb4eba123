#pragma once

#include <saffron/ops.h>

#include "ops/cpu/optimiser.h"

// The functions of saffron/ops.h for CUDA tensors. Shapes have been checked by the public
// functions, which call these; here devices and types are.

namespace saffron::ops_cuda {

Codes encode_topk(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b, std::int64_t k,
                  ops::Keep keep, const at::Tensor& allowed, const at::Tensor& scale);
Codes encode_above(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                   const at::Tensor& bounds, const at::Tensor& scale);
ops::BatchTopk encode_batch_topk(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                                 std::int64_t k, const at::Tensor& scale, double hint);
at::Tensor decode(const Codes& codes, const at::Tensor& W, const at::Tensor& b);
at::Tensor code_gradient(const Codes& codes, const at::Tensor& W, const at::Tensor& g);
ops::LatentGroups group_by_latent(const Codes& support);
at::Tensor form_gradient(const FactoredGradient& gradient);

// What GradientRows holds.
struct GradientParts {
  const at::Tensor& parameter;
  const at::Tensor& dense;
  Constraint constraint;
  const std::vector<FactoredGradient>& factored;
  const std::vector<ops::LatentGroups>& groups;
  std::int64_t rows, width;
};
double squared_norm(const GradientParts& gradient);
void adam(const GradientParts& gradient, at::Tensor& m, at::Tensor& v,
          const ops_cpu::AdamScalars& scalars);
void signum(const GradientParts& gradient, at::Tensor& m, const ops_cpu::SignumScalars& scalars);

}  // namespace saffron::ops_cuda
