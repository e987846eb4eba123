#include "npec.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <saffron/error.h>
#include <saffron/reward_metrics.h>

namespace saffron::plugins {
namespace {

// From reward x to all rewards y [R, N], unit vectors under the weights or 0.
at::Tensor nearest(const at::Tensor& x, const at::Tensor& y, const rewards::Cells& cells) {
  const at::Tensor cosine = (x * y * cells.count).sum(-1, true).clamp_min(0);
  return rewards::norm(rewards::Norm::two, y - cosine * x, cells).clamp_max(1);
}

Certificate certify(const TabularWorld& world) {
  Certificate out;
  out.metric = "NPEC";
  out.needs = {rewards::kCoverage};
  out.invariant_to = {"positive scaling"};
  out.high = 1;
  out.covers = "the reward functions alone, not what policies earn by them";
  out.caveat =
      "Not a metric: 1 from a reward that is shaping alone and 0 to it. It reads rewards "
      "of transitions that cannot happen, and how a reward is spread over next states, "
      "which no policy's return does.";
  rewards::claim_shaping(world, rewards::Shaping::unending, out);
  return out;
}

}  // namespace

Schema<Npec::Options> Npec::schema() { return {}; }

void Npec::check(const World& world) const { (void)rewards::dense_tabular(world, "npec"); }

Comparison Npec::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "npec");
  const std::vector<std::string>& names = world.info().rewards;
  const rewards::Canonical form = rewards::minimal_potential_form(tabular);
  rewards::require_finite(form, names);
  const at::Tensor weight = rewards::coverage(tabular, false).view(-1);
  const rewards::Cells cells{weight, weight, weight};
  const at::Tensor unit = rewards::standardise(rewards::Norm::two, form.values.flatten(1),
                                               form.scale.flatten(1), cells);
  Comparison out;
  PairMatrix matrix{.key = "NPEC",
                    .values = at::zeros({unit.size(0), unit.size(0)}, at::kDouble),
                    .reasons = {},
                    .definition =
                        "min ||a R1 + shaping - R2|| / min ||shaping - R2|| over a >= 0 and "
                        "potentials, root mean square over D_S x D_A x D_S"};
  for (std::int64_t i = 0; i < unit.size(0); ++i) {
    matrix.values[i].copy_(nearest(unit[i], unit, cells));
  }
  out.metrics.push_back(std::move(matrix));
  out.certificates.push_back(certify(tabular));
  rewards::warn_of_coverage(out, tabular);
  rewards::warn_of_unreached(out, tabular);
  for (std::int64_t i = 0; i < unit.size(0); ++i) {
    if (unit[i].any().item<bool>()) continue;
    out.degenerate.push_back(
        cat("reward '", names[static_cast<std::size_t>(i)], "' ", rewards::kShapingAlone));
  }
  return out;
}

}  // namespace saffron::plugins
