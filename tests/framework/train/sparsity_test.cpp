// Training in a small planted world: coefficients steered to a target L0, annealed penalties, latents
// drawn anew.
#include "framework/train/trainer.h"

#include "plugins/regularizers/l1/l1.h"
#include "plugins/regularizers/lp/lp.h"
#include "plugins/saes/gated/gated.h"
#include "plugins/saes/jumprelu/jumprelu.h"
#include "plugins/saes/relu/relu.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace saffron;
using namespace saffron::host;
using plugins::Gated;
using plugins::JumpRelu;
using plugins::L1;
using plugins::Lp;
using plugins::Relu;

namespace {

constexpr std::int64_t kD = 12, kFeatures = 20, kLatents = 24, kBatch = 96;
constexpr double kTarget = 3;

// Each of kFeatures unit directions in kD dimensions is there in a fifth of the rows.
class World final : public Source {
 public:
  World() {
    info_.block_rows = 512;
    info_.blocks = kEndless;
    features_ = Random(1).normal_rows(0, kFeatures, kD, at::kDouble);
    features_ = features_ / features_.norm(2, at::IntArrayRef{1}, true);
  }
  const std::vector<StreamInfo>& streams() const override { return streams_; }
  const SourceInfo& info() override { return info_; }
  std::int64_t rows_of(std::int64_t) override { return info_.block_rows; }
  ActivationRows block(std::int64_t index) override {
    const std::int64_t first = index * info_.block_rows;
    const auto draws = [&](std::uint64_t seed) {
      return Random(seed).uniform_rows(first, info_.block_rows, kFeatures, at::kDouble);
    };
    ActivationRows out;
    out.streams = {at::mm(draws(2).lt(0.2) * (draws(3) + 0.5), features_)};
    return out;
  }

 private:
  at::Tensor features_;
  SourceInfo info_;
  std::vector<StreamInfo> streams_{{"x", kD}};
};

struct SquaredError final : Objective {
  at::Tensor loss(const TrainStep& step) override {
    return (step.target(0) - step.reconstruction(0)).square().sum(1).mean();
  }
};

struct Method {
  const char* name;
  std::function<std::shared_ptr<Sae>(double coef)> sae;
  std::function<std::shared_ptr<Regularizer>()> penalty;  // may be empty; coef is its coefficient
  double coef;  // about three times too small or too large
};

SparsityControlOptions control() {
  return {.target_l0 = kTarget,
          .l0_smoothing = 0.9,
          .rate_smoothing = 0.9,
          .control_gain = 0.015,
          .convergence_gain = 0.2};
}

Method relu_l1(double coef) {
  return {
      "relu",
      [](double) {
        return std::make_shared<Relu>(Relu::Options{.dictionary = {.width = kLatents}, .dead = {}});
      },
      [] { return std::make_shared<L1>(L1::Options{.control = control()}); }, coef};
}

Method jumprelu(double coef) {
  return {"jumprelu",
          [](double c) {
            JumpRelu::Options options;
            options.dictionary.width = kLatents;
            options.jump.threshold_init = 0.1;
            options.jump.bandwidth = 0.2;
            options.coef = c;
            options.warmup = 0;
            options.control = control();
            return std::make_shared<JumpRelu>(options);
          },
          {},
          coef};
}

Method gated(double coef) {
  return {"gated",
          [](double c) {
            Gated::Options options;
            options.dictionary.width = kLatents;
            options.coef = c;
            options.warmup = 0;
            options.control = control();
            return std::make_shared<Gated>(options);
          },
          {},
          coef};
}

Trainer trainer_of(const std::shared_ptr<Sae>& sae, const std::shared_ptr<Regularizer>& penalty,
                   double coef, std::int64_t steps, Schedule schedule = {}) {
  auto trained = std::make_shared<TrainedSae>();
  trained->name = "a";
  trained->sae = sae;
  trained->shape = {{{"x", kD}}, {{"x", kD}}};
  trained->reads = trained->predicts = {0};
  trained->spec = trained->sae->declare(trained->shape);
  std::vector<TrainMember> members;
  members.push_back({.trained = trained,
                     .random = Random(5),
                     .objective = std::make_shared<SquaredError>(),
                     .place = Place("sae")});
  std::vector<TrainPenalty> penalties;
  if (penalty) {
    penalties.push_back({.name = "penalty",
                         .regularizer = penalty,
                         .over = {0},
                         .coef = coef,
                         .random = Random(3),
                         .place = Place("penalty")});
  }
  Reader reader(std::make_shared<BlockCache>(std::make_shared<World>(), 1 << 24),
                BlockSplit(kEndless, 0, Random(1)), Random(2), {});
  TrainOptions options;
  options.rows = steps * kBatch;
  options.batch = kBatch;
  options.optimizer.lr = 3e-3;
  options.schedule = schedule;
  return Trainer(std::move(members), std::move(penalties), std::move(reader), options, at::kDouble);
}

Trainer trainer_of(const Method& method, std::int64_t steps) {
  return trainer_of(method.sae(method.coef), method.penalty ? method.penalty() : nullptr,
                    method.coef, steps);
}

double term(const MemberMetrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics.terms) {
    if (key == name) return value;
  }
  ADD_FAILURE() << "no term " << name;
  return 0;
}

void expect_same(const Trainer& a, const Trainer& b) {
  const State left = a.save(), right = b.save();
  ASSERT_EQ(left.tensors.size(), right.tensors.size());
  for (const auto& [name, tensor] : left.tensors) {
    EXPECT_TRUE(at::equal(tensor, right.tensors[name])) << name;
  }
}

class Steered : public testing::TestWithParam<Method> {};

// Within 5 % in each of the last windows of 100 steps, not only at one moment.
TEST_P(Steered, ReachesTheTargetAndStays) {
  constexpr std::int64_t kSteps = 900, kWindow = 100;
  Trainer trainer = trainer_of(GetParam(), kSteps);
  trainer.initialise();
  double sum = 0;
  for (std::int64_t step = 1; step <= kSteps; ++step) {
    const auto metrics = trainer.advance(step > kSteps / 2);
    if (step <= kSteps / 2) continue;
    sum += metrics[0].l0;
    if (step % kWindow != 0) continue;
    if (step > kSteps * 2 / 3) {
      EXPECT_NEAR(sum / kWindow, kTarget, 0.05 * kTarget) << step;
    }
    sum = 0;
    const std::string prefix = GetParam().penalty ? "penalty." : "";
    EXPECT_NE(term(metrics[0], prefix + "multiplier"), 1);
    EXPECT_NEAR(term(metrics[0], prefix + "smoothed_l0"), kTarget, 0.2 * kTarget);
  }
}

TEST_P(Steered, ResumesBitwise) {
  constexpr std::int64_t kSteps = 60;
  Trainer straight = trainer_of(GetParam(), kSteps);
  straight.initialise();
  State half;
  while (straight.step() < kSteps) {
    if (straight.step() == kSteps / 2) half = straight.save();
    straight.advance(false);
  }
  Trainer resumed = trainer_of(GetParam(), kSteps);
  resumed.load(half);
  while (resumed.step() < kSteps) resumed.advance(false);
  expect_same(straight, resumed);
}

INSTANTIATE_TEST_SUITE_P(All, Steered,
                         testing::Values(relu_l1(0.4), relu_l1(3), jumprelu(0.1), jumprelu(0.6),
                                         gated(0.5), gated(4)),
                         [](const auto& of) {
                           return std::string(of.param.name) + std::to_string(of.index);
                         });

TEST(Annealed, ResumesBitwise) {
  constexpr std::int64_t kSteps = 60;
  const auto make = [] {
    Lp::Options options;
    options.scale.weighted = true;
    options.n_sparsity_updates = 6;
    options.control = control();
    return trainer_of(
        std::make_shared<Relu>(Relu::Options{
            .dictionary = {.width = kLatents, .unit_decoder = false, .decoder_norm = 0.1},
            .dead = {}}),
        std::make_shared<Lp>(options), 0.05, kSteps);
  };
  Trainer straight = make();
  straight.initialise();
  std::vector<State> kept;
  while (straight.step() < kSteps) {
    if (straight.step() % 7 == 0) kept.push_back(straight.save());
    straight.advance(false);
  }
  for (const State& state : kept) {
    Trainer resumed = make();
    resumed.load(state);
    while (resumed.step() < kSteps) resumed.advance(false);
    expect_same(straight, resumed);
  }
}

// ---- latents drawn anew ----------------------------------------------------------------------------

constexpr std::int64_t kResampleStep = 9;  // after this one

Trainer resampling(double rewarm) {
  Relu::Options options;
  options.dictionary.width = kLatents;
  options.dead.dead = DeadLatentOptions::Method::resample;
  options.dead.dead_after = 5 * kBatch;
  options.dead.resample_every = (kResampleStep + 1) * kBatch;
  return trainer_of(std::make_shared<Relu>(options), nullptr, 0, 20,
                    {.warmup = 0.1, .rewarm = rewarm});
}

void kill(Trainer& trainer, std::int64_t latents) {
  at::Tensor b = trainer.members()[0].trained->parameters["b_enc"];
  b.slice(0, 0, latents).fill_(-100);
}

// dictionary_learning, trainers/p_anneal.py and gated_anneal.py: w[deads][:n] = ... writes into a copy, so
// that dead latents keep their weights while Adam forgets them.
TEST(Resampling, DictionaryLearningWritesIntoACopy) {
  Trainer trainer = resampling(0);
  trainer.initialise();
  kill(trainer, 4);
  while (trainer.step() < kResampleStep) trainer.advance(false);
  const Tensors& p = trainer.members()[0].trained->parameters;
  const at::Tensor decoder = p["W_dec"].clone(), encoder = p["W_enc"].clone();
  trainer.advance(false);
  const auto moved = [&](const char* name, const at::Tensor& before) {
    return (p[name] - before).square().sum(1).sqrt();
  };
  EXPECT_GT(moved("W_dec", decoder).slice(0, 0, 4).min().item<double>(), 0.1);
  EXPECT_GT(moved("W_enc", encoder).slice(0, 0, 4).min().item<double>(), 0.1);
  EXPECT_LT(moved("W_dec", decoder).slice(0, 4).max().item<double>(), 0.1);
  const at::Tensor norms = p["W_enc"].norm(2, at::IntArrayRef{1});
  EXPECT_TRUE(at::allclose(norms.slice(0, 0, 4), 0.2 * norms.slice(0, 4).mean().expand({4}), 1e-9));
  EXPECT_EQ(p["b_enc"].slice(0, 0, 4).abs().max().item<double>(), 0);
  const State state = trainer.save();
  for (const char* moment : {"first/", "second/"}) {
    for (const char* name : {"W_dec", "W_enc", "b_enc"}) {
      const at::Tensor& kept = state.tensors[std::string("sae/a/") + moment + name];
      EXPECT_EQ(kept.slice(0, 0, 4).abs().max().item<double>(), 0) << moment << name;
      EXPECT_GT(kept.slice(0, 4).abs().max().item<double>(), 0) << moment << name;
    }
  }
}

TEST(Resampling, TheLearningRateRisesAgain) {
  Trainer trainer = resampling(0.2), plain = resampling(0);
  for (Trainer* of : {&trainer, &plain}) {
    of->initialise();
    kill(*of, 4);
  }
  for (std::int64_t step = 0; step < 20; ++step) {
    double share = step == 0 ? 0.5 : 1;  // warmup = 0.1
    EXPECT_DOUBLE_EQ(plain.learning_rate(0), 3e-3 * share) << step;
    if (step > kResampleStep) {
      share = std::min(1.0, static_cast<double>(step - kResampleStep) / 4);
    }
    EXPECT_DOUBLE_EQ(trainer.learning_rate(0), 3e-3 * share) << step;
    trainer.advance(false);
    plain.advance(false);
  }
}

// dictionary_learning has no reader of its checkpoints; SAELens ignored `resume_from_checkpoint` until
// 6.46.1. A schedule that depends on what happened is part of the state.
TEST(Resampling, SAELensAndDictionaryLearningResumeOfTheLearningRate) {
  Trainer straight = resampling(0.2);
  straight.initialise();
  kill(straight, 4);
  State state;
  while (straight.step() < 20) {
    if (straight.step() == kResampleStep + 2) state = straight.save();
    straight.advance(false);
  }
  Trainer resumed = resampling(0.2);
  resumed.load(state);
  EXPECT_DOUBLE_EQ(resumed.learning_rate(0), 3e-3 / 2);
  while (resumed.step() < 20) resumed.advance(false);
  expect_same(straight, resumed);
}

}  // namespace
