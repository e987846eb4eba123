#pragma once

#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What policies earn in a tabular world: exact planning, and the regret of going by one reward where
// another counts. J is the expected return from mu0, range(R) = max J - min J over policies, and
// R° = R / range(R), or 0 where no policy beats another. All in float64; const functions may be
// called from several threads at once.

namespace saffron::inline sdk_v1::rewards {

// Deterministic policies of the N states that some policy reaches from mu0: int64 [N], an action
// each. Rewards here are expected ones, r(s, a) [N, A].
class SAFFRON_EXPORT Planner {
 public:
  explicit Planner(const TabularWorld& world);

  [[nodiscard]] const at::Tensor& states() const { return states_; }  // the world's, int64 [N]
  [[nodiscard]] const at::Tensor& tau() const { return tau_; }        // [N, A, N]

  // argmax J_r by policy iteration, evaluating exactly: from the policy `start`, or else from the
  // greedy one; among the actions `allowed`, bool [N, A], or else all. Ties go to the earlier
  // policy's action, then to the lowest. Error (numeric) when values are not finite.
  [[nodiscard]] at::Tensor best(const at::Tensor& r, const at::Tensor& allowed = {},
                                const at::Tensor& start = {}) const;
  // Whether Q(s, a) = V(s) of the policy that maximises J_r, up to 1e-11 of the largest |Q|:
  // bool [N, A]. `start` as of best().
  [[nodiscard]] at::Tensor optimal_actions(const at::Tensor& r, const at::Tensor& start = {}) const;
  // J of rewards [K, N, A]: [K].
  [[nodiscard]] at::Tensor returns(const at::Tensor& policy, const at::Tensor& rewards) const;
  // eta(s) = sum_t gamma^t P(s_t = s): [N].
  [[nodiscard]] at::Tensor occupancy(const at::Tensor& policy) const;

 private:
  [[nodiscard]] at::Tensor system(const at::Tensor& policy) const;
  [[nodiscard]] at::Tensor values(const at::Tensor& policy, const at::Tensor& rewards) const;
  [[nodiscard]] at::Tensor action_values(const at::Tensor& r, const at::Tensor& V) const;

  at::Tensor states_, tau_, mu0_;
  double gamma_;
};

// The returns of all rewards of a world. Potential shaping is projected away before anything is
// planned: it changes no difference of returns, and swamps them where potentials are large.
class SAFFRON_EXPORT PolicyReturns {
 public:
  // Error (numeric) when a reward overflows float64.
  PolicyReturns(const TabularWorld& world, std::vector<std::string> names);

  [[nodiscard]] std::int64_t rewards() const { return static_cast<std::int64_t>(names_.size()); }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] const Planner& planner() const { return planner_; }
  [[nodiscard]] bool trivial(std::int64_t i) const;        // no policy beats another
  [[nodiscard]] std::vector<std::string> trivial() const;  // the names of these
  [[nodiscard]] double highest(std::int64_t i) const { return highest_[at(i)]; }  // max J
  [[nodiscard]] double range(std::int64_t i) const { return range_[at(i)]; }      // max J - min J

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
  // that maximise J_j; 0 where reward i is trivial.
  struct Regret {
    double pessimistic = 0, optimistic = 0;
  };
  [[nodiscard]] Regret regret(std::int64_t i, std::int64_t j) const;
  [[nodiscard]] std::vector<Regret> regrets() const;  // R * R, row-major

 private:
  void plan(std::int64_t i, const at::Tensor& r, double scale);
  [[nodiscard]] static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

  Planner planner_;
  std::vector<std::string> names_;
  at::Tensor unit_;  // R° [R, N, A], without shaping
  std::vector<at::Tensor> best_, worst_;
  std::vector<double> highest_, range_;
};

}  // namespace saffron::inline sdk_v1::rewards
