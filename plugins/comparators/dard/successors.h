#pragma once

#include <saffron/random.h>
#include <saffron/reward_samples.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace saffron::plugins {

// What followed what in the data, by the numbers of states and actions.
class Successors {
 public:
  explicit Successors(const rewards::SampledData& data);

  [[nodiscard]] std::int64_t states() const { return states_.count(); }
  // The numbers of the states of each row: [N] each.
  [[nodiscard]] at::Tensor here() const { return states_.number.narrow(0, 0, rows_); }
  [[nodiscard]] at::Tensor next() const { return states_.number.narrow(0, rows_, rows_); }

  // One replicate: `count` actions of random rows, the same for all states, and two independent draws
  // of what follows every state by each of them, side by side: K = 2 count.
  struct Draw {
    at::Tensor action_row;  // int64 [K]: rows of the data
    // int64 [X, K]: a state's number, -1 where nothing is known to follow. A state that ends its
    // episode and is never left is followed by itself.
    at::Tensor next;
    at::Tensor whole;  // bool [X]: all of them are known
  };
  // From the rows of the episodes where `episodes` is true, bool [E].
  [[nodiscard]] Draw draw(const at::Tensor& episodes, std::int64_t count,
                          const Random& random) const;

  // Every reward on transitions between numbered states by actions of rows, all int64 [n]: [R, n].
  [[nodiscard]] at::Tensor evaluate(const at::Tensor& from, const at::Tensor& action_row,
                                    const at::Tensor& to) const;
  void ask(rewards::NeededTransitions& needed, const at::Tensor& from, const at::Tensor& action_row,
           const at::Tensor& to) const;

 private:
  const rewards::SampledData& data_;
  std::int64_t rows_;
  rewards::DistinctRows states_, actions_;
  at::Tensor as_state_, as_next_;                   // [X, ...]
  std::vector<std::vector<std::int64_t>> left_by_;  // rows of the data by state * actions + action
  std::vector<bool> left_, ends_;                   // of each state
};

}  // namespace saffron::plugins
