#include "ops/cpu/vector.h"
#include "src/rewards/policy_system.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_planning.h>

#include <ATen/ops/nonzero.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTie = 1e-11;
// An action this much better, relative to the largest |Q|, is better by more than rounding.
constexpr double kBetter = 16 * kEpsilon;

// Q(s, a) = r(s, a) + gamma sum_s' V(s') tau(s' | s, a), of arrivals [s', (s, a)].
SAFFRON_CLONES void add_next(std::int64_t pairs, std::int64_t states, double gamma,
                             const double* arrivals, const double* V, const double* r, double* Q) {
  std::copy(r, r + pairs, Q);
  for (std::int64_t s = 0; s < states; ++s) {
    const double factor = gamma * V[s];
    const double* row = arrivals + s * pairs;
    for (std::int64_t k = 0; k < pairs; ++k) Q[k] += factor * row[k];
  }
}

}  // namespace

// One policy after another, each with its values.
class Planner::Iteration {
 public:
  Iteration(const Planner& planner, std::span<const double> r,
            std::span<const std::uint8_t> allowed)
      : planner_(planner),
        n_(planner.size_),
        A_(planner.actions_),
        r_(r),
        allowed_(allowed),
        system_(n_, planner.gamma_),
        actions_(index(n_)),
        V_(index(n_)),
        Q_(index(n_ * A_)) {}

  void begin(std::span<const std::int64_t> actions) {
    std::copy(actions.begin(), actions.end(), actions_.begin());
  }
  void begin_greedy() {
    for (std::int64_t s = 0; s < n_; ++s) actions_[index(s)] = best_of(r_, s);
  }
  // To the policy that no action improves on.
  void run() {
    double sum = -std::numeric_limits<double>::infinity();
    do {
      evaluate();
      double next = 0;
      for (const double v : V_) next += v;
      if (!(next > sum)) return;  // no state's value falls, so that only rounding is left
      sum = next;
    } while (improve());
  }
  void evaluate() {
    factorise();
    for (std::int64_t s = 0; s < n_; ++s) V_[index(s)] = r_[index(s * A_ + actions_[index(s)])];
    system_.solve(V_.data());
    for (const double v : V_) require_finite(v);
    add_next(n_ * A_, n_, planner_.gamma_, planner_.arrivals_.const_data_ptr<double>(), V_.data(),
             r_.data(), Q_.data());
    largest_ = 0;
    for (const double q : Q_) largest_ = std::max(largest_, std::abs(q));
  }
  [[nodiscard]] Plan plan() {
    std::vector<double> visits(index(n_));
    const double* mu0 = planner_.mu0_.const_data_ptr<double>();
    std::copy(mu0, mu0 + n_, visits.begin());
    system_.solve_transposed(visits.data());
    for (double& x : visits) {
      require_finite(x);
      x = std::max(x, 0.0);
    }
    return {actions_, std::move(visits)};
  }
  void factorise() {
    const double* tau = planner_.tau_.const_data_ptr<double>();
    system_.assign([&](std::int64_t s) { return tau + (s * A_ + actions_[index(s)]) * n_; });
  }
  [[nodiscard]] std::vector<std::uint8_t> ties(double tolerance) const {
    std::vector<std::uint8_t> out(Q_.size());
    for (std::int64_t s = 0; s < n_; ++s) {
      const double most = Q_[index(s * A_ + best_of(Q_, s))];
      for (std::int64_t k = s * A_; k < (s + 1) * A_; ++k) {
        out[index(k)] = Q_[index(k)] >= most - tolerance ? 1 : 0;
      }
    }
    return out;
  }
  [[nodiscard]] double largest() const { return largest_; }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  [[nodiscard]] std::int64_t best_of(std::span<const double> x, std::int64_t s) const {
    std::int64_t best = -1;
    for (std::int64_t a = 0; a < A_; ++a) {
      const std::size_t k = index(s * A_ + a);
      if (!allowed_.empty() && allowed_[k] == 0) continue;
      if (best < 0 || x[k] > x[index(s * A_ + best)]) best = a;
    }
    return best;
  }
  bool improve() {
    bool better = false;
    for (std::int64_t s = 0; s < n_; ++s) {
      const std::int64_t a = best_of(Q_, s);
      if (!(Q_[index(s * A_ + a)] > Q_[index(s * A_ + actions_[index(s)])] + kBetter * largest_)) {
        continue;
      }
      actions_[index(s)] = a;
      better = true;
    }
    return better;
  }
  void require_finite(double x) const {
    if (std::isfinite(x)) return;
    throw Error(ErrorKind::numeric, cat("a policy's values are not finite at gamma = ",
                                        planner_.gamma_, ": rounding is all that is left of them"))
        .with_help("use a smaller gamma");
  }

  const Planner& planner_;
  std::int64_t n_, A_;
  std::span<const double> r_;
  std::span<const std::uint8_t> allowed_;
  PolicySystem system_;
  std::vector<std::int64_t> actions_;
  std::vector<double> V_, Q_;
  double largest_ = 0;  // of |Q|
};

Planner::Planner(const TabularWorld& world)
    : states_(at::nonzero(reachable_states(world)).view(-1)),
      tau_(world.transitions().dense.index_select(0, states_).index_select(2, states_)),
      arrivals_(tau_.flatten(0, 1).t().contiguous()),
      mu0_(world.mu0().index_select(0, states_)),
      gamma_(world.gamma()),
      size_(states_.size(0)),
      actions_(world.transitions().actions) {}

Plan Planner::best(std::span<const double> r, std::span<const std::int64_t> start,
                   std::span<const std::uint8_t> allowed) const {
  Iteration iteration(*this, r, allowed);
  start.empty() ? iteration.begin_greedy() : iteration.begin(start);
  iteration.run();
  return iteration.plan();
}

Plan Planner::plan(std::span<const std::int64_t> actions) const {
  Iteration iteration(*this, {}, {});
  iteration.begin(actions);
  iteration.factorise();
  return iteration.plan();
}

std::vector<std::uint8_t> Planner::optimal_actions(std::span<const double> r,
                                                   std::span<const std::int64_t> start,
                                                   double noise) const {
  Iteration iteration(*this, r, {});
  start.empty() ? iteration.begin_greedy() : iteration.begin(start);
  iteration.run();
  const double rounding = std::max(kTie, 8 * kEpsilon / (1 - gamma_)) * iteration.largest();
  return iteration.ties(rounding + 2 * noise / (1 - gamma_));
}

double Planner::returns(const Plan& plan, std::span<const double> r) const {
  double sum = 0;
  for (std::size_t s = 0; s < plan.actions.size(); ++s) {
    sum += plan.visits[s] *
           r[s * static_cast<std::size_t>(actions_) + static_cast<std::size_t>(plan.actions[s])];
  }
  return sum;
}

}  // namespace saffron::inline sdk_v1::rewards
