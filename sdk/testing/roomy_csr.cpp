#include "testing/roomy_csr.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <limits>

namespace saffron::testing {
namespace {

constexpr std::int64_t kRoom = 11;

}  // namespace

Codes roomy_csr(const at::Tensor& f) {
  const Codes exact = Codes::from_dense(f.detach());
  const at::Tensor junk =
      at::full({kRoom}, std::numeric_limits<double>::quiet_NaN(), f.options().requires_grad(false));
  const at::Tensor latents = at::arange(kRoom, exact.indices().options()).remainder(f.size(1));
  return Codes::csr(at::cat({f.masked_select(f.detach().ne(0)), junk}),
                    at::cat({exact.indices(), latents}), exact.offsets(), exact.overflow(),
                    f.size(1));
}

}  // namespace saffron::testing
