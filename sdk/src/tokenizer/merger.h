#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace saffron::tokenizer_detail {

// What two neighbouring tokens become, and how early in the list of merges.
struct Merge {
  std::uint32_t rank = 0;
  std::int32_t id = -1;
};

// (left, right) -> Merge; open addressing, at most half full.
class MergeTable {
 public:
  explicit MergeTable(std::size_t merges);
  void set(std::int32_t left, std::int32_t right, Merge merge);
  [[nodiscard]] const Merge* find(std::int32_t left, std::int32_t right) const;

 private:
  struct Slot {
    std::uint64_t pair = kEmpty;
    Merge merge;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  [[nodiscard]] std::size_t slot_of(std::uint64_t pair) const;

  std::vector<Slot> slots_;
  int shift_ = 0;
};

// Applies merges to a row of tokens. Holds working memory: one a thread.
class Merger {
 public:
  explicit Merger(const MergeTable& table) : table_(table) {}
  // Merges ids in place.
  void run(std::vector<std::int32_t>& ids);

 private:
  struct Symbol {
    std::int32_t id;
    std::int32_t previous, next;  // -1 at the ends
    bool removed;
  };
  struct Candidate {
    std::uint32_t rank;
    std::int32_t at;
    std::int32_t id;
  };
  void propose(std::int32_t at);

  const MergeTable& table_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace saffron::tokenizer_detail
