#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Value-adjusted levelling (Skalse et al. 2024): the advantage function of a fixed policy pi, the
// world's (uniform unless it says otherwise).
//
//   V = (I - gamma T_pi)^-1 r_pi
//   c(R)(s, a) = rbar(s, a) + gamma sum_s' tau[s, a, s'] V(s') - V(s)
//
// Constant in s', and so held as [R, S, A, 1]. One S x S factorisation serves all rewards.
struct ValForm {
  rewards::Canonical canonical;
  at::Tensor values;  // V [R, S]
};
[[nodiscard]] ValForm val_form(const TabularWorld& world);

class Val final : public Comparator, public rewards::Canonicaliser {
 public:
  struct Options {
    std::vector<std::string> pairs = {"2-2", "1-1", "inf-inf", "angle"};
  };
  static Schema<Options> schema();

  explicit Val(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override;
  [[nodiscard]] std::vector<rewards::Measure> measures() const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
