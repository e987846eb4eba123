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

// What may be among the k largest of a row. The rank of each entry lies within [lower, lower + 2 slack]
// of its tile; k entries have at least rank `bound`, so that what lies wholly below it is out.
class Shortlist {
 public:
  struct Likely {
    float lower;
    std::int32_t latent;
  };
  Shortlist(Likely* entries, std::int64_t k) : entries_(entries), k_(k) {}

  static std::int64_t capacity(std::int64_t k) { return 3 * k + 96; }
  [[nodiscard]] float bound() const { return bound_.load(std::memory_order_relaxed); }
  void at_least(float lower) {
    if (lower > bound()) bound_.store(lower, std::memory_order_relaxed);
  }
  void add(const float* ranks, const std::int32_t* latents, std::int64_t count, float slack) {
    slack_ = std::max(slack_, slack);
    for (std::int64_t i = 0; i < count; ++i) {
      if (held_ == capacity(k_)) prune();
      if (held_ == capacity(k_)) crowded_ = true;
      if (crowded_) return;
      entries_[held_++] = {ranks[i] - slack, latents[i]};
    }
    if (held_ >= std::max(k_, pruned_ + std::max<std::int64_t>(k_ / 4, 8))) prune();
  }
  // How many there are at last; 0 if there is no room for them.
  std::int64_t finish(std::int32_t* latents) {
    if (crowded_ || held_ < k_) return 0;
    prune();
    for (std::int64_t i = 0; i < held_; ++i) latents[i] = entries_[i].latent;
    return held_;
  }

 private:
  void prune() {
    auto* const lowers = Workspace::of_thread().room<float>(Workspace::scratch, 2 * held_);
    for (std::int64_t i = 0; i < held_; ++i) lowers[i] = entries_[i].lower;
    at_least(keep_largest(lowers, held_, k_, lowers + held_));
    const float least = bound() - 2 * slack_;
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < held_; ++i) {
      const Likely entry = entries_[i];
      entries_[kept] = entry;
      kept += entry.lower >= least ? 1 : 0;
    }
    held_ = pruned_ = kept;
  }

  Likely* entries_;
  std::int64_t k_, held_ = 0, pruned_ = 0;
  float slack_ = 0;  // the largest
  bool crowded_ = false;
  std::atomic<float> bound_ = -std::numeric_limits<float>::infinity();
};

class ScreenedTopk {
 public:
  ScreenedTopk(const EncodeArguments& arguments, std::int64_t k, Keep keep)
      : tiles_(arguments), k_(k), keep_(keep) {}

  std::optional<std::vector<std::int64_t>> run(float* values, std::int32_t* latents) {
    Workspace& workspace = Workspace::of_thread();
    const std::int64_t capacity = Shortlist::capacity(k_), B = tiles_.rows();
    auto* const entries = workspace.room<Shortlist::Likely>(Workspace::keys, B * capacity);
    lists_ = workspace.room<Shortlist>(Workspace::state, B);
    for (std::int64_t r = 0; r < B; ++r) std::construct_at(lists_ + r, entries + r * capacity, k_);
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
    list.at_least(keep_largest(best, groups, k_, best + groups) - tile.slack[r]);
  }

  bool choose(std::int64_t row, float* values, std::int32_t* latents) {
    const std::int64_t capacity = Shortlist::capacity(k_);
    Workspace& workspace = Workspace::of_thread();
    auto* const likely = workspace.room<std::int32_t>(Workspace::places, capacity);
    float* const exact = workspace.room<float>(Workspace::values, capacity);
    const std::int64_t count = lists_[row].finish(likely);
    if (count == 0) return false;
    form_exact(tiles_.arguments(), row, count, likely, exact);
    auto* const best = workspace.room<Key<float>>(Workspace::scratch, 2 * capacity);
    for (std::int64_t i = 0; i < count; ++i) {
      best[i] = key_of(exact[i], likely[i], keep_ == Keep::magnitude);
    }
    keep_largest(best, count, k_, best + capacity);
    std::sort(best, best + k_, std::greater<>());
    write_entries<float>(best, k_, keep_, values, latents);
    return true;
  }

  static constexpr std::size_t kLocks = 64;  // row r's list is under lock r mod kLocks
  ScreenedTiles tiles_;
  std::int64_t k_;
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
