#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>

#include <tuple>

namespace saffron::inline sdk_v1::rewards {

ShapingProjection::ShapingProjection(const at::Tensor& tau, double gamma, const at::Tensor& kappa)
    : gamma_(gamma) {
  const std::int64_t S = tau.size(0), A = tau.size(1);
  const at::Tensor successors = tau.sum(-1) > 0;                    // [S, A]
  const at::Tensor potential = successors.any(-1).to(at::kDouble);  // [S]: Phi is free
  live_ = successors.reshape({-1});
  root_ = at::where(live_, kappa.reshape({-1}).sqrt(), 0.0);
  // A terminal state's own column is a unit of its own, so that the matrix keeps its full rank: it
  // is 0 in all rows of r.
  at::Tensor P = gamma * tau * potential;
  P = P - at::diag(potential).unsqueeze(1);
  const at::Tensor system =
      at::cat({P.reshape({S * A, S}) * root_.unsqueeze(-1), at::diag(1 - potential)});
  std::tie(q_, triangle_) = at::linalg_qr(system);
  q_ = q_.slice(0, 0, S * A);
}

at::Tensor ShapingProjection::explained(const at::Tensor& y) const {
  return at::matmul(at::matmul(y, q_), q_.t());
}

// Normal equations would square the condition number, (1 + gamma) / (1 - gamma). The second pass
// removes what rounding left of the first.
at::Tensor ShapingProjection::residual(const at::Tensor& r) const {
  at::Tensor y = r.reshape({r.size(0), -1}) * root_;
  y = y - explained(y);
  y = y - explained(y);
  return at::where(live_, y / root_, 0.0).view(r.sizes());
}

at::Tensor ShapingProjection::scale(const at::Tensor& r, const at::Tensor& size) const {
  const at::Tensor y = explained(r.reshape({r.size(0), -1}) * root_).abs();
  const at::Tensor whole = size.reshape({r.size(0), -1}) + y / root_;
  return at::where(live_, whole, 0.0).view(r.sizes());
}

at::Tensor ShapingProjection::noise(const at::Tensor& r, const at::Tensor& size) const {
  const at::Tensor y = at::matmul(r.reshape({r.size(0), -1}) * root_, q_);
  const at::Tensor potential = at::linalg_solve_triangular(triangle_, y.t(), /*upper=*/true).abs();
  return kRounding * (size.flatten(1).amax(-1) + (1 + gamma_) * potential.amax(0));
}

namespace {

// R + gamma u(s') - u(s) - c, or, with sign = 1, the sum of all terms.
at::Tensor unshaped(const TabularWorld& world, const at::Tensor& rewards, double sign) {
  const double gamma = world.gamma();
  const at::Tensor& D_S = world.state_distribution();
  const at::Tensor mean = at::matmul(rewards.transpose(-1, -2), world.action_distribution());
  const at::Tensor m = at::matmul(mean, D_S), n = at::matmul(mean.transpose(-1, -2), D_S);
  const double square = 1 + gamma * gamma;
  const at::Tensor u = (m + sign * gamma * n) / square;
  const at::Tensor here = u + 2 * gamma / square * at::matmul(m, D_S).unsqueeze(-1);
  return rewards + gamma * u.unsqueeze(1).unsqueeze(1) + sign * here.unsqueeze(-1).unsqueeze(-1);
}

}  // namespace

// The normal equations are (1 + gamma^2) Phi - 2 gamma E[Phi] = gamma n - m up to the factor D_S,
// and E[n] = E[m].
Canonical minimal_potential_form(const TabularWorld& world) {
  return {"MinimalPotential_L2", unshaped(world, world.rewards(), -1),
          unshaped(world, world.rewards().abs(), 1)};
}

}  // namespace saffron::inline sdk_v1::rewards
