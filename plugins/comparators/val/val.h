#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_sparse.h>
#include <saffron/schema.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// Value-adjusted levelling (Skalse et al. 2024): the advantage function of a fixed policy pi.
//
//   V = (I - gamma T_pi)^-1 r_pi
//   c(R)(s, a) = rbar(s, a) + gamma sum_s' tau[s, a, s'] V(s') - V(s)
//
// Constant in s', and so held as [R, S, A, 1]. Potential shaping, which changes no c(R), is projected
// away before V is computed: V of what remains cancels less. One factorisation of S x S and one of
// S A x S serve all rewards.
[[nodiscard]] rewards::Canonical val_form(const TabularWorld& world, const at::Tensor& policy);
// In a world with sparse transitions, [R, S A], by iteration.
[[nodiscard]] rewards::SparseForm sparse_val_form(const TabularWorld& world,
                                                  const at::Tensor& policy);

class Val final : public Comparator, public ChecksWorld, public rewards::Canonicaliser {
 public:
  enum class Policy : std::uint8_t { world, uniform };
  struct Options {
    std::vector<std::string> pairs = {"2-2", "1-1", "inf-inf", "angle"};
    Policy policy = Policy::world;
  };
  static Schema<Options> schema();

  explicit Val(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override;
  [[nodiscard]] std::vector<rewards::Measure> measures() const override;
  void check(const World& world) const override { (void)rewards::tabular(world, "val"); }

 private:
  [[nodiscard]] at::Tensor policy_of(const TabularWorld& world) const;

  Options options_;
};

}  // namespace saffron::plugins
