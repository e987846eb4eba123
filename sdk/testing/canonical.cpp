#include "testing/canonical.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

namespace saffron::testing {

std::optional<at::Tensor> canonical_codes(const CanonicalSae& sae, const at::Tensor& z) {
  const auto of = [&](const at::Tensor& vector) {
    return vector.defined() ? vector.to(z.scalar_type()) : at::zeros_like(z[0]);
  };
  if (sae.activation == "gated") {
    const at::Tensor open = (z + of(sae.b_gate)).gt(0);
    return open * (z * of(sae.r_mag).exp() + of(sae.b_mag)).clamp_min(0);
  }
  const at::Tensor a = z + of(sae.b_enc), f = a.clamp_min(0);
  if (sae.activation == "relu") return f;
  if (sae.activation == "jumprelu") return f * a.gt(of(sae.threshold));
  if (!sae.k || *sae.k < 1 || *sae.k > a.size(1)) return std::nullopt;
  if (sae.activation == "topk" || sae.activation == "abs_topk") {
    const bool magnitude = sae.activation == "abs_topk";
    const at::Tensor places = std::get<1>((magnitude ? a.abs() : a).topk(*sae.k, 1));
    return at::zeros_like(a).scatter(1, places, (magnitude ? a : f).gather(1, places));
  }
  if (sae.activation != "groupmax" || a.size(1) % *sae.k != 0) return std::nullopt;
  const at::Tensor groups = f.view({a.size(0), *sae.k, -1});
  const auto [values, places] = groups.max(2, true);
  return at::zeros_like(groups).scatter(2, places, values).view_as(a);
}

}  // namespace saffron::testing
