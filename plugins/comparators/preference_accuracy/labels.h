#pragma once

#include <saffron/preference_metrics.h>

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace saffron::plugins {

// Sums over prompts of what labels say of scores.
class LabelSums {
 public:
  LabelSums(const preferences::ScoreTable& table, std::int64_t bins) : table_(table), bins_(bins) {}

  // What a block's prompts add: [n, D].
  [[nodiscard]] at::Tensor of_block(std::size_t block) const;
  // By model and bin the pairs, the sum of sigma(|margin|), and the correct ones: [n, 3 R bins].
  [[nodiscard]] at::Tensor bins_of_block(std::size_t block) const;

  // From sums [T, D], each [T, R] unless said; NaN where no prompt counts.
  [[nodiscard]] at::Tensor accuracy(const at::Tensor& sums) const { return mean(sums, 0); }
  [[nodiscard]] at::Tensor strict(const at::Tensor& sums) const { return mean(sums, 1); }
  [[nodiscard]] at::Tensor nll(const at::Tensor& sums) const { return mean(sums, 2); }
  [[nodiscard]] at::Tensor best_of_k(const at::Tensor& sums) const { return mean(sums, 3); }
  [[nodiscard]] at::Tensor tac(const at::Tensor& sums) const;
  [[nodiscard]] at::Tensor ece(const at::Tensor& sums) const;
  [[nodiscard]] at::Tensor prompts(const at::Tensor& sums) const;  // [T]
  // Of sums of the latter [3 R bins] and one model, by bin: pairs, their mean sigma(|margin|), and the share that
  // is correct; NaN in empty bins.
  struct Reliability {
    at::Tensor pairs, confidence, correct;
  };
  [[nodiscard]] Reliability reliability(const at::Tensor& sums, std::int64_t model) const;

 private:
  [[nodiscard]] at::Tensor part(const at::Tensor& sums, std::int64_t number) const;
  [[nodiscard]] at::Tensor mean(const at::Tensor& sums, std::int64_t number) const;

  const preferences::ScoreTable& table_;
  std::int64_t bins_;
};

}  // namespace saffron::plugins
