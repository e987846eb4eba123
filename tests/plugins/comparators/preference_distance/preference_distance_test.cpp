#include "plugins/comparators/preference_distance/preference_distance.h"
#include "tests/caught.h"
#include "tests/plugins/comparators/preference_testing.h"

#include <ATen/ops/linalg_lstsq.h>

#include <gmock/gmock.h>

#include <numbers>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

// What is said of what is refused.
template <class Action>
std::string refusal(const Action& action) {
  return test::caught(action).what();
}

using Options = PreferenceDistance::Options;

Options everything() {
  Options options;
  options.metrics = {"d_starc", "2-2", "angle", "span", "w12", "w21"};
  options.intervals.resamples = 0;
  return options;
}

Comparison compare(const World& world, const Options& options = everything()) {
  return PreferenceDistance(options, FakeContext()).compare(world);
}

// Prompts with 2, 3 and 5 responses.
MemoryScores random_scores(std::uint64_t seed, std::int64_t models, std::int64_t each = 5) {
  const std::vector<std::int64_t> sizes = sizes_of({3, 2, 5}, each);
  return {sizes, RandomWorlds(seed).normal({models, total(sizes)})};
}

at::Tensor offsets(const MemoryScores& world, std::uint64_t seed) {
  const std::int64_t P = world.prompts_.max().item<std::int64_t>() + 1;
  return (10 * RandomWorlds(seed).normal({P})).index_select(0, world.prompts_);
}

TEST(PreferenceDistance, GoldenVector) {
  const Value& expected = golden_vector("G12").at("expected");
  const Comparison found = compare(golden_scores());
  const double d = expected.at("d_STARC_L2_half").as_real();
  EXPECT_NEAR(between(metric(found, "d_starc"), 0, 1), d, 1e-12);
  EXPECT_NEAR(d, expected.at("D_EPIC_bandit_centred").as_real(), 1e-12);
  EXPECT_NEAR(between(metric(found, "2-2"), 0, 1), expected.at("d_STARC_L2_centred").as_real(),
              1e-12);
  EXPECT_NEAR(between(metric(found, "angle"), 0, 1), 2 * std::asin(d), 1e-12);
  EXPECT_NEAR(between(metric(found, "span"), 0, 1), expected.at("d_span").as_real(), 1e-12);
  EXPECT_NEAR(between(metric(found, "w12"), 0, 1), expected.at("w12").as_real(), 1e-12);
  EXPECT_NEAR(between(metric(found, "w12"), 1, 0), expected.at("w21").as_real(), 1e-12);
  EXPECT_NEAR(between(metric(found, "w21"), 0, 1), expected.at("w21").as_real(), 1e-12);
}

TEST(PreferenceDistance, PseudometricsAndTheSandwich) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    MemoryScores world = random_scores(seed, 4);
    world.scores_[3] = -2 * world.scores_[0] + offsets(world, seed);
    Options options = everything();
    options.metrics = {"d_starc", "2-2", "angle", "span"};
    expect_pseudometrics(compare(world, options));
    const Comparison found = compare(world);
    const at::Tensor span = metric(found, "span").values, w12 = metric(found, "w12").values;
    EXPECT_TRUE((w12 <= span * (1 + 1e-12)).all().item<bool>());
    EXPECT_TRUE((span <= 2 * w12 * (1 + 1e-12)).all().item<bool>());
    EXPECT_LT(largest(metric(found, "w21").values - w12.t()), 1e-15);
    EXPECT_NEAR(between(metric(found, "d_starc"), 0, 3), 1, 1e-12);  // the most there is
    EXPECT_NEAR(between(metric(found, "angle"), 0, 3), std::numbers::pi, 1e-12);
    EXPECT_NEAR(between(metric(found, "span"), 0, 3), 2, 1e-12);
    EXPECT_NEAR(between(metric(found, "w12"), 0, 3), 1, 1e-12);
  }
}

TEST(PreferenceDistance, BlindToOffsetsAndScale) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    MemoryScores world = random_scores(seed, 3);
    const Comparison before = compare(world);
    world.scores_[1] = 1e3 * world.scores_[1] + 1e5 * offsets(world, seed);
    world.scores_[2] = world.scores_[0] * 0.25 + offsets(world, seed + 100);
    const Comparison after = compare(world);
    for (const PairMatrix& matrix : after.metrics) {
      EXPECT_NEAR(between(matrix, 0, 1), between(metric(before, matrix.key), 0, 1), 1e-9)
          << matrix.key;
      EXPECT_NEAR(between(matrix, 0, 2), 0, 1e-12) << matrix.key;
    }
  }
}

TEST(PreferenceDistance, BlocksOfManyPromptsAreOneTable) {
  const MemoryScores world = random_scores(3, 3, 400);  // several blocks a size
  const at::Tensor c = [&] {
    const at::Tensor member = at::stack([&] {
      std::vector<at::Tensor> rows;
      for (std::int64_t p = 0; p < 1200; ++p) rows.push_back((world.prompts_ == p).to(at::kDouble));
      return rows;
    }());  // [P, N]
    const at::Tensor size = member.sum(1);
    const at::Tensor mean = world.scores_.matmul(member.t()) / size;  // [R, P]
    const at::Tensor centred = world.scores_ - mean.matmul(member);
    return centred * (1 / size.sqrt()).unsqueeze(0).matmul(member);  // a prompt's rows count 1 / K
  }();
  const at::Tensor unit = c / c.square().sum(1, true).sqrt();
  const Comparison found = compare(world);
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(between(metric(found, "2-2"), i, j),
                  (unit[i] - unit[j]).square().sum().sqrt().item<double>(), 1e-12);
    }
  }
}

// All pairs of deterministic policies are points (loss of 1, gain of 2); what mixtures reach with gain >= 0 is
// attained by two of them.
double worst_case(const at::Tensor& r1, const at::Tensor& r2) {  // [P, K]
  std::vector<std::pair<double, double>> points = {{0, 0}};
  double range = 0;
  const std::int64_t K = r1.size(1);
  for (std::int64_t p = 0; p < r1.size(0); ++p) {
    std::vector<std::pair<double, double>> next;
    for (const auto& [loss, gain] : points) {
      for (std::int64_t y = 0; y < K * K; ++y) {
        next.emplace_back(loss + (r1[p][y / K] - r1[p][y % K]).item<double>(),
                          gain + (r2[p][y % K] - r2[p][y / K]).item<double>());
      }
    }
    points = next;
    range += (r1[p].max() - r1[p].min()).item<double>();
  }
  double worst = 0;
  for (const auto& [x, y] : points) {
    if (y >= 0) worst = std::max(worst, x);
    for (const auto& [u, v] : points) {
      if (y < 0 && v > 0) worst = std::max(worst, (x * v - u * y) / (v - y));
    }
  }
  return worst / range;
}

TEST(PreferenceDistance, WorstCaseByEnumeration) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const at::Tensor scores = RandomWorlds(seed).normal({2, 2, 3});
    const Comparison found = compare(MemoryScores({3, 3}, scores.view({2, 6})));
    EXPECT_NEAR(between(metric(found, "w12"), 0, 1), worst_case(scores[0], scores[1]), 1e-12);
    EXPECT_NEAR(between(metric(found, "w21"), 0, 1), worst_case(scores[1], scores[0]), 1e-12);
  }
}

TEST(PreferenceDistance, TrivialModels) {
  MemoryScores world = random_scores(1, 4);
  world.scores_[2] = offsets(world, 5);
  world.scores_[3] = 0;
  const Comparison found = compare(world);
  EXPECT_THAT(found.degenerate, ::testing::ElementsAre(::testing::HasSubstr("'m2' is trivial"),
                                                       ::testing::HasSubstr("'m3' is trivial")));
  for (const auto& [key, apart] :
       std::vector<std::pair<const char*, double>>{{"d_starc", 0.5},
                                                   {"2-2", 1},
                                                   {"angle", std::numbers::pi / 2},
                                                   {"span", 1},
                                                   {"w12", 1}}) {
    EXPECT_NEAR(between(metric(found, key), 0, 2), apart, 1e-12) << key;
    EXPECT_EQ(between(metric(found, key), 2, 3), 0) << key;
  }
  EXPECT_EQ(between(metric(found, "w12"), 2, 0), 0);
  EXPECT_NEAR(number(found, "residual_fraction", "m2").value, 0, 1e-12);
  EXPECT_EQ(number(found, "residual_fraction", "m3").undefined, "all scores are 0");
}

TEST(PreferenceDistance, ReferenceWeights) {
  MemoryScores world(
      {3, 2},
      at::tensor({1.0, 5.0, 2.0, 0.0, 1.0, 3.0, -1.0, 0.0, 2.0, 2.5}).view({2, 5}).to(at::kDouble));
  world.log_reference_ = at::tensor({0.5, 0.25, 0.125, 0.1, 0.3}, at::kDouble).log();
  Options options = everything();
  options.weights = preferences::ResponseWeights::reference;
  const at::Tensor w = at::tensor({4.0 / 7, 2.0 / 7, 1.0 / 7, 0.25, 0.75}, at::kDouble);
  const at::Tensor member =
      at::tensor({1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0}, at::kDouble).view({2, 5});
  const at::Tensor c = world.scores_ - (world.scores_ * w).matmul(member.t()).matmul(member);
  const at::Tensor unit = c / (c.square() * w).sum(1, true).sqrt();
  EXPECT_NEAR(between(metric(compare(world, options), "2-2"), 0, 1),
              ((unit[0] - unit[1]).square() * w).sum().sqrt().item<double>(), 1e-12);
  world.log_reference_ = at::Tensor();
  EXPECT_THAT(refusal([&] { compare(world, options); }), ::testing::HasSubstr("log_reference"));
}

// With responses that are drawn, cov(x) of a prompt is estimated without bias by sum / (K - 1).
// Log probabilities of whole responses lie far apart. Ranges see no weights; d_starc, which sees next to
// none of all but one response, bounds no regret.
TEST(PreferenceDistance, ReferenceThatGivesOneResponse) {
  MemoryScores world = random_scores(21, 1);
  world.scores_ = at::stack({world.scores_[0], -world.scores_[0]});
  world.info_.rewards = {"a", "b"};
  const std::int64_t N = world.scores_.size(1);
  Options options = everything();
  options.weights = preferences::ResponseWeights::reference;
  for (const double gap : {1.0, 60.0, 2000.0}) {
    world.log_reference_ = -gap * at::arange(N, at::kDouble);
    const Comparison found = compare(world, options);
    EXPECT_NEAR(between(metric(found, "span"), 0, 1), 2, 1e-12);
    EXPECT_NEAR(between(metric(found, "w12"), 0, 1), 1, 1e-12);
    const bool seen = gap == 1.0;
    EXPECT_EQ(certificate(found, "d_starc").sound, seen) << gap;
    EXPECT_EQ(certificate(found, "d_starc").caveat.find("hardly gives some responses") !=
                  std::string::npos,
              !seen);
    EXPECT_TRUE(certificate(found, "span").sound);
    for (const std::string& said : found.degenerate) {
      EXPECT_NE(said.find("that the reference policy gives"), std::string::npos) << said;
    }
  }
}

// Whole numbers behind an offset are exact, and so is what is left without it.
TEST(PreferenceDistance, LargeOffsets) {
  MemoryScores world = random_scores(22, 2);
  world.scores_ = (3 * world.scores_).round();
  const Comparison plain = compare(world);
  world.scores_ = world.scores_ + 1e14;
  const Comparison moved = compare(world);
  EXPECT_TRUE(moved.degenerate.empty());
  for (const PairMatrix& matrix : plain.metrics) {
    EXPECT_LT(largest(metric(moved, matrix.key).values - matrix.values), 1e-9) << matrix.key;
  }
}

TEST(PreferenceDistance, SampledResponses) {
  const MemoryScores world({2, 4}, RandomWorlds(2).normal({2, 6}));
  const auto covariance = [&](std::int64_t i, std::int64_t j) {
    double out = 0;
    for (const auto& [from, to] : {std::pair(0, 2), std::pair(2, 6)}) {
      const at::Tensor x = world.scores_[i].slice(0, from, to),
                       y = world.scores_[j].slice(0, from, to);
      out += ((x - x.mean()) * (y - y.mean())).sum().item<double>() / (to - from - 1);
    }
    return out;
  };
  Options options = everything();
  options.responses = PreferenceDistance::Responses::sampled;
  const Comparison found = compare(world, options);
  const double rho = covariance(0, 1) / std::sqrt(covariance(0, 0) * covariance(1, 1));
  EXPECT_NEAR(between(metric(found, "d_starc"), 0, 1), std::sqrt((1 - rho) / 2), 1e-12);
  EXPECT_FALSE(certificate(found, "d_starc").sound);
  EXPECT_TRUE(certificate(found, "span").sound);
  EXPECT_EQ(certificate(found, "span").U, 1);
}

TEST(PreferenceDistance, ControlledForALength) {
  const std::vector<std::int64_t> sizes = sizes_of({4}, 6);
  const at::Tensor x = RandomWorlds(4).normal({5, 24});
  MemoryColumns world(sizes, x.slice(0, 0, 4).clone());
  const at::Tensor length = 100 * x[4] + 300;
  world.scores_[2] = world.scores_[1] + 0.05 * length;
  world.scores_[3] = 3 * length;
  world.columns_ = {{"length", length, {}}};
  Options options = everything();
  options.control = {"length"};
  const Comparison found = compare(world, options);
  const auto within = [](const at::Tensor& scores) {
    const at::Tensor rows = scores.view({-1, 6, 4});
    return (rows - rows.mean(2, true)).view({-1, 24});
  };
  const at::Tensor z = within(length)[0], c = within(world.scores_);
  const at::Tensor left = c - (c * z).sum(1, true) / z.square().sum() * z;
  const at::Tensor unit = left / left.square().sum(1, true).sqrt();
  const PairMatrix& d = metric(found, "d_starc/controlled");
  EXPECT_NEAR(between(d, 0, 1), 0.5 * (unit[0] - unit[1]).square().sum().sqrt().item<double>(),
              1e-10);
  EXPECT_NEAR(between(d, 1, 2), 0, 1e-7);
  EXPECT_GT(between(metric(found, "d_starc"), 1, 2), 0.1);
  EXPECT_NEAR(between(d, 0, 3), 0.5, 1e-12);  // nothing is left of m3
  EXPECT_NEAR(number(found, "explained_by_control", "m3").value, 1, 1e-12);
  EXPECT_NEAR(number(found, "explained_by_control", "m0").value,
              1 - (left[0].square().sum() / c[0].square().sum()).item<double>(), 1e-12);
}

TEST(PreferenceDistance, SlicesAreTablesOfTheirOwn) {
  const std::vector<std::int64_t> sizes = sizes_of({3, 2}, 4);
  MemoryColumns world(sizes, RandomWorlds(6).normal({3, 20}));
  const at::Tensor even = (world.prompts_ % 2).to(at::kLong);
  world.columns_ = {{"domain", even, {"chat", "code"}}};
  Options options = everything();
  options.slices = "domain";
  const Comparison found = compare(world, options);
  const at::Tensor rows = (even == 1).nonzero().view({-1});
  const Comparison alone =
      compare(MemoryScores(sizes_of({2}, 4), world.scores_.index_select(1, rows)));
  for (const char* key : {"d_starc", "angle", "span", "w12"}) {
    EXPECT_LT(largest(metric(found, cat(key, "[domain=code]")).values - metric(alone, key).values),
              1e-14);
    EXPECT_GT(between(metric(found, cat(key, "[domain=chat]")), 0, 1), 0);
  }
  world.columns_[0].values = at::arange(20, at::kLong) % 2;
  EXPECT_THAT(refusal([&] { compare(world, options); }),
              ::testing::HasSubstr(
                  "the responses to prompt '0' have 'chat' and 'code' in column 'domain'"));
}

TEST(PreferenceDistance, Refusals) {
  const MemoryScores world = golden_scores();
  const auto refused = [&](auto change, const World& of) {
    Options options = everything();
    change(options);
    return refusal([&] { compare(of, options); });
  };
  EXPECT_THAT(
      refused([](Options& o) { o.closest_to = "m7"; }, world),
      ::testing::HasSubstr("closest_to = \"m7\": the world has no reward model of that name"));
  EXPECT_THAT(refused([](Options& o) { o.control = {"length"}; }, world),
              ::testing::HasSubstr("numbers = [\"length\"]"));
  EXPECT_THAT(refused([](Options& o) { o.slices = "domain"; }, world),
              ::testing::HasSubstr("groups = [\"domain\"]"));
  MemoryColumns columns({2, 2}, RandomWorlds(1).normal({2, 4}));
  columns.columns_ = {{"length", at::tensor({7.0, 7.0, 9.0, 9.0}, at::kDouble), {}}};
  EXPECT_THAT(refused([](Options& o) { o.control = {"length"}; }, columns),
              ::testing::HasSubstr("column 'length' is the same for all responses to a prompt"));
  EXPECT_THAT(refused([](Options& o) { o.slices = "length"; }, columns),
              ::testing::HasSubstr("has numbers, and words are needed"));
  const MemoryWorld tabular = golden_world(golden_vector("G02"));
  EXPECT_THAT(refused([](Options&) {}, tabular),
              ::testing::HasSubstr("preference_distance compares scores"));
}

TEST(PreferenceDistance, ReportNamesPromptsAndResponses) {
  MemoryColumns world(
      {2, 3},
      at::tensor({0.0, 1.0, 5.0, 0.0, 0.0, 0.0, 1.0, 0.0, 5.0, 0.0}, at::kDouble).view({2, 5}));
  world.prompt_names_ = {"hello", "sort a list"};
  world.response_names_ = {"a", "b", "short", "long", "none"};
  Options options = everything();
  options.prompts = 1;
  const Comparison found = compare(world, options);
  const auto rows = [&](const std::string& title) {
    for (const Block& block : found.report.blocks) {
      if (block.title == title) return std::get<TableBlock>(block.body).rows;
    }
    throw Error("there is no block " + title);
  };
  const auto shares = rows("Prompts that carry the distance");
  ASSERT_EQ(shares.size(), 1u);
  EXPECT_EQ(shares[0][2].as_string(), "sort a list");
  EXPECT_NEAR(shares[0][3].as_real(), 1, 1e-12);
  const auto losses = rows("Prompts that cost most");
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_EQ(losses[0][2].as_string(), "sort a list");
  EXPECT_EQ(losses[0][3].as_string(), "short");
  EXPECT_THAT(rows("In words")[0][0].as_string(), ::testing::EndsWith("% of the range of 'm0'"));
}

}  // namespace
}  // namespace saffron::plugins
