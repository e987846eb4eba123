#pragma once

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/reward_samples.h>
#include <saffron/schema.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// DARD (dard.h) of a sampled world whose states come again. Of actions a_k of the data, the same for all
// states, each twice, and one successor x'_k of every state x by each, drawn from what followed it in the
// data,
//
//   m(x) = mean_k R(x, a_k, x'_k)
//   C(R)(s, a, s') = R(s, a, s') + gamma m(s') - m(s) - gamma t(s, s')
//   t(s, s') = mean_k R(s_k, a_k, s'_k)      "DARD_sample": one action for both steps
//            = mean_kl R(s_k, a_l, s'_l)     "DARD_indepA_sample": an action of its own for each
//
// s_k and s'_k being the successors of s and s', drawn independently also where s' = s. All terms of a
// potential cancel, not in expectation alone. A terminal state is followed by itself. Transitions of
// states which some a_k never left are left out. Replicates have actions and successors from two halves
// of the episodes. Resamples draw anew the episodes of (s, a, s'), and which actions count.
class DardSample final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::int64_t transitions = 512, draws = 20;
    std::vector<std::string> actions = {"shared"};
    rewards::SampleOptions estimate;
  };
  static Schema<Options> schema();

  DardSample(const Options& options, const Context& context)
      : options_(options), context_(context) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override { (void)rewards::sampled(world, "dard_sample"); }

 private:
  Options options_;
  const Context& context_;
};

}  // namespace saffron::plugins
