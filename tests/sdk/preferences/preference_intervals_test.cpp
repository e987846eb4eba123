#include "tests/plugins/comparators/preference_testing.h"

#include <saffron/preference_intervals.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <limits>

namespace saffron::preferences {
namespace {

using namespace saffron::testing;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Worked by hand; R's p.adjust gives the same.
TEST(Adjusted, HolmAndBenjaminiHochberg) {
  const std::vector<double> p = {0.01, 0.04, 0.03, 0.005};
  const auto expect = [&](Adjust adjust, const std::vector<double>& expected) {
    const std::vector<double> found = adjusted(p, adjust);
    for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-15);
  };
  expect(Adjust::none, p);
  expect(Adjust::holm, {0.03, 0.06, 0.06, 0.02});
  expect(Adjust::benjamini_hochberg, {0.02, 0.04, 0.04, 0.02});
  EXPECT_EQ(adjusted({0.9, 0.8}, Adjust::holm), (std::vector<double>{1, 1}));
}

TEST(PercentileInterval, InterpolatesAndLeavesOutWhatIsUndefined) {
  const at::Tensor x = at::arange(101, at::kDouble).flip(0);
  EXPECT_NEAR(percentile_interval(x, 0.9).low.item<double>(), 5, 1e-12);
  EXPECT_NEAR(percentile_interval(x, 0.95).high.item<double>(), 97.5, 1e-12);
  at::Tensor some = x.clone();
  some.slice(0, 0, 5).fill_(kNaN);  // the five largest
  EXPECT_NEAR(percentile_interval(some, 0.9).high.item<double>(), 0.95 * 95, 1e-12);
  some.slice(0, 0, 6).fill_(kNaN);
  EXPECT_TRUE(std::isnan(percentile_interval(some, 0.9).high.item<double>()));
}

TEST(Resamples, HoldAsManyPromptsAsThereAre) {
  const MemoryScores world(sizes_of({3, 2, 4}, 300), RandomWorlds(1).normal({2, 2700}));
  const ScoreTable table(world, "test");
  const Resamples resamples(Random(5), table, 7);
  const at::Tensor counts = resamples.counts(0, table.blocks().size()).to(at::kDouble);
  EXPECT_TRUE((counts.sum(1) == 900).all().item<bool>());
  // Sums are those of the prompts drawn, whatever block they are in.
  const at::Tensor sums = sum_over_prompts(table, resamples, [&](std::size_t b) {
    return table.blocks()[b].prompts.to(at::kDouble).unsqueeze(1);
  });
  for (std::uint64_t b = 0; b < 7; ++b) {
    double expected = 0;
    for (std::uint64_t i = 0; i < 900; ++i) expected += std::floor(900 * Random(5).uniform(b, i));
    EXPECT_EQ(sums[static_cast<std::int64_t>(b) + 1][0].item<double>(), expected);
  }
  EXPECT_EQ(sums[0][0].item<double>(), 900 * 899 / 2);
}

TEST(ScoreTable, KnowsItsRowsInAnyOrderOfBlocks) {
  const MemoryScores world({4, 2, 4, 3}, RandomWorlds(2).normal({2, 13}));
  const ScoreTable table(world, "test");
  ASSERT_EQ(table.blocks().size(), 3u);  // of 2, 3 and 4 responses
  for (const PromptBlock& block : table.blocks()) {
    EXPECT_TRUE(block.scores.equal(block.take(world.scores_)));
    for (std::int64_t p = 0; p < block.count(); ++p) {
      for (std::int64_t k = 0; k < block.responses(); ++k) {
        EXPECT_EQ(world.prompts_[block.rows[k][p]].item<std::int64_t>(),
                  block.prompts[p].item<std::int64_t>());
      }
    }
  }
  EXPECT_EQ(table.response_name(5), "1");  // the second of prompt 1
  EXPECT_EQ(table.prompt_name(2), "2");
}

}  // namespace
}  // namespace saffron::preferences
