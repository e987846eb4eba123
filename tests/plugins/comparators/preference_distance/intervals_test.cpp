#include "plugins/comparators/preference_distance/preference_distance.h"
#include "tests/plugins/comparators/preference_testing.h"

#include <gmock/gmock.h>

// Intervals, against tables of the resampled prompts.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using Options = PreferenceDistance::Options;

constexpr std::int64_t kResamples = 40;

Comparison compare(const World& world, const Options& options) {
  return PreferenceDistance(options, FakeContext()).compare(world);
}

// The prompts of resample b of a table, as a table.
MemoryScores resample(const MemoryScores& world, const std::vector<std::int64_t>& sizes,
                      std::uint64_t b) {
  const Random random = FakeContext().random("bootstrap");
  const auto P = static_cast<double>(sizes.size());
  std::vector<std::int64_t> drawn_sizes;
  std::vector<at::Tensor> columns;
  for (std::uint64_t i = 0; i < sizes.size(); ++i) {
    const auto p = static_cast<std::int64_t>(P * random.uniform(b, i));
    drawn_sizes.push_back(sizes[static_cast<std::size_t>(p)]);
    columns.push_back(world.scores_.index_select(1, (world.prompts_ == p).nonzero().view({-1})));
  }
  return {drawn_sizes, at::cat(columns, 1)};
}

// numpy.quantile(x, share).
double quantile(std::vector<double> x, double share) {
  std::sort(x.begin(), x.end());
  const double place = share * static_cast<double>(x.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double rest = place - static_cast<double>(below);
  return below + 1 < x.size() ? x[below] + rest * (x[below + 1] - x[below]) : x[below];
}

TEST(PreferenceIntervals, AgainstTablesOfTheResamples) {
  const std::vector<std::int64_t> sizes = sizes_of({3, 2, 5}, 30);
  MemoryScores world(sizes, RandomWorlds(8).normal({3, total(sizes)}));
  world.scores_[1] = 0.7 * world.scores_[0] + 0.5 * world.scores_[1];
  Options options;
  options.metrics = {"d_starc", "angle", "span", "w12"};
  options.intervals = {kResamples, 0.9};
  const Comparison found = compare(world, options);
  Options plain = options;
  plain.intervals.resamples = 0;
  std::vector<Comparison> drawn;
  for (std::uint64_t b = 0; b < kResamples; ++b) {
    drawn.push_back(compare(resample(world, sizes, b), plain));
  }
  // span is followed along a line from all prompts, below it, and w12 along their lambda, above it: what is
  // left is of second order.
  for (const auto& [key, tolerance] : std::vector<std::pair<std::string, double>>{
           {"d_starc", 1e-12}, {"angle", 1e-12}, {"span", 5e-3}, {"w12", 2e-2}}) {
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = 0; j < 3; ++j) {
        std::vector<double> values;
        for (const Comparison& one : drawn) values.push_back(between(metric(one, key), i, j));
        EXPECT_NEAR(between(metric(found, key + "/low"), i, j), quantile(values, 0.05), tolerance)
            << key;
        EXPECT_NEAR(between(metric(found, key + "/high"), i, j), quantile(values, 0.95), tolerance)
            << key;
        if (key != "w12") continue;
        EXPECT_GE(between(metric(found, key + "/low"), i, j), quantile(values, 0.05) - 1e-12);
        EXPECT_GE(between(metric(found, key + "/high"), i, j), quantile(values, 0.95) - 1e-12);
      }
    }
  }
}

TEST(PreferenceIntervals, OnePromptHasNone) {
  const MemoryScores world({4}, RandomWorlds(1).normal({2, 4}));
  const Comparison found = compare(world, Options());
  EXPECT_GT(between(metric(found, "d_starc"), 0, 1), 0);
  EXPECT_TRUE(std::isnan(between(metric(found, "d_starc/low"), 0, 1)));
  EXPECT_EQ(metric(found, "span/high").reasons[1],
            "there is one prompt: an interval needs two at least");
}

TEST(PreferenceIntervals, CoverWhatTheyShould) {
  int covered = 0;
  constexpr int kWorlds = 200;
  for (std::uint64_t seed = 0; seed < kWorlds; ++seed) {
    MemoryScores world(sizes_of({2}, 60), RandomWorlds(seed).normal({2, 120}));
    world.scores_[1] = 0.6 * world.scores_[0] + 0.8 * world.scores_[1];  // correlation 0.6
    Options options;
    options.metrics = {"d_starc"};
    options.intervals = {200, 0.9};
    const Comparison found = compare(world, options);
    const double truth = std::sqrt((1 - 0.6) / 2);
    if (between(metric(found, "d_starc/low"), 0, 1) <= truth &&
        truth <= between(metric(found, "d_starc/high"), 0, 1)) {
      ++covered;
    }
  }
  EXPECT_GE(covered, 165);  // 0.9 within 3.5 standard deviations
  EXPECT_LE(covered, 195);
}

TEST(PreferenceIntervals, RankingTellsWhatItCan) {
  MemoryScores world(sizes_of({4}, 100), RandomWorlds(5).normal({4, 400}));
  world.scores_[1] = world.scores_[0] + 0.2 * world.scores_[1];
  world.scores_[2] = world.scores_[0] + 0.9 * world.scores_[2];
  world.scores_[3] = world.scores_[2] + 1e-3 * world.scores_[3];
  Options options;
  options.metrics = {"d_starc"};
  options.closest_to = "m0";
  const Comparison found = compare(world, options);
  const auto block = [&](const std::string& title) {
    for (const Block& of : found.report.blocks) {
      if (of.title == title) return std::get<TableBlock>(of.body);
    }
    throw Error("there is no block " + title);
  };
  EXPECT_EQ(block("Closest to 'm0'").rows[0][1].as_string(), "m1");
  const TableBlock duels = block("Closest to 'm0': who is really ahead");
  ASSERT_EQ(duels.rows.size(), 3u);
  EXPECT_EQ(duels.rows[0].back().as_string().substr(0, 20), "'m1' is ahead of 'm2");
  EXPECT_THAT(duels.rows[2].back().as_string(), ::testing::HasSubstr("do not tell"));
}

}  // namespace
}  // namespace saffron::plugins
