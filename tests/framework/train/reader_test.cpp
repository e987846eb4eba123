#include "framework/train/reader.h"
#include "tests/framework/train/toy_source.h"

#include <saffron/error.h>

#include <gtest/gtest.h>

#include <set>

using namespace saffron;
using namespace saffron::host;

namespace {

constexpr std::int64_t kMegabyte = 1 << 20;

Reader reader_of(std::int64_t rows, std::int64_t block_rows, double held_out,
                 Reader::Options options = {}) {
  auto source = std::make_shared<ToySource>(rows, block_rows);
  const BlockSplit split(source->info().blocks, held_out, Random(4));
  return Reader(std::make_shared<BlockCache>(source, kMegabyte), split, Random(5), options);
}

std::vector<std::int64_t> numbers(const ActivationRows& rows) {
  std::vector<std::int64_t> out;
  for (std::int64_t r = 0; r < rows.streams[0].size(0); ++r) {
    out.push_back(rows.streams[0][r][0].item<std::int64_t>());
  }
  return out;
}

std::vector<std::int64_t> take(Reader& reader, std::int64_t rows, std::int64_t batch) {
  std::vector<std::int64_t> out;
  while (static_cast<std::int64_t>(out.size()) < rows) {
    const auto some =
        numbers(reader.next(std::min(batch, rows - static_cast<std::int64_t>(out.size()))));
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

TEST(Reader, AnEpochHasEveryTrainingRowOnceAndTheSplitsAreDisjoint) {
  Reader train = reader_of(103, 10, 0.2);
  Reader held = reader_of(103, 10, 0.2, {.split = Split::held_out});
  const auto a = take(train, train.epoch_rows(), 7), b = take(held, held.epoch_rows(), 7);
  std::set<std::int64_t> all(a.begin(), a.end());
  EXPECT_EQ(all.size(), a.size());
  all.insert(b.begin(), b.end());
  EXPECT_EQ(all.size(), 103u);
  EXPECT_EQ(a.size() + b.size(), 103u);
  EXPECT_GE(b.size(), 13u);  // two of eleven blocks, one of them perhaps the short one
}

TEST(Reader, EpochsDifferAndRowsAreShuffled) {
  Reader reader = reader_of(100, 10, 0);
  const auto first = take(reader, 100, 9), second = take(reader, 100, 9);
  EXPECT_NE(first, second);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.begin() + 10));
  EXPECT_EQ(std::set<std::int64_t>(first.begin(), first.end()),
            std::set<std::int64_t>(second.begin(), second.end()));
}

// Tens of the rows' numbers: which blocks of ten they are from.
std::set<std::int64_t> blocks_of(const std::vector<std::int64_t>& rows) {
  std::set<std::int64_t> out;
  for (std::int64_t row : rows) out.insert(row / 10);
  return out;
}

TEST(Reader, AWindowMixesTheRowsOfItsBlocks) {
  // Nine blocks in windows of at most four: the last two share five.
  Reader reader = reader_of(90, 10, 0, {.window = 4});
  std::multiset<std::int64_t> seen;
  for (const std::size_t blocks : {4, 3, 2}) {
    const auto rows = take(reader, static_cast<std::int64_t>(10 * blocks), 7);
    EXPECT_EQ(blocks_of(rows).size(), blocks);
    EXPECT_GE(blocks_of({rows.begin(), rows.begin() + 10}).size(), 2u);
    seen.insert(rows.begin(), rows.end());
  }
  EXPECT_EQ(seen.size(), 90u);
  EXPECT_EQ(std::set<std::int64_t>(seen.begin(), seen.end()).size(), 90u);
}

TEST(Reader, ARowStaysWholeInAWindow) {
  auto source = std::make_shared<ToySource>(60, 10, 3);
  Reader reader(std::make_shared<BlockCache>(source, kMegabyte), BlockSplit(6, 0, Random(4)),
                Random(5), {.window = 3});
  const at::Tensor rows = reader.next(60).streams[0];
  for (std::int64_t r = 0; r < 60; ++r) {
    const auto number = rows[r][0].item<std::int64_t>();
    const at::Tensor made = source->block(number / 10).streams[0][number % 10];
    EXPECT_TRUE(rows[r].equal(made)) << "row " << number;
  }
}

TEST(Reader, AWindowHasWhatTheRunReads) {
  const auto blocks = [](std::int64_t at_most, std::int64_t rows, bool independent = false) {
    SourceInfo source;
    source.blocks = 300;
    source.block_rows = 10;
    source.independent = independent;
    return window_blocks(at_most, rows, source);
  };
  EXPECT_EQ(blocks(16, 10'000), 16);
  EXPECT_EQ(blocks(16, 321), 11);  // 33 blocks are three windows of eleven
  EXPECT_EQ(blocks(16, 95), 10);   // a short run waits for no more than it reads
  EXPECT_EQ(blocks(16, 1), 1);
  EXPECT_EQ(blocks(1, 10'000), 1);
  EXPECT_EQ(blocks(16, 10'000, true), 1);
}

class ReaderSeek : public testing::TestWithParam<std::int64_t> {};

TEST_P(ReaderSeek, ContinuesTheUninterruptedSequence) {
  const Reader::Options options{.window = GetParam()};
  Reader whole = reader_of(103, 10, 0.2, options);
  const auto expected = take(whole, 300, 11);
  for (std::int64_t row : {0, 1, 9, 10, 57, 83, 84, 85, 166, 250}) {
    Reader other = reader_of(103, 10, 0.2, options);
    other.seek(row);
    EXPECT_EQ(take(other, 300 - row, 13),
              std::vector<std::int64_t>(expected.begin() + row, expected.end()))
        << "from row " << row;
  }
}

TEST_P(ReaderSeek, WorksWithoutEnd) {
  const Reader::Options options{.window = GetParam()};
  Reader whole = reader_of(kEndless, 10, 0.2, options);
  const auto expected = take(whole, 100, 8);
  Reader other = reader_of(kEndless, 10, 0.2, options);
  other.seek(37);
  EXPECT_EQ(take(other, 63, 5), std::vector<std::int64_t>(expected.begin() + 37, expected.end()));
}

INSTANTIATE_TEST_SUITE_P(Windows, ReaderSeek, testing::Values(1, 2, 3, 100));

TEST(Reader, RanksPartitionAnEpoch) {
  std::multiset<std::int64_t> seen;
  for (std::int64_t rank = 0; rank < 3; ++rank) {
    Reader reader = reader_of(103, 10, 0, {.rank = rank, .world = 3, .window = 2});
    const auto own = take(reader, reader.epoch_rows(), 6);
    seen.insert(own.begin(), own.end());
  }
  EXPECT_EQ(seen.size(), 103u);
  EXPECT_EQ(std::set<std::int64_t>(seen.begin(), seen.end()).size(), 103u);
}

TEST(Reader, ContextsComeInOrderAndWhole) {
  Reader reader = reader_of(40, 10, 0.25, {.split = Split::held_out, .order = RowOrder::contexts});
  const auto [block, rows] = reader.next_block();
  const auto got = numbers(rows);
  ASSERT_EQ(got.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(got[i], block * 10 + static_cast<std::int64_t>(i));
  }
}

TEST(Reader, SaysWhenThereIsTooLittleData) {
  EXPECT_THROW(reader_of(5, 10, 0.5, {.split = Split::held_out}),
               Error);  // one block: for training
}

TEST(BlockCache, MakesABlockOnceWhileItFits) {
  auto source = std::make_shared<ToySource>(100, 10);
  BlockCache large(source, kMegabyte);
  for (int round = 0; round < 3; ++round) {
    for (std::int64_t i = 0; i < 10; ++i) (void)large.block(i);
  }
  EXPECT_EQ(source->made, 10);
  BlockCache small(source, 80 * 3);  // three blocks of ten float64
  for (std::int64_t i : {0, 1, 2, 0, 3, 0, 1}) (void)small.block(i);
  EXPECT_EQ(source->made, 10 + 5);  // 0, 1, 2, 3 and 1 again
}

}  // namespace
