#include "ops/cpu/screened_topk.h"

#include "ops/cpu/encode_scan.h"
#include "ops/cpu/encode_select.h"
#include "ops/cpu/screened_tiles.h"
#include "ops/cpu/topk_selection.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>

namespace saffron::ops_cpu {
namespace {

using ops::Keep;

// What may be among the k largest of a row. Entries are off by at most their tile's slack, but commonly by a
// hundredth of it, so that the k-th best less a little of the slack is a good guess of a bound: k entries
// will have at least that rank. What cannot reach it is left out; whether it held is seen at last.
class Shortlist {
 public:
  struct Likely {
    float rank;
    std::int32_t latent;
  };
  Shortlist(Likely* entries, std::int64_t k, std::int64_t capacity)
      : entries_(entries), k_(k), capacity_(capacity) {}

  [[nodiscard]] float bound() const { return bound_.load(std::memory_order_relaxed); }
  // Nothing that comes is of use any more.
  [[nodiscard]] bool crowded() const { return crowded_.load(std::memory_order_relaxed); }
  // k entries have at least this rank, each off by at most the slack.
  void at_least(float rank, float slack) {
    constexpr float kLikelyOff = 0.25F;
    const float guess = rank - kLikelyOff * slack;
    float now = bound();  // never lowered: something may have been left out by it
    while (guess > now && !bound_.compare_exchange_weak(now, guess)) {
    }
  }
  void add(const float* ranks, const std::int32_t* latents, std::int64_t count, float slack) {
    slack_ = std::max(slack_, slack);
    for (std::int64_t i = 0; i < count && !crowded_;) {
      if (held_ == capacity_) prune();
      const std::int64_t end = std::min(count, i + capacity_ - held_);
      crowded_ = end == i;
      for (; i < end; ++i) entries_[held_++] = {ranks[i], latents[i]};
    }
    if (crowded_) return;
    if (held_ >= std::max(k_, pruned_ + std::max<std::int64_t>(pruned_ / 2, 8))) prune();
  }
  // Brings at least k entries that the others have to exceed to the front and says how many; 0 if there is
  // no room for all.
  std::int64_t finish() {
    if (crowded_ || held_ < k_) return 0;
    const float least = prune();
    return std::partition(entries_, entries_ + held_,
                          [least](const Likely& e) { return e.rank >= least; }) -
           entries_;
  }
  // Of those behind the first `sure`, keeps what may have this exact rank; how many. slack_of(latent) is an
  // entry's own.
  template <class SlackOf>
  std::int64_t keep_likely(std::int64_t sure, float rank, SlackOf slack_of) {
    Likely* const rest = entries_ + sure;
    const float least = rank - slack_;
    return std::remove_if(rest, entries_ + held_,
                          [=](const Likely& e) {
                            return e.rank < least || e.rank < rank - slack_of(e.latent);
                          }) -
           rest;
  }
  [[nodiscard]] const Likely* entries() const { return entries_; }

 private:
  // Returns the k-th best rank.
  float prune() {
    auto* const ranks = Workspace::of_thread().room<float>(Workspace::scratch, 2 * held_);
    for (std::int64_t i = 0; i < held_; ++i) ranks[i] = entries_[i].rank;
    const float kth = keep_largest(ranks, held_, k_, ranks + held_);
    at_least(kth, slack_);
    const float least = bound() - slack_;
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < held_; ++i) {
      const Likely entry = entries_[i];
      entries_[kept] = entry;
      kept += entry.rank >= least ? 1 : 0;
    }
    held_ = pruned_ = kept;
    return kth;
  }

  Likely* entries_;
  std::int64_t k_, capacity_, held_ = 0, pruned_ = 0;
  float slack_ = 0;  // the largest
  std::atomic<bool> crowded_ = false;
  std::atomic<float> bound_ = -std::numeric_limits<float>::infinity();
};

class ScreenedTopk {
 public:
  ScreenedTopk(const EncodeArguments& arguments, std::int64_t k, Keep keep)
      : tiles_(arguments), k_(k), capacity_(tiles_.unit().most_likely(k)), keep_(keep) {}

  std::optional<std::vector<std::int64_t>> run(float* values, std::int32_t* latents) {
    Workspace& workspace = Workspace::of_thread();
    const std::int64_t B = tiles_.rows();
    auto* const entries = workspace.room<Shortlist::Likely>(Workspace::keys, B * capacity_);
    lists_ = workspace.room<Shortlist>(Workspace::state, B);
    for (std::int64_t r = 0; r < B; ++r) {
      std::construct_at(lists_ + r, entries + r * capacity_, k_, capacity_);
    }
    const bool told = tiles_.for_each([&](const ScreenedTile& tile) {
      for (std::int64_t r = 0; r < tile.rows; ++r) look(tile, r);
    });
    if (!told) return std::nullopt;
    std::vector<char> left(static_cast<std::size_t>(B));
    at::parallel_for(0, B, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        left[static_cast<std::size_t>(r)] = choose(r, values + r * k_, latents + r * k_) ? 0 : 1;
      }
    });
    std::vector<std::int64_t> rows;
    for (std::int64_t r = 0; r < B; ++r) {
      if (left[static_cast<std::size_t>(r)] != 0) rows.push_back(r);
    }
    return rows;
  }

 private:
  static constexpr std::int64_t kRowGrain = 64;

  void look(const ScreenedTile& tile, std::int64_t r) {
    constexpr std::int64_t kRoom = ScreenedTiles::kTileWidth + kCompressSlack;
    float* const values = Workspace::of_thread().room<float>(Workspace::values, kRoom);
    auto* const places = Workspace::of_thread().room<std::int32_t>(Workspace::places, kRoom);
    const std::int64_t row = tile.first_row + r;
    const bool magnitude = keep_ == Keep::magnitude;
    Shortlist& list = lists_[row];
    if (list.crowded()) return;
    if (!std::isfinite(list.bound())) seed(tile, r, values, list);
    const std::int64_t count =
        compress(tile.width, tile.row(r), tile.bias, tile.scale, list.bound() - tile.slack[r],
                 magnitude, tile.latent(), values, places)
            .count;
    if (count == 0) return;
    if (magnitude)
      std::transform(values, values + count, values, [](float a) { return std::abs(a); });
    const std::lock_guard<std::mutex> hold(locks_[static_cast<std::size_t>(row) % kLocks]);
    list.add(values, places, count, tile.slack[r]);
  }

  // The k-th best of the best of more than k groups is at most the k-th best of all.
  void seed(const ScreenedTile& tile, std::int64_t r, float* best, Shortlist& list) const {
    const std::int64_t groups = (2 * k_ + 63) / 64 * 64;
    if (2 * groups > tile.width) return;
    group_maxima(tile.width, tile.row(r), tile.bias, tile.scale, keep_ == Keep::magnitude, groups,
                 best);
    list.at_least(keep_largest(best, groups, k_, best + groups), tile.slack[r]);
  }

  // Exact values first of as many entries as it takes for a bound, then of what the bound lets through: it
  // is off by nothing, which halves the distance from which entries come into question.
  bool choose(std::int64_t row, float* values, std::int32_t* latents) {
    Shortlist& list = lists_[row];
    const std::int64_t sure = list.finish();
    if (sure == 0) return false;
    auto* const best = Workspace::of_thread().room<Key<float>>(Workspace::scratch, 2 * capacity_);
    Key<float>* const room = best + capacity_;
    form(row, list.entries(), sure, best);
    const Key<float> least = keep_largest(best, sure, k_, room);
    const std::int64_t rest =
        list.keep_likely(sure, rank_of<float>(least),
                         [this, row](std::int32_t i) { return tiles_.slack_of(row, i); });
    form(row, list.entries() + sure, rest, best + k_);
    if (!(rank_of<float>(keep_largest(best, k_ + rest, k_, room)) >= list.bound())) return false;
    std::sort(best, best + k_, std::greater<>());
    write_entries<float>(best, k_, keep_, values, latents);
    return true;
  }

  void form(std::int64_t row, const Shortlist::Likely* entries, std::int64_t count,
            Key<float>* keys) const {
    Workspace& workspace = Workspace::of_thread();
    auto* const latents = workspace.room<std::int32_t>(Workspace::places, capacity_);
    float* const exact = workspace.room<float>(Workspace::values, capacity_);
    for (std::int64_t i = 0; i < count; ++i) latents[i] = entries[i].latent;
    form_exact(tiles_.arguments(), row, count, latents, exact);
    for (std::int64_t i = 0; i < count; ++i) {
      keys[i] = key_of(exact[i], latents[i], keep_ == Keep::magnitude);
    }
  }

  static constexpr std::size_t kLocks = 64;  // row r's list is under lock r mod kLocks
  ScreenedTiles tiles_;
  std::int64_t k_, capacity_;
  Keep keep_;
  Shortlist* lists_ = nullptr;
  std::array<std::mutex, kLocks> locks_;
};

}  // namespace

std::optional<std::vector<std::int64_t>> screened_topk(const EncodeArguments& arguments,
                                                       std::int64_t k, Keep keep, float* values,
                                                       std::int32_t* latents) {
  return ScreenedTopk(arguments, k, keep).run(values, latents);
}

}  // namespace saffron::ops_cpu
