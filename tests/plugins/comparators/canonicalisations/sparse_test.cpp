#include "plugins/comparators/regret/regret.h"
#include "plugins/comparators/span/span.h"
#include "tests/plugins/comparators/canonicalisations/forms.h"
#include "tests/plugins/comparators/sparse_worlds.h"

// Worlds with sparse transitions: the comparators that take them find what they find in dense ones.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

class Sparse : public ::testing::Test {
 protected:
  MemoryWorld dense(std::int64_t S, double gamma) {
    constexpr std::int64_t kActions = 3;
    const at::Tensor tau = few_successors(random_, S, kActions, 4);
    const at::Tensor R = random_.normal({S, kActions, S});
    MemoryWorld out(tau, random_.probabilities({S}), gamma,
                    {{"R", R},
                     {"same", 4 * (R + random_.shaping(tau, gamma) + random_.redistribution(tau))},
                     {"other", random_.normal({S, kActions, S})},
                     {"trivial", random_.shaping(tau, gamma).contiguous()}});
    out.policy_ = random_.probabilities({S, kActions});
    return out;
  }

  static void expect_same(const Comparison& found, const Comparison& exact, std::size_t metrics) {
    ASSERT_EQ(found.metrics.size(), metrics);
    ASSERT_EQ(exact.metrics.size(), metrics);
    for (std::size_t m = 0; m < metrics; ++m) {
      const PairMatrix& d = exact.metrics[m];
      EXPECT_EQ(found.metrics[m].key, d.key);
      EXPECT_LT(largest(found.metrics[m].values - d.values),
                1e-9 * std::max(1.0, largest(d.values)))
          << d.key;
      const Certificate &a = found.certificates[m], &b = exact.certificates[m];
      EXPECT_EQ(a.sound, b.sound);
      EXPECT_EQ(a.complete, b.complete);
      EXPECT_EQ(a.invariant_to, b.invariant_to);
      EXPECT_LE(a.high, b.high * (1 + 1e-9)) << d.key;  // no form reaches off the support
      EXPECT_LE(largest(found.metrics[m].values), a.high * (1 + 1e-9)) << d.key;
    }
    EXPECT_EQ(found.degenerate, exact.degenerate);
    const auto solved =
        std::find_if(found.report.blocks.begin(), found.report.blocks.end(),
                     [](const Block& block) { return block.title == "How it was solved"; });
    ASSERT_NE(solved, found.report.blocks.end());
    for (const auto& row : std::get<TableBlock>(solved->body).rows) {
      EXPECT_LT(row[4].as_real(), 1e-7) << row[0].as_string();
    }
  }

  RandomWorlds random_{61};
};

TEST_F(Sparse, FormsAgreeWithDenseOnes) {
  for (const double gamma : {0.5, 0.99}) {
    const MemoryWorld world = dense(80, gamma), few = sparse(world);
    expect_same(Val({kAll}).compare(few), Val({kAll}).compare(world), 44);
    const Minimal::Options both = {kAll, {"one", "tau"}};
    expect_same(Minimal(both).compare(few), Minimal(both).compare(world), 88);
  }
}

TEST_F(Sparse, PlanningAgreesWithDense) {
  for (const double gamma : {0.5, 0.99}) {
    const MemoryWorld world = dense(40, gamma), few = sparse(world);
    expect_same(Span({}).compare(few), Span({}).compare(world), 3);
    expect_same(Regret({}).compare(few), Regret({}).compare(world), 6);
    EXPECT_NE(certificate(Span({}).compare(few), "span").caveat.find("values are right to within"),
              std::string::npos);
  }
}

// A state that mu0 does not reach counts in VAL alone.
TEST_F(Sparse, UnreachedStatesAreNamed) {
  MemoryWorld world = dense(30, 0.9);
  at::Tensor tau = world.transitions_.dense.clone();
  tau.slice(0, 0, 29).select(2, 29).zero_();
  world.transitions_.dense = tau / tau.sum(-1, true);
  world.mu0_[29] = 0;
  world.mu0_ /= world.mu0_.sum();
  const Comparison found = Val({{"2-2"}}).compare(sparse(world));
  EXPECT_NE(found.certificates[0].caveat.find("depends on these states: 29;"), std::string::npos);
  EXPECT_FALSE(found.certificates[0].complete);
}

// With one action all is shaping, and what iterations leave of it is rounding.
TEST_F(Sparse, OneAction) {
  const at::Tensor tau = few_successors(random_, 400, 1, 4);
  const MemoryWorld world(
      tau, uniform({400}), .99,
      {{"a", random_.normal({400, 1, 400})}, {"b", 1e6 * random_.normal({400, 1, 400})}});
  const MemoryWorld few = sparse(world);
  for (const std::string weights : {"one", "tau"}) {
    const Comparison found = Minimal({.pairs = {"all"}, .weights = {weights}}).compare(few);
    EXPECT_EQ(found.degenerate.size(), 2U);
    for (const PairMatrix& matrix : found.metrics)
      EXPECT_EQ(between(matrix, 0, 1), 0) << matrix.key;
  }
}

TEST_F(Sparse, TheOthersRefuse) {
  const MemoryWorld few = sparse(dense(20, 0.9));
  for (const Form& form : forms()) {
    if (form.removes_redistribution) continue;
    try {
      (void)form.compare(few);
      ADD_FAILURE() << form.name;
    } catch (const Error& error) {
      EXPECT_NE(error.message().find("which sparse transitions leave out"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace saffron::plugins
