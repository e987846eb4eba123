#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_planning.h>

#include "src/rewards/cutting_lines.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace saffron::inline sdk_v1::rewards {
namespace {

struct Plans {
  at::Tensor high, low;
};
using Lines = CuttingLines<Plans>;

// R_i° and R_j° as one tensor [2, N, A].
class RangeOfDifference {
 public:
  RangeOfDifference(const Planner& planner, at::Tensor pair, at::Tensor high, at::Tensor low)
      : planner_(planner), pair_(std::move(pair)), high_(std::move(high)), low_(std::move(low)) {}

  // The line at lambda; its value there is f's.
  [[nodiscard]] Lines::Line at(double lambda) {
    const at::Tensor r = pair_[0] - lambda * pair_[1];
    high_ = planner_.best(r, {}, high_);  // from the policies of the lambda before
    low_ = planner_.best(-r, {}, low_);
    const at::Tensor gain = planner_.returns(high_, pair_) - planner_.returns(low_, pair_);
    return {gain[0].item<double>(), -gain[1].item<double>(), {high_, low_}};
  }

 private:
  const Planner& planner_;
  at::Tensor pair_, high_, low_;
};

// The stochastic policy with the occupancy t eta(a) + (1 - t) eta(b).
at::Tensor mixture(const Planner& planner, const at::Tensor& a, const at::Tensor& b, double t) {
  at::Tensor out = at::zeros({a.size(0), planner.tau().size(1)}, planner.tau().options());
  out.scatter_add_(1, a.unsqueeze(-1), t * planner.occupancy(a).unsqueeze(-1));
  out.scatter_add_(1, b.unsqueeze(-1), (1 - t) * planner.occupancy(b).unsqueeze(-1));
  const at::Tensor visits = out.sum(-1, true);
  return at::where(visits > 0, out / visits, 0.0);
}

double within(double x, double high) { return std::clamp(x, 0.0, high); }

// f(i, j) of all ordered pairs, which are independent: many small plans side by side, since one of
// them gives several threads too little to do.
template <class F>
void each_pair(std::int64_t count, F f) {
  at::parallel_for(0, count * count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) f(at / count, at % count);
  });
}

}  // namespace

PolicyReturns::PolicyReturns(const TabularWorld& world, std::vector<std::string> names)
    : planner_(world), names_(std::move(names)) {
  const at::Tensor& tau = world.transitions().dense;
  const at::Tensor r = expected_rewards(tau, world.rewards()).index_select(1, planner_.states());
  const at::Tensor size =
      expected_rewards(tau, world.rewards().abs()).index_select(1, planner_.states());
  const ShapingProjection shaping(planner_.tau(), world.gamma(), at::ones_like(r[0]));
  unit_ = shaping.residual(r);
  const at::Tensor scale = shaping.scale(r, size);
  best_.resize(names_.size());
  worst_.resize(names_.size());
  highest_.resize(names_.size());
  range_.resize(names_.size());
  at::parallel_for(0, rewards(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) plan(i, r[i], scale[i].amax().item<double>());
  });
}

void PolicyReturns::plan(std::int64_t i, const at::Tensor& r, double scale) {
  if (!std::isfinite(scale)) {
    throw Error(ErrorKind::numeric,
                cat("the returns of reward '", names_[at(i)], "' overflow float64"))
        .with_help("scale it down: relative regret does not see the scale");
  }
  const at::Tensor unit = unit_[i];
  if (unit.abs().amax().item<double>() <= kZero * scale) unit.zero_();
  best_[at(i)] = planner_.best(unit);
  worst_[at(i)] = planner_.best(-unit);
  const at::Tensor both = at::stack({unit, r});
  const at::Tensor high = planner_.returns(best_[at(i)], both);
  const at::Tensor low = planner_.returns(worst_[at(i)], both);
  highest_[at(i)] = high[1].item<double>();
  range_[at(i)] = std::max(0.0, (high - low)[0].item<double>());
  if (trivial(i)) return;
  unit.div_(range(i));
}

bool PolicyReturns::trivial(std::int64_t i) const { return range(i) == 0; }

std::vector<std::string> PolicyReturns::trivial() const {
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < rewards(); ++i) {
    if (trivial(i)) out.push_back(names_[at(i)]);
  }
  return out;
}

double PolicyReturns::span_distance(std::int64_t i, std::int64_t j) const {
  const at::Tensor r = (unit_[i] - unit_[j]).unsqueeze(0);
  const at::Tensor gain =
      planner_.returns(planner_.best(r[0]), r) - planner_.returns(planner_.best(-r[0]), r);
  return within(gain.item<double>(), 2);
}

at::Tensor PolicyReturns::span_distances() const {
  const at::Tensor out = at::zeros({rewards(), rewards()}, at::kDouble);
  double* const cells = out.mutable_data_ptr<double>();
  each_pair(rewards(), [&](std::int64_t i, std::int64_t j) {
    if (i >= j) return;
    cells[i * rewards() + j] = cells[j * rewards() + i] = span_distance(i, j);
  });
  return out;
}

PolicyReturns::WorstCase PolicyReturns::worst_case(std::int64_t i, std::int64_t j) const {
  WorstCase out;
  if (trivial(i)) return out;
  RangeOfDifference f(planner_, at::stack({unit_[i], unit_[j]}), best_[at(i)], worst_[at(i)]);
  Lines lines;
  while (!lines.done()) {
    lines.add(f.at(lines.lambda()));
    if (lines.evaluations() < kMostLines) continue;
    throw Error(ErrorKind::numeric, cat("the worst-case regret of '", names_[at(i)], "' and '",
                                        names_[at(j)], "' is not found in ", kMostLines, " plans"))
        .with_help("use a smaller gamma: differences of returns are lost in rounding");
  }
  const double t = lines.falling_share();
  const Plans &falling = lines.falling().attained, &rising = lines.rising().attained;
  out.regret = within(lines.minimum(), 1);
  out.lambda = trivial(j) ? 0 : lines.lambda() * range(i) / range(j);
  out.better = mixture(planner_, falling.high, rising.high, t);
  out.followed = mixture(planner_, falling.low, rising.low, t);
  out.evaluations = lines.evaluations();
  return out;
}

PolicyReturns::Regret PolicyReturns::regret(std::int64_t i, std::int64_t j) const {
  if (trivial(i)) return {};
  const at::Tensor optimal = planner_.optimal_actions(unit_[j], best_[at(j)]);
  const at::Tensor r = unit_[i].unsqueeze(0);
  const double most = planner_.returns(best_[at(i)], r).item<double>();
  const auto lost = [&](double sign) {
    const at::Tensor policy = planner_.best(sign * unit_[i], optimal);
    return within(most - planner_.returns(policy, r).item<double>(), 1);
  };
  return {lost(-1), lost(1)};
}

std::vector<PolicyReturns::WorstCase> PolicyReturns::worst_cases() const {
  std::vector<WorstCase> out(at(rewards() * rewards()));
  each_pair(rewards(), [&](std::int64_t i, std::int64_t j) {
    if (i != j) out[at(i * rewards() + j)] = worst_case(i, j);
  });
  return out;
}

std::vector<PolicyReturns::Regret> PolicyReturns::regrets() const {
  std::vector<Regret> out(at(rewards() * rewards()));
  each_pair(rewards(),
            [&](std::int64_t i, std::int64_t j) { out[at(i * rewards() + j)] = regret(i, j); });
  return out;
}

}  // namespace saffron::inline sdk_v1::rewards
