#include "plugins/comparators/direct/direct.h"
#include "plugins/comparators/npec/npec.h"
#include "plugins/comparators/span/span.h"
#include "tests/plugins/comparators/canonicalisations/forms.h"

// What the components' options refuse, and worlds that they cannot compare in.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using Strings = std::vector<std::string>;

template <class C>
std::string problem(const char* option, std::initializer_list<const char*> values) {
  Value config = Value::table(), list = Value::list();
  for (const char* value : values) list.push(value);
  config.set(option, list);
  typename C::Options options;
  Decoded decoded;
  C::schema().decode(config, &options, decoded);
  return decoded.problems.empty() ? std::string() : decoded.problems[0].message;
}

TEST(FormsOptions, Measures) {
  EXPECT_EQ(problem<None>("pairs", {"pearson-uniform", "none-inf"}), "");
  EXPECT_EQ(problem<Dard>("pairs", {"all", "pearson-reachable"}), "");
  EXPECT_NE(problem<Dard>("pairs", {"2-2", "2-2"}).find("'2-2' is listed twice"),
            std::string::npos);
  EXPECT_NE(problem<MinimalPotential>("pairs", {"2-3"}).find("'3' is not a norm"),
            std::string::npos);
  EXPECT_NE(problem<ValPotential>("pairs", {}).find("no distance is listed"), std::string::npos);
  EXPECT_NE(problem<Minimal>("pairs", {"pearson-uniform"}).find("is not offered here"),
            std::string::npos);
}

TEST(FormsOptions, Readings) {
  EXPECT_EQ(problem<Dard>("actions", {"independent", "shared"}), "");
  EXPECT_NE(problem<Dard>("actions", {"shared", "shared"}), "");
  EXPECT_NE(problem<Dard>("actions", {}), "");
  EXPECT_NE(problem<Dard>("actions", {"both"}), "");
  EXPECT_EQ(problem<Minimal>("weights", {"tau", "one"}), "");
  EXPECT_NE(problem<Minimal>("weights", {"tau", "tau"}), "");
  EXPECT_NE(problem<Minimal>("weights", {}), "");
  EXPECT_NE(problem<Minimal>("weights", {"two"}), "");
}

TEST(FormsOptions, SeveralReadingsAtOnce) {
  const MemoryWorld world = golden_world(golden_vector("G06"));
  const Comparison minimal = Minimal({{"2-2"}, {"tau", "one"}}).compare(world);
  ASSERT_EQ(minimal.metrics.size(), 2u);
  EXPECT_EQ(minimal.metrics[0].key, "Minimal_tauL2/2-2");
  EXPECT_EQ(minimal.metrics[1].key, "Minimal_L2/2-2");
  EXPECT_EQ(minimal.degenerate, std::vector<std::string>{cat("reward 'R1' ", rewards::kTrivial)});
  const Comparison dard = Dard({{"angle"}, {"shared", "independent"}}).compare(world);
  ASSERT_EQ(dard.metrics.size(), 2u);
  EXPECT_EQ(dard.metrics[1].key, "DARD_indepA/angle");
}

TEST(FormsOptions, ARewardOfZeroIsNamed) {
  MemoryWorld world = golden_world(golden_vector("G02"));
  world.rewards_[1].zero_();
  EXPECT_EQ(None({{"2-2"}}).compare(world).degenerate,
            std::vector<std::string>{"reward 'R2' is 0 everywhere"});
  EXPECT_EQ(Dard({{"2-2"}, {"shared"}}).compare(world).degenerate,
            std::vector<std::string>{"reward 'R2' is potential shaping alone"});
}

// D_S and D_A that leave out what policies do: EPIC can be 0 between opposite rewards then.
TEST(FormsOptions, CoverageThatMissesWhatPoliciesDo) {
  RandomWorlds random(9);
  const at::Tensor tau = random.transitions(3, 2);
  MemoryWorld world(tau, tensor(from_json("[1, 0, 0]", "")), .9,
                    {{"a", random.normal({3, 2, 3})}, {"b", random.normal({3, 2, 3})}});
  EXPECT_EQ(Epic({}).compare(world).degenerate, Strings());
  world.D_A = tensor(from_json("[1, 0]", ""));
  const std::string rest =
      ". Rewards there have no weight, and no multiple of the distance bounds regret";
  const Strings actions = {"coverage misses what policies do. D_A is 0 of actions: 1" + rest};
  EXPECT_EQ(Epic({}).compare(world).degenerate, actions);
  EXPECT_EQ(Dard({}).compare(world).degenerate, actions);
  EXPECT_EQ(Npec({}).compare(world).degenerate, actions);
  EXPECT_EQ(Direct({}).compare(world).degenerate, actions);
  EXPECT_EQ(Val({}).compare(world).degenerate, Strings());
  EXPECT_EQ(None({.pairs = {"2-2"}}).compare(world).degenerate, Strings());
  EXPECT_EQ(None({.pairs = {"pearson-uniform"}}).compare(world).degenerate, actions);
  world.D_S = tensor(from_json("[0, 0, 1]", ""));
  EXPECT_EQ(
      Epic({}).compare(world).degenerate,
      Strings{"coverage misses what policies do. D_S is 0 in reachable states: 0, 1. D_A is 0 "
              "of actions: 1" +
              rest});
  EXPECT_EQ(Dard({.pairs = {"2-2"}}).compare(world).degenerate, actions);
}

// Alike wherever a policy goes, and opposite where none does.
TEST(FormsOptions, StatesThatNoPolicyReaches) {
  RandomWorlds random(10);
  at::Tensor tau = random.transitions(3, 2);
  tau.slice(0, 0, 2).select(2, 2).zero_();
  tau = tau / tau.sum(-1, true);
  const at::Tensor R = random.normal({3, 2, 3});
  at::Tensor other = R.clone();
  other[2].neg_();
  const MemoryWorld world(tau, tensor(from_json("[0.5, 0.5, 0]", "")), .9,
                          {{"a", R}, {"b", other}});
  const Strings unreached = {
      "no policy's return from mu0 depends on these states: 2. Their rewards may count in these "
      "numbers all the same. span and regret leave such states out, as a tabular world does with "
      "states = \"reachable\""};
  EXPECT_EQ(Epic({}).compare(world).degenerate, unreached);
  EXPECT_EQ(Dard({}).compare(world).degenerate, unreached);
  EXPECT_EQ(Val({}).compare(world).degenerate, unreached);
  EXPECT_EQ(Npec({}).compare(world).degenerate, unreached);
  EXPECT_EQ(Direct({}).compare(world).degenerate, unreached);
  EXPECT_EQ(Span({}).compare(world).degenerate, Strings());
}

TEST(FormsOptions, WorldsWithoutTransitions) {
  struct Plain final : World {
    const WorldInfo& info() const override { return info_; }
    WorldInfo info_{"preferences of three people", {"a"}};
  } const plain;
  for (const Form& form : forms()) {
    try {
      static_cast<void>(form.compare(plain));
      FAIL() << form.name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid) << form.name;
      EXPECT_NE(error.message().find(" needs "), std::string::npos) << error.message();
    }
  }
}

TEST(FormsOptions, OverflowIsNamed) {
  MemoryWorld world = golden_world(golden_vector("G02"));
  world.rewards_[1] *= 1e308;
  for (const Form& form : forms()) {
    if (form.name == "None") continue;  // adds nothing up
    try {
      static_cast<void>(form.compare(world));
      FAIL() << form.name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::numeric) << form.name;
    }
  }
}

}  // namespace
}  // namespace saffron::plugins
