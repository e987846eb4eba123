#include "srrd.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <saffron/error.h>

namespace saffron::plugins {
namespace {

// Sums [R, S] over counts [S], 0 where nothing is counted.
at::Tensor mean(const at::Tensor& sums, const at::Tensor& counts) {
  return at::where(counts > 0, sums / counts, 0.0);
}

// With sign = 1 the sum of all terms.
at::Tensor canonicalise(const TabularWorld& world, const at::Tensor& rewards, double sign) {
  const double g = world.gamma();
  const at::Tensor possible = (world.transitions().dense > 0).to(at::kDouble);
  const at::Tensor R = rewards * possible;
  const at::Tensor counts = possible.sum(1), sums = R.sum(2);  // [S, S'], [R, S, S']
  const at::Tensor next = (counts > 0).to(at::kDouble);        // successors of a state
  const at::Tensor after = (at::matmul(next, next) > 0).to(at::kDouble);
  const at::Tensor ends = next.amax(0).unsqueeze(-1);  // S4, as starts
  const at::Tensor left = sums.sum(2), left_count = counts.sum(1);
  const auto over = [](const at::Tensor& sums_of, const at::Tensor& counts_of,
                       const at::Tensor& sets) {
    return mean(at::matmul(sums_of, sets.t()), at::matmul(sets, counts_of));
  };
  const at::Tensor own = mean(left, left_count);                    // from x to its successors
  const at::Tensor from_next = over(left, left_count, next);        // from these to theirs
  const at::Tensor into = over(sums.sum(1), counts.sum(0), after);  // from anywhere to these
  const at::Tensor from_ends =
      over((sums * ends).sum(1), (counts * ends).sum(0), after);  // from S4 to these
  const at::Tensor all = mean(left.sum(-1, true), left_count.sum());
  const at::Tensor start = sign * own + sign * g * from_next + g * into + sign * g * all;
  const at::Tensor end = g * own + g * g * from_next + sign * g * g * from_ends;
  return (R + start.unsqueeze(-1).unsqueeze(-1) + end.unsqueeze(1).unsqueeze(1)) * possible;
}

Certificate certify() {
  Certificate out;
  out.metric = "SRRD";
  out.needs = {"transitions"};
  out.invariant_to = {"positive scaling"};
  out.pseudometric = true;
  out.high = 1;
  out.covers = "the possible transitions, each counted once whatever its probability";
  out.caveat =
      "It reduces potential shaping and does not remove it, and sees how a reward is spread "
      "over next states, which no policy's return does.";
  return out;
}

}  // namespace

rewards::Canonical srrd_form(const TabularWorld& world) {
  return {"SRRD", canonicalise(world, world.rewards(), -1),
          canonicalise(world, world.rewards().abs(), 1)};
}

Schema<Srrd::Options> Srrd::schema() { return {}; }

void Srrd::check(const World& world) const {
  (void)rewards::dense_tabular(world, "srrd", "a table of all pairs of states");
}

Comparison Srrd::compare(const World& world) {
  const TabularWorld& tabular =
      rewards::dense_tabular(world, "srrd", "a table of all pairs of states");
  const rewards::Canonical form = srrd_form(tabular);
  rewards::require_finite(form, world.info().rewards);
  const at::Tensor possible = (tabular.transitions().dense > 0).to(at::kDouble).reshape({-1});
  const at::Tensor total = possible.sum();
  Comparison out;
  PairMatrix matrix{.key = form.name,
                    .values = {},
                    .reasons = {},
                    .definition =
                        "sqrt((1 - rho) / 2), rho = correlation of the SRRD forms over the "
                        "possible transitions"};
  rewards::correlate(matrix, form.values.flatten(1), form.scale.flatten(1),
                     total.item<double>() > 0 ? possible / total : at::Tensor(), form.name,
                     world.info().rewards);
  out.metrics.push_back(std::move(matrix));
  out.certificates.push_back(certify());
  return out;
}

}  // namespace saffron::plugins
