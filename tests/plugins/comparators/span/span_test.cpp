#include "plugins/comparators/span/span.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_metrics.h>

// Keys, certificates and the report; what planning yields is tested with the planner.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

TEST(SpanGolden, DistancesAndWorstCases) {
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& expected = vector->at("expected").at("regret");
    const Comparison found = Span({}).compare(golden_world(*vector));
    const double d = expected.at("d_span").as_real();
    const double w12 = expected.at("w12").as_real(), w21 = expected.at("w21").as_real();
    EXPECT_NEAR(between(metric(found, "span"), 0, 1), d, 1e-10) << id;
    EXPECT_NEAR(between(metric(found, "span"), 1, 0), d, 1e-10) << id;
    EXPECT_NEAR(between(metric(found, "w12"), 0, 1), w12, 1e-10) << id;
    EXPECT_NEAR(between(metric(found, "w12"), 1, 0), w21, 1e-10) << id;
    EXPECT_NEAR(between(metric(found, "w21"), 0, 1), w21, 1e-10) << id;
    EXPECT_NEAR(between(metric(found, "w21"), 1, 0), w12, 1e-10) << id;
  }
}

TEST(SpanGolden, ReportHoldsLambda) {
  const Value& vector = golden_vector("G10");
  const Value& expected = vector.at("expected").at("regret");
  const Comparison found = Span({.metrics = {"w12"}}).compare(golden_world(vector));
  ASSERT_EQ(found.metrics.size(), 1u);
  const auto& table = std::get<TableBlock>(found.report.blocks.at(1).body);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0][0].as_string(), "R1");
  EXPECT_EQ(table.rows[0][1].as_string(), "R2");
  EXPECT_NEAR(table.rows[0][2].as_real(), expected.at("w12").as_real(), 1e-10);
  EXPECT_NEAR(table.rows[0][3].as_real(), expected.at("w12_lambda").as_real(), 1e-10);
  EXPECT_NEAR(table.rows[1][3].as_real(), expected.at("w21_lambda").as_real(), 1e-10);
  EXPECT_NEAR(table.rows[0][4].as_real(),
              expected.at("w12").as_real() * expected.at("range1").as_real(), 1e-9);
}

// A bound in words is never below the number: 0.89583... is 89.59 %.
TEST(SpanReport, SaysTheBoundInWords) {
  const auto words = [](const char* id) {
    const Comparison found = Span({.metrics = {"w12"}}).compare(golden_world(golden_vector(id)));
    const auto& table = std::get<TableBlock>(found.report.blocks.at(0).body);
    return table.rows.at(0).back().as_string();
  };
  EXPECT_EQ(words("G02"),
            "if 'R2' weakly prefers policy p to q, going from q to p costs at most 89.59 % of the "
            "range of 'R1'");
  EXPECT_EQ(words("G03"),
            "if 'R2' weakly prefers policy p to q, going from q to p costs nothing of 'R1'");
  EXPECT_NE(words("G05").find("at most 100 % of"), std::string::npos);
}

// Without w12, by the span distance that bounds it.
TEST(SpanReport, SaysTheLooserBoundInWords) {
  MemoryWorld world = golden_world(golden_vector("G02"));
  world.rewards_[1] = world.rewards_[0] + 0.2 * world.rewards_[1];
  const Comparison found = Span({.metrics = {"span"}}).compare(world);
  const double d = between(found.metrics[0], 0, 1);
  ASSERT_LT(d, 0.9);
  const auto& table = std::get<TableBlock>(found.report.blocks.at(0).body);
  for (const auto& row : table.rows) {
    const std::string& said = row.back().as_string();
    const double share = std::stod(said.substr(said.find("at most ") + 8)) / 100;
    EXPECT_GE(share, d);
    EXPECT_NEAR(share, d, 1e-3 * d);
  }
  EXPECT_EQ(table.rows.size(), 2u);
  EXPECT_NE(found.report.blocks[0].caption.find("By span"), std::string::npos);
}

// Opposite rewards: what counts goes right, and what is followed stays left.
TEST(SpanReport, NamesThePolicies) {
  const MemoryWorld world = golden_world(golden_vector("G05"));
  const Comparison found = Span({.states = 1}).compare(world);
  ASSERT_EQ(found.report.blocks.size(), 3u);
  const auto& table = std::get<TableBlock>(found.report.blocks[2].body);
  ASSERT_EQ(table.rows.size(), 2u);  // one state of each pair
  EXPECT_NE(table.rows[0][3].as_string(), table.rows[0][4].as_string());
  EXPECT_EQ(table.rows[0][3].as_string(), table.rows[1][4].as_string());
  EXPECT_EQ(Span({.states = 0}).compare(world).report.blocks.size(), 2u);
  EXPECT_EQ(Span({.metrics = {"span"}}).compare(world).report.blocks.size(), 1u);
}

TEST(SpanCertificates, KnownConstants) {
  const Comparison found = Span({}).compare(golden_world(golden_vector("G09")));
  const Certificate& span = certificate(found, "span");
  EXPECT_TRUE(span.sound && span.complete && span.pseudometric);
  EXPECT_EQ(span.U, 1);
  EXPECT_EQ(span.L, 0.5);
  EXPECT_EQ(span.high, 2);
  EXPECT_EQ(span.caveat, "");
  EXPECT_EQ(certificate(found, "w12").U, 1);
  EXPECT_EQ(certificate(found, "w12").L, 1);
  EXPECT_FALSE(certificate(found, "w12").pseudometric);
  EXPECT_FALSE(certificate(found, "w21").sound);
  EXPECT_EQ(between(metric(found, "span"), 0, 1), 0);  // they differ where nobody goes
}

TEST(SpanProperties, Pseudometric) {
  RandomWorlds random(61);
  for (int i = 0; i < 6; ++i) {
    const std::int64_t S = random.size(), A = random.size();
    const at::Tensor tau = random.transitions(S, A);
    const at::Tensor a = random.normal({S, A, S}), b = random.normal({S, A, S});
    const MemoryWorld world(
        tau, random.probabilities({S}), random.discount(),
        {{"a", a}, {"b", b}, {"3 a", 3 * a}, {"-a", -a}, {"near a", a + 0.1 * b}});
    const Comparison found = Span({}).compare(world);
    const at::Tensor& d = metric(found, "span").values;
    EXPECT_LT(largest(d - d.t()), 1e-15);
    EXPECT_EQ(largest(d.diagonal()), 0);
    EXPECT_TRUE((d.unsqueeze(1) <= d.unsqueeze(2) + d.unsqueeze(0) + 1e-11).all().item<bool>());
    EXPECT_LT(between(metric(found, "span"), 0, 2), 1e-11);
    EXPECT_NEAR(between(metric(found, "span"), 0, 3), 2, 1e-11);
    EXPECT_NEAR(between(metric(found, "w12"), 0, 3), 1, 1e-11);
    const at::Tensor& w = metric(found, "w12").values;
    EXPECT_TRUE((w <= d + 1e-11).all().item<bool>());
    EXPECT_TRUE((d <= 2 * w + 1e-11).all().item<bool>());
    EXPECT_EQ(largest(metric(found, "w21").values - w.t()), 0);
  }
}

TEST(SpanDegenerate, TrivialRewards) {
  const Comparison found = Span({}).compare(golden_world(golden_vector("G06")));
  EXPECT_EQ(found.degenerate, std::vector<std::string>{cat("reward 'R1' ", rewards::kTrivial)});
  const auto& table = std::get<TableBlock>(found.report.blocks.at(1).body);
  EXPECT_TRUE(table.rows[0][3].is_null());  // no lambda: there is nothing to lose
}

TEST(SpanOptions, Refusals) {
  const auto problem = [](std::initializer_list<const char*> words) {
    Value config = Value::table(), list = Value::list();
    for (const char* word : words) list.push(word);
    config.set("metrics", list);
    Span::Options options;
    Decoded decoded;
    Span::schema().decode(config, &options, decoded);
    return decoded.problems.empty() ? std::string() : decoded.problems[0].message;
  };
  EXPECT_EQ(problem({"w21", "span"}), "");
  EXPECT_NE(problem({"span", "w12", "span"}).find("metrics lists \"span\" twice"),
            std::string::npos);
  EXPECT_NE(problem({}).find("metrics lists nothing"), std::string::npos);
  EXPECT_NE(problem({"w"}), "");
}

}  // namespace
}  // namespace saffron::plugins
