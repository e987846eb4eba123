#pragma once

#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

// What policies earn in a tabular world: exact planning, and the regret of going by one reward where
// another counts. J is the expected return from mu0, range(R) = max J - min J over policies, and
// R° = R / range(R), or 0 where no policy beats another. All in float64; const functions may be
// called from several threads at once.

namespace saffron::inline sdk_v1::rewards {

// A deterministic policy of the N states that some policy reaches from mu0.
struct Plan {
  std::vector<std::int64_t> actions;  // [N]
  std::vector<double> visits;         // eta(s) = sum_t gamma^t P(s_t = s) [N]
};

// Rewards here are expected ones, r(s, a): N * A numbers, row by row.
class SAFFRON_EXPORT Planner {
 public:
  explicit Planner(const TabularWorld& world);

  [[nodiscard]] const at::Tensor& states() const { return states_; }  // the world's, int64 [N]
  [[nodiscard]] const at::Tensor& tau() const { return tau_; }        // [N, A, N]

  // argmax J_r by policy iteration, evaluating exactly: from the actions `start`, or else from the
  // greedy ones; among those `allowed`, N * A flags, or else all. Ties go to the earlier policy's
  // action, then to the lowest. Error (numeric) when values are not finite.
  [[nodiscard]] Plan best(std::span<const double> r, std::span<const std::int64_t> start = {},
                          std::span<const std::uint8_t> allowed = {}) const;
  // The plan of these actions.
  [[nodiscard]] Plan plan(std::span<const std::int64_t> actions) const;
  // Whether Q(s, a) = V(s) of the policy that maximises J_r, which `best` does up to rounding: N * A
  // flags. Equal are values that differ by what rounding may make of equal ones: 1e-11 of the sizes of
  // their terms, |r| + gamma sum tau |V|, or each by 4 eps of these and of all that follows, and by what
  // errors of up to `noise` [N * A] in r may.
  [[nodiscard]] std::vector<std::uint8_t> optimal_actions(std::span<const double> r,
                                                          const Plan& best,
                                                          std::span<const double> noise = {}) const;
  // How much of J a policy may lose that is taken for optimal by such flags.
  [[nodiscard]] double lost_in_ties(std::span<const double> r, const Plan& best,
                                    std::span<const double> noise = {}) const;
  // How far rounding, and errors of up to `noise` in r, may put J_r of a plan off.
  [[nodiscard]] double error(std::span<const double> r, const Plan& plan,
                             std::span<const double> noise = {}) const;
  // J_r.
  [[nodiscard]] double returns(const Plan& plan, std::span<const double> r) const;

 private:
  class Iteration;

  at::Tensor states_, tau_, arrivals_, mu0_;  // arrivals: tau [s', (s, a)]
  double gamma_;
  std::int64_t size_, actions_;
};

// The returns of all rewards of a world. Potential shaping is projected away before anything is
// planned: it changes no difference of returns, and swamps them where potentials are large. A
// projection's rounding is as large in small entries as in large ones; where it leaves more of the
// returns open than that of the reward as it is, the latter is planned.
class SAFFRON_EXPORT PolicyReturns {
 public:
  // Error (numeric) when a reward overflows float64.
  PolicyReturns(const TabularWorld& world, std::vector<std::string> names);

  [[nodiscard]] std::int64_t rewards() const { return static_cast<std::int64_t>(names_.size()); }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] const Planner& planner() const { return planner_; }
  [[nodiscard]] bool trivial(std::int64_t i) const;        // no policy beats another
  [[nodiscard]] std::vector<std::string> trivial() const;  // the names of these
  // "reward 'x' is nearly all potential shaping: ...", where fewer than three digits are certain.
  [[nodiscard]] std::vector<std::string> uncertain() const;
  // Rewards of which rounding leaves open what is optimal, as `regret` asks: a sentence each.
  [[nodiscard]] std::vector<std::string> uncertain_optima() const;
  [[nodiscard]] const Plan& best(std::int64_t i) const { return best_[at(i)]; }    // argmax J
  [[nodiscard]] const Plan& worst(std::int64_t i) const { return worst_[at(i)]; }  // argmin J
  [[nodiscard]] double highest(std::int64_t i) const { return highest_[at(i)]; }   // max J
  [[nodiscard]] double range(std::int64_t i) const { return range_[at(i)]; }       // max J - min J

  // range(R_i° - R_j°), in [0, 2].
  [[nodiscard]] double span_distance(std::int64_t i, std::int64_t j) const;
  [[nodiscard]] at::Tensor span_distances() const;  // [R, R]

  // max { J_i(pi) - J_i(pi') : J_j(pi') >= J_j(pi) } / range(R_i), in [0, 1]: what one may lose of
  // reward i by going by reward j; 0 where reward i is trivial. By duality it is
  //
  //   min over lambda >= 0 of range(R_i - lambda R_j) / range(R_i),
  //
  // convex and piecewise linear in lambda: each plan yields a line that supports it.
  struct WorstCase {
    double regret = 0;
    std::optional<double> lambda;  // none where reward i is trivial
    // pi and pi', P(a | s) [N, A], rows 0 in states that they do not reach; undefined where reward
    // i is trivial.
    at::Tensor better, followed;
    int evaluations = 0;  // of the function of lambda, two plans each
  };
  [[nodiscard]] WorstCase worst_case(std::int64_t i, std::int64_t j) const;
  // R * R, row-major; nothing is lost by going by the reward itself.
  [[nodiscard]] std::vector<WorstCase> worst_cases() const;

  // (max J_i - J_i(pi)) / range(R_i) for the worst and the best policy pi for reward i among those
  // that maximise J_j, as far as rounding lets one tell; 0 where reward i is trivial.
  struct Regret {
    double pessimistic = 0, optimistic = 0;
  };
  [[nodiscard]] Regret regret(std::int64_t i, std::int64_t j) const;
  [[nodiscard]] std::vector<Regret> regrets() const;  // R * R, row-major

 private:
  void plan(std::int64_t i, const at::Tensor& r, const at::Tensor& size, double scale);
  void plan_ends(std::int64_t i);
  // Instead of its projection, where that loses more to rounding.
  void plan_whole(std::int64_t i, const at::Tensor& r, const at::Tensor& size);
  [[nodiscard]] static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] std::span<const double> row(const at::Tensor& of, std::int64_t i) const;
  [[nodiscard]] std::span<const double> unit(std::int64_t i) const { return row(unit_, i); }
  [[nodiscard]] std::int64_t work() const;

  Planner planner_;
  std::vector<std::string> names_;
  double gamma_;
  at::Tensor unit_;   // R° [R, N, A], without shaping
  at::Tensor noise_;  // what rounding may have left in its entries [R, N, A]
  std::vector<Plan> best_, worst_;
  std::vector<double> highest_, range_;
  at::Tensor size_, shaping_noise_;  // of what shaping leaves of R, and of nothing: [R]
};

}  // namespace saffron::inline sdk_v1::rewards
