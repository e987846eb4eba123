#pragma once

#include <saffron/sae.h>
#include <saffron/weighted_penalty.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include <string>
#include <vector>

// Inputs of SAEs with several streams, and their penalty by its formula.

// Streams "<prefix>0", "<prefix>1", ...
inline std::vector<saffron::StreamInfo> streams_of(const std::string& prefix,
                                                   const std::vector<std::int64_t>& widths) {
  std::vector<saffron::StreamInfo> out;
  for (const std::int64_t width : widths) {
    out.push_back({prefix + std::to_string(out.size()), width});
  }
  return out;
}

inline std::vector<at::Tensor> stream_rows(std::uint64_t seed,
                                           const std::vector<std::int64_t>& widths,
                                           std::int64_t rows = 13) {
  std::vector<at::Tensor> out;
  for (const std::int64_t width : widths) {
    const saffron::Random random = saffron::Random(seed).fork(out.size());
    out.push_back(random.normal_rows(0, rows, width, at::kDouble) + 0.3);
  }
  return out;
}

inline saffron::SaeInput streams_input(std::uint64_t seed, const std::vector<std::int64_t>& reads,
                                       const std::vector<std::int64_t>& predicts) {
  saffron::SaeInput input;
  input.inputs = stream_rows(seed, reads);
  input.targets = stream_rows(seed + 100, predicts);
  input.step = 5;
  input.steps = 10;
  input.random = saffron::Random(seed).fork("step");
  return input;
}

// n by its definition.
inline at::Tensor norms_of(saffron::DecoderNorm norm, const at::Tensor& W,
                           const std::vector<std::int64_t>& widths) {
  if (norm == saffron::DecoderNorm::none) return at::zeros_like(W.select(1, 0)) + 1;
  if (norm == saffron::DecoderNorm::concatenated) return W.square().sum(1).sqrt();
  at::Tensor sum = at::zeros_like(W.select(1, 0));
  std::int64_t from = 0;
  for (const std::int64_t width : widths) {
    sum = sum + W.slice(1, from, from + width).square().sum(1).sqrt();
    from += width;
  }
  return sum;
}

// mean_b sum_i phi(n_i f_bi)
inline at::Tensor penalty_of(const saffron::WeightedPenaltyOptions& options, const at::Tensor& f,
                             const at::Tensor& n) {
  const at::Tensor weighted = f * n;
  return (options.penalty == saffron::WeightedPenaltyOptions::Penalty::tanh
              ? (weighted * options.tanh_scale).tanh()
              : weighted)
      .sum(1)
      .mean();
}
