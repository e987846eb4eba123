#pragma once

#include <saffron/namespace.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

// Gradients against numbers: what a closed form, a kernel or autograd says, beside what the function
// itself does. Everything in float64, because central differences lose half of a number's digits.

namespace saffron::testing {

// f'(x) by Ridders' method: central differences D(h) = (f(x + h) - f(x - h)) / 2h at h, h / c,
// h / c^2, ... (c = 1.4), extrapolated to h = 0 in powers of h^2 by Neville's scheme; the entry of
// the table that agrees best with its neighbours wins, and their disagreement is the error. At a kink
// the error is at least the difference of the slopes on its two sides, and never below noise / h,
// where `noise` is how far f's values are off: on the steps of rounding all entries agree. (Ridders
// 1982, "Accurate computation of F'(x) and F'(x) F''(x)".)
struct NumericDerivative {
  double value = 0;
  double error = 0;  // estimated, absolute; infinite where no two estimates agree at all
};
[[nodiscard]] SAFFRON_EXPORT NumericDerivative numeric_derivative(
    const std::function<double(double offset)>& f, double h = 1e-2, double noise = 0);

// How far values of f near 0 are off a smooth function, from differences of sixth order of its values
// at 0, h, ..., 6h: some 1e-16 |f| of a float64 computation, 1e-8 |f| where something inside is
// float32. A kink between them counts as noise. (More and Wild 2011, "Estimating computational noise".)
[[nodiscard]] SAFFRON_EXPORT double noise_of(const std::function<double(double offset)>& f,
                                             double h = 1e-6);

struct GradientReport {
  struct Mismatch {
    std::size_t leaf = 0;
    std::string where;  // "leaf 0 [3, 1]", "leaf 1 along direction 2"
    double analytic = 0, numeric = 0, error = 0;
  };
  std::int64_t compared = 0;
  // Derivatives that the numbers cannot settle (a kink within every step): neither right nor wrong.
  std::int64_t unresolved = 0;
  // The same of each leaf.
  struct Leaf {
    std::int64_t compared = 0, unresolved = 0;
  };
  std::vector<Leaf> leaves;
  double worst = 0;  // largest |analytic - numeric| / max(unit, |analytic|, |numeric|)
  std::vector<Mismatch> mismatches;

  // No mismatch, and at least three quarters of each leaf's comparisons settled.
  [[nodiscard]] SAFFRON_EXPORT bool ok() const;
  // What is wrong, one line a mismatch (the first five); "" when ok(). Leaves are called by these
  // names, "leaf 0" and so on without them.
  [[nodiscard]] SAFFRON_EXPORT std::string text(const std::vector<std::string>& names = {}) const;
};

// Compares gradients of a scalar function of several tensors:
//
//   GradientChecker checker([&](const std::vector<at::Tensor>& x) { return penalty(x[0]); });
//   EXPECT_TRUE(checker.check({codes}).ok());             // what autograd says
//   EXPECT_TRUE(checker.check({codes}, {closed}).ok());   // a closed form
//
// Of each leaf some entries are compared, and some random directions, which every entry weighs in.
class SAFFRON_EXPORT GradientChecker {
 public:
  using Function = std::function<at::Tensor(const std::vector<at::Tensor>& leaves)>;
  struct Options {
    double tolerance = 1e-6;    // of |analytic - numeric| / max(unit, |analytic|, |numeric|)
    double unit = 1;            // how large a derivative is that nobody calls small
    double step = 1e-2;         // the first and largest
    std::int64_t entries = 24;  // of each leaf, drawn without replacement; all where it has fewer
    std::int64_t directions = 2;
    std::uint64_t seed = 1;
    std::vector<std::size_t> excused = {};  // leaves that are not compared
  };

  explicit GradientChecker(Function f) : GradientChecker(std::move(f), Options()) {}
  GradientChecker(Function f, Options options);

  // f must return a scalar with a graph. Leaves are float64; they are not changed.
  // Error (invalid) for other leaves or for a result that is no scalar.
  [[nodiscard]] GradientReport check(const std::vector<at::Tensor>& leaves) const;
  // The same against gradients of one's own, one a leaf; undefined = 0.
  [[nodiscard]] GradientReport check(const std::vector<at::Tensor>& leaves,
                                     const std::vector<at::Tensor>& gradients) const;

 private:
  [[nodiscard]] double value(const std::vector<at::Tensor>& leaves) const;
  void compare(const std::vector<at::Tensor>& leaves, std::size_t leaf, const at::Tensor& direction,
               double analytic, double noise, const std::string& where,
               GradientReport& report) const;
  [[nodiscard]] double noise(const std::vector<at::Tensor>& leaves, std::size_t leaf) const;

  Function f_;
  Options options_;
};

}  // namespace saffron::testing
