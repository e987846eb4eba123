#include "val.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>

namespace saffron::plugins {
namespace {

std::string unreached(const at::Tensor& reachable) {
  std::string out;
  std::int64_t count = 0;
  for (std::int64_t s = 0; s < reachable.size(0); ++s) {
    if (reachable[s].item<bool>()) continue;
    if (++count <= 8) out += (out.empty() ? "" : ", ") + std::to_string(s);
  }
  return count > 8 ? cat(out, " and ", count - 8, " more") : out;
}

// A STARC metric: c is a STARC canonicalisation, every norm here is a norm on its image, and the
// angle is equivalent to the distance of unit vectors. Sound in every MDP; complete where all
// states are reached, since no policy's return sees the others.
Certificate certify(const rewards::Distances& distances, const rewards::Measure& measure,
                    const std::string& unreached_states) {
  Certificate out = distances.certificate(measure);
  out.needs = {"transitions", "policy"};
  out.invariant_to.push_back("potential shaping");
  out.invariant_to.push_back("S'-redistribution");
  out.covers = "all policies of this MDP";
  out.sound = measure.scale_invariant();
  out.complete = out.sound && unreached_states.empty();
  if (!out.sound) {
    out.caveat = "Not normalised: it grows with the rewards' scale, which no policy's order sees.";
  } else if (!unreached_states.empty()) {
    out.caveat = cat("No policy reaches these states from mu0: ", unreached_states,
                     "; rewards there count in the distance and in no policy's return.");
  }
  return out;
}

}  // namespace

ValForm val_form(const TabularWorld& world) {
  const at::Tensor& tau = world.transitions().dense;
  const std::int64_t count = world.rewards().size(0);
  const rewards::PolicyEvaluation evaluation(world);
  const at::Tensor rbar = rewards::expected_rewards(tau, world.rewards());
  // The same with absolute values: what the sums below could have cancelled.
  const at::Tensor size = rewards::expected_rewards(tau, world.rewards().abs());
  const at::Tensor V = evaluation.values(at::cat({rbar, size}));                  // [2 R, S]
  const at::Tensor next = at::matmul(tau, V.t()).movedim(-1, 0) * world.gamma();  // [2 R, S, A]
  const at::Tensor here = V.unsqueeze(-1);
  ValForm out;
  out.values = V.slice(0, 0, count);
  out.canonical.name = "VAL";
  out.canonical.values =
      (rbar + next.slice(0, 0, count) - here.slice(0, 0, count)).unsqueeze(-1).contiguous();
  out.canonical.scale =
      (size + next.slice(0, count) + here.slice(0, count)).unsqueeze(-1).contiguous();
  return out;
}

Schema<Val::Options> Val::schema() {
  return Schema<Options>{}
      .param("pairs", &Options::pairs,
             "distances: normalisation-distance such as \"2-2\" or \"weighted_1-inf\" of the norms "
             "1, 2, inf, weighted_1, weighted_2, weighted_inf and none; \"angle\", "
             "\"weighted_angle\"; \"all\" of these")
      .check([](const Options& o) { return rewards::check_measures(o.pairs, false); });
}

Comparison Val::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "val");
  const rewards::Distances distances(tabular, val_form(tabular).canonical, world.info().rewards);
  const std::string states = unreached(rewards::reachable_states(tabular));
  Comparison out;
  for (const rewards::Measure& measure : rewards::parse_measures(options_.pairs, false)) {
    out.metrics.push_back(distances.matrix(measure));
    out.certificates.push_back(certify(distances, measure, states));
  }
  for (const std::string& name : distances.trivial()) {
    out.degenerate.push_back(cat("reward '", name, "' is trivial: no policy beats another"));
  }
  return out;
}

}  // namespace saffron::plugins
