#pragma once

#include "framework/loader/guard.h"

#include <saffron/random.h>
#include <saffron/scorer.h>
#include <saffron/source.h>

#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace saffron::host {

// Keeps a source's blocks in memory, least recently used first out, up to a number of bytes; shared by
// all readers of the source, so that a second epoch or a second scorer need not make them again.
class BlockCache {
 public:
  BlockCache(std::shared_ptr<Source> source, std::int64_t bytes, Place place = Place("source"));
  const ActivationRows& block(std::int64_t index);
  [[nodiscard]] std::int64_t rows_of(std::int64_t index) const;
  [[nodiscard]] const SourceInfo& info() const;
  [[nodiscard]] std::int64_t budget() const { return budget_; }  // bytes

 private:
  void check(const ActivationRows& rows, std::int64_t index);

  struct Held {
    ActivationRows rows;
    std::int64_t bytes;
    std::list<std::int64_t>::iterator age;
  };
  std::shared_ptr<Source> source_;
  Place place_;
  std::int64_t budget_, used_ = 0;
  std::map<std::int64_t, Held> held_;
  std::list<std::int64_t> ages_;  // oldest first
};

// Which blocks belong to which split: a fixed pseudo-random share of a finite source's blocks, whole, is
// held out, at least one of two or more; an endless source's held-out blocks are numbered from kHeldOutBase.
class BlockSplit {
 public:
  static constexpr std::int64_t kHeldOutBase = std::int64_t{1} << 40;
  BlockSplit(std::int64_t blocks, double held_out, Random random);
  [[nodiscard]] std::int64_t count(Split split) const;  // kEndless for an endless source
  [[nodiscard]] std::int64_t block(Split split, std::int64_t position) const;

 private:
  bool endless_;
  std::int64_t held_ = 0, blocks_ = 0;
  Permutation order_;
};

// Blocks to shuffle together, at most `at_most`: so many that a run of `rows` rows hardly makes a block
// that it does not read; one where the source says that its rows are independent.
[[nodiscard]] std::int64_t window_blocks(std::int64_t at_most, std::int64_t rows,
                                         const SourceInfo& source);

// Batches of one split, in an order that is a pure function of (random, row): each epoch permutes the
// split's blocks (Split::train), takes them in windows of at most `window` blocks, and shuffles
// each window's rows together. Rank r of w takes every w-th block. RowOrder::contexts takes the blocks in the split's own order and
// leaves rows as they are.
class Reader {
 public:
  struct Options {
    Split split = Split::train;
    RowOrder order = RowOrder::rows;
    std::int64_t rank = 0, world = 1;
    std::int64_t window = 1;  // blocks
  };
  Reader(std::shared_ptr<BlockCache> cache, const BlockSplit& split, Random random,
         Options options);

  // Rows of one epoch on this rank; kEndless for an endless source.
  [[nodiscard]] std::int64_t epoch_rows();
  // Continue with row `row` of the uninterrupted sequence (rows of earlier epochs count).
  void seek(std::int64_t row);
  [[nodiscard]] std::int64_t position() const { return row_; }
  // The next `count` rows, across blocks and epochs.
  ActivationRows next(std::int64_t count);
  // The next block whole, and its number.
  std::pair<std::int64_t, ActivationRows> next_block();

 private:
  [[nodiscard]] std::int64_t block_at(std::int64_t epoch, std::int64_t position) const;
  [[nodiscard]] std::int64_t window_begin(std::int64_t window) const;  // its first block's position
  [[nodiscard]] std::int64_t rows_of_window() const;
  [[nodiscard]] at::Tensor places(std::int64_t rows) const;
  void open_window();
  void advance_window();

  std::shared_ptr<BlockCache> cache_;
  BlockSplit split_;
  Random random_;
  Options options_;
  std::int64_t blocks_here_ = 0, windows_ = 0;  // of an epoch on this rank; kEndless
  std::int64_t epoch_rows_ = -1;
  std::int64_t row_ = 0;                              // of the sequence
  std::int64_t epoch_ = 0, window_ = 0, offset_ = 0;  // window in the epoch, row in the window
  bool open_ = false;
  ActivationRows current_;
};

}  // namespace saffron::host
