#include "src/rewards/cutting_lines.h"
#include "src/rewards/each_pair.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_planning.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr double kExact = 1e-11;  // of a range: no other way to plan is looked for
constexpr double kLeft = 4 * std::numeric_limits<double>::epsilon();  // in sums, by rounding

using Numbers = std::span<const double>;

struct Plans {
  Plan high, low;
};
using Lines = CuttingLines<Plans>;

std::vector<double> combined(double a, Numbers x, double b, Numbers y) {
  std::vector<double> out(x.size());
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = a * x[k] + b * y[k];
  return out;
}

// R_i° and R_j°.
class RangeOfDifference {
 public:
  RangeOfDifference(const Planner& planner, Numbers counts, Numbers followed)
      : planner_(planner), counts_(counts), followed_(followed) {}

  // The line at lambda, planned from these; its value there is f's.
  [[nodiscard]] Lines::Line at(double lambda, const Plan& high, const Plan& low) const {
    const std::vector<double> r = combined(1, counts_, -lambda, followed_);
    const std::vector<double> reverse = combined(-1, counts_, lambda, followed_);
    Plans plans{planner_.best(r, high.actions), planner_.best(reverse, low.actions)};
    const double intercept =
        planner_.returns(plans.high, counts_) - planner_.returns(plans.low, counts_);
    const double slope =
        planner_.returns(plans.low, followed_) - planner_.returns(plans.high, followed_);
    return {intercept, slope, std::move(plans)};
  }

 private:
  const Planner& planner_;
  Numbers counts_, followed_;
};

// The stochastic policy with the occupancy t eta(a) + (1 - t) eta(b).
at::Tensor mixture(const Plan& a, const Plan& b, double t, std::int64_t actions) {
  const std::size_t states = a.actions.size();
  at::Tensor out = at::zeros({static_cast<std::int64_t>(states), actions}, at::kDouble);
  double* row = out.mutable_data_ptr<double>();
  for (std::size_t s = 0; s < states; ++s, row += actions) {
    const double visits = t * a.visits[s] + (1 - t) * b.visits[s];
    if (!(visits > 0)) continue;
    row[a.actions[s]] += t * a.visits[s] / visits;
    row[b.actions[s]] += (1 - t) * b.visits[s] / visits;
  }
  return out;
}

void require_finite(double x, const std::string& reward) {
  if (std::isfinite(x)) return;
  throw Error(ErrorKind::numeric, cat("the returns of reward '", reward, "' overflow float64"))
      .with_help("scale it down: relative regret does not see the scale");
}

double within(double x, double high) { return std::clamp(x, 0.0, high); }

}  // namespace

PolicyReturns::PolicyReturns(const TabularWorld& world, std::vector<std::string> names)
    : planner_(world), names_(std::move(names)), gamma_(world.gamma()) {
  const at::Tensor& tau = world.transitions().dense;
  const at::Tensor counted =
      counted_states(world).index_select(0, planner_.states()).to(at::kDouble).unsqueeze(-1);
  const auto expected = [&](const at::Tensor& rewards) {
    return (expected_rewards(tau, rewards).index_select(1, planner_.states()) * counted)
        .contiguous();
  };
  const Levelled of(world);
  const at::Tensor r = expected(of.rewards), size = expected(of.sizes);
  const ShapingProjection shaping(planner_.tau(), world.gamma(), at::ones_like(r[0]));
  unit_ = shaping.residual(r).contiguous();
  noise_ = at::empty_like(unit_);
  const at::Tensor scale = shaping.scale(r, size).flatten(1).amax(-1);
  size_ = unit_.flatten(1).abs().amax(-1);
  shaping_noise_ = shaping.noise(r, size);
  best_.resize(names_.size());
  worst_.resize(names_.size());
  highest_.resize(names_.size());
  range_.resize(names_.size());
  at::parallel_for(0, rewards(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      plan(i, r[i], size[i], scale[i].item<double>());
      highest_[at(i)] += of.offset[i].item<double>() / (1 - world.gamma());
      require_finite(highest_[at(i)], names_[at(i)]);
    }
  });
}

std::span<const double> PolicyReturns::row(const at::Tensor& of, std::int64_t i) const {
  const std::int64_t size = unit_.size(1) * unit_.size(2);
  return {of.const_data_ptr<double>() + i * size, static_cast<std::size_t>(size)};
}

void PolicyReturns::plan(std::int64_t i, const at::Tensor& r, const at::Tensor& size,
                         double scale) {
  require_finite(scale, names_[at(i)]);
  const auto noise = shaping_noise_[i].item<double>();
  if (std::isfinite(noise) && size_[i].item<double>() <= noise) unit_[i].zero_();
  noise_[i].fill_(kLeft * scale);
  plan_ends(i);
  if (!trivial(i)) plan_whole(i, r, size);
  highest_[at(i)] = planner_.returns(best_[at(i)], row(r, 0));
  if (trivial(i)) return;
  unit_[i].div_(range(i));
  noise_[i].div_(range(i));
}

void PolicyReturns::plan_ends(std::int64_t i) {
  best_[at(i)] = planner_.best(unit(i));
  worst_[at(i)] = planner_.best(combined(-1, unit(i), 0, unit(i)));
  range_[at(i)] = std::max(
      0.0, planner_.returns(best_[at(i)], unit(i)) - planner_.returns(worst_[at(i)], unit(i)));
}

void PolicyReturns::plan_whole(std::int64_t i, const at::Tensor& r, const at::Tensor& size) {
  // No value is above the largest entry over 1 - gamma.
  const double steps = 1 / (1 - gamma_), left = noise_[i].max().item<double>();
  if (steps * (left + kLeft * steps * size_[i].item<double>()) <= kExact * range(i)) return;
  const double projected = planner_.error(unit(i), best_[at(i)], row(noise_, i));
  if (projected <= kExact * range(i)) return;
  const at::Tensor noise = kLeft * size;
  const double whole = planner_.error(row(r, 0), best_[at(i)], row(noise, 0));
  if (!(whole < projected)) return;
  unit_[i].copy_(r);
  noise_[i].copy_(noise);
  shaping_noise_[i].mul_(whole / projected);
  plan_ends(i);
  if (trivial(i)) unit_[i].zero_();
}

bool PolicyReturns::trivial(std::int64_t i) const { return range(i) == 0; }

std::vector<std::string> PolicyReturns::trivial() const {
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < rewards(); ++i) {
    if (trivial(i)) out.push_back(names_[at(i)]);
  }
  return out;
}

std::vector<std::string> PolicyReturns::uncertain() const {
  return uncertain_digits("projected", size_, shaping_noise_, names_);
}

std::vector<std::string> PolicyReturns::uncertain_optima() const {
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < rewards(); ++i) {
    if (trivial(i)) continue;
    const double lost = planner_.lost_in_ties(unit(i), best_[at(i)], row(noise_, i));
    if (lost >= kSureReturns) out.push_back(open_optima(names_[at(i)], lost));
  }
  return out;
}

double PolicyReturns::span_distance(std::int64_t i, std::int64_t j) const {
  const std::vector<double> r = combined(1, unit(i), -1, unit(j));
  const std::vector<double> reverse = combined(-1, unit(i), 1, unit(j));
  return within(
      planner_.returns(planner_.best(r), r) + planner_.returns(planner_.best(reverse), reverse), 2);
}

// Of a plan: some eliminations.
std::int64_t PolicyReturns::work() const {
  const std::int64_t N = planner_.states().size(0);
  return N * N * N;
}

at::Tensor PolicyReturns::span_distances() const {
  const at::Tensor out = at::zeros({rewards(), rewards()}, at::kDouble);
  double* const cells = out.mutable_data_ptr<double>();
  each_pair(rewards(), work(), [&](std::int64_t i, std::int64_t j) {
    if (i >= j) return;
    cells[i * rewards() + j] = cells[j * rewards() + i] = span_distance(i, j);
  });
  return out;
}

PolicyReturns::WorstCase PolicyReturns::worst_case(std::int64_t i, std::int64_t j) const {
  WorstCase out;
  if (trivial(i)) return out;
  const RangeOfDifference f(planner_, unit(i), unit(j));
  Lines lines;
  lines.add(f.at(0, best_[at(i)], worst_[at(i)]));
  // At 2 the better policy is nearly that of -R_j.
  if (!lines.done()) lines.add(f.at(2, worst_[at(j)], best_[at(j)]));
  while (!lines.done()) {
    const Plans& near = lines.falling().attained;
    lines.add(f.at(lines.lambda(), near.high, near.low));
    if (lines.evaluations() < kMostLines) continue;
    throw Error(ErrorKind::numeric, cat("the worst-case regret of '", names_[at(i)], "' and '",
                                        names_[at(j)], "' is not found in ", kMostLines, " plans"))
        .with_help("use a smaller gamma: differences of returns are lost in rounding");
  }
  const double t = lines.falling_share();
  const Plans &falling = lines.falling().attained, &rising = lines.rising().attained;
  out.regret = within(lines.minimum(), 1);
  out.lambda = trivial(j) ? 0 : lines.lambda() * range(i) / range(j);
  out.better = mixture(falling.high, rising.high, t, unit_.size(2));
  out.followed = mixture(falling.low, rising.low, t, unit_.size(2));
  out.evaluations = lines.evaluations();
  return out;
}

PolicyReturns::Regret PolicyReturns::regret(std::int64_t i, std::int64_t j) const {
  if (trivial(i)) return {};
  const std::vector<std::uint8_t> optimal =
      planner_.optimal_actions(unit(j), best_[at(j)], row(noise_, j));
  const double most = planner_.returns(best_[at(i)], unit(i));
  const auto lost = [&](double sign) {
    const Plan plan = planner_.best(combined(sign, unit(i), 0, unit(i)), {}, optimal);
    return within(most - planner_.returns(plan, unit(i)), 1);
  };
  return {lost(-1), lost(1)};
}

std::vector<PolicyReturns::WorstCase> PolicyReturns::worst_cases() const {
  std::vector<WorstCase> out(at(rewards() * rewards()));
  each_pair(rewards(), work(), [&](std::int64_t i, std::int64_t j) {
    if (i != j) out[at(i * rewards() + j)] = worst_case(i, j);
  });
  return out;
}

std::vector<PolicyReturns::Regret> PolicyReturns::regrets() const {
  std::vector<Regret> out(at(rewards() * rewards()));
  each_pair(rewards(), work(),
            [&](std::int64_t i, std::int64_t j) { out[at(i * rewards() + j)] = regret(i, j); });
  return out;
}

}  // namespace saffron::inline sdk_v1::rewards
