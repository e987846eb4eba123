#include "testing/checks/sae_training.h"

#include "testing/checks/again.h"
#include "testing/checks/sae_gradient.h"
#include "testing/drivers/toy_training.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <array>

namespace saffron::testing {
namespace {

constexpr std::int64_t kRows = 64;
constexpr double kRate = 1e-2;
// How long and how fast it learns, until one of these is enough.
struct Lesson {
  int steps;
  double rate;
};
constexpr std::uint64_t kFirstLesson = 20;  // its rows, fresh ones in each step
constexpr std::array kLessons = {Lesson{200, kRate}, Lesson{400, kRate / 10}};
constexpr double kLittle = 0.05;    // of the error of the mean alone
constexpr double kLessError = 0.9;  // of the error before, at most, after training

// The squared error of predicting each target's mean.
double spread(const SaeInput& input) {
  double sum = 0;
  for (const at::Tensor& x : input.targets) {
    sum += (x - x.mean(0)).square().sum(1).mean().item<double>();
  }
  return sum;
}

// The squared errors of rows apart from those that it learns from.
struct Errors {
  double before, after, of_mean;
  [[nodiscard]] bool less() const {
    // One that starts from the data may be near the best from the start.
    return after < kLittle * of_mean || after < kLessError * std::min(before, of_mean);
  }
};

Errors trained(const Subject& subject, const Lesson& lesson) {
  ToyTraining training(subject, {});
  const auto probe = [&] { return training.batch(subject.nth(12), kRows); };
  Errors out{training.squared_error(probe()), 0, spread(probe())};
  if (dynamic_cast<Fitted*>(&training.sae()) != nullptr) {
    training.fit();
  } else {
    if (!training.trainable()) skip("has nothing to train");
    for (int step = 0; step < lesson.steps; ++step) {
      const SaeInput input =
          training.batch(subject.nth(kFirstLesson + static_cast<std::uint64_t>(step)), kRows);
      training.step(input, training.pass(input), lesson.rate);
    }
  }
  out.after = training.squared_error(probe());
  return out;
}

}  // namespace

// The more latents, the smaller the steps that do not overshoot.
Verdict loss_decreases(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_initialised(subject);
  std::string found;
  for (const Lesson& lesson : kLessons) {
    const Errors errors = trained(subject, lesson);
    if (errors.less()) return {};
    found +=
        cat(found.empty() ? "" : "; ", errors.before, " before and ", errors.after, " after ",
            lesson.steps, " steps at rate ", lesson.rate, ", their mean alone ", errors.of_mean);
  }
  leave_to(
      subject, kUsedAgain,
      cat("squared error on the toy features: ", found,
          "\nan SAE of thousands of latents may need a smaller width to learn these 12 dimensions "
          "in so few steps: [options.\"sae/",
          subject.name(), "\"] in test-plugin.toml"));
}

// Two steps; then another instance with the same parameters and buffers goes on as the first does.
Verdict parameters_registered(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_deterministic(subject);
  ToyTraining first(subject, {});
  if (dynamic_cast<Stateful*>(&first.sae()) != nullptr) skip("is Stateful: see state-roundtrip");
  if (!first.trainable()) skip("has nothing to train");
  for (std::uint64_t data = 1; data <= 2; ++data) {
    const SaeInput input = first.batch(subject.nth(data), kRows);
    first.step(input, first.pass(input), kRate);
  }
  const ToyTraining::Snapshot checkpoint = first.snapshot();
  const auto seen = [&](ToyTraining& training) {
    const SaeInput input = training.batch(subject.nth(3), kRows);
    Observed out;
    for (const Codes& codes : training.sae().encode(input.inputs))
      out.add("codes", codes.to_dense());
    const ToyTraining::Pass pass = training.pass(input);
    for (const at::Tensor& xhat : pass.forward.reconstructions) out.add("reconstruction", xhat);
    for (const auto& [name, gradient] : pass.gradients) out.add("gradient of " + name, gradient);
    return out;
  };
  const Observed straight = seen(first);
  ToyTraining second(subject, {});
  second.restore(checkpoint);
  const std::string differs = difference(straight, seen(second));
  if (!differs.empty()) {
    fail(
        cat("keeps what it learned outside its parameters and buffers: an instance with the same "
            "ones differs in ",
            differs));
  }
  return {};
}

Verdict ranks_merge(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  ToyTraining one(subject, {}), other(subject, {});
  if (!one.trainable()) skip("has nothing to train");
  const auto has_same = std::any_of(one.spec().buffers.begin(), one.spec().buffers.end(),
                                    [](const BufferSpec& b) { return b.merge == Merge::same; });
  if (!has_same) skip("has no buffer that ranks have in common");
  const SaeInput a = one.batch(subject.nth(1), kRows), b = other.batch(subject.nth(7), kRows);
  const ToyTraining::Pass shared = one.pass(a), unused = other.pass(b);
  one.step(a, shared, kRate);
  ToyTraining::Pass of_other = unused;
  of_other.raw = shared.raw;  // ranks step with one gradient, and see rows of their own
  other.step(b, of_other, kRate);
  for (const BufferSpec& spec : one.spec().buffers) {
    if (spec.merge != Merge::same) continue;
    if (!identical(one.buffers()[spec.name], other.buffers()[spec.name])) {
      fail(cat("declares that '", spec.name,
               "' is the same on all ranks, and it depends on a rank's rows"));
    }
  }
  return {};
}

}  // namespace saffron::testing
