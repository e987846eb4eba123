#include "plugins/scorers/reconstruction/blocks.h"
#include "plugins/scorers/reconstruction/reconstruction.h"
#include "tests/plugins/scorers/scorer_testing.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <numeric>

namespace saffron {
namespace {

using plugins::CodeStatistics;

// 1000 rows; latent 0 fires in all, 1 in 100, 2 in 10, 3 in one, 4 never.
CodeStatistics decades() {
  at::Tensor f = at::zeros({1000, 5});
  f.select(1, 0).fill_(1);
  f.select(1, 1).slice(0, 0, 100).fill_(1);
  f.select(1, 2).slice(0, 0, 10).fill_(-1);
  f.select(1, 3).slice(0, 0, 1).fill_(1);
  CodeStatistics statistics(5);
  statistics.add({Codes::dense(f)});
  return statistics;
}

double total(const std::vector<double>& counts) {
  return std::accumulate(counts.begin(), counts.end(), 0.0);
}

TEST(Blocks, DensityCountsEveryLatentOnce) {
  const CodeStatistics statistics = decades();
  const Block block = plugins::density_block({{"a", &statistics}, {"b", &statistics}});
  const auto& body = std::get<HistogramBlock>(block.body);
  ASSERT_EQ(body.edges.size(), 13u);  // 3 decades of 4 bins
  EXPECT_EQ(body.edges.front(), -3);
  EXPECT_EQ(body.edges.back(), 0);
  ASSERT_EQ(body.parts.size(), 2u);
  std::vector<double> expected(12);
  expected[0] = expected[4] = expected[8] = expected[11] = 1;  // 1e-3, 1e-2, 1e-1, 1
  EXPECT_EQ(body.parts[0].counts, expected);
  EXPECT_EQ(body.note, "Never fired: a 1 of 5; b 1 of 5 latents (in 1000 rows).");
}

TEST(Blocks, RowsPerLatentStartsAtTheLiving) {
  const CodeStatistics statistics = decades();
  const Block block = plugins::rows_per_latent_block({{"a", &statistics}});
  const auto& line = std::get<SeriesBlock>(block.body).lines.at(0);
  EXPECT_EQ(line.x.front(), 1);
  EXPECT_DOUBLE_EQ(line.y.front(), 0.8);
  EXPECT_EQ(line.x.back(), 1000);
  EXPECT_DOUBLE_EQ(line.y.back(), 0.2);
  for (std::size_t i = 0; i < line.x.size(); ++i) {
    const double at_least = line.x[i] <= 1 ? 4 : line.x[i] <= 10 ? 3 : line.x[i] <= 100 ? 2 : 1;
    EXPECT_DOUBLE_EQ(line.y[i], at_least / 5) << line.x[i];
  }
}

TEST(Blocks, L0BinsAreCentredOnWholeNumbers) {
  const CodeStatistics statistics = decades();
  const Block block = plugins::l0_block({{"a", &statistics}});
  const auto& body = std::get<HistogramBlock>(block.body);
  EXPECT_EQ(body.edges, (std::vector<double>{-0.5, 0.5, 1.5, 2.5, 3.5, 4.5}));
  EXPECT_EQ(body.parts.at(0).counts, (std::vector<double>{0, 900, 90, 9, 1}));
}

TEST(Blocks, ManyActiveLatentsShareBins) {
  at::Tensor f = at::zeros({4, 300});
  for (std::int64_t r = 0; r < 4; ++r) f[r].slice(0, 0, r * 99 + 2).fill_(1);  // 2, 101, 200, 299
  CodeStatistics statistics(300);
  statistics.add({Codes::dense(f)});
  const Block block = plugins::l0_block({{"a", &statistics}});
  const auto& body = std::get<HistogramBlock>(block.body);
  EXPECT_LE(body.parts.at(0).counts.size(), 51u);
  EXPECT_EQ(total(body.parts.at(0).counts), 4);
  for (std::size_t i = 0; i < body.parts[0].counts.size(); ++i) {
    double inside = 0;
    for (const double l0 : {2., 101., 200., 299.}) {
      inside += body.edges[i] <= l0 && l0 < body.edges[i + 1];
    }
    EXPECT_EQ(body.parts[0].counts[i], inside);
  }
}

TEST(Blocks, MembersOfAGridShareAGroup) {
  const Block block =
      plugins::trade_off_block({{"s[k=8]", 8, .3}, {"r", 30, .5}, {"s[k=16]", 16, .2}});
  const auto& body = std::get<ScatterBlock>(block.body);
  ASSERT_EQ(body.groups.size(), 2u);
  EXPECT_EQ(body.groups[0].name, "s");
  EXPECT_EQ(body.groups[0].x, (std::vector<double>{8, 16}));
  EXPECT_EQ(body.groups[0].y, (std::vector<double>{.3, .2}));
  EXPECT_EQ(body.groups[0].labels, (std::vector<std::string>{"s[k=8]", "s[k=16]"}));
  EXPECT_TRUE(body.log_x);
  EXPECT_FALSE(std::get<ScatterBlock>(plugins::trade_off_block({{"a", 0, 1}}).body).log_x);
}

TEST(CodeStatistics, SeveralCodeSpacesStandSideBySide) {
  const at::Tensor f = at::tensor({1.f, 0.f, 2.f, 0.f}).view({2, 2});
  CodeStatistics statistics(4);
  statistics.add({Codes::dense(f), Codes::from_dense(f.flip({0, 1}))});
  EXPECT_EQ(statistics.latents(), 4);
  EXPECT_EQ(statistics.mean_l0(), 2);
  EXPECT_EQ(statistics.dead(), 2);
  EXPECT_EQ(statistics.rows(), 2);
}

}  // namespace
}  // namespace saffron
