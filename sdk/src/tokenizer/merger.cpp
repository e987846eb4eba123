#include "merger.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace saffron::tokenizer_detail {
namespace {

std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(std::size_t merges) {
  const std::size_t size = std::bit_ceil(2 * merges + 2);
  slots_.resize(size);
  shift_ = 64 - std::countr_zero(size);
}

// Fibonacci hashing (Knuth, volume 3, 6.4), then the next free slot.
std::size_t MergeTable::slot_of(std::uint64_t pair) const {
  std::size_t at = (pair * 0x9E3779B97F4A7C15ull) >> shift_;
  while (slots_[at].pair != pair && slots_[at].pair != kEmpty) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void MergeTable::set(std::int32_t left, std::int32_t right, Merge merge) {
  const std::uint64_t pair = pair_of(left, right);
  slots_[slot_of(pair)] = {pair, merge};
}

const Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const Slot& slot = slots_[slot_of(pair_of(left, right))];
  return slot.pair == kEmpty ? nullptr : &slot.merge;
}

void Merger::propose(std::int32_t at) {
  const auto& symbol = symbols_[static_cast<std::size_t>(at)];
  const auto& right = symbols_[static_cast<std::size_t>(symbol.next)];
  const Merge* merge = table_.find(symbol.id, right.id);
  if (merge != nullptr) heap_.push_back({merge->rank, at, merge->id});
}

// As Word::merge_all of `tokenizers`: a heap of candidates by (rank, position). A candidate whose
// neighbours have changed since is recognised by its product alone, so that one which still leads
// to the same product counts at its old rank, there and here.
void Merger::run(std::vector<std::int32_t>& ids) {
  const auto count = static_cast<std::int32_t>(ids.size());
  const auto later = [](const Candidate& a, const Candidate& b) {
    return std::tie(a.rank, a.at) > std::tie(b.rank, b.at);
  };
  symbols_.clear();
  heap_.clear();
  for (std::int32_t i = 0; i < count; ++i) {
    symbols_.push_back(
        {ids[static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1, false});
  }
  for (std::int32_t i = 0; i + 1 < count; ++i) propose(i);
  std::make_heap(heap_.begin(), heap_.end(), later);

  const auto push = [&](std::int32_t at) {
    const std::size_t before = heap_.size();
    propose(at);
    if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), later);
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Candidate top = heap_.back();
    heap_.pop_back();
    Symbol& left = symbols_[static_cast<std::size_t>(top.at)];
    if (left.removed || left.next < 0) continue;
    Symbol& right = symbols_[static_cast<std::size_t>(left.next)];
    const Merge* merge = table_.find(left.id, right.id);
    if (merge == nullptr || merge->id != top.id) continue;

    left.id = top.id;
    left.next = right.next;
    right.removed = true;
    if (left.next >= 0) symbols_[static_cast<std::size_t>(left.next)].previous = top.at;
    if (left.previous >= 0) push(left.previous);
    if (left.next >= 0) push(top.at);
  }
  ids.clear();
  for (const Symbol& symbol : symbols_) {
    if (!symbol.removed) ids.push_back(symbol.id);
  }
}

}  // namespace saffron::tokenizer_detail
