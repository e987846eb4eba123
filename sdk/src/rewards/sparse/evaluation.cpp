#include "src/rewards/sparse/columns.h"

#include <saffron/error.h>
#include <saffron/reward_sparse.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <limits>
#include <vector>

namespace saffron::inline sdk_v1::rewards {
namespace {

using columns::Numbers;

constexpr double kTolerance = 1e-12;
// What rounding leaves of a residual, relative to the solution.
constexpr double kFloor = 16 * std::numeric_limits<double>::epsilon();
constexpr int kStalled = 3;      // solutions from scratch that bring nothing more
constexpr double kNoGain = 0.5;  // of a residual, to count as nothing

double over(double a, double b) { return b == 0 || !std::isfinite(a / b) ? 0 : a / b; }

// (I - gamma T) x
at::Tensor applied(const SparseMatrix& chain, double gamma, const at::Tensor& x) {
  const at::Tensor out = chain.times(x);
  columns::combine(Numbers(static_cast<std::size_t>(x.size(1)), 1.0), x,
                   Numbers(static_cast<std::size_t>(x.size(1)), -gamma), out);
  return out;
}

// With I - gamma T = D - L - U, its diagonal and what lies below and above: x = (D - U)^-1 D (D - L)^-1 b,
// one sweep of Gauss-Seidel forth and one back. What a policy earns far away arrives in one of them
// where states are numbered along the way.
class GaussSeidel {
 public:
  GaussSeidel(const SparseMatrix& chain, double gamma) : chain_(chain), gamma_(gamma) {
    diagonal_.assign(static_cast<std::size_t>(chain.rows), 1.0);
    const auto* at = chain.offsets.const_data_ptr<std::int64_t>();
    const auto* place = chain.places.const_data_ptr<std::int32_t>();
    const double* weight = chain.values.const_data_ptr<double>();
    for (std::int64_t s = 0; s < chain.rows; ++s) {
      for (std::int64_t e = at[s]; e < at[s + 1]; ++e) {
        if (place[e] == s) diagonal_[static_cast<std::size_t>(s)] -= gamma * weight[e];
      }
    }
  }

  [[nodiscard]] at::Tensor operator()(const at::Tensor& b) const {
    const at::Tensor x = b.clone();
    for (std::int64_t s = 0; s < chain_.rows; ++s) solve_row(s, true, x);
    for (std::int64_t s = chain_.rows - 1; s >= 0; --s) solve_row(s, false, x);
    return x;
  }

 private:
  // Forth, x_s = (b_s + gamma sum_{j < s} T_sj x_j) / D_s; back, x_s += gamma sum_{j > s} T_sj x_j / D_s.
  void solve_row(std::int64_t s, bool forth, const at::Tensor& x) const {
    const std::int64_t K = x.size(1);
    const auto* at = chain_.offsets.const_data_ptr<std::int64_t>();
    const auto* place = chain_.places.const_data_ptr<std::int32_t>();
    const double* weight = chain_.values.const_data_ptr<double>();
    double* const all = x.mutable_data_ptr<double>();
    double* const own = all + s * K;
    const double over = 1 / diagonal_[static_cast<std::size_t>(s)];
    if (forth) {
      for (std::int64_t k = 0; k < K; ++k) own[k] *= over;
    }
    for (std::int64_t e = at[s]; e < at[s + 1]; ++e) {
      if (forth ? place[e] >= s : place[e] <= s) continue;
      const double factor = gamma_ * weight[e] * over;
      const double* const other = all + place[e] * K;
      for (std::int64_t k = 0; k < K; ++k) own[k] += factor * other[k];
    }
  }

  const SparseMatrix& chain_;
  double gamma_;
  std::vector<double> diagonal_;
};

// BiCGStab (van der Vorst 1992), preconditioned, of every column by itself: coefficients of one that has
// broken down, or has arrived, are 0.
class BiCgStab {
 public:
  BiCgStab(const SparseMatrix& chain, double gamma, const GaussSeidel& near, at::Tensor residual)
      : chain_(chain),
        gamma_(gamma),
        near_(near),
        r_(std::move(residual)),
        shadow_(r_.clone()),
        p_(r_.clone()),
        rho_(columns::dots(shadow_, r_)) {}

  // One step of x. False where no column moves any more.
  bool step(const at::Tensor& x) {
    const std::size_t K = rho_.size();
    const at::Tensor p = near_(p_), v = applied(chain_, gamma_, p);
    const Numbers across = columns::dots(shadow_, v), ones(K, 1.0);
    Numbers alpha(K), minus(K), omega(K), beta(K);
    for (std::size_t k = 0; k < K; ++k) minus[k] = -(alpha[k] = over(rho_[k], across[k]));
    columns::combine(minus, v, ones, r_);  // s
    columns::combine(alpha, p, ones, x);
    const at::Tensor s = near_(r_), t = applied(chain_, gamma_, s);
    const Numbers ts = columns::dots(t, r_), tt = columns::dots(t, t);
    for (std::size_t k = 0; k < K; ++k) minus[k] = -(omega[k] = over(ts[k], tt[k]));
    columns::combine(omega, s, ones, x);
    columns::combine(minus, t, ones, r_);
    const Numbers next = columns::dots(shadow_, r_);
    bool moves = false;
    for (std::size_t k = 0; k < K; ++k) {
      beta[k] = over(next[k], rho_[k]) * over(alpha[k], omega[k]);
      moves = moves || alpha[k] != 0;
    }
    // p = r + beta (p - omega v)
    columns::combine(minus, v, ones, p_);
    columns::combine(ones, r_, beta, p_);
    rho_ = next;
    return moves;
  }

  [[nodiscard]] at::Tensor size() const { return columns::largest(r_); }

 private:
  const SparseMatrix& chain_;
  double gamma_;
  const GaussSeidel& near_;
  at::Tensor r_, shadow_, p_;
  Numbers rho_;
};

}  // namespace

SparseEvaluation::SparseEvaluation(SparseMatrix chain, double gamma, Effort effort)
    : chain_(std::move(chain)), gamma_(gamma), effort_(effort) {}

// In units of the largest number of each column: squares of small ones are 0 long before they are.
SparseEvaluation::Values SparseEvaluation::solve(const at::Tensor& r, const at::Tensor& start,
                                                 const at::Tensor& target) const {
  at::Tensor largest = columns::largest(r);
  if (start.defined()) largest = at::maximum(largest, columns::largest(start));
  const at::Tensor unit = at::where((largest > 0) & largest.isfinite(), largest, 1.0);
  Values out;
  out.values = start.defined() ? (start / unit).contiguous() : at::zeros_like(r);
  iterate((r / unit).contiguous(), target.defined() ? target / unit : target, out);
  out.values = out.values * unit;
  out.residual = out.residual * unit;
  return out;
}

void SparseEvaluation::iterate(const at::Tensor& r, const at::Tensor& target, Values& out) const {
  const at::Tensor size = columns::largest(r);
  const auto goal = [&] {
    const at::Tensor most = at::maximum(columns::largest(out.values), size);
    const at::Tensor asked = target.defined() ? target : kTolerance * (1 - gamma_) * most;
    return at::maximum(asked, kFloor * most);
  };
  const GaussSeidel near(chain_, gamma_);
  const auto left = [&] { return r - applied(chain_, gamma_, out.values); };
  at::Tensor e = left();
  out.residual = columns::largest(e);
  const auto arrived = [&] { return (out.residual <= goal()).all().item<bool>(); };
  // What a Krylov solver takes for its residual drifts from what it is: it starts over from there.
  for (int stalled = 0; !arrived() && out.iterations < effort_.iterations && stalled < kStalled;) {
    const at::Tensor wanted = goal(), was = out.residual, before = out.values.clone();
    BiCgStab solver(chain_, gamma_, near, at::where(was > wanted, e, 0.0));
    while (out.iterations < effort_.iterations) {
      ++out.iterations;
      if (!solver.step(out.values) || (solver.size() <= 0.5 * wanted).all().item<bool>()) break;
    }
    const at::Tensor worse = ~(columns::largest(left()) <= was);  // also where it is no number
    out.values = at::where(worse, before, out.values);
    e = left();
    out.residual = columns::largest(e);
    const bool gained = ((was > wanted) & (out.residual < kNoGain * was)).any().item<bool>();
    stalled = gained ? 0 : stalled + 1;
  }
  const std::int64_t steps = out.iterations;
  for (int sweep = 0; !arrived() && sweep < effort_.sweeps; ++sweep) {
    out.swept = true;
    ++out.iterations;
    out.values = out.values + near(e);
    e = left();
    out.residual = columns::largest(e);
  }
  if (arrived()) return;
  const double reached = (out.residual / columns::largest(out.values)).max().item<double>();
  throw Error(
      ErrorKind::numeric,
      cat("a policy's values are not found: after ", steps, " iterations of BiCGStab and ",
          out.iterations - steps, " sweeps of Gauss-Seidel the residual is ", reached,
          " of the largest value, so that they are known to ", reached / (1 - gamma_), " of it"))
      .with_help("use a smaller gamma: errors grow as 1 / (1 - gamma)");
}

Block solver_block(const std::vector<Solved>& solved) {
  TableBlock table;
  table.columns = {{"what", "", ""},
                   {"solver", "", ""},
                   {"iterations", "", ""},
                   {"residual", "", "the largest, relative to the solution's largest entry"},
                   {"error at most", "", "likewise, as follows from the residual"}};
  for (const Solved& one : solved) {
    table.rows.push_back({Value(one.what), Value(one.solver), Value(one.iterations),
                          Value(one.residual), Value(one.bound)});
  }
  return {.title = "How it was solved",
          .caption = "The world's transitions are sparse: systems are solved by iteration.",
          .body = std::move(table)};
}

}  // namespace saffron::inline sdk_v1::rewards
