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
constexpr double kRoundingOfQ = 4 * kEpsilon;  // relative to the sizes of its terms
// An action this much better, relative to the largest |Q|, is better by more than rounding.
constexpr double kBetter = 4 * kRoundingOfQ;
// Policies in a row that only states gain by which are small beside others.
constexpr int kSmallGains = 100;
constexpr double kNoTie = std::numeric_limits<double>::infinity();

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
    int small = 0;
    do {
      evaluate();
      double next = 0;
      for (const double v : V_) next += v;
      // No state's value falls. Where the sum does not rise, only rounding is left, or states gained
      // whose values vanish beside the largest.
      if (next > sum) {
        sum = next;
        small = 0;
      } else if (!small_gain_ || ++small > kSmallGains) {
        return;
      }
    } while (improve());
  }
  void evaluate() {
    factorise();
    for (std::int64_t s = 0; s < n_; ++s) V_[index(s)] = r_[index(s * A_ + actions_[index(s)])];
    system_.solve(V_.data());
    for (const double v : V_) require_finite(v);
    with_next(V_, r_, Q_);
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
  // How much worse than its state's best each action may be and pass for as good, given what errors
  // r may have: [n, A], and infinite where it does not.
  [[nodiscard]] std::vector<double> ties(std::span<const double> noise) {
    const Sizes of = sizes(noise);
    std::vector<double> out(Q_.size(), kNoTie);
    for (std::int64_t s = 0; s < n_; ++s) {
      const std::size_t best = index(s * A_ + best_of(Q_, s));
      for (std::size_t k = index(s * A_); k < index((s + 1) * A_); ++k) {
        const double apart =
            std::max(kTie * std::max(of.terms[k], of.terms[best]), of.errors[k] + of.errors[best]);
        if (Q_[k] >= Q_[best] - apart) out[k] = apart;
      }
    }
    return out;
  }
  // What rounding and errors in r may make of J.
  [[nodiscard]] double error(std::span<const double> noise) {
    const Sizes of = sizes(noise);
    const double* mu0 = planner_.mu0_.const_data_ptr<double>();
    double sum = 0;
    for (std::int64_t s = 0; s < n_; ++s) {
      sum += mu0[s] * of.errors[index(s * A_ + actions_[index(s)])];
    }
    return sum;
  }

 private:
  // Of each Q(s, a): the sizes of its terms, |r| + gamma sum tau |V|, and what rounding of these and
  // of all that follows by the policy may make of it.
  struct Sizes {
    std::vector<double> terms, errors;
  };

  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  [[nodiscard]] Sizes sizes(std::span<const double> noise = {}) {
    Sizes out{std::vector<double>(Q_.size()), std::vector<double>(Q_.size())};
    std::vector<double> own(Q_.size()), next(V_.size());
    std::ranges::transform(r_, own.begin(), [](double r) { return std::abs(r); });
    std::ranges::transform(V_, next.begin(), [](double v) { return std::abs(v); });
    with_next(next, own, out.terms);
    for (std::size_t k = 0; k < own.size(); ++k) {
      own[k] = kRoundingOfQ * out.terms[k] + (noise.empty() ? 0 : noise[k]);
    }
    for (std::int64_t s = 0; s < n_; ++s) next[index(s)] = own[index(s * A_ + actions_[index(s)])];
    system_.solve(next.data());
    with_next(next, own, out.errors);
    return out;
  }
  // out = r + gamma sum tau next.
  void with_next(std::span<const double> next, std::span<const double> r,
                 std::span<double> out) const {
    add_next(n_ * A_, n_, planner_.gamma_, planner_.arrivals_.const_data_ptr<double>(), next.data(),
             r.data(), out.data());
  }

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
    std::vector<std::int64_t> better, doubtful;  // states
    for (std::int64_t s = 0; s < n_; ++s) {
      const double most = Q_[index(s * A_ + best_of(Q_, s))];
      const double now = Q_[index(s * A_ + actions_[index(s)])];
      if (most > now + kBetter * largest_) {
        better.push_back(s);
      } else if (most > now + kBetter * std::max(std::abs(most), std::abs(now))) {
        doubtful.push_back(s);
      }
    }
    if (!doubtful.empty()) drop_rounding(doubtful);
    small_gain_ = !doubtful.empty();
    better.insert(better.end(), doubtful.begin(), doubtful.end());
    for (const std::int64_t s : better) actions_[index(s)] = best_of(Q_, s);
    return !better.empty();
  }
  // Of states whose values are small beside others, those that gain more than rounding.
  void drop_rounding(std::vector<std::int64_t>& states) {
    const Sizes of = sizes();
    std::erase_if(states, [&](std::int64_t s) {
      const std::size_t most = index(s * A_ + best_of(Q_, s));
      const std::size_t now = index(s * A_ + actions_[index(s)]);
      return Q_[most] <= Q_[now] + of.errors[most] + of.errors[now];
    });
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
  double largest_ = 0;       // of |Q|
  bool small_gain_ = false;  // states of small values gained last
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

std::vector<std::uint8_t> Planner::optimal_actions(std::span<const double> r, const Plan& best,
                                                   std::span<const double> noise) const {
  Iteration iteration(*this, r, {});
  iteration.begin(best.actions);
  iteration.run();
  const std::vector<double> apart = iteration.ties(noise);
  std::vector<std::uint8_t> out(apart.size());
  std::ranges::transform(apart, out.begin(), [](double x) { return x < kNoTie ? 1 : 0; });
  return out;
}

double Planner::lost_in_ties(std::span<const double> r, const Plan& best,
                             std::span<const double> noise) const {
  Iteration iteration(*this, r, {});
  iteration.begin(best.actions);
  iteration.run();
  std::vector<double> lost = iteration.ties(noise);
  for (std::size_t s = 0; s < best.actions.size(); ++s) {
    lost[s * static_cast<std::size_t>(actions_) + static_cast<std::size_t>(best.actions[s])] = 0;
  }
  std::ranges::replace_if(lost, [](double x) { return !(x < kNoTie); }, 0.0);
  return returns(this->best(lost), lost);
}

double Planner::error(std::span<const double> r, const Plan& plan,
                      std::span<const double> noise) const {
  Iteration iteration(*this, r, {});
  iteration.begin(plan.actions);
  iteration.evaluate();
  return iteration.error(noise);
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
