#include "framework/train/trainer.h"

#include "plugins/saes/relu/relu.h"
#include "plugins/saes/topk/topk.h"
#include "tests/framework/train/toy_source.h"

#include <saffron/error.h>

#include <ATen/ops/equal.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>

using namespace saffron;
using namespace saffron::host;
using plugins::Relu;
using plugins::TopK;

namespace {

constexpr std::int64_t kWidth = 5;

struct SquaredError final : Objective {
  at::Tensor loss(const TrainStep& step) override {
    return (step.target(0) - step.reconstruction(0)).square().sum(1).mean();
  }
};

// A fraction of the rows' variance.
struct OverVariance final : Objective, BatchScaledObjective {
  static double variance(const at::Tensor& x) {
    return (x - x.mean(0)).square().sum(1).mean().item<double>();
  }
  at::Tensor loss(const TrainStep& step) override {
    return (step.target(0) - step.reconstruction(0)).square().sum(1).mean() /
           variance(step.target(0));
  }
  std::optional<double> batch_scale(const std::vector<at::Tensor>& targets) const override {
    return variance(targets.at(0));
  }
};

// lambda * mean of |W_dec W_dec'|: differentiable in parameters of two SAEs.
struct Coupling final : Regularizer {
  at::Tensor penalty(const TrainStep& step) override {
    return (step.parameter(0, Role::decoder) * step.parameter(1, Role::decoder)).abs().mean();
  }
};

struct NotFinite final : Regularizer {
  at::Tensor penalty(const TrainStep& step) override {
    return step.codes(0).values().sum() * std::numeric_limits<double>::infinity();
  }
};

TrainMember member(const std::string& name, std::shared_ptr<Sae> sae, std::uint64_t seed) {
  auto trained = std::make_shared<TrainedSae>();
  trained->name = name;
  trained->sae = std::move(sae);
  trained->shape = {{{"x", kWidth}}, {{"x", kWidth}}};
  trained->reads = trained->predicts = {0};
  trained->spec = trained->sae->declare(trained->shape);
  return {.trained = trained,
          .random = Random(seed),
          .objective = std::make_shared<SquaredError>(),
          .place = Place("sae")};
}

std::shared_ptr<Sae> topk(std::int64_t k = 3) {
  return std::make_shared<TopK>(TopK::Options{.dictionary = {.width = 16},
                                              .dead = {.dead = DeadLatentOptions::Method::auxk,
                                                       .dead_after = 60,
                                                       .aux_coef = 0.1,
                                                       .aux_k = 2},
                                              .k = {.k = k}});
}

Trainer trainer_of(std::vector<TrainMember> members, std::vector<TrainPenalty> penalties = {},
                   std::int64_t rows = 400, const OptimizerOptions& optimizer = {}) {
  auto source = std::make_shared<ToySource>(500, 50, kWidth, 0.004);
  Reader reader(std::make_shared<BlockCache>(source, 1 << 20), BlockSplit(10, 0.1, Random(1)),
                Random(2), {});
  TrainOptions options;
  options.rows = rows;
  options.batch = 20;
  options.optimizer = optimizer;
  options.schedule.warmup = 0.1;
  return Trainer(std::move(members), std::move(penalties), std::move(reader), options, at::kDouble);
}

void expect_same(const TrainedSae& a, const TrainedSae& b) {
  for (const auto& [name, tensor] : a.parameters) {
    EXPECT_TRUE(at::equal(tensor, b.parameters[name])) << a.name << " " << name;
  }
  for (const auto& [name, tensor] : a.buffers) EXPECT_TRUE(at::equal(tensor, b.buffers[name]));
}

void run(Trainer& trainer, std::int64_t until) {
  while (trainer.step() < until) trainer.advance(false);
}

TEST(Trainer, LossFalls) {
  Trainer trainer = trainer_of({member("a", topk(), 1)}, {}, 4000);
  trainer.initialise();
  const double before = trainer.advance(true)[0].loss;
  run(trainer, 199);
  EXPECT_LT(trainer.advance(true)[0].loss, 0.5 * before);
}

struct OtherOptimizer {
  const char* name;
  OptimizerOptions options;
};
void PrintTo(const OtherOptimizer& of, std::ostream* out) { *out << of.name; }
class OtherOptimizers : public testing::TestWithParam<OtherOptimizer> {
 protected:
  static Trainer make(std::vector<TrainMember> members, std::int64_t rows = 400) {
    return trainer_of(std::move(members), {}, rows, GetParam().options);
  }
};
INSTANTIATE_TEST_SUITE_P(
    Train, OtherOptimizers,
    testing::Values(OtherOptimizer{"signum", {.use = OptimizerKind::signum, .lr = 3e-3}},
                    OtherOptimizer{"signum_bfloat16",
                                   {.use = OptimizerKind::signum,
                                    .moments = MomentsDtype::bfloat16,
                                    .lr = 3e-3}},
                    OtherOptimizer{"adam_bfloat16", {.moments = MomentsDtype::bfloat16}},
                    OtherOptimizer{"adamw", {.weight_decay = 0.1}}),
    [](const auto& given) { return std::string(given.param.name); });

TEST_P(OtherOptimizers, LossFalls) {
  Trainer trainer = make({member("a", topk(), 1)}, 4000);
  trainer.initialise();
  const double before = trainer.advance(true)[0].loss;
  run(trainer, 199);
  EXPECT_LT(trainer.advance(true)[0].loss, 0.5 * before);
}

TEST_P(OtherOptimizers, ResumeExactlyAndAloneAsBesideOthers) {
  Trainer straight = make({member("a", topk(), 1)});
  straight.initialise();
  run(straight, 20);
  Trainer first = make({member("b", topk(4), 2), member("a", topk(), 1)});
  first.initialise();
  run(first, 7);
  Trainer second = make({member("a", topk(), 1)});
  second.load(first.save());
  run(second, 20);
  expect_same(*straight.members()[0].trained, *second.members()[0].trained);
}

// What is kept beside the parameters, by the checkpoint.
TEST_P(OtherOptimizers, KeepWhatTheySay) {
  Trainer trainer = make({member("a", topk(), 1)});
  const auto tensors = trainer.save().tensors;
  const bool small = GetParam().options.moments == MomentsDtype::bfloat16;
  EXPECT_EQ(tensors["sae/a/first/W_dec"].scalar_type(), small ? at::kBFloat16 : at::kDouble);
  EXPECT_EQ(tensors.contains("sae/a/second/W_dec"), GetParam().options.use == OptimizerKind::adam);
}

// An SAE's own squared errors are divided by what the objective is divided by.
TEST(Trainer, OwnTermsFollowAnObjectiveThatIsScaledByTheBatch) {
  const auto multi = [] {
    TopK::Options options{.dictionary = {.width = 16}, .dead = {}, .k = {.k = 3}};
    options.multi_k_coef = 0.5;
    return std::make_shared<TopK>(options);
  };
  TrainMember plain = member("plain", multi(), 1), scaled = member("scaled", multi(), 1);
  scaled.objective = std::make_shared<OverVariance>();
  Trainer trainer = trainer_of({std::move(plain), std::move(scaled)});
  trainer.initialise();
  const auto metrics = trainer.advance(true);
  const double factor = metrics[0].objective / metrics[1].objective;
  EXPECT_GT(std::abs(factor - 1), 0.01);
  EXPECT_GT(metrics[0].loss, metrics[0].objective);
  EXPECT_NEAR(metrics[0].loss / metrics[1].loss, factor, 1e-9 * factor);
}

TEST(Trainer, AGroupOfMembersEqualsEachTrainedAlone) {
  Trainer together = trainer_of(
      {member("a", topk(), 1), member("b", topk(), 2),
       member("c", std::make_shared<Relu>(Relu::Options{.dictionary = {.width = 9}}), 1)});
  together.initialise();
  run(together, 20);
  Trainer a = trainer_of({member("a", topk(), 1)}), b = trainer_of({member("b", topk(), 2)});
  Trainer c = trainer_of(
      {member("c", std::make_shared<Relu>(Relu::Options{.dictionary = {.width = 9}}), 1)});
  for (Trainer* alone : {&a, &b, &c}) {
    alone->initialise();
    run(*alone, 20);
  }
  expect_same(*together.members()[0].trained, *a.members()[0].trained);
  expect_same(*together.members()[1].trained, *b.members()[0].trained);
  expect_same(*together.members()[2].trained, *c.members()[0].trained);
}

TEST(Trainer, ResumesExactly) {
  const auto make = [] {
    return trainer_of({member("a", topk(), 1), member("b", topk(4), 2)},
                      {{.name = "tie",
                        .regularizer = std::make_shared<Coupling>(),
                        .over = {0, 1},
                        .coef = 0.5,
                        .warmup = 0.5,
                        .random = Random(3),
                        .place = Place("tie")}});
  };
  Trainer straight = make();
  straight.initialise();
  run(straight, 20);
  for (std::int64_t stop : {1, 7, 19}) {
    Trainer first = make();
    first.initialise();
    run(first, stop);
    const State state = first.save();
    first.advance(false);  // a saved state does not move with its trainer
    Trainer second = make();
    second.load(state);
    EXPECT_EQ(second.step(), stop);
    run(second, 20);
    for (std::size_t i = 0; i < 2; ++i) {
      expect_same(*straight.members()[i].trained, *second.members()[i].trained);
    }
  }
}

TEST(Trainer, APenaltyRisesFrom0) {
  const auto relu = [] {
    Relu::Options options;
    options.dictionary.width = 9;
    return std::make_shared<Relu>(options);
  };
  Trainer trainer = trainer_of({member("a", relu(), 1), member("b", relu(), 2)},
                               {{.name = "tie",
                                 .regularizer = std::make_shared<Coupling>(),
                                 .over = {0, 1},
                                 .coef = 3,
                                 .warmup = 0.5,
                                 .random = Random(3),
                                 .place = Place("tie")}});
  trainer.initialise();
  for (std::int64_t step = 0; step < 20; ++step) {  // the rise takes 10 of the 20 steps
    const MemberMetrics metrics = trainer.advance(true)[0];
    double tie = 0;
    for (const auto& [name, value] : metrics.terms) {
      if (name == "tie") tie = value;
    }
    EXPECT_GT(tie, 0);
    const double risen = std::min(1.0, static_cast<double>(step) / 10);
    EXPECT_NEAR(metrics.loss - metrics.objective, 3 * risen * tie, 1e-9) << step;
  }
}

TEST(Trainer, ACouplingPenaltyMovesBothSaesAndNothingElse) {
  const auto with_coef = [](double coef) {
    Trainer trainer =
        trainer_of({member("a", topk(), 1), member("b", topk(), 2), member("c", topk(), 3)},
                   {{.name = "tie",
                     .regularizer = std::make_shared<Coupling>(),
                     .over = {0, 1},
                     .coef = coef,
                     .random = Random(3),
                     .place = Place("tie")}});
    trainer.initialise();
    run(trainer, 5);
    return trainer;
  };
  Trainer without = with_coef(0), with = with_coef(2);
  for (std::size_t i : {0u, 1u}) {
    EXPECT_FALSE(at::equal(with.members()[i].trained->parameters["W_dec"],
                           without.members()[i].trained->parameters["W_dec"]));
  }
  expect_same(*with.members()[2].trained, *without.members()[2].trained);
}

TEST(Trainer, KeepsDecoderRowsAtNormOne) {
  Trainer trainer = trainer_of({member("a", topk(), 1)});
  trainer.initialise();
  run(trainer, 20);
  const at::Tensor norms =
      trainer.members()[0].trained->parameters["W_dec"].norm(2, at::IntArrayRef{1});
  EXPECT_LT((norms - 1).abs().max().item<double>(), 1e-12);
}

TEST(Trainer, MembersOfOneShapeShareStackedTensors) {
  Trainer trainer = trainer_of({member("a", topk(), 1), member("b", topk(), 2)});
  const at::Tensor& a = trainer.members()[0].trained->parameters["W_enc"];
  const at::Tensor& b = trainer.members()[1].trained->parameters["W_enc"];
  EXPECT_EQ(a.storage().data(), b.storage().data());
  EXPECT_EQ(b.storage_offset(), a.numel());
}

TEST(Trainer, NamesAPenaltyThatIsNotFinite) {
  Trainer trainer =
      trainer_of({member("a", topk(), 1)}, {{.name = "bad",
                                             .regularizer = std::make_shared<NotFinite>(),
                                             .over = {0},
                                             .random = Random(3),
                                             .place = Place("bad")}});
  trainer.initialise();
  try {
    trainer.advance(false);
    FAIL() << "an infinite penalty was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_EQ(error.message(), "the penalty 'bad' is inf at step 0");
  }
}

}  // namespace
