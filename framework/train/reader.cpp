#include "framework/train/reader.h"

#include <saffron/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_copy.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace saffron::host {
namespace {

std::int64_t bytes_of(const ActivationRows& rows) {
  std::int64_t bytes = 0;
  for (const at::Tensor& stream : rows.streams) {
    bytes += stream.numel() * static_cast<std::int64_t>(stream.element_size());
  }
  return bytes;
}

std::int64_t held_out_blocks(std::int64_t blocks, double share) {
  if (blocks == kEndless || share <= 0 || blocks < 2) return 0;
  const auto wanted = static_cast<std::int64_t>(std::llround(share * static_cast<double>(blocks)));
  return std::clamp<std::int64_t>(wanted, 1, blocks - 1);
}

// A uniform shuffle of 0..count-1 (Fisher-Yates).
at::Tensor shuffled(Random random, std::int64_t count) {
  at::Tensor order = at::empty({count}, at::kLong);
  std::int64_t* p = order.mutable_data_ptr<std::int64_t>();
  std::iota(p, p + count, std::int64_t{0});
  for (std::int64_t i = count - 1; i > 0; --i) {
    std::swap(p[i],
              p[random.below(static_cast<std::uint64_t>(i) + 1, static_cast<std::uint64_t>(i))]);
  }
  return order;
}

}  // namespace

BlockCache::BlockCache(std::shared_ptr<Source> source, std::int64_t bytes, Place place)
    : source_(std::move(source)), place_(std::move(place)), budget_(bytes) {}

const SourceInfo& BlockCache::info() const {
  const SourceInfo& info = guard(place_, [&]() -> const SourceInfo& { return source_->info(); });
  if (info.blocks > 0 && info.block_rows < 1) {
    throw place_.locate(Error(ErrorKind::plugin, cat("has blocks of ", info.block_rows, " rows")));
  }
  return info;
}

std::int64_t BlockCache::rows_of(std::int64_t index) const {
  return guard(place_, [&] { return source_->rows_of(index); });
}

const ActivationRows& BlockCache::block(std::int64_t index) {
  if (auto found = held_.find(index); found != held_.end()) {
    ages_.splice(ages_.end(), ages_, found->second.age);
    return found->second.rows;
  }
  ActivationRows rows = guard(place_, [&] { return source_->block(index); });
  check(rows, index);
  const std::int64_t bytes = bytes_of(rows);
  while (!ages_.empty() && used_ + bytes > budget_) {
    used_ -= held_.at(ages_.front()).bytes;
    held_.erase(ages_.front());
    ages_.pop_front();
  }
  ages_.push_back(index);
  used_ += bytes;
  return held_.emplace(index, Held{std::move(rows), bytes, std::prev(ages_.end())})
      .first->second.rows;
}

// A source that breaks its contract is named here, not where a wrong shape surfaces.
void BlockCache::check(const ActivationRows& rows, std::int64_t index) {
  const auto fail = [&](const std::string& what) {
    throw place_.locate(Error(ErrorKind::plugin, cat("block ", index, " ", what)));
  };
  const std::vector<StreamInfo>& streams = source_->streams();
  if (rows.streams.size() != streams.size()) {
    fail(cat("has ", rows.streams.size(), " streams instead of ", streams.size()));
  }
  const std::int64_t count = rows_of(index);
  for (std::size_t s = 0; s < streams.size(); ++s) {
    const at::Tensor& x = rows.streams[s];
    if (!x.defined() || x.dim() != 2 || x.size(0) != count || x.size(1) != streams[s].width) {
      fail(cat("of stream '", streams[s].name, "' is not [", count, ", ", streams[s].width, "]"));
    }
    if (!x.isfinite().all().item<bool>()) {
      fail(cat("of stream '", streams[s].name, "' holds a number that is not finite"));
    }
  }
}

BlockSplit::BlockSplit(std::int64_t blocks, double held_out, Random random)
    : endless_(blocks == kEndless),
      held_(held_out_blocks(blocks, held_out)),
      blocks_(blocks),
      order_(random, endless_ ? 1 : static_cast<std::uint64_t>(std::max<std::int64_t>(blocks, 1))) {
}

std::int64_t BlockSplit::count(Split split) const {
  if (endless_) return kEndless;
  return split == Split::held_out ? held_ : blocks_ - held_;
}

std::int64_t BlockSplit::block(Split split, std::int64_t position) const {
  if (endless_) return split == Split::held_out ? kHeldOutBase + position : position;
  const std::int64_t place = split == Split::held_out ? position : held_ + position;
  return static_cast<std::int64_t>(order_(static_cast<std::uint64_t>(place)));
}

std::int64_t window_blocks(std::int64_t at_most, std::int64_t rows, const SourceInfo& source) {
  if (source.independent) return 1;
  const std::int64_t read = (rows + source.block_rows - 1) / source.block_rows;
  const std::int64_t windows = (read + at_most - 1) / at_most;
  return (read + windows - 1) / windows;
}

Reader::Reader(std::shared_ptr<BlockCache> cache, const BlockSplit& split, Random random,
               Options options)
    : cache_(std::move(cache)), split_(split), random_(random), options_(options) {
  const std::int64_t all = split_.count(options_.split);
  blocks_here_ =
      all == kEndless ? kEndless : (all - options_.rank + options_.world - 1) / options_.world;
  if (blocks_here_ == 0) {
    throw Error(cat("the source has ", all, " blocks in its ",
                    options_.split == Split::train ? "training" : "held-out",
                    " split, too few for ", options_.world, " rank(s)"))
        .with_help("give it more data, a smaller block, or another held_out share");
  }
  if (options_.order == RowOrder::contexts) options_.window = 1;
  windows_ = all == kEndless ? kEndless : (blocks_here_ + options_.window - 1) / options_.window;
}

std::int64_t Reader::block_at(std::int64_t epoch, std::int64_t position) const {
  std::int64_t place = position * options_.world + options_.rank;
  const std::int64_t all = split_.count(options_.split);
  if (options_.split == Split::train && options_.order == RowOrder::rows && all != kEndless) {
    const Permutation order(random_.fork("epoch").fork(static_cast<std::uint64_t>(epoch)),
                            static_cast<std::uint64_t>(all));
    place = static_cast<std::int64_t>(order(static_cast<std::uint64_t>(place)));
  }
  return split_.block(options_.split, place);
}

// An epoch's last two windows share what is left for them, so that the last one is not a small rest
// whose rows resemble each other.
std::int64_t Reader::window_begin(std::int64_t window) const {
  if (windows_ == kEndless || window + 1 < windows_) return window * options_.window;
  if (window == windows_) return blocks_here_;
  const std::int64_t before = std::max<std::int64_t>(windows_ - 2, 0) * options_.window;
  return windows_ == 1 ? 0 : before + (blocks_here_ - before + 1) / 2;
}

std::int64_t Reader::rows_of_window() const {
  std::int64_t rows = 0;
  for (std::int64_t p = window_begin(window_); p < window_begin(window_ + 1); ++p) {
    rows += cache_->rows_of(block_at(epoch_, p));
  }
  return rows;
}

std::int64_t Reader::epoch_rows() {
  if (epoch_rows_ >= 0) return epoch_rows_;
  if (blocks_here_ == kEndless) return epoch_rows_ = kEndless;
  // The permutation may move the short last block between ranks from one epoch to the next, so with
  // several ranks an epoch is counted in whole blocks by position and this is the first epoch's.
  std::int64_t rows = 0;
  for (std::int64_t p = 0; p < blocks_here_; ++p) rows += cache_->rows_of(block_at(0, p));
  return epoch_rows_ = rows;
}

void Reader::seek(std::int64_t row) {
  open_ = false;
  current_ = {};
  row_ = row;
  epoch_ = window_ = offset_ = 0;
  std::int64_t left = row;
  if (blocks_here_ == kEndless) {
    const std::int64_t size = cache_->info().block_rows * options_.window;
    window_ = left / size;
    offset_ = left % size;
    return;
  }
  if (options_.world == 1) {
    epoch_ = left / epoch_rows();
    left %= epoch_rows();
  }
  for (;;) {
    const std::int64_t size = rows_of_window();
    if (left < size) break;
    left -= size;
    advance_window();
  }
  offset_ = left;
}

void Reader::advance_window() {
  offset_ = 0;
  open_ = false;
  current_ = {};  // before the next one is made: it may be large
  if (++window_ == windows_) {
    window_ = 0;
    ++epoch_;
  }
}

// Where each row of the open window's blocks, one after another, stands in the window.
at::Tensor Reader::places(std::int64_t rows) const {
  return shuffled(random_.fork("rows")
                      .fork(static_cast<std::uint64_t>(epoch_))
                      .fork(static_cast<std::uint64_t>(window_)),
                  rows);
}

void Reader::open_window() {
  const std::int64_t first = window_begin(window_), end = window_begin(window_ + 1);
  if (options_.order == RowOrder::contexts) {
    current_ = cache_->block(block_at(epoch_, first));
    open_ = true;
    return;
  }
  const std::int64_t rows = rows_of_window();
  const at::Tensor places = this->places(rows);
  std::int64_t done = 0;
  const auto copy = [&](at::Tensor& to, const at::Tensor& from) {
    if (!to.defined()) to = at::empty({rows, from.size(1)}, from.options());
    to.index_copy_(0, places.slice(0, done, done + from.size(0)), from);
  };
  ActivationRows window;
  for (std::int64_t p = first; p < end; ++p) {
    const ActivationRows& block = cache_->block(block_at(epoch_, p));
    window.streams.resize(block.streams.size());
    for (std::size_t s = 0; s < block.streams.size(); ++s) {
      copy(window.streams[s], block.streams[s]);
    }
    if (block.origin.defined()) copy(window.origin, block.origin);
    done += block.streams.at(0).size(0);
  }
  current_ = std::move(window);
  open_ = true;
}

ActivationRows Reader::next(std::int64_t count) {
  std::vector<ActivationRows> pieces;
  std::int64_t left = count;
  while (left > 0) {
    if (!open_) open_window();
    const std::int64_t size = current_.streams.at(0).size(0);
    const std::int64_t take = std::min(left, size - offset_);
    // The last rows of a window are copied, so that the window is not kept for their sake.
    const auto rows = [&](const at::Tensor& from) {
      const at::Tensor piece = from.slice(0, offset_, offset_ + take);
      return offset_ + take == size ? piece.clone() : piece;
    };
    ActivationRows piece;
    for (const at::Tensor& stream : current_.streams) piece.streams.push_back(rows(stream));
    if (current_.origin.defined()) piece.origin = rows(current_.origin);
    pieces.push_back(std::move(piece));
    left -= take;
    offset_ += take;
    row_ += take;
    if (offset_ == size) advance_window();
  }
  if (pieces.size() == 1) return std::move(pieces.front());

  ActivationRows out;
  for (std::size_t s = 0; s < pieces.front().streams.size(); ++s) {
    std::vector<at::Tensor> parts;
    for (const ActivationRows& piece : pieces) parts.push_back(piece.streams[s]);
    out.streams.push_back(at::cat(parts));
  }
  if (pieces.front().origin.defined()) {
    std::vector<at::Tensor> parts;
    for (const ActivationRows& piece : pieces) parts.push_back(piece.origin);
    out.origin = at::cat(parts);
  }
  return out;
}

std::pair<std::int64_t, ActivationRows> Reader::next_block() {
  if (!open_) open_window();
  std::pair<std::int64_t, ActivationRows> out{block_at(epoch_, window_begin(window_)), current_};
  row_ += current_.streams.at(0).size(0) - offset_;
  advance_window();
  return out;
}

}  // namespace saffron::host
