#include "framework/train/trainer.h"
#include "plugins/saes/topk/topk.h"
#include "tests/caught.h"
#include "tests/framework/train/toy_source.h"

#include <saffron/error.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

using namespace saffron;
using namespace saffron::host;
using plugins::TopK;

namespace {

constexpr std::int64_t kWidth = 3;

struct SquaredError final : Objective {
  at::Tensor loss(const TrainStep& step) override {
    return (step.target(0) - step.reconstruction(0)).square().sum(1).mean();
  }
};

// Wants `passes` passes; xhat is the mean of the rows of all of them so far, f a constant.
class Averager final : public Sae, public Fitted, public Stateful {
 public:
  explicit Averager(std::int64_t passes) : wanted_(passes) {}

  SaeSpec declare(const SaeShape&) override {
    SaeSpec spec;
    spec.latents = 2;
    spec.parameters = {{.name = "mean", .shape = {kWidth}, .frozen = true}};
    return spec;
  }
  void bind(const Tensors& parameters, const Tensors&) override { mean_ = parameters["mean"]; }
  void initialise(const InitInput&) override { sum_ = at::zeros({kWidth}, at::kDouble); }
  std::vector<Codes> encode(const std::vector<at::Tensor>& x) const override {
    at::Tensor f = at::zeros({x[0].size(0), 2}, x[0].options());
    f.select(1, 0).fill_(1);
    return {Codes::dense(f)};
  }
  std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const override {
    return {mean_.expand({codes[0].rows(), kWidth})};
  }
  Forward forward(const SaeInput&) override { throw Error("a fitted SAE is not stepped"); }
  void backward(const SaeInput&, const Forward&, const Upstream&, Gradients&) override {}

  void observe(const SaeInput& batch) override {
    numbers.push_back(batch.inputs[0].select(1, 0).clone());
    rows_seen.push_back(batch.rows_seen);
    sum_ = sum_ + batch.inputs[0].sum(0);
    rows_ += batch.inputs[0].size(0);
  }
  bool end_pass() override {
    ends.push_back(numbers.size());
    mean_.copy_(sum_ / static_cast<double>(rows_));
    return ++passes_ < wanted_;
  }
  State save() const override {
    State state;
    state.tensors.set("sum", sum_.clone());
    state.values.set("rows", rows_);
    state.values.set("passes", passes_);
    return state;
  }
  void load(const State& state) override {
    sum_ = state.tensors["sum"].clone();
    rows_ = state.values.at("rows").as_int();
    passes_ = state.values.at("passes").as_int();
  }

  std::vector<at::Tensor> numbers;      // of each batch's rows
  std::vector<std::int64_t> rows_seen;  // of each batch
  std::vector<std::size_t> ends;        // batches before each end of a pass

 private:
  std::int64_t wanted_, rows_ = 0, passes_ = 0;
  at::Tensor mean_, sum_;
};

TrainMember member(const std::string& name, std::shared_ptr<Sae> sae) {
  auto trained = std::make_shared<TrainedSae>();
  trained->name = name;
  trained->sae = std::move(sae);
  trained->shape = {{{"x", kWidth}}, {{"x", kWidth}}};
  trained->reads = trained->predicts = {0};
  trained->spec = trained->sae->declare(trained->shape);
  return {.trained = trained,
          .random = Random(1),
          .objective = std::make_shared<SquaredError>(),
          .place = Place("sae")};
}

std::shared_ptr<Sae> topk() {
  return std::make_shared<TopK>(TopK::Options{.dictionary = {.width = 8}, .k = {.k = 2}});
}

struct Budget {
  std::int64_t rows = 0, pass_rows = 0, source = 100, batch = 20;
};

Trainer trainer_of(std::vector<TrainMember> members, Budget budget) {
  auto source = std::make_shared<ToySource>(budget.source, 25, kWidth);
  const std::int64_t blocks = budget.source == kEndless ? kEndless : (budget.source + 24) / 25;
  Reader reader(std::make_shared<BlockCache>(source, 1 << 20), BlockSplit(blocks, 0, Random(1)),
                Random(2), {.window = 2});
  TrainOptions options;
  options.rows = budget.rows;
  options.batch = budget.batch;
  options.pass_rows = budget.pass_rows;
  Trainer trainer(std::move(members), {}, std::move(reader), options, at::kDouble);
  trainer.initialise();
  return trainer;
}

void run(Trainer& trainer) {
  while (!trainer.done()) trainer.advance(false);
}

std::vector<std::size_t> counts(std::initializer_list<std::size_t> values) { return values; }

TEST(FitPlan, CountsPassesByTheRowsThatThereAre) {
  EXPECT_EQ(fit_plan(100, 20, 0, kEndless).passes, 1);
  EXPECT_EQ(fit_plan(100, 20, 0, 40).passes, 2);
  EXPECT_EQ(fit_plan(100, 20, 0, 40).pass_rows, 40);
  EXPECT_EQ(fit_plan(100, 20, 30, 40).steps(), 6);  // 3 passes of 20 and 10 rows
  EXPECT_EQ(fit_plan(100, 20, 500, kEndless).pass_rows, 100);
  EXPECT_EQ(fit_plan(100, 20, 500, 60).pass_rows, 60);
  const FitPlan::Part part = fit_plan(100, 20, 30, 40).at(3);
  EXPECT_EQ(part.pass, 1);
  EXPECT_EQ(part.first, 20);
  EXPECT_EQ(part.count, 10);
  EXPECT_TRUE(part.last);
}

TEST(Fitting, EveryPassSeesTheSameRowsOnceInOneOrder) {
  auto sae = std::make_shared<Averager>(3);
  Trainer trainer = trainer_of({member("a", sae)}, {.rows = 1000});
  run(trainer);
  EXPECT_EQ(sae->ends, counts({5, 10, 15}));  // and no row after the last pass that it wanted
  EXPECT_EQ(sae->numbers.size(), 15U);
  EXPECT_EQ(trainer.passes(0), 3);
  EXPECT_EQ(trainer.rows_seen(0), 300);
  EXPECT_TRUE(trainer.final(0));
  const at::Tensor mean = trainer.members()[0].trained->parameters["mean"];
  EXPECT_NEAR(mean[0].item<double>(), 49.5, 1e-9);  // of the rows 0 to 99
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(at::equal(sae->numbers[i], sae->numbers[5 + i])) << i;
    EXPECT_TRUE(at::equal(sae->numbers[i], sae->numbers[10 + i])) << i;
    EXPECT_EQ(sae->rows_seen[5 + i], static_cast<std::int64_t>(100 + 20 * i));
  }
}

TEST(Fitting, StopsWithTheBudgetAtTheEndOfAPass) {
  auto sae = std::make_shared<Averager>(9);
  Trainer trainer = trainer_of({member("a", sae)}, {.rows = 250});
  run(trainer);
  EXPECT_EQ(sae->ends, counts({5, 10}));  // the 50 rows that are left are no pass
  EXPECT_EQ(trainer.rows_seen(0), 200);
  EXPECT_FALSE(trainer.final(0));
}

TEST(Fitting, PassesOverTheFirstRowsOfAnEndlessSource) {
  auto sae = std::make_shared<Averager>(4);
  Trainer trainer = trainer_of({member("a", sae)},
                               {.rows = 130, .pass_rows = 30, .source = kEndless, .batch = 20});
  run(trainer);
  EXPECT_EQ(sae->ends, counts({2, 4, 6, 8}));  // of 20 and 10 rows
  EXPECT_EQ(sae->numbers[1].size(0), 10);
  EXPECT_TRUE(at::equal(sae->numbers[0], sae->numbers[6]));
  EXPECT_TRUE(at::equal(sae->numbers[1], sae->numbers[7]));
}

TEST(Fitting, MembersBesideEachOtherAreWhatTheyAreAlone) {
  for (const std::int64_t pass : {0, 30}) {
    const Budget budget{.rows = 220, .pass_rows = pass};
    auto two = std::make_shared<Averager>(2), four = std::make_shared<Averager>(4);
    Trainer together =
        trainer_of({member("t", topk()), member("two", two), member("four", four)}, budget);
    auto alone_two = std::make_shared<Averager>(2);
    Trainer stepped = trainer_of({member("t", topk())}, budget);
    Trainer fitted = trainer_of({member("two", alone_two)}, budget);
    run(together);
    run(stepped);
    run(fitted);
    EXPECT_EQ(stepped.step(), 11);
    EXPECT_EQ(together.rows_seen(0), 220);
    EXPECT_EQ(two->ends, alone_two->ends);
    ASSERT_EQ(two->numbers.size(), alone_two->numbers.size());
    for (std::size_t i = 0; i < two->numbers.size(); ++i) {
      EXPECT_TRUE(at::equal(two->numbers[i], alone_two->numbers[i])) << i;
    }
    const auto& members = together.members();
    for (const auto& [name, tensor] : stepped.members()[0].trained->parameters) {
      EXPECT_TRUE(at::equal(tensor, members[0].trained->parameters[name])) << name;
    }
    EXPECT_TRUE(at::equal(members[1].trained->parameters["mean"],
                          fitted.members()[0].trained->parameters["mean"]));
  }
}

TEST(Fitting, ResumesExactlyAtEveryStep) {
  const auto make = [](std::shared_ptr<Averager>& sae) {
    sae = std::make_shared<Averager>(3);
    return trainer_of({member("a", sae), member("t", topk())}, {.rows = 130, .pass_rows = 30});
  };
  std::shared_ptr<Averager> sae;
  Trainer straight = make(sae);
  run(straight);
  const std::int64_t steps = straight.step();
  EXPECT_EQ(steps, 7);  // of topk; the three passes are over after 6
  const auto all = sae->numbers;
  for (std::int64_t stop = 0; stop < steps; ++stop) {
    std::shared_ptr<Averager> before, after;
    Trainer first = make(before);
    while (first.step() < stop) first.advance(false);
    const State state = first.save();
    if (!first.done()) first.advance(false);
    Trainer second = make(after);
    second.load(state);
    run(second);
    EXPECT_EQ(second.step(), steps);
    for (std::size_t i = 0; i < 2; ++i) {
      for (const auto& [name, tensor] : straight.members()[i].trained->parameters) {
        EXPECT_TRUE(at::equal(tensor, second.members()[i].trained->parameters[name])) << stop;
      }
    }
    EXPECT_EQ(second.passes(0), 3);
    ASSERT_EQ(static_cast<std::int64_t>(after->numbers.size()),
              std::max<std::int64_t>(static_cast<std::int64_t>(all.size()) - stop, 0));
    for (std::size_t i = 0; i < after->numbers.size(); ++i) {
      EXPECT_TRUE(at::equal(after->numbers[i], all[i + static_cast<std::size_t>(stop)]));
    }
  }
}

TEST(Fitting, MeasuresWhenAskedAndWhenAnSaeIsFinal) {
  auto sae = std::make_shared<Averager>(2);
  Trainer trainer = trainer_of({member("a", sae), member("t", topk())}, {.rows = 260});
  std::vector<bool> fitted, stepped;
  std::vector<MemberMetrics> last;
  while (!trainer.done()) {
    const auto metrics = trainer.advance((trainer.step() + 1) % 4 == 0);
    fitted.push_back(metrics[0].measured);
    stepped.push_back(metrics[1].measured);
    if (metrics[0].measured) last = metrics;
  }
  std::vector<bool> want(13, false), until(13, false);
  for (const std::size_t step : {4, 8, 10}) want[step - 1] = true;       // final after 10
  for (const std::size_t step : {4, 8, 12, 13}) until[step - 1] = true;  // 13 is the last
  EXPECT_EQ(fitted, want);
  EXPECT_EQ(stepped, until);
  EXPECT_EQ(last[0].l0, 1);
  EXPECT_EQ(last[0].dead, 0.5);
  const at::Tensor mean = trainer.members()[0].trained->parameters["mean"];
  EXPECT_GT(last[0].loss, 0);
  EXPECT_EQ(last[0].loss, last[0].objective);
  EXPECT_GT(last[0].fvu, 0.5);
  EXPECT_NEAR(mean[0].item<double>(), 49.5, 1e-9);
}

// Infinite after some calls.
struct Overflowing final : Objective {
  explicit Overflowing(int finite) : left(finite) {}
  at::Tensor loss(const TrainStep& step) override {
    const at::Tensor error = SquaredError().loss(step);
    return left-- > 0 ? error : error * std::numeric_limits<double>::infinity();
  }
  int left;
};

TEST(Fitting, SaysWhatHelpsWhereALossOverflows) {
  const auto help = [](std::shared_ptr<Sae> sae, int finite) {
    TrainMember of = member("a", std::move(sae));
    of.objective = std::make_shared<Overflowing>(finite);
    Trainer trainer = trainer_of({of}, {.rows = 100});
    return test::caught([&] { run(trainer); }).help();
  };
  const char* const rows = "rows themselves are too large";
  EXPECT_THAT(help(topk(), 0), testing::HasSubstr(rows));
  EXPECT_THAT(help(topk(), 2), testing::HasSubstr("a lower learning rate"));
  EXPECT_THAT(help(std::make_shared<Averager>(1), 0),
              testing::HasSubstr(rows));  // at the pass' end
}

}  // namespace
