#pragma once

#include <saffron/component_sae.h>
#include <saffron/covariance.h>
#include <saffron/state.h>

namespace saffron::plugins {

// Principal components: the directions V [m, d] of largest variance lambda of the rows, exactly, from
// their mean and covariance in float64 (denominator n - 1). One pass.
//
//   E = D = V, b_dec = mean                         (component_sae.h has the codes)
//   whiten   E = lambda^-1/2 V, D = lambda^1/2 V    codes of variance 1; 0 where lambda is
class Pca final : public ComponentSae, public Fitted, public Stateful {
 public:
  struct Options {
    std::int64_t components = 0;
    bool whiten = false;
    ComponentOptions codes;
  };
  static Schema<Options> schema();

  explicit Pca(const Options& options) : ComponentSae("pca", options.codes), options_(options) {}

  void observe(const SaeInput& batch) override { covariance_.add(batch.inputs.at(0)); }
  [[nodiscard]] bool end_pass() override;
  [[nodiscard]] State save() const override { return covariance_.save(); }
  void load(const State& state) override { covariance_.load(state); }

 protected:
  [[nodiscard]] std::int64_t components(std::int64_t d) const override;

 private:
  Options options_;
  Covariance covariance_;  // of the pass
};

}  // namespace saffron::plugins
