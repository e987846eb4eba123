#include "srrd.h"

#include <saffron/error.h>
#include <saffron/reward_samples.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

namespace saffron::plugins {
namespace {

Certificate certify(const char* needs, const char* covers) {
  Certificate out;
  out.metric = "SRRD";
  out.needs = {needs};
  out.invariant_to = {"positive scaling"};
  out.pseudometric = true;
  out.high = 1;
  out.covers = covers;
  out.caveat =
      "It reduces potential shaping and does not remove it, and sees how a reward is spread "
      "over next states, which no policy's return does.";
  return out;
}

// Over the entries of the form where weight is not 0.
Comparison distances(const rewards::Canonical& form, const at::Tensor& weight,
                     const std::vector<std::string>& names, Certificate certificate) {
  rewards::require_finite(form, names);
  Comparison out;
  PairMatrix matrix{.key = form.name,
                    .values = {},
                    .reasons = {},
                    .definition = "sqrt((1 - rho) / 2), rho = correlation of the SRRD forms over " +
                                  certificate.covers};
  rewards::correlate(matrix, form.values.flatten(1), form.scale.flatten(1), weight, form.name,
                     names);
  out.metrics.push_back(std::move(matrix));
  out.certificates.push_back(std::move(certificate));
  return out;
}

const TabularWorld& table_of(const World& world) {
  return rewards::dense_tabular(world, "srrd", "a table of all pairs of states");
}

Comparison of_table(const World& world) {
  const TabularWorld& tabular = table_of(world);
  const at::Tensor possible = (tabular.transitions().dense > 0).to(at::kDouble).reshape({-1});
  const at::Tensor total = possible.sum();
  Comparison out =
      distances(srrd_form(tabular), total.item<double>() > 0 ? possible / total : at::Tensor(),
                world.info().rewards,
                certify("transitions",
                        "the possible transitions, each counted once whatever its probability"));
  rewards::warn_of_unreached(out, tabular);
  return out;
}

// The data's transitions, those of equal numbers once.
Comparison of_sample(const World& world) {
  const rewards::SampledData data = rewards::read_samples(world, "srrd");
  const rewards::DistinctRows state = rewards::distinct_rows(data.states, data.next_states);
  const rewards::DistinctRows action = rewards::distinct_rows(data.actions);
  const std::int64_t N = data.count();
  const at::Tensor start = state.number.narrow(0, 0, N), end = state.number.narrow(0, N, N);
  const at::Tensor once = rewards::distinct_rows(at::stack({start, action.number, end}, 1)).first;
  const TransitionList list{start.index_select(0, once), end.index_select(0, once), state.count(),
                            data.rewards.index_select(1, once)};
  const std::int64_t n = once.size(0);
  Comparison out = distances(
      srrd_form(list, data.gamma), at::full({n}, 1 / static_cast<double>(n), at::kDouble),
      data.names(),
      certify("drawn transitions",
              "the different transitions of the sample, each counted once however often drawn"));
  out.report.blocks.push_back(
      {.title = "SRRD: what was read",
       .caption = "",
       .body = TextBlock{cat(n, " different transitions between ", state.count(), " states, of ", N,
                             " drawn.")}});
  return out;
}

}  // namespace

Schema<Srrd::Options> Srrd::schema() { return {}; }

void Srrd::check(const World& world) const {
  if (dynamic_cast<const SampledWorld*>(&world) == nullptr) (void)table_of(world);
}

Comparison Srrd::compare(const World& world) {
  return dynamic_cast<const SampledWorld*>(&world) != nullptr ? of_sample(world) : of_table(world);
}

}  // namespace saffron::plugins
