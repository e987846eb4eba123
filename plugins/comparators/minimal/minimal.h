#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_sparse.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// The smallest reward of those that order policies alike (Skalse et al. 2024): of all R' that differ
// from R by potential shaping and S'-redistribution, that of least sum w R'^2. In closed form, with
// kappa(s, a) = 1 / sum_s' tau^2 / w and r* the ShapingProjection of the expected reward by kappa,
//
//   c(R)(s, a, s') = r*(s, a) kappa(s, a) tau[s, a, s'] / w(s, a, s')
//
//   "Minimal_L2"      w = 1: proportional to tau, 0 on impossible transitions
//   "Minimal_tauL2"   w = tau, where kappa = 1: c = r*, the part of the expected reward in the
//                     directions that occupancies can move in; constant in s'
//
// One factorisation a weight serves all rewards. They coincide in deterministic worlds up to what
// impossible transitions are given.
enum class MinimalWeights : std::uint8_t { one, tau };
[[nodiscard]] rewards::Canonical minimal_form(const TabularWorld& world, MinimalWeights weights);
// In a world with sparse transitions, by iteration: on their support, [R, nnz], with weights one, and
// [R, S A] with weights tau.
[[nodiscard]] rewards::SparseForm sparse_minimal_form(const TabularWorld& world,
                                                      MinimalWeights weights);

class Minimal final : public Comparator, public ChecksWorld, public rewards::Canonicaliser {
 public:
  struct Options {
    std::vector<std::string> pairs = {"2-2", "1-1", "angle"};
    std::vector<std::string> weights = {"one"};
  };
  static Schema<Options> schema();

  explicit Minimal(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override;
  [[nodiscard]] std::vector<rewards::Measure> measures() const override;
  void check(const World& world) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
