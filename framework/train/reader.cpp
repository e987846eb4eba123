#include "framework/train/reader.h"

#include <saffron/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
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

Reader::Reader(std::shared_ptr<BlockCache> cache, const BlockSplit& split, Random random,
               Options options)
    : cache_(std::move(cache)), split_(split), random_(random), options_(options) {
  if (blocks_here() == 0) {
    throw Error(cat("the source has ", split_.count(options_.split), " blocks in its ",
                    options_.split == Split::train ? "training" : "held-out",
                    " split, too few for ", options_.world, " rank(s)"))
        .with_help("give it more data, a smaller block, or another held_out share");
  }
}

std::int64_t Reader::blocks_here() const {
  const std::int64_t all = split_.count(options_.split);
  return all == kEndless ? kEndless : (all - options_.rank + options_.world - 1) / options_.world;
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

std::int64_t Reader::epoch_rows() {
  if (epoch_rows_ >= 0) return epoch_rows_;
  const std::int64_t blocks = blocks_here();
  if (blocks == kEndless) return epoch_rows_ = kEndless;
  // The permutation may move the short last block between ranks from one epoch to the next, so with
  // several ranks an epoch is counted in whole blocks by position and this is the first epoch's.
  std::int64_t rows = 0;
  for (std::int64_t p = 0; p < blocks; ++p) rows += cache_->rows_of(block_at(0, p));
  return epoch_rows_ = rows;
}

void Reader::seek(std::int64_t row) {
  open_ = false;
  row_ = row;
  epoch_ = position_ = offset_ = 0;
  std::int64_t left = row;
  if (blocks_here() == kEndless) {
    const std::int64_t size = cache_->source().info().block_rows;
    position_ = left / size;
    offset_ = left % size;
    return;
  }
  if (options_.world == 1) {
    epoch_ = left / epoch_rows();
    left %= epoch_rows();
  }
  for (;;) {
    const std::int64_t size = cache_->rows_of(block_at(epoch_, position_));
    if (left < size) break;
    left -= size;
    advance_block();
  }
  offset_ = left;
}

void Reader::advance_block() {
  offset_ = 0;
  open_ = false;
  if (++position_ == blocks_here()) {
    position_ = 0;
    ++epoch_;
  }
}

void Reader::open_block() {
  const std::int64_t number = block_at(epoch_, position_);
  current_ = cache_->block(number);
  if (options_.order == RowOrder::rows) {
    const at::Tensor order = shuffled(random_.fork("rows")
                                          .fork(static_cast<std::uint64_t>(epoch_))
                                          .fork(static_cast<std::uint64_t>(number)),
                                      current_.streams.at(0).size(0));
    for (at::Tensor& stream : current_.streams) stream = stream.index_select(0, order);
    if (current_.origin.defined()) current_.origin = current_.origin.index_select(0, order);
  }
  open_ = true;
}

ActivationRows Reader::next(std::int64_t count) {
  std::vector<ActivationRows> pieces;
  std::int64_t left = count;
  while (left > 0) {
    if (!open_) open_block();
    const std::int64_t size = current_.streams.at(0).size(0);
    const std::int64_t take = std::min(left, size - offset_);
    ActivationRows piece;
    for (const at::Tensor& stream : current_.streams) {
      piece.streams.push_back(stream.slice(0, offset_, offset_ + take));
    }
    if (current_.origin.defined()) piece.origin = current_.origin.slice(0, offset_, offset_ + take);
    pieces.push_back(std::move(piece));
    left -= take;
    offset_ += take;
    row_ += take;
    if (offset_ == size) advance_block();
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
  if (!open_) open_block();
  std::pair<std::int64_t, ActivationRows> out{block_at(epoch_, position_), current_};
  row_ += current_.streams.at(0).size(0) - offset_;
  advance_block();
  return out;
}

}  // namespace saffron::host
