#pragma once

#include "sample.h"

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace saffron::plugins {

// Rewards of known transitions, looked up by their numbers, which must be equal as float64.
//
// A transition that comes several times has one value: the mean of those given, which may lie apart by
// `spread` times the largest absolute value of that reward (models in float32 give other last bits in other
// batches). Farther apart the reward is no function of the transition: Error (data) with both rows.
class RewardTable {
 public:
  RewardTable(const Sample& sample, double spread, std::string source);

  // The number of each transition, or -1: n of them.
  [[nodiscard]] std::vector<std::int64_t> find(const at::Tensor& states, const at::Tensor& actions,
                                               const at::Tensor& next_states) const;
  [[nodiscard]] double value(std::int64_t reward, std::int64_t transition) const;
  // "from state [0, 1] by action [2] to state [1, 1]"
  [[nodiscard]] static std::string words(const at::Tensor& states, const at::Tensor& actions,
                                         const at::Tensor& next_states, std::int64_t row);

 private:
  // The numbers of rows of transitions, in one piece.
  struct Rows {
    at::Tensor s, a, next;  // float64 [n, width]
    Rows(const at::Tensor& states, const at::Tensor& actions, const at::Tensor& next_states);
    [[nodiscard]] std::int64_t count() const { return s.size(0); }
    [[nodiscard]] std::uint64_t hash(std::int64_t row) const;
    [[nodiscard]] bool equal(std::int64_t row, const Rows& other, std::int64_t other_row) const;
  };
  [[nodiscard]] std::int64_t find(const Rows& rows, std::int64_t row) const;
  void add_values(const std::vector<double>& values, const std::string& name, double spread);
  [[nodiscard]] std::string place(std::int64_t row) const;

  std::string source_;
  std::int64_t data_rows_;
  Rows rows_;  // of the file
  std::unordered_multimap<std::uint64_t, std::int64_t>
      by_hash_;                              // the first row of each transition
  std::vector<std::int64_t> first_;          // of each row, the first that equals it
  std::vector<std::vector<double>> values_;  // of each reward, by first row
};

}  // namespace saffron::plugins
