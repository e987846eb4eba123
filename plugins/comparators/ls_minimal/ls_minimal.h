#pragma once

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/reward_samples.h>
#include <saffron/schema.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace saffron::plugins {

// What the best potential of some features leaves of a reward, from drawn transitions alone. With
// Phi = w . Psi and Phi = 0 where an episode ends,
//
//   "LS_minimal"            c_i = r_i + gamma Phi(s'_i) - Phi(s_i),
//                           Phi = argmin sum_i (r_i + gamma Phi(s'_i) - Phi(s_i))^2
//   "LS_minimal_averaged"   the same of means over all that followed each drawn (s, a)
//
// The first estimates MinimalPotential under the data's distribution: where chance decides what follows,
// it sees how a reward is spread over next states. The second estimates Minimal with the weights
// kappa(s, a) of the data (minimal.h), for states and actions that come again. Both are blind to shaping
// by potentials that the features span, up to the ridge.
//
// Potentials are fitted on other episodes than those that they are used on. An error of Phi changes the
// products of residuals in second order only, since Phi is where their squares are least: intervals, which
// hold Phi, do not lack much.
class LsMinimal final : public Comparator, public ChecksWorld {
 public:
  enum class Features : std::uint8_t { by_states, random, one_hot };
  struct Options {
    std::vector<std::string> successors = {"drawn"};
    Features features = Features::by_states;
    std::int64_t width = 512, folds = 10, memory = 2048;
    double ridge = 1e-8;
    rewards::SampleOptions estimate;
  };
  static Schema<Options> schema();

  LsMinimal(const Options& options, const Context& context)
      : options_(options), context_(context) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override { (void)rewards::sampled(world, "ls_minimal"); }

 private:
  Options options_;
  const Context& context_;
};

}  // namespace saffron::plugins
