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

// How far two reward models agree on the responses to a prompt; means over prompts.
//
//   kendall_tau_b  (P - Q) / sqrt(T1 T2), P and Q the pairs of responses that both order alike or not, T_i those
//                  that model i does not score the same
//   spearman       correlation of ranks, of equal scores their mean rank
//   pearson        of scores less their prompt's mean, over all prompts: 1 - 2 d_starc^2
//   agreement      on pairs: 1 alike (or tied in both), 1/2 tied in one alone, 0 opposed (1 less Kendall's
//                  distance with penalty 1/2: Fagin et al. 2004)
//   preference_kl  mean over pairs of KL(B1 || B2), B_i = Bernoulli(sigma(R_i(y) - R_i(y'))), in nats
//
// The first two are undefined in a prompt all of whose responses a model scores the same: such prompts are left
// out of that pair's mean. Pooled over prompts, correlations mix in the prompts' offsets, which mean nothing; they
// are made when asked for.
class PreferenceAgreement final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::vector<std::string> metrics = {"kendall_tau_b", "spearman", "pearson", "agreement",
                                        "preference_kl"};
    bool pooled = false;
    preferences::IntervalOptions intervals;
  };
  static Schema<Options> schema();

  PreferenceAgreement(const Options& options, const Context& context)
      : options_(options), random_(context.random("bootstrap")) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override {
    (void)preferences::scored(world, "preference_agreement");
  }

 private:
  Options options_;
  Random random_;
};

}  // namespace saffron::plugins
