#include "ops/cpu/screened_batch_topk.h"

#include "ops/cpu/encode_scan.h"
#include "ops/cpu/screened_tiles.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <span>

namespace saffron::ops_cpu {
namespace {

// An entry whose exact value lies within [lower, upper].
struct Likely {
  float lower, upper;
  std::int32_t row, latent;
};

// What may be among the best of the batch: `wanted` entries have at least the value `bound`, what lies
// wholly below it is out. Which entries remain at last does not depend on the order in which they came.
class LikelyPool {
 public:
  LikelyPool(std::int64_t wanted, float bound)
      : wanted_(static_cast<std::size_t>(wanted)), next_prune_(2 * wanted_ + kRoom), bound_(bound) {
    held_.reserve(next_prune_ + kRoom);
  }

  [[nodiscard]] float bound() const { return bound_.load(std::memory_order_relaxed); }

  // Takes the entries and leaves `found` empty.
  void take(std::vector<Likely>& found) {
    const std::lock_guard<std::mutex> hold(guard_);
    held_.insert(held_.end(), found.begin(), found.end());
    found.clear();
    if (held_.size() >= next_prune_) prune();
  }
  // The `wanted` entries with the highest lower bounds come first.
  std::vector<Likely>& finish() {
    prune();
    return held_;
  }

 private:
  static constexpr std::size_t kRoom = 16384;

  void prune() {
    if (held_.size() > wanted_) {
      const auto last = held_.begin() + static_cast<std::ptrdiff_t>(wanted_) - 1;
      std::nth_element(held_.begin(), last, held_.end(),
                       [](const Likely& a, const Likely& b) { return a.lower > b.lower; });
      bound_.store(std::max(bound(), last->lower), std::memory_order_relaxed);
      std::erase_if(held_, [least = bound()](const Likely& e) { return e.upper < least; });
    }
    // Where little can be left out, looking at all of it again and again would take longer than the rest.
    next_prune_ = held_.size() + std::max(wanted_ + kRoom, held_.size() / 2);
  }

  std::mutex guard_;
  std::size_t wanted_, next_prune_;
  std::vector<Likely> held_;
  std::atomic<float> bound_;
};

void look(const ScreenedTiles& tiles, const ScreenedTile& tile, std::int64_t r, float bound,
          std::vector<Likely>& found) {
  constexpr std::int64_t kRoom = ScreenedTiles::kTileWidth + kCompressSlack;
  float* const values = Workspace::of_thread().room<float>(Workspace::values, kRoom);
  auto* const places = Workspace::of_thread().room<std::int32_t>(Workspace::places, kRoom);
  const auto row = static_cast<std::int32_t>(tile.first_row + r);
  const std::int64_t count = compress(tile.width, tile.row(r), tile.bias, tile.scale,
                                      bound - tile.slack[r], false, tile.latent(), values, places)
                                 .count;
  for (std::int64_t i = 0; i < count; ++i) {
    const float slack = tiles.slack_of(row, places[i]);
    if (values[i] + slack < bound) continue;
    found.push_back({values[i] - slack, values[i] + slack, row, places[i]});
  }
}

// Entries with their exact values, by rows.
std::vector<BatchEntry<float>> formed(const EncodeArguments& arguments,
                                      std::span<const Likely> likely) {
  constexpr std::int64_t kRowGrain = 64;
  const auto rows = static_cast<std::size_t>(arguments.x.size(0));
  std::vector<std::int64_t> starts(rows + 1), next(rows);
  for (const Likely& entry : likely) ++starts[static_cast<std::size_t>(entry.row) + 1];
  for (std::size_t r = 0; r < rows; ++r) starts[r + 1] += next[r] = starts[r];
  std::vector<std::int32_t> latents(likely.size());
  for (const Likely& entry : likely) {
    latents[static_cast<std::size_t>(next[static_cast<std::size_t>(entry.row)]++)] = entry.latent;
  }
  std::vector<float> values(likely.size());
  std::vector<BatchEntry<float>> out(likely.size());
  at::parallel_for(0, arguments.x.size(0), kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const auto first = starts[static_cast<std::size_t>(r)];
      const auto last = starts[static_cast<std::size_t>(r) + 1];
      form_exact(arguments, r, last - first, latents.data() + first, values.data() + first);
      for (auto e = static_cast<std::size_t>(first); e < static_cast<std::size_t>(last); ++e) {
        out[e] = {values[e], static_cast<std::int32_t>(r), latents[e]};
      }
    }
  });
  return out;
}

// Those that belong to the best by their exact values: these first of `wanted` entries, whose least is a
// bound that is off by nothing, then of what it lets through.
std::vector<BatchEntry<float>> formed_likely(const EncodeArguments& arguments, std::size_t wanted,
                                             std::vector<Likely>& likely) {
  const std::span<const Likely> sure = std::span(likely).first(std::min(wanted, likely.size()));
  std::vector<BatchEntry<float>> entries = formed(arguments, sure);
  if (sure.size() == likely.size()) return entries;
  const float least =
      std::min_element(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
        return a.value < b.value;
      })->value;
  const auto rest = likely.begin() + static_cast<std::ptrdiff_t>(wanted);
  const auto end =
      std::remove_if(rest, likely.end(), [least](const Likely& e) { return e.upper < least; });
  const std::vector<BatchEntry<float>> more = formed(arguments, {rest, end});
  entries.insert(entries.end(), more.begin(), more.end());
  return entries;
}

}  // namespace

std::optional<std::vector<BatchEntry<float>>> screened_batch_topk(const EncodeArguments& arguments,
                                                                  std::int64_t wanted,
                                                                  float start) {
  constexpr std::size_t kFlush = 4096;  // entries that a thread brings to the pool at once
  LikelyPool pool(wanted, start);
  ScreenedTiles tiles(arguments);
  const bool told = tiles.for_each([&](const ScreenedTile& tile) {
    std::vector<Likely> found;
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      look(tiles, tile, r, pool.bound(), found);
      if (found.size() >= kFlush) pool.take(found);
    }
    pool.take(found);
  });
  if (!told) return std::nullopt;
  const auto most = static_cast<std::size_t>(wanted);
  std::vector<BatchEntry<float>> entries = formed_likely(arguments, most, pool.finish());
  std::erase_if(entries, [start](const BatchEntry<float>& e) { return !(e.value > start); });
  if (entries.size() > most) {
    std::nth_element(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(most) - 1,
                     entries.end(), before<float>);
    entries.resize(most);
  }
  return entries;
}

}  // namespace saffron::ops_cpu
