#pragma once

#include "testing/drivers/toy_step.h"

#include <saffron/objective.h>
#include <saffron/regularizer.h>

#include <functional>
#include <string>
#include <vector>

// Regularizers and objectives alike: a scalar of a training step.

namespace saffron::testing {

// The scalar of a fresh component for one step.
using StepLoss = std::function<at::Tensor(const TrainStep& step)>;

// The smallest number of toy SAEs, up to four, that a fresh instance accepts, at its check and in a
// step. Skips the check where it accepts none: the toy SAEs lack something that it needs.
[[nodiscard]] std::int64_t saes_for(const Subject& subject);
// The largest such number, up to three where it may be; 0 where there is none.
[[nodiscard]] std::int64_t most_saes(const Subject& subject);

// What the loss says of the variant's step, and its gradients in all leaves.
void observe_loss(const StepLoss& loss, const ToyStep& toys, Inputs& inputs, Observed& out);

// The checks that both kinds have.
void check_scalar_and_finite(const at::Tensor& loss, const char* what);
// A fresh component, asked in the first step of a run and another in the last, gives a finite number.
void check_ends_of_run(const Subject& subject, const std::function<StepLoss()>& make,
                       std::int64_t saes, const char* what);
// Skips the check where there is no one number to speak of.
void need_number(const at::Tensor& loss);
// In float64, in every leaf but those that `pseudo` names, against finite differences of some entries
// of each. `make` makes a component for each evaluation. Ask need_float64() first.
inline constexpr std::int64_t kGradientEntries = 12;
void check_gradient(const Subject& subject, const std::function<StepLoss()>& make,
                    std::int64_t saes, const std::vector<std::string>& pseudo,
                    std::int64_t entries = kGradientEntries);

}  // namespace saffron::testing
