#include "testing/checks/groups.h"
#include "testing/drivers/loss.h"
#include "testing/expect.h"
#include "testing/pseudo.h"
#include "testing/uses.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

namespace saffron::testing {
namespace {

constexpr double kTolerance = 1e-9;

at::Tensor loss_of(const Subject& subject, const std::vector<StepLeaves>& leaves) {
  need_float64(subject);
  Inputs inputs(drawn(subject, {.dtype = at::kDouble}));
  return subject.make<Objective>({.dtype = at::kDouble})->loss(*ToyStep(1).step(leaves, inputs));
}

std::vector<StepLeaves> toy_leaves(const Subject& subject) {
  Inputs inputs(drawn(subject, {.dtype = at::kDouble}));
  return ToyStep(1).leaves(inputs);
}

double value_of(const Subject& subject, const std::vector<StepLeaves>& leaves) {
  const at::Tensor loss = loss_of(subject, leaves);
  need_number(loss);
  return loss.item<double>();
}

at::Tensor targets(const Subject& subject) {
  return toy_rows(drawn(subject).data, Variant().rows).to(at::kDouble);
}

Verdict scalar_and_finite(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  check_scalar_and_finite(loss_of(subject, toy_leaves(subject)), "loss");
  return {};
}

Verdict gradient_matches(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_deterministic(subject);
  need_float64(subject);
  check_gradient(
      subject,
      [&] {
        auto objective = subject.make<Objective>({.dtype = at::kDouble});
        return [objective](const TrainStep& step) { return objective->loss(step); };
      },
      1, pseudo_gradients(*subject.make<Objective>()));
  return {};
}

Verdict perfect_is_best(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  std::vector<StepLeaves> leaves = toy_leaves(subject);
  leaves[0].reconstruction = targets(subject);
  const double perfect = value_of(subject, leaves);
  leaves[0].reconstruction = targets(subject) * 0;
  const double nothing = value_of(subject, leaves);
  if (!(perfect < nothing)) {
    fail(cat("a perfect reconstruction has loss ", perfect, ", an empty one ", nothing));
  }
  return {};
}

Verdict canonical_scale(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const auto objective = subject.make<Objective>({.dtype = at::kDouble});
  const auto* canonical = dynamic_cast<const CanonicalObjective*>(objective.get());
  if (canonical == nullptr) skip("is no multiple of the squared error");
  const auto scale = canonical->canonical_scale(*ToyStep(1).saes()[0]);
  if (!scale) skip("has no canonical scale for the toy SAE");
  const std::vector<StepLeaves> leaves = toy_leaves(subject);
  const double squared =
      (leaves[0].reconstruction - targets(subject)).square().sum(1).mean().item<double>();
  const double scaled = *scale * value_of(subject, leaves);
  if (std::abs(scaled - squared) > kTolerance * std::max(1.0, squared)) {
    fail(cat("declares squared error = ", *scale, " * loss, which is ", scaled, ", not ", squared));
  }
  return {};
}

constexpr Check kChecks[] = {
    {"scalar-and-finite", "objective", "the loss is one finite number", 1, scalar_and_finite},
    {"gradient-matches-finite-difference", "objective",
     "its gradients in reconstructions are its derivatives", 1, gradient_matches},
    {"perfect-is-best", "objective", "a perfect reconstruction has a smaller loss than none", 2,
     perfect_is_best},
    {"canonical-scale", "objective", "declared: squared error = scale * loss", 3, canonical_scale},
};

}  // namespace

std::span<const Check> objective_checks() { return kChecks; }

}  // namespace saffron::testing
