#pragma once

#include <saffron/preference_metrics.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// Second moments of unit scores, which distances between them are functions of. Each is a sum over prompts,
// so that resamples of prompts have theirs.
class Moments {
 public:
  struct Needs {
    bool sums = false;                 // also of c_i + c_j
    bool sampled = false;              // unbiased of K responses that were drawn: K / (K - 1)
    std::vector<std::string> control;  // columns of numbers
  };
  // Error (invalid) for a column that is constant within every prompt.
  Moments(const preferences::ScoreTable& table, const preferences::CentredScores& centred,
          Needs needs);

  // What a block's prompts add: [n, D].
  [[nodiscard]] at::Tensor of_block(std::size_t block) const;
  [[nodiscard]] std::int64_t width() const;  // D

  // From sums [T, D]: of c / ||c||, the norm of differences, in [0, 2], and the angle, in [0, pi]: [T, R, R]; a
  // trivial model is 1, or pi / 2, from others that are not, and 0 from those that are.
  [[nodiscard]] at::Tensor norms(const at::Tensor& sums) const;
  [[nodiscard]] at::Tensor angles(const at::Tensor& sums) const;
  // The former of what control leaves; and the share of ||c||^2 that it takes, [T, R], NaN for trivial models.
  [[nodiscard]] at::Tensor controlled(const at::Tensor& sums) const;
  [[nodiscard]] at::Tensor explained(const at::Tensor& sums) const;

 private:
  struct Parts {
    at::Tensor squares;              // [T, R] sum c_i^2
    at::Tensor differences, totals;  // [T, R, R] sum (c_i - c_j)^2, sum (c_i + c_j)^2
    at::Tensor with_control;         // [T, R, C] sum c_i z
    at::Tensor control;              // [T, C, C] sum z z'
  };
  [[nodiscard]] Parts split(const at::Tensor& sums) const;
  [[nodiscard]] at::Tensor covariates(std::size_t block) const;  // [C, K, n]

  const preferences::ScoreTable& table_;
  const preferences::CentredScores& centred_;
  Needs needs_;
  std::vector<at::Tensor> columns_;  // [N], of norm 1 when centred
};

}  // namespace saffron::plugins
