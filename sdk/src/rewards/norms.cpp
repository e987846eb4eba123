#include "src/rewards/difference.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace saffron::inline sdk_v1::rewards {
namespace {

// Every norm is (sum w |x|^p)^(1/p), or max w |x|.
struct Shape {
  int p;  // 1, 2, or 0 for the maximum
  at::Tensor weight;
};

Shape shape(Norm kind, const Cells& cells) {
  switch (kind) {
    case Norm::none: break;
    case Norm::one: return {1, cells.count};
    case Norm::two: return {2, cells.count};
    case Norm::inf: return {0, at::ones_like(cells.count)};
    case Norm::weighted_one: return {1, cells.mass};
    case Norm::weighted_two: return {2, cells.mass};
    case Norm::weighted_inf: return {0, cells.peak};
  }
  throw Error(ErrorKind::internal, "'none' is not a norm");
}

// b / a, 0 where b = 0.
at::Tensor ratio(const at::Tensor& b, const at::Tensor& a) { return at::where(b > 0, b / a, 0.0); }

}  // namespace

Cells Cells::of(const at::Tensor& tau, bool constant_in_successor) {
  if (!constant_in_successor) {
    const at::Tensor flat = tau.reshape({-1});
    return {at::ones_like(flat), flat, flat};
  }
  const at::Tensor mass = tau.sum(-1).reshape({-1});
  return {at::full_like(mass, static_cast<double>(tau.size(-1))), mass, tau.amax(-1).reshape({-1})};
}

at::Tensor norm(Norm kind, const at::Tensor& x, const Cells& cells) {
  if (kind == Norm::none) throw Error(ErrorKind::internal, "'none' is not a norm");
  const at::Tensor rows = x.reshape({-1, x.size(-1)}).contiguous();
  const Cells flat{cells.count.contiguous(), cells.mass.contiguous(), cells.peak.contiguous()};
  const at::Tensor out = at::zeros({rows.size(0)}, at::kDouble);
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    const Sized row = Sized::of(rows.const_data_ptr<double>() + i * rows.size(1), rows.size(1));
    out.mutable_data_ptr<double>()[i] = norms_of_difference(1, row, 0, row, flat)[kind];
  }
  return out.view(x.sizes().slice(0, static_cast<std::size_t>(x.dim() - 1)));
}

// With weights a of n and b of m, maximising over x >= 0:
//   n = max a x        at x = 1 / a
//   n = sum a x        convex in x: at a corner, x = e_i / a_i
//   n = (sum a x^2)^1/2, m = sum b x: Cauchy-Schwarz; the other m at x = e_i / sqrt(a_i)
double largest_ratio(Norm n, Norm m, const Cells& cells) {
  const auto [p, a] = shape(n, cells);
  const auto [q, b] = shape(m, cells);
  at::Tensor best;
  if (p == 0) {
    const at::Tensor x = ratio(at::where(b > 0, 1.0, at::zeros_like(b)), a);
    best = x.isinf().any().item<bool>() ? x.amax() : norm(m, x, cells);
  } else if (q == 0) {
    best = ratio(b, p == 1 ? a : a.sqrt()).amax();
  } else if (p == 1) {
    best = ratio(q == 1 ? b : b.sqrt(), a).amax();
  } else {
    best = q == 1 ? ratio(b.square(), a).sum().sqrt() : ratio(b, a).amax().sqrt();
  }
  return best.item<double>();
}

}  // namespace saffron::inline sdk_v1::rewards
