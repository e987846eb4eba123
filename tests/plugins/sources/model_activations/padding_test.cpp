#include "tests/plugins/sources/model_activations/support.h"

namespace saffron::source_test {
namespace {

std::vector<std::pair<std::int64_t, std::int64_t>> origins(const ActivationRows& rows) {
  std::vector<std::pair<std::int64_t, std::int64_t>> out;
  for (std::int64_t r = 0; r < rows.origin.size(0); ++r) {
    out.emplace_back(rows.origin[r][0].item<std::int64_t>(),
                     rows.origin[r][1].item<std::int64_t>());
  }
  return out;
}

struct Padded : testing::Test {
  Padded() {
    bench.dataset->masks = {"111100", "111111", "110000", "100000", "000000",
                            "111111", "111100", "111111", "111111", "111110"};
  }
  Bench bench;
};

TEST_F(Padded, PositionsOfPaddingAreDropped) {
  const auto source = bench.make();
  EXPECT_EQ(source->rows_of(0), 9);
  EXPECT_EQ(bench.model->runs, 0);  // counting rows runs nothing
  const ActivationRows rows = source->block(0);
  const std::vector<std::pair<std::int64_t, std::int64_t>> expected = {
      {0, 1}, {0, 2}, {0, 3}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {2, 1}};
  EXPECT_EQ(origins(rows), expected);
  expect_raw(bench, rows);
  EXPECT_EQ(source->block(1).origin.size(0), source->rows_of(1));
  EXPECT_EQ(source->rows_of(1), 13);
  EXPECT_EQ(source->rows_of(2), 9);
}

// The model sees no mask, so that padding must not reach it at all.
TEST_F(Padded, PaddingNeverReachesTheModel) {
  const std::int64_t pad = bench.dataset->token(0, 4);
  bench.model->poison = pad;
  bench.dataset->masks[1] = "110000";
  EXPECT_NO_THROW((void)bench.make()->block(0));
}

TEST_F(Padded, ContextsWithNothingKeptAreNotRun) {
  (void)bench.make()->block(0);
  EXPECT_EQ(bench.model->contexts, 3);  // rows 0, 1 and 2; row 3 has its first position alone
}

TEST_F(Padded, ABlockMayBeEmpty) {
  bench.options.block_contexts = 1;
  const auto source = bench.make();
  EXPECT_EQ(source->rows_of(4), 0);
  const ActivationRows rows = source->block(4);
  EXPECT_EQ(rows.streams[1].sizes(), (std::vector<std::int64_t>{0, 6}));
  EXPECT_EQ(rows.origin.sizes(), (std::vector<std::int64_t>{0, 2}));
}

TEST_F(Padded, CachedRowsAreThoseOfTheModel) {
  const TemporaryFolder folder;
  const ActivationRows plain = bench.make()->block(1);
  bench.options.cache.value = folder.path().string();
  EXPECT_TRUE(identical(bench.make()->block(1), plain));
  EXPECT_TRUE(identical(bench.make()->block(1), plain));
}

TEST_F(Padded, PaddingBeforeTextIsRefused) {
  bench.dataset->masks[2] = "011111";
  const Error error = caught([&] { (void)bench.make()->block(0); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(error.message(), "row 2 of the dataset has padding at position 0 and text after it");
  EXPECT_EQ(error.help(), "pad at the end: a model attends to what comes before");
}

}  // namespace
}  // namespace saffron::source_test
