#pragma once

#include <saffron/component_sae.h>
#include <saffron/covariance.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

namespace saffron::plugins {

// Independent components by FastICA, all at once (Hyvarinen 1999; sklearn's algorithm="parallel",
// fun="logcosh", whiten="unit-variance"), in float64. The first pass whitens, every other one is one
// iteration over all rows, until the rotation R [m, m] stays or `passes` have been made:
//
//   y = K (x - mean),  K = lambda^-1/2 V, the m axes of largest variance (denominator n)
//   R <- orth(E[g(R y) y^T] - diag(E[g'(R y)]) R)       g = tanh, orth(A) = (A A^T)^-1/2 A
//   until max_i |1 - |<R_i, R_i before>|| < tolerance
//
//   codes of variance 1: E = R K, D = R lambda^1/2 V
//   otherwise (whiten off) rows of D are scaled to norm 1 and E by what they had
//
// component_sae.h has the codes.
class Ica final : public ComponentSae, public Fitted, public Stateful {
 public:
  struct Options {
    std::int64_t components = 0;
    std::int64_t passes = 200;
    double tolerance = 1e-4;
    bool whiten = false;
    ComponentOptions codes;
  };
  static Schema<Options> schema();

  explicit Ica(const Options& options) : ComponentSae("ica", options.codes), options_(options) {}

  void observe(const SaeInput& batch) override;
  [[nodiscard]] bool end_pass() override;
  [[nodiscard]] State save() const override;
  void load(const State& state) override;

 protected:
  [[nodiscard]] std::int64_t components(std::int64_t d) const override;
  void initialise_own(const InitInput& init) override;

 private:
  void whiten();
  double rotate();  // how far R has moved
  void publish();
  void clear_sums();

  Options options_;
  std::int64_t pass_ = 0;
  Covariance covariance_;  // of the first pass
  // Until it is final: "rotation" R; "mean" [d], "whitening" K and "unwhitening" lambda^1/2 V [m, d]
  // from the first pass; of this pass "products", the sum of g(R y) y^T [m, m], and "slopes", that of
  // g'(R y) [m].
  Tensors fit_;
  std::int64_t rows_ = 0;  // of this pass
};

}  // namespace saffron::plugins
