#pragma once

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/preference_intervals.h>
#include <saffron/preference_metrics.h>
#include <saffron/random.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// What is lost of reward 1 by a policy that goes by reward 2, each prompt counting the same:
//
//   best_of_k         mean_x (max_y R1 - R1(y2)) / mean_x (max_y R1 - min_y R1), y2 the response with the
//                     highest R2: of several the worst ("pessimistic") or the best ("optimistic") for R1; 0
//                     where R1 is trivial
//   kl_regret/beta=b  b mean_x KL(pi_2 || pi_1), pi_i(y | x) in proportion to pi_ref(y | x) exp(R_i / b):
//                     exactly what pi_2 lacks of the highest mean_x E_pi[R1] - b KL(pi || pi_ref), pi_1's. In
//                     units of R1: nothing is divided by a range, as b has that unit too. Among the observed
//                     responses; pi_ref is the world's log_reference, or uniform without it.
class PreferenceRegret final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::vector<std::string> ties = {"pessimistic", "optimistic"};
    std::vector<double> betas;
    preferences::IntervalOptions intervals;
  };
  static Schema<Options> schema();

  PreferenceRegret(const Options& options, const Context& context)
      : options_(options), random_(context.random("bootstrap")) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override {
    (void)preferences::scored(world, "preference_regret");
  }

 private:
  Options options_;
  Random random_;
};

}  // namespace saffron::plugins
