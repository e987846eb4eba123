#include "plugins/regularizers/mutual_features/mutual_features.h"

#include <saffron/error.h>
#include <saffron/random.h>
#include <saffron/testing/fake_step.h>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <string>
#include <vector>

namespace saffron::plugins {
namespace {

using Options = MutualFeatures::Options;
using testing::FakeTrainStep;

at::Tensor gaussian(std::uint64_t seed, std::int64_t rows, std::int64_t width = 10) {
  return Random(seed).normal_rows(0, rows, width, at::kDouble);
}

at::Tensor permuted(const at::Tensor& rows, std::uint64_t seed) {
  const Permutation permutation(Random(seed), static_cast<std::uint64_t>(rows.size(0)));
  at::Tensor out = rows.clone();
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    out[i].copy_(rows[static_cast<std::int64_t>(permutation(static_cast<std::uint64_t>(i)))]);
  }
  return out;
}

// A step after the ramp over SAEs with these decoders.
void fill(FakeTrainStep& step, const std::vector<at::Tensor>& decoders) {
  for (std::size_t i = 0; i < decoders.size(); ++i) {
    step.add(cat("sae", i)).add_parameter("W_dec", Role::decoder, decoders[i]);
  }
}

double penalty_of(const std::vector<at::Tensor>& decoders, std::int64_t at_step = 100,
                  const Options& options = {}) {
  FakeTrainStep step(at_step, 1000);
  fill(step, decoders);
  return MutualFeatures(options).penalty(step).item<double>();
}

void check(const FakeTrainStep& step, const Options& options = {}) {
  std::vector<const TrainedSae*> saes;
  for (std::int64_t i = 0; i < step.saes(); ++i) saes.push_back(&step.sae(i));
  MutualFeatures(options).check(saes);
}

TEST(MutualFeatures, ZeroForTheSameFeaturesInAnyOrderAndScale) {
  const at::Tensor a = gaussian(1, 30);
  const at::Tensor scale = Random(2).uniform_rows(0, 30, 1, at::kDouble) * 3 + 0.1;
  EXPECT_NEAR(penalty_of({a, a}), 0, 1e-12);
  EXPECT_NEAR(penalty_of({a, permuted(a, 3)}), 0, 1e-12);
  EXPECT_NEAR(penalty_of({a, permuted(a * scale, 3), permuted(a, 4)}), 0, 1e-12);
  EXPECT_GT(penalty_of({a, gaussian(2, 30)}), 0.2);
}

TEST(MutualFeatures, DoesNotDependOnTheScaleOfRows) {
  const at::Tensor a = gaussian(1, 20), b = gaussian(2, 20);
  const at::Tensor scale = Random(3).uniform_rows(0, 20, 1, at::kDouble) + 0.1;
  EXPECT_NEAR(penalty_of({a * scale, b}), penalty_of({a, b}), 1e-12);
}

TEST(MutualFeatures, StaysBetweenZeroAndTwo) {
  const at::Tensor one = at::full({1, 4}, 1.0, at::TensorOptions().dtype(at::kDouble));
  EXPECT_NEAR(penalty_of({one, -one}), 2, 1e-12);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const double p =
        penalty_of({gaussian(seed, 12), gaussian(seed + 9, 12), gaussian(seed + 99, 12)});
    EXPECT_GE(p, 0);
    EXPECT_LE(p, 2);
  }
  EXPECT_TRUE(std::isfinite(penalty_of({at::zeros({2, 4}, one.options()), one})));
}

TEST(MutualFeatures, IsTheMeanOverPairs) {
  const at::Tensor a = gaussian(1, 8), b = gaussian(2, 8), c = gaussian(3, 8);
  EXPECT_NEAR(penalty_of({a, b, c}),
              (penalty_of({a, b}) + penalty_of({a, c}) + penalty_of({b, c})) / 3, 1e-12);
}

TEST(MutualFeatures, DictionariesOfTwoSizesMatchTheSmaller) {
  const at::Tensor large = gaussian(1, 30), small = permuted(large.slice(0, 5, 15), 1);
  EXPECT_NEAR(penalty_of({large, small}), 0, 1e-12);
  EXPECT_NEAR(penalty_of({small, large}), 0, 1e-12);
}

TEST(MutualFeatures, Ramp) {
  EXPECT_DOUBLE_EQ(MutualFeatures::ramp_weight(0, 100), 0);
  EXPECT_NEAR(MutualFeatures::ramp_weight(50, 100), 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(MutualFeatures::ramp_weight(100, 100), 1);
  EXPECT_DOUBLE_EQ(MutualFeatures::ramp_weight(5000, 100), 1);
  EXPECT_DOUBLE_EQ(MutualFeatures::ramp_weight(0, 0), 1);
  const at::Tensor a = gaussian(1, 8), b = gaussian(2, 8);
  EXPECT_DOUBLE_EQ(penalty_of({a, b}, 0), 0);
  EXPECT_NEAR(penalty_of({a, b}, 50), penalty_of({a, b}, 100) / 2, 1e-12);
}

// With assign_every = 1000 the first assignment holds, so the penalty is smooth.
TEST(MutualFeatures, GradientsEqualFiniteDifferences) {
  FakeTrainStep step(101, 1000);
  fill(step, {gaussian(1, 6, 5), gaussian(2, 6, 5), gaussian(3, 8, 5)});
  MutualFeatures regularizer({.assign_every = 1000});
  regularizer.penalty(step).backward();
  for (std::int64_t s = 0; s < 3; ++s) {
    const at::Tensor leaf = step.member(s).sae.parameters["W_dec"];
    const at::Tensor flat = leaf.detach().view(-1), gradient = leaf.grad().view(-1);
    EXPECT_GT(gradient.abs().max().item<double>(), 1e-3);
    for (std::int64_t i = 0; i < flat.numel(); ++i) {
      const double kept = flat[i].item<double>(), h = 1e-6;
      flat[i] = kept + h;
      const double up = regularizer.penalty(step).item<double>();
      flat[i] = kept - h;
      const double down = regularizer.penalty(step).item<double>();
      flat[i] = kept;
      EXPECT_NEAR(gradient[i].item<double>(), (up - down) / (2 * h), 1e-8);
    }
  }
}

TEST(MutualFeatures, SolvesTheAssignmentEverySoManySteps) {
  const at::Tensor a = gaussian(1, 12), b = gaussian(2, 12);
  FakeTrainStep step(100, 1000);
  fill(step, {a, b});
  MutualFeatures regularizer({.assign_every = 10});
  const double solved = regularizer.penalty(step).item<double>();
  step.member(1).sae.parameters["W_dec"].detach().copy_(permuted(b, 7));
  step.set_step(101);
  EXPECT_GT(regularizer.penalty(step).item<double>(), solved + 0.05);  // the old one holds
  step.set_step(110);
  EXPECT_NEAR(regularizer.penalty(step).item<double>(), solved, 1e-12);
}

TEST(MutualFeatures, ResumesWithItsAssignment) {
  const at::Tensor a = gaussian(1, 12), b = gaussian(2, 12);
  FakeTrainStep step(100, 1000);
  fill(step, {a, b});
  MutualFeatures first({.assign_every = 10}), second({.assign_every = 10}),
      fresh({.assign_every = 10});
  (void)first.penalty(step);
  second.load(first.save());
  step.member(1).sae.parameters["W_dec"].detach().copy_(permuted(b, 7));
  step.set_step(103);
  EXPECT_EQ(second.penalty(step).item<double>(), first.penalty(step).item<double>());
  EXPECT_LT(fresh.penalty(step).item<double>(), first.penalty(step).item<double>());
}

TEST(MutualFeatures, RefusesAStateThatDoesNotFit) {
  MutualFeatures regularizer({.assign_every = 10});
  State bad;
  bad.tensors.set("assignment.0", at::zeros({3}, at::kLong));
  EXPECT_THROW(regularizer.load(bad), Error);
  State short_one;
  short_one.tensors.set("assignment.0.1", at::zeros({3}, at::kLong));
  regularizer.load(short_one);
  FakeTrainStep step(101, 1000);
  fill(step, {gaussian(1, 5), gaussian(2, 5)});
  EXPECT_THROW((void)regularizer.penalty(step), Error);
}

TEST(MutualFeatures, ReinitScore) {
  const auto rates = [](double value) {
    return at::full({512}, value, at::TensorOptions().dtype(at::kDouble));
  };
  EXPECT_NEAR(MutualFeatures::reinit_score(rates(0.0625), 0.0625), 0, 1e-12);
  EXPECT_NEAR(MutualFeatures::reinit_score(rates(0), 0.0625), 1, 1e-12);
  at::Tensor collapsed = rates(0);
  collapsed.slice(0, 0, 32).fill_(1);
  EXPECT_NEAR(MutualFeatures::reinit_score(collapsed, 0.0625), 211.9, 0.05);
  // Perfectly even use at k = 6 is far from the published target, but not from k / H.
  EXPECT_NEAR(MutualFeatures::reinit_score(rates(6 / 512.0), 0.0625), 0.536, 1e-3);
  EXPECT_NEAR(MutualFeatures::reinit_score(rates(6 / 512.0), 6 / 512.0), 0, 1e-12);
}

// SAE 0 fires evenly, SAE 1 with the same two latents in every row.
void fill_codes(FakeTrainStep& step) {
  fill(step, {gaussian(1, 8), gaussian(2, 8)});
  at::Tensor even = at::zeros({4, 8}), collapsed = at::zeros({4, 8});
  for (std::int64_t r = 0; r < 4; ++r) {
    even[r].slice(0, 2 * r, 2 * r + 2).fill_(1);
    collapsed[r].slice(0, 0, 2).fill_(1);
  }
  step.member(0).codes.push_back(Codes::from_dense(even));
  step.member(1).codes.push_back(Codes::from_dense(collapsed));
  for (std::int64_t i = 0; i < 2; ++i) step.member(i).sae.spec.max_active = 2;
}

TEST(MutualFeatures, AsksForTheCollapsedSaeToBeDrawnAnew) {
  FakeTrainStep step(5, 1000);
  fill_codes(step);
  MutualFeatures off({}), on({.reinitialise = true});
  (void)off.penalty(step);
  EXPECT_TRUE(step.reinitialised.empty());
  (void)on.penalty(step);  // score (3^3 2 + 1 6) / 8 = 7.5 > 2.5
  ASSERT_EQ(step.reinitialised.size(), 1u);
  EXPECT_EQ(step.reinitialised[0].sae, 1);
  EXPECT_EQ(step.reinitialised[0].latents.numel(), 0);  // all of it
  EXPECT_EQ(on.save().tensors.size(), 0u);              // its assignments are void
}

TEST(MutualFeatures, TargetRateNeedsKOrAValue) {
  FakeTrainStep step(5, 1000);
  fill_codes(step);
  step.member(0).sae.spec.max_active.reset();
  EXPECT_THROW(check(step, {.reinitialise = true}), Error);
  MutualFeatures given({.reinitialise = true, .target_rate = 0.25});
  (void)given.penalty(step);
  EXPECT_EQ(step.reinitialised.size(), 1u);
}

// One seed draws the same rows for both, so that they agree before anything was learned.
TEST(MutualFeatures, RefusesSaesThatStartFromTheSameWeights) {
  const at::Tensor a = gaussian(1, 12), b = gaussian(2, 12);
  try {
    (void)penalty_of({b, a, a}, 0);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "mutual_features: 'sae1' and 'sae2' start from the same weights; give them different "
              "seeds");
    EXPECT_NE(error.help().find("seed = 1"), std::string::npos);
  }
  EXPECT_THROW((void)penalty_of({a, a.slice(0, 0, 7)}, 0), Error);  // a smaller dictionary
  EXPECT_NO_THROW((void)penalty_of({a, b}, 0));
  EXPECT_NO_THROW((void)penalty_of({a, b.slice(0, 0, 7)}, 0));
  EXPECT_NO_THROW((void)penalty_of({a, a}, 1));  // only the start can be at fault
}

TEST(MutualFeatures, NeedsSeveralSaesOfOneWidth) {
  const auto refuses = [](const std::vector<at::Tensor>& decoders) {
    FakeTrainStep step;
    fill(step, decoders);
    EXPECT_THROW(check(step), Error);
  };
  refuses({gaussian(1, 4)});
  refuses({gaussian(1, 4, 5), gaussian(1, 4, 6)});
  FakeTrainStep fits;
  fill(fits, {gaussian(1, 4, 5), gaussian(1, 7, 5)});
  EXPECT_NO_THROW(check(fits));
  EXPECT_THROW(check(fits, {.reinitialise = true, .target_rate = 0.1}), Error);  // it cannot be
}

}  // namespace
}  // namespace saffron::plugins
