#include "testing/checks/again.h"
#include "testing/checks/groups.h"
#include "testing/drivers/loss.h"
#include "testing/drivers/two_targets.h"
#include "testing/expect.h"
#include "testing/made.h"
#include "testing/pseudo.h"
#include "testing/uses.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

namespace saffron::testing {
namespace {

constexpr double kTolerance = 1e-9;
constexpr double kNoise = 0.05;
constexpr const char* kPerfectIsBest = "perfect-is-best";

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

Verdict ends_of_run(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const auto make = [&] {
    auto objective = subject.make<Objective>();
    return [objective](const TrainStep& step) { return objective->loss(step); };
  };
  check_ends_of_run(subject, make, 1, "loss");
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
  const at::Tensor x = targets(subject);
  const auto loss = [&](const at::Tensor& xhat) {
    leaves[0].reconstruction = xhat;
    return value_of(subject, leaves);
  };
  const double perfect = loss(x), nothing = loss(x * 0);
  if (!(perfect < nothing)) {
    fail(cat("the loss of a perfect reconstruction is ", perfect, ", of none ", nothing));
  }
  const at::Tensor noise =
      subject.random("perfect-is-best").normal_rows(0, x.size(0), x.size(1), at::kDouble);
  for (const auto& [xhat, what] : {std::pair{0.9 * x, "one that is shrunk to 0.9 of it"},
                                   {x + kNoise * noise, "one with a little noise"}}) {
    const double other = loss(xhat);
    if (perfect <= other + kTolerance * std::abs(other)) continue;
    fail(cat("the loss of a perfect reconstruction is ", perfect, ", of ", what, ' ', other));
  }
  return {};
}

Verdict every_target_counts(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const TwoTargets toy(subject);
  const auto loss = [&](const std::vector<at::Tensor>& xhat) {
    return or_skip(subject, [&] {
      const at::Tensor out = subject.make<Objective>({.dtype = at::kDouble})->loss(*toy.step(xhat));
      need_number(out);
      return out.item<double>();
    });
  };
  need_float64(subject);
  const double perfect = loss(toy.targets());
  for (std::size_t t = 0; t < toy.targets().size(); ++t) {
    std::vector<at::Tensor> xhat = toy.targets();
    if (toy.inputs().sizes() == xhat[t].sizes()) {
      xhat[t] = toy.inputs();
      const double echo = loss(xhat);
      if (!(perfect < echo)) {
        leave_to(
            subject, kPerfectIsBest,
            cat("the loss is ", perfect, " of a perfect reconstruction of the targets, and ", echo,
                " where the inputs are given back: compare with step.target(0, t), "
                "which is not the input of every SAE"));
      }
    }
    xhat[t] = xhat[t] * 0;
    const double without = loss(xhat);
    if (perfect < without) continue;
    leave_to(subject, kPerfectIsBest,
             cat("of two targets, target ", t, " does not count: the loss is ", perfect,
                 " of a perfect reconstruction, and ", without, " where that of target ", t,
                 " is 0; go over step.target(0, t) of all of step.sae(0).predicts"));
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
    {"ends-of-run", "objective", "the first and the last step of a run have a finite loss", 1,
     ends_of_run},
    {kPerfectIsBest, "objective",
     "a perfect reconstruction has a smaller loss than none, and no larger one than others", 2,
     perfect_is_best},
    {"every-target-counts", "objective", "of several targets, each is compared with its own rows",
     3, every_target_counts},
    {"canonical-scale", "objective", "declared: squared error = scale * loss", 3, canonical_scale},
};

}  // namespace

std::span<const Check> objective_checks() { return kChecks; }

}  // namespace saffron::testing
