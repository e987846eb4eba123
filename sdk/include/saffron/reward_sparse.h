#pragma once

#include <saffron/report.h>
#include <saffron/reward_metrics.h>
#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

// Rewards in worlds with sparse transitions, where no table of S x S fits: matrix-free products, and
// iterative solvers that say how far they may be from the solution. Rows are (s, a), numbered s A + a;
// rewards are columns. All in float64, with the same bits for any number of threads.

namespace saffron::inline sdk_v1::rewards {

// In compressed rows. Entries of one place add up.
struct SAFFRON_EXPORT SparseMatrix {
  std::int64_t rows = 0, columns = 0;
  at::Tensor offsets;  // int64 [rows + 1]
  at::Tensor places;   // int32 [nnz]
  at::Tensor values;   // float64 [nnz]

  [[nodiscard]] static SparseMatrix of(const Transitions& sparse);  // tau [S A, S]
  [[nodiscard]] SparseMatrix transposed() const;
  // Of tau: T[s, s'] = sum_a pi(a | s) tau[s, a, s'], pi [S, A], or int64 [S], an action each.
  [[nodiscard]] SparseMatrix chain(const at::Tensor& policy) const;
  // x [columns, K] -> [rows, K].
  [[nodiscard]] at::Tensor times(const at::Tensor& x) const;
};

// sum_s' tau[s, a, s'] R[s, a, s'] of rewards on the support [R, nnz]: [S A, R].
[[nodiscard]] SAFFRON_EXPORT at::Tensor expected_on_support(const SparseMatrix& tau,
                                                            const at::Tensor& rewards);
// Cells of forms that are constant in s', [S A], or that live on the support, [nnz].
[[nodiscard]] SAFFRON_EXPORT Cells cells_of(const SparseMatrix& tau, bool constant_in_successor);

// How much work a solver may do before it gives up.
struct SAFFRON_EXPORT Effort {
  int iterations = 20'000;  // of a Krylov solver
  int sweeps = 50'000;      // of Gauss-Seidel, where that solver gets no further
};

// What a solver did, for reports.
struct SAFFRON_EXPORT Solved {
  std::string what, solver;
  std::int64_t iterations = 0;
  double residual =
      0;             // the largest |residual| of a column, relative to its solution's largest entry
  double bound = 0;  // likewise of the error that follows
};
// A table of them.
[[nodiscard]] SAFFRON_EXPORT Block solver_block(const std::vector<Solved>& solved);

// V = (I - gamma T)^-1 r of a Markov chain T by BiCGStab, all columns side by side, preconditioned by a
// symmetric sweep of Gauss-Seidel, and by such sweeps alone where that stagnates. It follows from the
// residual e that |V - V*| <= |e| / (1 - gamma) in the largest norm.
class SAFFRON_EXPORT SparseEvaluation {
 public:
  SparseEvaluation(SparseMatrix chain, double gamma, Effort effort = {});

  struct Values {
    at::Tensor values;    // [S, K]
    at::Tensor residual;  // [K], the largest |r - (I - gamma T) V|
    std::int64_t iterations = 0;
    bool swept = false;
  };
  // From `start` [S, K], or 0, until |residual| is at most `target` [K], or, without one, at most
  // 1e-12 (1 - gamma) max |V|; in either case no smaller than rounding. Error (numeric) with the residual
  // reached.
  [[nodiscard]] Values solve(const at::Tensor& r, const at::Tensor& start = {},
                             const at::Tensor& target = {}) const;

 private:
  void iterate(const at::Tensor& r, const at::Tensor& target, Values& out) const;
  SparseMatrix chain_;
  double gamma_;
  Effort effort_;
};

// The advantages of a policy: c = r + gamma tau V - V. Potential shaping cancels in them, and a second
// solution, of what the first left, removes its error as well.
struct SAFFRON_EXPORT SparseAdvantage {
  at::Tensor values;     // [S A, R]
  at::Tensor potential;  // [S, R], V
  at::Tensor noise;      // [R], what rounding and the solver may leave of nothing
  Solved solved;

  // r and its `size`, the same of |R|: [S A, R].
  SparseAdvantage(const SparseMatrix& tau, double gamma, const at::Tensor& policy,
                  const at::Tensor& r, const at::Tensor& size, Effort effort = {});
};

// ShapingProjection by conjugate gradients on the least-squares problem (CGLS), whose condition number is
// that of P and not its square: r* = r + P Phi* [S A, R], and of how much of it may be rounding [R].
struct SAFFRON_EXPORT SparseProjection {
  at::Tensor residual, noise;
  Solved solved;

  // kappa [S A], positive.
  SparseProjection(const SparseMatrix& tau, double gamma, const at::Tensor& kappa,
                   const at::Tensor& r, const at::Tensor& size, Effort effort = {});
};

// A form and what its entries stand for.
struct SAFFRON_EXPORT SparseForm {
  Canonical form;
  Cells cells;
  Solved solved;
};
// Of x [S A, R], constant in s': [R, S A].
[[nodiscard]] SAFFRON_EXPORT Canonical settled_form(std::string name, const at::Tensor& x,
                                                    const at::Tensor& noise);

// ---- planning -----------------------------------------------------------------------------------

// The best policy for a combination sum_k f_k R_k of rewards, and what it earns of each.
struct SAFFRON_EXPORT SparsePlan {
  at::Tensor policy;           // int64 [S]
  at::Tensor values;           // [S, K] of each reward
  at::Tensor returns, errors;  // [K]: J of each reward, and how far it may be off
  at::Tensor optimal;          // [S], V of the best policy for the combination
  double low = 0, high = 0;    // and its return lies between
  std::int64_t rounds = 0, iterations = 0;
};

class SAFFRON_EXPORT SparsePlanner {
 public:
  explicit SparsePlanner(const TabularWorld& world, Effort effort = {});

  [[nodiscard]] const SparseMatrix& tau() const { return tau_; }
  // argmax J of the rewards [S A, K] combined by factors [K], by modified policy iteration, from an
  // earlier plan or the greedy policy, among the actions `allowed` [S, A] or all. Error (numeric) when
  // none is found.
  [[nodiscard]] SparsePlan best(const at::Tensor& rewards, const at::Tensor& factors,
                                const SparsePlan* start = nullptr,
                                const at::Tensor& allowed = {}) const;
  struct Ties {
    at::Tensor optimal;  // whether Q(s, a) = V(s) [S, A]
    at::Tensor apart;  // up to which difference that was said of an action that is not the best one
  };
  // For r [S A, 1] and its best plan, up to `tolerance` times the sizes of the terms of Q, |r| + gamma
  // sum tau |V|, or what V may be off.
  [[nodiscard]] Ties ties(const at::Tensor& r, const SparsePlan& plan, double tolerance) const;
  // How much of J a policy may lose that is taken for optimal so; a bound where that is below `enough`.
  [[nodiscard]] double lost_in_ties(const Ties& ties, double enough) const;

 private:
  struct Improvement {
    at::Tensor policy;
    double below, above;
  };
  [[nodiscard]] Improvement improved(const at::Tensor& Q, const at::Tensor& V,
                                     const at::Tensor& policy, const at::Tensor& allowed) const;
  [[nodiscard]] at::Tensor expected(const at::Tensor& V) const;  // sum_s' tau V(s'): [S, A]
  void sweep(const at::Tensor& r, const at::Tensor& allowed, const at::Tensor& V) const;
  void evaluate(const at::Tensor& rewards, const at::Tensor& factors, double target,
                SparsePlan& plan) const;
  [[nodiscard]] at::Tensor chosen(const at::Tensor& rewards, const at::Tensor& policy) const;

  SparseMatrix tau_;
  at::Tensor mu0_;
  double gamma_;
  Effort effort_;
};

// How much, of the sizes of an action value's terms, an optimal action may fall short of the best.
inline constexpr double kTieOfActions = 1e-9;

// A number and how far it may be off.
struct SAFFRON_EXPORT Bounded {
  double value = 0, error = 0;
};

// PolicyReturns of a sparse world: the same quantities, with the error that follows from Bellman
// residuals.
class SAFFRON_EXPORT SparseReturns {
 public:
  // Error (numeric) when a reward overflows float64.
  SparseReturns(const TabularWorld& world, std::vector<std::string> names, Effort effort = {});

  [[nodiscard]] std::int64_t rewards() const { return static_cast<std::int64_t>(names_.size()); }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] bool trivial(std::int64_t i) const { return range_[at(i)].value == 0; }
  [[nodiscard]] std::vector<std::string> trivial() const;
  [[nodiscard]] double highest(std::int64_t i) const { return highest_[at(i)]; }  // max J
  [[nodiscard]] const Bounded& range(std::int64_t i) const {
    return range_[at(i)];
  }  // max J - min J
  // Of the uniform policy's values, and of all planning that was asked for so far.
  [[nodiscard]] std::vector<Solved> solved() const;
  [[nodiscard]] std::vector<std::string> uncertain() const;  // as uncertain_digits
  [[nodiscard]] std::vector<std::string> uncertain_optima() const;

  [[nodiscard]] Bounded span_distance(std::int64_t i, std::int64_t j) const;
  [[nodiscard]] std::vector<Bounded> span_distances() const;  // R * R, row-major
  struct WorstCase {
    Bounded regret;
    std::optional<double> lambda;  // none where reward i is trivial
    int evaluations = 0;
  };
  [[nodiscard]] WorstCase worst_case(std::int64_t i, std::int64_t j) const;
  [[nodiscard]] std::vector<WorstCase> worst_cases() const;
  struct Regret {
    Bounded pessimistic, optimistic;
  };
  [[nodiscard]] Regret regret(std::int64_t i, std::int64_t j) const;
  [[nodiscard]] std::vector<Regret> regrets() const;

 private:
  void plan(std::int64_t i);
  [[nodiscard]] SparsePlan noted(SparsePlan plan) const;
  [[nodiscard]] at::Tensor pair(std::int64_t i, std::int64_t j) const;
  [[nodiscard]] SparsePlanner::Ties ties(std::int64_t i) const;  // of a reward that is not trivial
  [[nodiscard]] double relative(std::int64_t i) const;           // the error of range(i)
  [[nodiscard]] static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

  SparsePlanner planner_;
  std::vector<std::string> names_;
  at::Tensor unit_;     // R / range(R) without shaping, [S A, R]
  at::Tensor offsets_;  // J of what shaping took, [R]
  at::Tensor size_, noise_;
  std::vector<SparsePlan> best_, worst_;  // of unit rewards
  std::vector<double> highest_;
  std::vector<Bounded> range_;
  double gamma_;
  Solved values_;
  mutable std::mutex mutex_;
  mutable Solved planned_ = {"planning, relative to the ranges", "modified policy iteration"};
};

}  // namespace saffron::inline sdk_v1::rewards
