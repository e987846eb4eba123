#include "src/rewards/sparse/columns.h"

#include <saffron/error.h>
#include <saffron/reward_sparse.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

// What shaping leaves of rewards in sparse worlds.

namespace saffron::inline sdk_v1::rewards {
namespace {

using columns::Numbers;

constexpr double kSecond = 1e-12;  // of advantages, where values are solved for a second time
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kBound = 1e-12;  // of a projection's error, relative to it
constexpr double kUnits = 32;     // in the last place, that rounding leaves

// x [S, K], one row a state, as one row an action: [S A, K].
at::Tensor each_action(const at::Tensor& x, std::int64_t rows) {
  const std::int64_t S = x.size(0), K = x.size(1);
  return x.unsqueeze(1).expand({S, rows / S, K}).reshape({rows, K});
}

double worst(const at::Tensor& part, const at::Tensor& whole) {
  return at::where(whole > 0, part / whole, at::zeros_like(part)).max().item<double>();
}

// sqrt(kappa) P, as a least-squares problem for potentials that are 0 in terminal states.
class Shaped {
 public:
  Shaped(const SparseMatrix& tau, double gamma, const at::Tensor& kappa)
      : tau_(tau), back_(tau.transposed()), gamma_(gamma) {
    const at::Tensor live = cells_of(tau, true).mass > 0;
    root_ = at::where(live, kappa, 0.0).sqrt().unsqueeze(-1);
    scale_ = diagonal();
    least_ = kappa.masked_select(live).min().item<double>();
  }

  [[nodiscard]] const at::Tensor& root() const { return root_; }  // [S A, 1]
  [[nodiscard]] at::Tensor times(const at::Tensor& phi) const {
    return (gamma_ * tau_.times(phi) - each_action(phi, tau_.rows)) * root_;
  }
  [[nodiscard]] at::Tensor transposed_times(const at::Tensor& y) const {
    const at::Tensor scaled = y * root_;
    const std::int64_t S = tau_.columns;
    const at::Tensor out =
        gamma_ * back_.times(scaled) - scaled.view({S, tau_.rows / S, -1}).sum(1);
    return at::where(scale_ > 0, out, 0.0);
  }
  // Jacobi's: s over the squares of the columns.
  [[nodiscard]] at::Tensor preconditioned(const at::Tensor& s) const {
    return at::where(scale_ > 0, s / scale_, 0.0);
  }
  // ||root P x||_2 <= this ||root P^T root P x||_1: where |x| is largest every action's row of P x is at
  // least (1 - gamma) of it.
  [[nodiscard]] double stability() const {
    const std::int64_t actions = tau_.rows / tau_.columns;
    return 1 / ((1 - gamma_) * std::sqrt(static_cast<double>(actions) * least_));
  }

 private:
  // Squares of the columns, [S, 1]; 0 of those that are no unknowns.
  [[nodiscard]] at::Tensor diagonal() const {
    const std::int64_t S = tau_.columns, A = tau_.rows / S;
    at::Tensor out = at::zeros({S, 1}, at::kDouble);
    const auto* at = tau_.offsets.const_data_ptr<std::int64_t>();
    const auto* place = tau_.places.const_data_ptr<std::int32_t>();
    const double *p = tau_.values.const_data_ptr<double>(), *root = root_.const_data_ptr<double>();
    double* to = out.mutable_data_ptr<double>();
    std::vector<bool> free(static_cast<std::size_t>(S));
    for (std::int64_t row = 0; row < tau_.rows; ++row) {
      const double kappa = root[row] * root[row];
      double own = -1;
      for (std::int64_t e = at[row]; e < at[row + 1]; ++e) {
        if (place[e] == row / A) {
          own += gamma_ * p[e];
        } else {
          to[place[e]] += kappa * gamma_ * gamma_ * p[e] * p[e];
        }
      }
      to[row / A] += kappa * own * own;
      if (kappa > 0) free[static_cast<std::size_t>(row / A)] = true;
    }
    for (std::int64_t s = 0; s < S; ++s) {
      if (!free[static_cast<std::size_t>(s)]) to[s] = 0;
    }
    return out;
  }

  const SparseMatrix& tau_;
  SparseMatrix back_;
  double gamma_, least_ = 1;
  at::Tensor root_, scale_;
};

// Conjugate gradients on the normal equations without forming them (CGLS), from 0: least ||b + A x||,
// every column by itself.
class Cgls {
 public:
  Cgls(const Shaped& A, at::Tensor b)
      : A_(A), y_(std::move(b)), x_(at::zeros_like(A.transposed_times(y_))) {
    descend();
    p_ = z_.clone();
  }

  void step() {
    const at::Tensor q = A_.times(p_);
    const Numbers qq = columns::dots(q, q), pp = columns::dots(p_, p_), was = slope_;
    const std::size_t K = qq.size();
    Numbers alpha(K), beta(K);
    const Numbers ones(K, 1.0);
    for (std::size_t k = 0; k < K; ++k) {
      alpha[k] = qq[k] > 0 ? -slope_[k] / qq[k] : 0;
      norm_ = std::max(norm_, pp[k] > 0 ? std::sqrt(qq[k] / pp[k]) : 0);
    }
    columns::combine(alpha, p_, ones, x_);
    columns::combine(alpha, q, ones, y_);
    descend();
    for (std::size_t k = 0; k < K; ++k) beta[k] = was[k] > 0 ? slope_[k] / was[k] : 0;
    columns::combine(ones, z_, beta, p_);
  }

  // How far every column's y is from the least one, relative to it, and from where on rounding decides.
  [[nodiscard]] Numbers bound() const {
    const Numbers yy = columns::dots(y_, y_), normal = columns::sums_of_sizes(s_);
    Numbers out(yy.size());
    for (std::size_t k = 0; k < yy.size(); ++k) {
      out[k] = yy[k] > 0 ? A_.stability() * normal[k] / std::sqrt(yy[k]) : 0;
    }
    return out;
  }
  [[nodiscard]] bool at_rounding(double units) const {
    const Numbers yy = columns::dots(y_, y_), ss = columns::dots(s_, s_);
    for (std::size_t k = 0; k < yy.size(); ++k) {
      if (std::sqrt(ss[k]) > units * kEpsilon * norm_ * std::sqrt(yy[k])) return false;
    }
    return true;
  }
  [[nodiscard]] const at::Tensor& x() const { return x_; }

 private:
  void descend() {
    s_ = A_.transposed_times(y_);
    z_ = A_.preconditioned(s_);
    slope_ = columns::dots(s_, z_);
  }

  const Shaped& A_;
  at::Tensor y_, x_, s_, z_, p_;
  Numbers slope_;
  double norm_ = 0;
};

}  // namespace

SparseAdvantage::SparseAdvantage(const SparseMatrix& tau, double gamma, const at::Tensor& policy,
                                 const at::Tensor& r, const at::Tensor& size, Effort effort) {
  const SparseEvaluation evaluation(tau.chain(policy), gamma, effort);
  const std::int64_t S = tau.columns, A = tau.rows / S;
  const auto mean = [&](const at::Tensor& x) {
    return (x.view({S, A, -1}) * policy.unsqueeze(-1)).sum(1);
  };
  values = r;
  at::Tensor left = mean(r);
  std::int64_t iterations = 0;
  bool swept = false;
  for (const bool second : {false, true}) {
    const SparseEvaluation::Values found =
        second ? evaluation.solve(left, {}, kSecond * (1 - gamma) * columns::largest(values))
               : evaluation.solve(left);
    values = values + gamma * tau.times(found.values) - each_action(found.values, tau.rows);
    left = mean(values);
    potential = second ? potential + found.values : found.values;
    iterations += found.iterations;
    swept = swept || found.swept;
  }
  const at::Tensor residual = columns::largest(left);
  solved = {.what = "values of the policy",
            .solver = swept ? "BiCGStab and Gauss-Seidel" : "BiCGStab",
            .iterations = iterations,
            .residual = worst(residual, columns::largest(values)),
            .bound = worst((1 + gamma) / (1 - gamma) * residual, columns::largest(values))};
  noise = kRounding * (columns::largest(size) + (1 + gamma) * columns::largest(potential));
}

SparseProjection::SparseProjection(const SparseMatrix& tau, double gamma, const at::Tensor& kappa,
                                   const at::Tensor& r, const at::Tensor& size, Effort effort) {
  const std::int64_t A = tau.rows / tau.columns;
  const at::Tensor uniform = at::full({tau.columns, A}, 1.0 / static_cast<double>(A), at::kDouble);
  // Most of a large potential goes this way, and with it what would cancel below.
  const SparseAdvantage first(tau, gamma, uniform, r, size, effort);
  const Shaped P(tau, gamma, kappa);
  const at::Tensor most = columns::largest(first.values);
  const at::Tensor unit = at::where((most > 0) & most.isfinite(), most, 1.0);
  // Advantages have no shaping left: of a reward that is nothing else they are rounding, to be left alone.
  const at::Tensor nothing = first.noise.isfinite() & (most <= first.noise);
  residual = at::where(nothing, 0.0, first.values / unit);
  at::Tensor potential = at::zeros({tau.columns, r.size(1)}, at::kDouble);
  std::int64_t iterations = 0;
  double bound = 0;
  // The second time from what the first leaves, as recurrences drift.
  for (const double wanted : {kBound, kBound}) {
    Cgls solver(P, residual * P.root());
    const auto worst_of = [](const Numbers& of) { return *std::max_element(of.begin(), of.end()); };
    int steps = 0;
    while ((bound = worst_of(solver.bound())) > wanted && !solver.at_rounding(kUnits)) {
      if (++steps > effort.iterations) {
        throw Error(ErrorKind::numeric,
                    cat("what shaping leaves of a reward is not found: after ", effort.iterations,
                        " iterations of CGLS it is known to ", bound, " of its size, and ", wanted,
                        " was asked for"))
            .with_help("use a smaller gamma: iterations grow as 1 / (1 - gamma)");
      }
      solver.step();
    }
    iterations += steps;
    potential = potential + solver.x();
    residual = residual + gamma * tau.times(solver.x()) - each_action(solver.x(), tau.rows);
    residual = at::where(P.root() > 0, residual, 0.0);
  }
  solved = {.what = "projection on what shaping does not explain",
            .solver = "CGLS",
            .iterations = first.solved.iterations + iterations,
            .residual = bound / P.stability(),
            .bound = bound};
  residual = residual * unit;
  noise = first.noise + kRounding * (1 + gamma) * unit * columns::largest(potential);
}

Canonical settled_form(std::string name, const at::Tensor& x, const at::Tensor& noise) {
  return settled(std::move(name), x.t().contiguous(), columns::largest(x), noise);
}

}  // namespace saffron::inline sdk_v1::rewards
