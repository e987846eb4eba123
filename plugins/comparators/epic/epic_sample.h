#pragma once

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/reward_samples.h>
#include <saffron/schema.h>

#include <cstdint>

namespace saffron::plugins {

// EPIC (epic.h) of a sampled world, D_A and D_S being the actions and states of its data.
//
// method = "sample", after Gleave et al. 2021, section 6 and appendix A.1.3. Of one sample of pairs
// (a_j, s'_j), the same for every state, for the last term and for every reward,
//
//   m(s) = mean_j R(s, a_j, s'_j)
//   C(R)(s, a, s') = R(s, a, s') + gamma m(s') - m(s) - gamma mean_j m(s'_j)
//
// at `transitions` rows of the data. All terms of a potential cancel, not in expectation alone.
// Replicates have pairs from two halves of the episodes. Intervals take episodes anew for the points
// and, by that of its state, for every pair.
//
// method = "mesh": every (s, a, s') of `states` states and `actions` actions of the data, once for each
// time that they were drawn; epic_form of that table. No replicates.
class EpicSample final : public Comparator, public ChecksWorld {
 public:
  enum class Method : std::uint8_t { sample, mesh };
  struct Options {
    Method method = Method::sample;
    std::int64_t transitions = 512, pairs = 512;
    std::int64_t states = 64, actions = 16;
    std::int64_t memory = 1024;
    rewards::SampleOptions estimate;
  };
  static Schema<Options> schema();

  EpicSample(const Options& options, const Context& context)
      : options_(options), context_(context) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override { (void)rewards::sampled(world, "epic_sample"); }

 private:
  Options options_;
  const Context& context_;
};

// The mesh's distances.
[[nodiscard]] Comparison epic_on_mesh(const rewards::SampledData& data,
                                      const EpicSample::Options& options, const Context& context);

// What both methods promise.
[[nodiscard]] Certificate epic_sample_certificate();

}  // namespace saffron::plugins
