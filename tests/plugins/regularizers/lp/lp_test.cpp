#include "plugins/regularizers/lp/lp.h"

#include "plugins/regularizers/l1/l1.h"

#include <saffron/error.h>
#include <saffron/random.h>
#include <saffron/testing/fake_step.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace saffron::plugins {
namespace {

using Spelling = Lp::Spelling;

constexpr std::int64_t kSteps = 100;

// Magnitudes with a third of the entries 0, and one row of nothing but 0.
at::Tensor sparse(std::uint64_t seed, std::int64_t rows = 6, std::int64_t latents = 5) {
  at::Tensor f = (Random(seed).uniform_rows(0, rows, latents, at::kDouble) * 3 - 1).clamp_min(0);
  f[rows - 1].zero_();
  return f;
}

testing::FakeTrainStep::Member& add(testing::FakeTrainStep& step, const Codes& codes) {
  auto& member = step.add("a");
  member.codes.push_back(codes.with_values(codes.values().detach().clone().requires_grad_(true)));
  member.sae.shape.predicts = {{"x", 8}};
  member.add_parameter("W_dec", Role::decoder,
                       Random(1).normal_rows(0, codes.latents(), 8, at::kDouble));
  return member;
}

Lp::Options constant(double p, Spelling spelling = Spelling::power, bool weighted = false) {
  return {.scale = {.weighted = weighted}, .spelling = spelling, .p_start = p, .p_end = p};
}

double naive(const at::Tensor& u, double p, Spelling spelling) {
  double total = 0;
  for (std::int64_t b = 0; b < u.size(0); ++b) {
    double sum = 0;
    for (std::int64_t i = 0; i < u.size(1); ++i) {
      const double value = std::abs(u[b][i].item<double>());
      if (value > 0) sum += std::pow(value, p);
    }
    total += spelling == Spelling::power || sum == 0 ? sum : std::pow(sum, 1 / p);
  }
  return total / static_cast<double>(u.size(0));
}

TEST(Lp, EqualsItsFormulaInEveryLayout) {
  const at::Tensor f = sparse(3), negative = -f;
  for (const Spelling spelling : {Spelling::power, Spelling::norm}) {
    for (const double p : {0.2, 0.7, 1.0, 2.0}) {
      for (const Codes& codes : {Codes::dense(negative), Codes::from_dense(f)}) {
        testing::FakeTrainStep step;
        add(step, codes);
        EXPECT_NEAR(Lp(constant(p, spelling)).penalty(step).item<double>(), naive(f, p, spelling),
                    1e-10);
      }
    }
  }
}

// One definition: with p = 1 both spellings are L1, value and gradient, weighted or not.
TEST(Lp, IsL1AtPEqualOne) {
  for (const bool weighted : {false, true}) {
    testing::FakeTrainStep ours, theirs;
    auto& mine = add(ours, Codes::from_dense(sparse(5)));
    auto& other = add(theirs, Codes::from_dense(sparse(5)));
    L1 l1({.scale = {.weighted = weighted}});
    const at::Tensor expected = l1.penalty(theirs);
    expected.backward();
    for (const Spelling spelling : {Spelling::power, Spelling::norm}) {
      mine.codes[0].values().mutable_grad().reset();
      Lp lp(constant(1, spelling, weighted));
      const at::Tensor got = lp.penalty(ours);
      got.backward();
      EXPECT_NEAR(got.item<double>(), expected.item<double>(), 1e-12);
      EXPECT_TRUE(at::allclose(mine.codes[0].values().grad(), other.codes[0].values().grad()));
    }
  }
}

// Against autograd of the formula where every code is above 0, in the codes and in the decoder.
TEST(Lp, GradientsEqualAutogradOfTheFormula) {
  const at::Tensor f = Random(7).uniform_rows(0, 6, 5, at::kDouble) + 0.05;
  for (const Spelling spelling : {Spelling::power, Spelling::norm}) {
    for (const double p : {0.1, 0.5, 1.0, 1.5}) {
      testing::FakeTrainStep step;
      auto& member = add(step, Codes::dense(f));
      Lp(constant(p, spelling, true)).penalty(step).backward();
      const at::Tensor values = f.clone().requires_grad_(true);
      const at::Tensor W = member.sae.parameters["W_dec"].detach().clone().requires_grad_(true);
      const at::Tensor sums = (values * W.norm(2, at::IntArrayRef{1})).pow(p).sum(1);
      (spelling == Spelling::power ? sums : sums.pow(1 / p)).mean().backward();
      EXPECT_TRUE(at::allclose(member.codes[0].values().grad(), values.grad(), 1e-10, 1e-12));
      EXPECT_TRUE(at::allclose(member.sae.parameters["W_dec"].grad(), W.grad(), 1e-10, 1e-12));
    }
  }
}

// dictionary_learning, p_anneal.py: autograd of f^p is 0 * inf at f = 0, and of (sum)^(1/p) in a row
// without active latents.
TEST(Lp, DictionaryLearningPAnnealNanAtZero) {
  for (const Spelling spelling : {Spelling::power, Spelling::norm}) {
    for (const double p : {0.05, 0.5, 1.0, 2.0}) {
      at::Tensor f = sparse(9).to(at::kFloat);
      f[0][0] = 1e-42;  // not a normal number: counts as 0
      testing::FakeTrainStep step;
      auto& member = step.add("a");
      member.codes.push_back(Codes::dense(f.requires_grad_(true)));
      const at::Tensor value = Lp(constant(p, spelling)).penalty(step);
      value.backward();
      EXPECT_TRUE(std::isfinite(value.item<double>()));
      EXPECT_TRUE(at::isfinite(f.grad()).all().item<bool>());
      EXPECT_EQ((f.grad() * f.detach().lt(1e-30)).abs().max().item<double>(), 0);
    }
  }
}

// SAELens before 6.45.2 scaled an error by the number of rows of a batch.
TEST(Lp, SAELensValuesDependOnTheNumberOfRows) {
  for (const Spelling spelling : {Spelling::power, Spelling::norm}) {
    testing::FakeTrainStep once, twice;
    const at::Tensor f = sparse(11);
    add(once, Codes::from_dense(f));
    add(twice, Codes::from_dense(at::cat({f, f})));
    EXPECT_NEAR(Lp(constant(0.5, spelling)).penalty(once).item<double>(),
                Lp(constant(0.5, spelling)).penalty(twice).item<double>(), 1e-12);
  }
}

// ---- annealing ------------------------------------------------------------------------------------

Lp::Options annealed(Spelling spelling = Spelling::power) {
  return {.spelling = spelling,
          .p_start = 1,
          .p_end = 0,
          .anneal_start = 0.2,
          .n_sparsity_updates = 5,
          .sparsity_queue_length = 3};
}

at::Tensor codes_at(std::int64_t step) {
  return sparse(100 + static_cast<std::uint64_t>(step)) * (1 + 0.01 * static_cast<double>(step));
}

double penalty_at(Lp& lp, std::int64_t at, at::Tensor* gradient = nullptr) {
  testing::FakeTrainStep step(at, kSteps);
  auto& member = add(step, Codes::from_dense(codes_at(at)));
  const at::Tensor value = lp.penalty(step);
  value.backward();
  if (gradient != nullptr) *gradient = member.codes[0].values().grad();
  return value.item<double>();
}

// As dictionary_learning: values linspace(1, 0, 5) from the steps linspace(20, 100, 5) on.
TEST(Lp, ChangesPAtItsStepsAndNeverReachesTheEnd) {
  Lp lp(annealed());
  for (std::int64_t step = 0; step < kSteps; ++step) {
    penalty_at(lp, step);
    const auto shown = lp.readings(0);
    ASSERT_EQ(shown.size(), 2u);
    EXPECT_EQ(shown[0].first, "p");
    const double p = step < 40 ? 1 : step < 60 ? 0.75 : step < 80 ? 0.5 : 0.25;
    EXPECT_DOUBLE_EQ(shown[0].second, p) << step;
  }
}

TEST(Lp, KeepsThePenaltyContinuousAtEachChange) {
  for (const Spelling spelling : {Spelling::power, Spelling::norm}) {
    Lp lp(annealed(spelling));
    double factor = 1;
    for (std::int64_t step = 0; step < kSteps; ++step) {
      const double p = step < 40 ? 1 : step < 60 ? 0.75 : step < 80 ? 0.5 : 0.25;
      if (step == 40 || step == 60 || step == 80) {
        double before = 0, after = 0;  // over the three steps before
        for (std::int64_t past = step - 3; past < step; ++past) {
          before += naive(codes_at(past), p + 0.25, spelling);
          after += naive(codes_at(past), p, spelling);
        }
        factor *= before / after;
      }
      EXPECT_NEAR(penalty_at(lp, step) / (factor * naive(codes_at(step), p, spelling)), 1, 1e-10)
          << step;
    }
    EXPECT_NE(factor, 1);
    EXPECT_NEAR(lp.readings(0)[1].second, factor, 1e-10 * factor);
  }
}

// A regularizer that is called at every n-th step may have seen no step just before a change.
TEST(Lp, MeasuresAChangeThatItSawNoStepBefore) {
  Lp lp(annealed());
  penalty_at(lp, 30);
  const at::Tensor f = codes_at(50);
  EXPECT_NEAR(penalty_at(lp, 50), naive(f, 1, Spelling::power), 1e-12);
}

// A first step at p < 1 has nothing to go on from: its derivative is that of its value.
TEST(Lp, AFirstStepAfterAChangeIsThePenaltyItself) {
  Lp lp(annealed());
  EXPECT_NEAR(penalty_at(lp, 50), naive(codes_at(50), 0.75, Spelling::power), 1e-12);
  EXPECT_EQ(lp.readings(0)[1].second, 1);
}

// dictionary_learning cannot resume; SAELens ignored its argument for it until 6.46.1.
TEST(Lp, SAELensAndDictionaryLearningResumeOfAnnealing) {
  Lp::Options options = annealed(Spelling::norm);
  options.control.target_l0 = 2;
  options.control.control_gain = 0.1;
  for (const std::int64_t stop : {1, 39, 41, 59, 78, 90}) {
    Lp straight(options), first(options), second(options);
    for (std::int64_t step = 0; step < stop; ++step) {
      penalty_at(straight, step);
      penalty_at(first, step);
    }
    const State state = first.save();
    penalty_at(first, stop);  // a saved state does not move
    second.load(state);
    for (std::int64_t step = stop; step < kSteps; ++step) {
      at::Tensor a, b;
      EXPECT_EQ(penalty_at(straight, step, &a), penalty_at(second, step, &b))
          << stop << " " << step;
      EXPECT_TRUE(at::equal(a, b));
    }
    EXPECT_EQ(straight.readings(0), second.readings(0));
  }
  Lp other(options);
  State broken;
  broken.tensors.set("annealing/0", at::tensor(std::vector<double>{1, 2, 3}));
  EXPECT_THROW(other.load(broken), Error);
}

TEST(Lp, EachSaeIsAnnealedAndSteeredByItself) {
  Lp::Options options = annealed();
  options.control.target_l0 = 2;
  Lp both(options), alone(options);
  for (std::int64_t at = 0; at < kSteps; ++at) {
    testing::FakeTrainStep two(at, kSteps);
    add(two, Codes::from_dense(codes_at(at + 7) * 5));
    add(two, Codes::from_dense(codes_at(at)));
    (void)both.penalty(two);
    penalty_at(alone, at);
  }
  EXPECT_EQ(both.readings(1), alone.readings(0));
  EXPECT_NE(both.readings(0), both.readings(1));
}

TEST(Lp, RefusesOptionsThatCannotBe) {
  const auto refused = [](const char* text) {
    Lp::Options options;
    Decoded decoded;
    Lp::schema().decode(from_json(text, "test"), &options, decoded);
    return !decoded.ok();
  };
  EXPECT_FALSE(refused("{}"));
  EXPECT_FALSE(refused(R"({"p_start": 0.5, "p_end": 0.5, "anneal_start": 1})"));
  EXPECT_TRUE(refused(R"({"p_start": 0})"));
  EXPECT_TRUE(refused(R"({"anneal_start": 0.5, "anneal_end": 0.5})"));
  EXPECT_TRUE(refused(R"({"anneal_end": 0.5})"));
  EXPECT_FALSE(refused(R"({"anneal_end": 0.5, "p_end": 0.2})"));
  EXPECT_TRUE(refused(R"({"n_sparsity_updates": 1})"));
  TrainedSae sae;
  sae.name = "a";
  sae.spec.latents = 8;
  EXPECT_THROW(Lp({.control = {.target_l0 = 8}}).check({&sae}), Error);
  EXPECT_NO_THROW(Lp({.control = {.target_l0 = 7.5}}).check({&sae}));
}

}  // namespace
}  // namespace saffron::plugins
