#include "testing/checks/regularizer.h"
#include "testing/checks/groups.h"
#include "testing/drivers/loss.h"
#include "testing/expect.h"
#include "testing/pseudo.h"
#include "testing/uses.h"

#include <saffron/error.h>
#include <saffron/properties.h>

#include <ATen/TensorOperators.h>

#include <array>
#include <cmath>
#include <set>
#include <string>
#include <utility>

namespace saffron::testing {
namespace {

constexpr double kLayoutTolerance = 1e-9;   // the same sum in another order
constexpr double kNothing = 1e-12;          // relative to max(1, |R|): rounding
constexpr std::int64_t kEntriesOfMany = 3;  // differentiated, beside some directions

void need_graph(std::vector<StepLeaves>& leaves) {
  for (StepLeaves& of : leaves) {
    for (at::Tensor leaf : of.all()) leaf.requires_grad_(true);
  }
}

// Of a regularizer that nothing can be asked about this is the one check that says so aloud.
PenaltyBench bench_or_warning(const Subject& subject) {
  try {
    return PenaltyBench(subject);
  } catch (const Finding& finding) {
    if (finding.verdict.message.starts_with("see ")) throw;
    warn(cat("cannot be tried: ", finding.verdict.message));
  }
}

Verdict scalar_and_finite(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const PenaltyBench bench = bench_or_warning(subject);
  std::vector<StepLeaves> leaves = bench.leaves();
  need_graph(leaves);
  check_scalar_and_finite(bench.penalty(leaves), "penalty");
  return {};
}

Verdict gradient_matches(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_deterministic(subject);
  const auto make = [&] {
    auto regularizer = subject.make<Regularizer>({.dtype = at::kDouble});
    return [regularizer](const TrainStep& step) { return regularizer->penalty(step); };
  };
  const std::int64_t few = saes_for(subject), many = most_saes(subject);
  const std::vector<std::string> pseudo = pseudo_gradients(*subject.make<Regularizer>());
  need_float64(subject);
  check_gradient(subject, make, few, pseudo);
  if (many > few) check_gradient(subject, make, many, pseudo, kEntriesOfMany);
  return {};
}

Verdict ends_of_run(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const auto make = [&] {
    auto regularizer = subject.make<Regularizer>();
    return [regularizer](const TrainStep& step) { return regularizer->penalty(step); };
  };
  check_ends_of_run(subject, make, saes_for(subject), "penalty");
  return {};
}

Verdict zero_input_finite(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const PenaltyBench bench(subject);
  std::vector<StepLeaves> leaves = bench.leaves();
  for (StepLeaves& of : leaves) of.codes = of.codes * 0;
  need_graph(leaves);
  const at::Tensor penalty = bench.penalty(leaves);
  need_number(penalty);
  if (!all_finite(penalty))
    fail(cat("the penalty of codes that are all 0 is ", penalty.item<double>()));
  if (!penalty.requires_grad()) return {};
  penalty.backward();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const std::vector<at::Tensor> all = leaves[i].all();
    for (std::size_t n = 0; n < all.size(); ++n) {
      if (!all_finite(all[n].grad())) {
        fail(cat("the gradient in ", leaf_name(n), " is not finite for codes that are all 0"));
      }
    }
  }
  return {};
}

Verdict layouts_agree(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_deterministic(subject);
  const PenaltyBench bench(subject);
  const std::vector<StepLeaves> leaves = bench.leaves();
  const double dense = bench.value(leaves);
  for (const auto& [layout, name] :
       {std::pair{Codes::Layout::topk, "topk"}, {Codes::Layout::csr, "csr"}}) {
    double other = 0;
    try {
      other = bench.value(leaves, layout);
    } catch (const Finding&) {
      throw;
    } catch (const std::exception& error) {
      fail(cat("codes in the layout ", name, " are not taken: ", words_of(error)));
    }
    if (!(std::abs(other - dense) <= kLayoutTolerance * std::max(1.0, std::abs(dense)))) {
      fail(cat("the same codes give ", dense, " as dense and ", other, " as ", name));
    }
  }
  return {};
}

// The leaves of SAE `i` with other numbers, `scale` times as large, which stay above 0 where they are.
std::vector<StepLeaves> moved(const std::vector<StepLeaves>& leaves, std::size_t i, double scale,
                              const Random& random) {
  std::vector<StepLeaves> out = leaves;
  std::uint64_t number = 0;
  for (at::Tensor* leaf :
       {&out[i].codes, &out[i].reconstruction, &out[i].W_enc, &out[i].b_enc, &out[i].W_dec}) {
    const at::Tensor u = random.fork(number++).uniform_rows(0, 1, leaf->numel(), at::kDouble);
    *leaf = scale * (*leaf * (1 + 0.5 * u.view(leaf->sizes())) + 0.1 * u.view(leaf->sizes()));
  }
  return out;
}

// By its value, or, where that stays (of what only gradients carry), by a gradient. Where the worst
// SAE alone counts, or what is above a bound, it takes much more, or less.
bool counts(const PenaltyBench& bench, std::vector<StepLeaves> leaves, std::size_t i,
            const Random& random) {
  const double before = bench.value(leaves);
  for (const double scale : {1.0, 1e3, 1e-3}) {
    const double after = bench.value(moved(leaves, i, scale, random));
    if (std::abs(after - before) > kNothing * std::max(1.0, std::abs(before))) return true;
  }
  need_graph(leaves);
  const at::Tensor penalty = bench.penalty(leaves);
  if (!penalty.requires_grad()) return false;
  penalty.backward();
  for (const at::Tensor& leaf : leaves[i].all()) {
    if (leaf.grad().defined() && leaf.grad().ne(0).any().item<bool>()) return true;
  }
  return false;
}

Verdict every_sae_counts(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_deterministic(subject);
  static_cast<void>(saes_for(subject));
  const std::int64_t saes = most_saes(subject);
  if (saes < 2) skip("takes one SAE");
  const PenaltyBench bench(subject, saes);
  const std::vector<StepLeaves> leaves = bench.leaves();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (counts(bench, leaves, i, subject.random("every-sae-counts").fork(i))) continue;
    fail(cat("takes ", saes, " SAEs, and SAE ", i, " does not count: neither its codes nor its ",
             "reconstructions nor its parameters change the penalty, and no gradient reaches ",
             "them; go over all step.saes(), or refuse that many in check() ",
             "(saffron::ChecksSaes)"));
  }
  return {};
}

Verdict readings_are_named(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const auto regularizer = subject.make<Regularizer>();
  const auto* shows = dynamic_cast<const ShowsReadings*>(regularizer.get());
  if (shows == nullptr) skip("shows no readings");
  const ToyStep toys(saes_for(subject));
  Inputs inputs(drawn(subject));
  static_cast<void>(regularizer->penalty(*toys.step(toys.leaves(inputs), inputs)));
  const auto saes = static_cast<std::int64_t>(toys.saes().size());
  for (std::int64_t i = 0; i < saes; ++i) {
    std::set<std::string> names;
    for (const auto& [name, value] : shows->readings(i)) {
      if (name.empty()) fail("a reading has no name");
      if (!names.insert(name).second) fail(cat("two readings are called '", name, "'"));
      if (!std::isfinite(value)) fail(cat("the reading '", name, "' is ", value));
    }
  }
  return {};
}

constexpr Check kChecks[] = {
    {"scalar-and-finite", "regularizer", "the penalty is one finite number", 1, scalar_and_finite},
    {"gradient-matches-finite-difference", "regularizer",
     "its gradients in codes, reconstructions and parameters are its derivatives", 1,
     gradient_matches},
    {"ends-of-run", "regularizer", "the first and the last step of a run have a finite penalty", 1,
     ends_of_run},
    {"every-sae-counts", "regularizer", "of several SAEs, each changes the penalty", 3,
     every_sae_counts},
    {"zero-input-finite", "regularizer", "codes that are all 0 give a finite penalty and gradient",
     2, zero_input_finite},
    {"layouts-agree", "regularizer", "dense, topk and csr codes mean the same", 5, layouts_agree},
    {"readings-are-named", "regularizer",
     "what it shows beside its penalty are finite numbers, each of a name", 3, readings_are_named},
    {"non-negative", "regularizer", "declared: R >= 0", 3, non_negative},
    {"scale-degree", "regularizer", "declared: R(c f) = c^degree R(f)", 3, scale_degree},
    {"permutation-invariant", "regularizer", "declared: the order of latents does not matter", 3,
     permutation_invariant},
    {"declared-range", "regularizer", "declared: low <= R <= high", 3, declared_range},
};

}  // namespace

std::span<const Check> regularizer_checks() { return kChecks; }

}  // namespace saffron::testing
