#include "testing/checks/regularizer.h"

#include "testing/expect.h"

#include <saffron/error.h>
#include <saffron/properties.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace saffron::testing {
namespace {

constexpr double kTolerance = 1e-6;  // in float64, relative to max(1, |R|)

PenaltyProperties declared(const Subject& subject) {
  const auto regularizer = subject.make<Regularizer>();
  const auto* declares = dynamic_cast<const DeclaresPenalty*>(regularizer.get());
  return declares == nullptr ? PenaltyProperties() : declares->penalty_properties();
}

}  // namespace

Verdict non_negative(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  if (!declared(subject).non_negative) skip("does not declare that it is non-negative");
  const PenaltyBench bench(subject);
  for (const double scale : {1.0, -1.0, 1e-3, 0.0}) {
    std::vector<StepLeaves> leaves = bench.leaves();
    for (StepLeaves& of : leaves) of.codes = of.codes * scale;
    const double value = bench.value(leaves);
    if (!(value >= 0)) fail(cat("declares R >= 0 and is ", value, " for codes times ", scale));
  }
  return {};
}

Verdict scale_degree(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_deterministic(subject);
  const std::optional<double> degree = declared(subject).scale_degree;
  if (!degree) skip("declares no degree of its scale");
  const PenaltyBench bench(subject);
  const double one = bench.value(bench.leaves());
  for (const double c : {0.5, 2.0, 7.0, 1e3}) {
    std::vector<StepLeaves> leaves = bench.leaves();
    for (StepLeaves& of : leaves) of.codes = of.codes * c;
    const double scaled = bench.value(leaves), expected = std::pow(c, *degree) * one;
    if (!(std::abs(scaled - expected) <= kTolerance * std::max(1.0, std::abs(expected)))) {
      fail(cat("declares R(c f) = c^", *degree, " R(f): c = ", c, " gives ", scaled, ", not ",
               expected));
    }
  }
  return {};
}

Verdict permutation_invariant(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_deterministic(subject);
  if (!declared(subject).permutation_invariant) skip("does not declare it");
  const PenaltyBench bench(subject);
  std::vector<StepLeaves> leaves = bench.leaves();
  const double before = bench.value(leaves);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    StepLeaves& of = leaves[i];
    const at::Tensor order = subject.random("permutation")
                                 .uniform_rows(static_cast<std::int64_t>(i), 1, of.W_dec.size(0))
                                 .view(-1)
                                 .argsort(/*stable=*/true, 0);
    of.codes = of.codes.index_select(1, order);
    of.W_enc = of.W_enc.index_select(0, order);
    of.b_enc = of.b_enc.index_select(0, order);
    of.W_dec = of.W_dec.index_select(0, order);
  }
  const double after = bench.value(leaves);
  if (!(std::abs(after - before) <= kTolerance * std::max(1.0, std::abs(before)))) {
    fail(cat("declares that the order of latents does not matter: ", before, " and, permuted, ",
             after));
  }
  return {};
}

Verdict declared_range(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const PenaltyProperties properties = declared(subject);
  if (!properties.low && !properties.high) skip("declares no range");
  const PenaltyBench bench(subject);
  for (const double scale : {1.0, -1.0, 1e-3, 1e3}) {
    std::vector<StepLeaves> leaves = bench.leaves();
    for (StepLeaves& of : leaves) of.codes = of.codes * scale;
    const double value = bench.value(leaves);
    // Written so that NaN is outside.
    if (!(value >= properties.low.value_or(value) - kTolerance) ||
        !(value <= properties.high.value_or(value) + kTolerance)) {
      fail(cat("is ", value, " for codes times ", scale, ", outside its declared range"));
    }
  }
  return {};
}

}  // namespace saffron::testing
