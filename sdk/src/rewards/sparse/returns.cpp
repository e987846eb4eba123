#include "src/rewards/sparse/columns.h"

#include <saffron/error.h>
#include <saffron/reward_sparse.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr double kFlat = 1e-12;
constexpr double kOnLine = 1e-12;
constexpr int kEvaluations = 1'000;

at::Tensor factors(std::initializer_list<double> of) { return columns::tensor(of); }

// f(i, j) of all ordered pairs, which are independent.
template <class F>
void each_pair(std::int64_t count, F f) {
  at::parallel_for(0, count * count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) f(at / count, at % count);
  });
}

double within(double x, double high) { return std::clamp(x, 0.0, high); }

// A line that supports f(lambda) = range(R_i° - lambda R_j°), where f lies above it there, and how far
// both may be off.
struct Line {
  double intercept = 0, slope = 0, high = 0, error = 0;
  [[nodiscard]] double at(double lambda) const { return intercept + lambda * slope; }
};

class RangeOfDifference {
 public:
  using Best = std::function<SparsePlan(const at::Tensor& factors, const SparsePlan* start)>;
  explicit RangeOfDifference(Best best) : best_(std::move(best)) {}

  [[nodiscard]] Line at(double lambda) {
    most_ = best_(factors({1, -lambda}), evaluations > 0 ? &most_ : nullptr);
    least_ = best_(factors({-1, lambda}), evaluations > 0 ? &least_ : nullptr);
    ++evaluations;
    const at::Tensor gain = most_.returns - least_.returns, error = most_.errors + least_.errors;
    return {gain[0].item<double>(), -gain[1].item<double>(), most_.high + least_.high,
            error[0].item<double>() + lambda * error[1].item<double>()};
  }

  int evaluations = 0;

 private:
  Best best_;
  SparsePlan most_, least_;
};

}  // namespace

SparseReturns::SparseReturns(const TabularWorld& world, std::vector<std::string> names,
                             Effort effort)
    : planner_(world, effort), names_(std::move(names)), gamma_(world.gamma()) {
  const SparseMatrix& tau = planner_.tau();
  const at::Tensor counted =
      counted_states(world).to(at::kDouble).repeat_interleave(tau.rows / tau.columns).unsqueeze(-1);
  const Levelled of(world);
  const at::Tensor r = expected_on_support(tau, of.rewards) * counted;
  const at::Tensor sizes = expected_on_support(tau, of.sizes) * counted;
  const at::Tensor uniform =
      at::full_like(world.policy(), 1.0 / static_cast<double>(world.policy().size(1)));
  const SparseAdvantage left(tau, world.gamma(), uniform, r, sizes, effort);
  values_ = left.solved;
  unit_ = left.values.clone();
  offsets_ = columns::means(world.mu0(), left.potential) + of.offset / (1 - world.gamma());
  size_ = columns::largest(unit_);
  noise_ = left.noise;
  best_.resize(names_.size());
  worst_.resize(names_.size());
  highest_.resize(names_.size());
  range_.resize(names_.size());
  for (std::int64_t i = 0; i < rewards(); ++i) plan(i);
}

// In units of the largest |r|, then of the range.
void SparseReturns::plan(std::int64_t i) {
  const at::Tensor column = unit_.select(1, i);
  const double offset = offsets_[i].item<double>(), size = size_[i].item<double>();
  if (!std::isfinite(size) || !std::isfinite(offset)) {
    throw Error(ErrorKind::numeric,
                cat("the returns of reward '", names_[at(i)], "' overflow float64"))
        .with_help("scale it down: relative regret does not see the scale");
  }
  if (size <= noise_[i].item<double>()) {
    column.zero_();
    highest_[at(i)] = offset;
    return;
  }
  const at::Tensor r = (column / size).unsqueeze(-1);
  best_[at(i)] = planner_.best(r, factors({1}));
  worst_[at(i)] = planner_.best(r, factors({-1}));
  planned_.iterations += best_[at(i)].iterations + worst_[at(i)].iterations;
  const SparsePlan &best = best_[at(i)], &worst = worst_[at(i)];
  const double low = best.low + worst.low, high = best.high + worst.high;
  highest_[at(i)] = offset + size * (best.low + best.high) / 2;
  if (low <= 0) {  // no policy beats another by more than what planning leaves open
    column.zero_();
    return;
  }
  const double range = (low + high) / 2;
  range_[at(i)] = {size * range, size * (high - low) / 2};
  column.div_(size * range);
  for (SparsePlan* of : {&best_[at(i)], &worst_[at(i)]}) {
    of->values = of->values / range;
    of->optimal = of->optimal / range;
    of->low /= range;
    of->high /= range;
    of->returns = of->returns / range;
    of->errors = of->errors / range;
  }
}

std::vector<std::string> SparseReturns::trivial() const {
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < rewards(); ++i) {
    if (trivial(i)) out.push_back(names_[at(i)]);
  }
  return out;
}

double SparseReturns::relative(std::int64_t i) const {
  return trivial(i) ? 0 : range(i).error / range(i).value;
}

at::Tensor SparseReturns::pair(std::int64_t i, std::int64_t j) const {
  return at::stack({unit_.select(1, i), unit_.select(1, j)}, 1);
}

SparsePlan SparseReturns::noted(SparsePlan plan) const {
  const std::lock_guard lock(mutex_);
  planned_.iterations += plan.iterations;
  planned_.bound = std::max(planned_.bound, (plan.high - plan.low) / 2);
  planned_.residual = planned_.bound * (1 - gamma_);
  return plan;
}

Bounded SparseReturns::span_distance(std::int64_t i, std::int64_t j) const {
  const at::Tensor both = pair(i, j);
  const SparsePlan most = noted(planner_.best(both, factors({1, -1})));
  const SparsePlan least = noted(planner_.best(both, factors({-1, 1})));
  const double low = most.low + least.low, high = most.high + least.high;
  return {within((low + high) / 2, 2), (high - low) / 2 + relative(i) + relative(j)};
}

// As PolicyReturns::worst_case. f lies above all its lines and its minimum below every value of it.
SparseReturns::WorstCase SparseReturns::worst_case(std::int64_t i, std::int64_t j) const {
  WorstCase out;
  if (trivial(i)) return out;
  RangeOfDifference f([this, both = pair(i, j)](const at::Tensor& by, const SparsePlan* start) {
    return noted(planner_.best(both, by, start));
  });
  Line falling = f.at(0), rising = falling;
  double lambda = 0, upper = falling.high;
  if (falling.slope < -kFlat) {
    rising = f.at(2);
    upper = std::min(upper, rising.high);
  }
  while (falling.slope < -kFlat) {
    lambda = (falling.intercept - rising.intercept) / (rising.slope - falling.slope);
    const Line line = f.at(lambda);
    upper = std::min(upper, line.high);
    if (line.at(lambda) <= falling.at(lambda) + kOnLine + 2 * line.error) break;
    if (std::abs(line.slope) <= kFlat) {
      falling = rising = line;
      break;
    }
    (line.slope < 0 ? falling : rising) = line;
    if (f.evaluations < kEvaluations) continue;
    throw Error(ErrorKind::numeric,
                cat("the worst-case regret of '", names_[at(i)], "' and '", names_[at(j)],
                    "' is not found in ", kEvaluations, " plans"))
        .with_help("use a smaller gamma: differences of returns are lost in rounding");
  }
  const double steep = rising.slope - falling.slope;
  const double t = steep > 0 ? rising.slope / steep : 1;
  const double value = t * falling.intercept + (1 - t) * rising.intercept;
  const double lower = value - falling.error - rising.error;
  out.regret = {within(value, 1), std::max(upper - value, value - lower) + relative(i)};
  out.lambda = trivial(j) ? 0 : lambda * range(i).value / range(j).value;
  out.evaluations = f.evaluations;
  return out;
}

SparsePlanner::Ties SparseReturns::ties(std::int64_t i) const {
  return planner_.ties(unit_.select(1, i).unsqueeze(-1).contiguous(), best_[at(i)], kTieOfActions);
}

std::vector<std::string> SparseReturns::uncertain_optima() const {
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < rewards(); ++i) {
    if (trivial(i)) continue;
    const double lost = planner_.lost_in_ties(ties(i), kSureReturns);
    if (lost >= kSureReturns) out.push_back(open_optima(names_[at(i)], lost));
  }
  return out;
}

SparseReturns::Regret SparseReturns::regret(std::int64_t i, std::int64_t j) const {
  if (trivial(i)) return {};
  const at::Tensor r = unit_.select(1, i).unsqueeze(-1).contiguous();
  const SparsePlan& most = best_[at(i)];
  at::Tensor allowed;
  if (!trivial(j)) allowed = ties(j).optimal;
  const auto lost = [&](double sign) -> Bounded {
    const SparsePlan plan = noted(planner_.best(r, factors({sign}), nullptr, allowed));
    const double J = sign * (plan.low + plan.high) / 2;
    return {within(most.returns[0].item<double>() - J, 1),
            (plan.high - plan.low) / 2 + most.errors[0].item<double>() + relative(i)};
  };
  return {lost(-1), lost(1)};
}

std::vector<Bounded> SparseReturns::span_distances() const {
  std::vector<Bounded> out(at(rewards() * rewards()));
  each_pair(rewards(), [&](std::int64_t i, std::int64_t j) {
    if (i < j) out[at(i * rewards() + j)] = out[at(j * rewards() + i)] = span_distance(i, j);
  });
  return out;
}

std::vector<SparseReturns::WorstCase> SparseReturns::worst_cases() const {
  std::vector<WorstCase> out(at(rewards() * rewards()));
  each_pair(rewards(), [&](std::int64_t i, std::int64_t j) {
    if (i != j) out[at(i * rewards() + j)] = worst_case(i, j);
  });
  return out;
}

std::vector<SparseReturns::Regret> SparseReturns::regrets() const {
  std::vector<Regret> out(at(rewards() * rewards()));
  each_pair(rewards(),
            [&](std::int64_t i, std::int64_t j) { out[at(i * rewards() + j)] = regret(i, j); });
  return out;
}

std::vector<Solved> SparseReturns::solved() const {
  const std::lock_guard lock(mutex_);
  return {values_, planned_};
}

std::vector<std::string> SparseReturns::uncertain() const {
  return uncertain_digits("projected", size_, noise_, names_);
}

}  // namespace saffron::inline sdk_v1::rewards
