#include "epic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>

namespace saffron::plugins {
namespace {

using rewards::Measure;

const char* caveat(const Measure& measure) {
  if (measure.kind == Measure::Kind::pearson_reachable) {
    return "It measures on possible transitions only, but its canonical form reads impossible "
           "ones, and it sees how a reward is spread over next states, which no policy's return "
           "does: rewards that order all policies in opposite ways can be near 0 apart, and "
           "rewards that order them alike far apart.";
  }
  return "It reads rewards of transitions that cannot happen, and how a reward is spread over next "
         "states, which no policy's return does: rewards that order all policies in opposite ways "
         "can be near 0 apart, and rewards that order them alike far apart.";
}

Certificate certify(const rewards::Distances& distances, const Measure& measure) {
  Certificate out = distances.certificate(measure);
  out.needs = {"D_S and D_A"};
  if (measure.weighted()) out.needs.push_back("transitions");
  out.invariant_to.push_back("potential shaping");
  out.covers = "the reward functions alone, not what policies earn by them";
  out.caveat = caveat(measure);
  return out;
}

// R + gamma m(s') - m(s) - gamma E[m], or, with sign = 1, the sum of the four.
at::Tensor canonicalise(const TabularWorld& world, const at::Tensor& rewards, double sign) {
  const double gamma = world.gamma();
  const at::Tensor& D_S = world.state_distribution();
  const at::Tensor m = at::matmul(at::matmul(rewards, D_S), world.action_distribution());  // [R, S]
  const at::Tensor mean = at::matmul(m, D_S);                                              // [R]
  const at::Tensor here = m + gamma * mean.unsqueeze(-1);
  return rewards + gamma * m.unsqueeze(1).unsqueeze(1) + sign * here.unsqueeze(-1).unsqueeze(-1);
}

}  // namespace

rewards::Canonical epic_form(const TabularWorld& world) {
  rewards::Canonical out;
  out.name = "EPIC";
  out.values = canonicalise(world, world.rewards(), -1);
  out.scale = canonicalise(world, world.rewards().abs(), 1);
  return out;
}

Schema<Epic::Options> Epic::schema() {
  return Schema<Options>{}
      .param("pairs", &Options::pairs,
             "distances: \"pearson-uniform\" over D_S x D_A x D_S, as published, "
             "\"pearson-reachable\" over D_S x D_A x tau; normalisation-distance such as \"2-2\" "
             "or \"weighted_1-inf\" of the norms 1, 2, inf, weighted_1, weighted_2, weighted_inf "
             "and none; \"angle\", \"weighted_angle\"; \"all\" but the first two")
      .check([](const Options& o) { return rewards::check_measures(o.pairs, true); });
}

Comparison Epic::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "epic");
  const rewards::Distances distances(tabular, epic_form(tabular), world.info().rewards);
  Comparison out;
  for (const Measure& measure : rewards::parse_measures(options_.pairs, true)) {
    out.metrics.push_back(distances.matrix(measure));
    out.certificates.push_back(certify(distances, measure));
  }
  for (const std::string& name : distances.trivial()) {
    out.degenerate.push_back(
        cat("reward '", name, "' is potential shaping alone: its EPIC form is 0"));
  }
  return out;
}

}  // namespace saffron::plugins
