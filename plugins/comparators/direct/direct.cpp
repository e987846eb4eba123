#include "direct.h"

#include <ATen/TensorOperators.h>
#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <limits>

namespace saffron::plugins {
namespace {

// x [..., N] and weights of sum 1.
at::Tensor mean_norm(const at::Tensor& x, const at::Tensor& weight, const std::string& p) {
  if (p == "inf") return (x.abs() * (weight > 0)).amax(-1);
  const rewards::Cells cells{weight, weight, weight};
  return rewards::norm(p == "1" ? rewards::Norm::one : rewards::Norm::two, x, cells);
}

PairMatrix matrix_of(const TabularWorld& world, const std::string& name) {
  const std::string p = name.substr(0, name.find('-'));
  const bool reachable = name.ends_with("-reachable");
  const std::int64_t count = world.rewards().size(0);
  PairMatrix out{.key = "direct/" + name,
                 .values = {},
                 .reasons = {},
                 .definition = cat(p == "inf" ? "max |R1 - R2|"
                                   : p == "1" ? "E |R1 - R2|"
                                              : "sqrt(E (R1 - R2)^2)",
                                   ", (s, a, s') ~ D_S x D_A x ", reachable ? "tau" : "D_S")};
  const at::Tensor weight = rewards::coverage(world, reachable);
  if (!weight.defined()) {
    rewards::leave_undefined(out, count, rewards::kNoCoverage);
    return out;
  }
  out.values = rewards::pairwise(world.rewards().reshape({count, -1}),
                                 [&](const at::Tensor& u, const at::Tensor& v) {
                                   return mean_norm(u - v, weight.view(-1), p);
                                 });
  if (!out.values.isfinite().all().item<bool>()) {
    throw Error(ErrorKind::numeric, "a difference of rewards overflows float64")
        .with_help("scale the rewards down");
  }
  return out;
}

Certificate certify(const std::string& key) {
  Certificate out;
  out.metric = key;
  out.needs = {rewards::kCoverage};
  if (key.ends_with("-reachable")) out.needs.emplace_back("transitions");
  out.pseudometric = true;
  out.high = std::numeric_limits<double>::infinity();
  out.covers = "the reward functions alone, not what policies earn by them";
  out.caveat =
      "In the rewards' units. It sees scale, potential shaping and how a reward is spread "
      "over next states, which change no policy's rank.";
  return out;
}

}  // namespace

Schema<Direct::Options> Direct::schema() {
  return Schema<Options>{}
      .param(
          "distances", &Options::distances,
          "the p of the mean and the coverage: 1, 2 or inf, \"-uniform\" over D_S x D_A x D_S or "
          "\"-reachable\" over D_S x D_A x tau",
          one_of({"1-uniform", "2-uniform", "inf-uniform", "1-reachable", "2-reachable",
                  "inf-reachable"}))
      .check([](const Options& o) { return rewards::check_distinct("distances", o.distances); });
}

void Direct::check(const World& world) const { (void)rewards::dense_tabular(world, "direct"); }

Comparison Direct::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "direct");
  Comparison out;
  for (const std::string& name : options_.distances) {
    out.metrics.push_back(matrix_of(tabular, name));
    out.certificates.push_back(certify(out.metrics.back().key));
  }
  rewards::warn_of_coverage(out, tabular);
  rewards::warn_of_unreached(out, tabular);
  return out;
}

}  // namespace saffron::plugins
