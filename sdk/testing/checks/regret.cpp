#include "testing/checks/regret.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve.h>

#include <algorithm>

namespace saffron::testing {
namespace {

constexpr int kHalvings = 100;

// [A^S, S]: s * A + the action of each policy in s.
at::Tensor choices(std::int64_t states, std::int64_t actions) {
  std::int64_t policies = 1;
  for (std::int64_t s = 0; s < states; ++s) policies *= actions;
  at::Tensor out = at::empty({policies, states}, at::kLong);
  auto* p = out.mutable_data_ptr<std::int64_t>();
  for (std::int64_t policy = 0; policy < policies; ++policy) {
    std::int64_t digits = policy;
    for (std::int64_t s = 0; s < states; ++s, digits /= actions) {
      *p++ = s * actions + digits % actions;
    }
  }
  return out;
}

}  // namespace

// J = y r with the occupancy y = mu0 (I - gamma T)^-1.
std::vector<std::vector<double>> policy_returns(const TabularWorld& world) {
  const at::Tensor& tau = world.transitions().dense;
  const std::int64_t S = tau.size(0), A = tau.size(1), R = world.rewards().size(0);
  const at::Tensor chosen = choices(S, A);
  const std::int64_t P = chosen.size(0);
  const at::Tensor T = tau.reshape({S * A, S}).index_select(0, chosen.view(-1)).view({P, S, S});
  const at::Tensor expected = (world.rewards() * tau).sum(-1).reshape({R, S * A});
  const at::Tensor system = at::eye(S, tau.options()) - world.gamma() * T.transpose(1, 2);
  const at::Tensor start = world.mu0().view({1, S, 1}).expand({P, S, 1});
  const at::Tensor occupancy = at::linalg_solve(system, start).view({1, P, S});
  const at::Tensor r = expected.index_select(1, chosen.view(-1)).view({R, P, S});
  const at::Tensor J = (occupancy * r).sum(-1).contiguous();
  std::vector<std::vector<double>> out;
  for (std::int64_t i = 0; i < R; ++i) {
    const double* row = J.const_data_ptr<double>() + i * P;
    out.emplace_back(row, row + P);
  }
  return out;
}

double spread(const std::vector<double>& returns) {
  const auto [low, high] = std::minmax_element(returns.begin(), returns.end());
  return *high - *low;
}

double worst_regret(const std::vector<double>& J1, const std::vector<double>& J2) {
  std::vector<double> rest(J1.size());
  const auto left = [&](double mu) {
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = J1[i] - mu * J2[i];
    return spread(rest);
  };
  const double all = spread(J1), other = spread(J2);
  if (other <= 1e-12 * all) return 1;  // R2 does not mind which policy it gets
  // Convex in mu, and at least mu spread(J2) - spread(J1), so that the least lies below this.
  double low = 0, high = 2 * all / other;
  for (int i = 0; i < kHalvings; ++i) {
    const double a = low + (high - low) / 3, b = high - (high - low) / 3;
    (left(a) <= left(b) ? high : low) = left(a) <= left(b) ? b : a;
  }
  return std::min(left(0), left((low + high) / 2)) / all;
}

}  // namespace saffron::testing
