// @NAME@: an objective, the reconstruction term of the loss of one SAE.
//
// Change first: the formula below and loss(); then Options and schema(). @NAME@_test.cpp
// compares it with a number computed by hand.
//
// What holds for every objective (saffron/objective.h):
// - loss() returns a scalar with its graph, differentiable in the reconstructions, which are
//   leaves of the step; finite where they are. It is called once a step, with a step of that SAE
//   alone.
// - target(0, t) and reconstruction(0, t) are [B, d_t]; an SAE that predicts several streams has
//   several t. They are of the recipe's dtype, and not always contiguous; change neither.
// - Say in the formula what is summed and what is averaged: a penalty beside a mean over d
//   weighs d times as much as beside a sum.
// - A multiple of the squared error derives from saffron::CanonicalObjective too, so that the
//   coefficients beside it can be compared with those of other runs. This one is no such
//   multiple.

#include <saffron/objective.h>
#include <saffron/plugin.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/huber_loss.h>

namespace {

// Huber's loss of the errors e = xhat - x: summed over d and the targets, averaged over rows,
//
//   L = sum_t mean_b sum_d h(e_bd)       h(e) = e^2 / 2                     where |e| <= delta
//                                               delta (|e| - delta / 2)     elsewhere
//
// Beside the squared error, few rows of large norm weigh less.
// (Huber 1964, "Robust estimation of a location parameter")
class @CLASS@ final : public saffron::Objective {
 public:
  struct Options {
    double delta = 1;
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param(
        "delta", &Options::delta, "error from which on it grows linearly", saffron::positive());
  }
  explicit @CLASS@(const Options& options) : options_(options) {}

  at::Tensor loss(const saffron::TrainStep& step) override {
    at::Tensor total;
    const auto targets = static_cast<std::int64_t>(step.sae(0).predicts.size());
    for (std::int64_t t = 0; t < targets; ++t) {
      const at::Tensor h = at::huber_loss(step.reconstruction(0, t), step.target(0, t),
                                          at::Reduction::None, options_.delta);  // [B, d_t]
      const at::Tensor term = h.sum(1).mean();
      total = total.defined() ? total + term : term;
    }
    return total;
  }

 private:
  Options options_;
};

}  // namespace

SAFFRON_PLUGIN(
    "@ID@", "0.1.0",
    saffron::component<@CLASS@>("@NAME@", "Huber's loss of the reconstructions").cite("Huber 1964"))
