#include "labels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <vector>

namespace saffron::plugins {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Columns: six numbers a model (accuracy, strict, nll, best_of_k, concordance, untied scores), then three a
// model and bin (pairs, confidence, correct), then the prompts that count and the pairs of different labels.
constexpr std::int64_t kNumbers = 6;

}  // namespace

at::Tensor LabelSums::of_block(std::size_t number) const {
  const preferences::PromptBlock& block = table_.blocks()[number];
  const at::Tensor labels = block.take(table_.labels());                  // [K, n]
  const at::Tensor label = preferences::pair_differences(labels).sign();  // [M, n]
  const at::Tensor score = preferences::pair_differences(block.scores);   // [R, M, n]
  const at::Tensor margin = score * label, counts = label.abs();
  const at::Tensor pairs = counts.sum(0);  // [n]
  const at::Tensor decided = (pairs > 0).to(at::kDouble);
  const at::Tensor share = at::where(pairs > 0, counts / pairs, 0.0);  // of the prompt's pairs
  const at::Tensor correct = 0.5 * (1 + margin.sign());
  std::vector<at::Tensor> out = {(correct * share).sum(1), ((margin > 0) * share).sum(1),
                                 (-at::log_sigmoid(margin) * share).sum(1)};
  const at::Tensor top = block.scores == block.scores.amax(1, true);
  const at::Tensor credit =
      (top & (labels == labels.amax(0, true))).sum(1) / top.sum(1).to(at::kDouble);
  out.push_back(credit * decided);
  out.push_back((score.sign() * label).sum(1));
  out.push_back(score.sign().abs().sum(1));
  const at::Tensor confidence = margin.abs().sigmoid();
  const at::Tensor bin = ((2 * confidence - 1) * static_cast<double>(bins_))
                             .to(at::kLong)
                             .clamp_max(bins_ - 1);  // [R, M, n]
  for (const at::Tensor& what : {counts.expand_as(margin), counts * confidence, counts * correct}) {
    at::Tensor sums = at::zeros({margin.size(0), bins_, block.count()}, at::kDouble);
    sums.scatter_add_(1, bin, what);
    for (std::int64_t b = 0; b < bins_; ++b) out.push_back(sums.select(1, b));
  }
  out.push_back(decided.unsqueeze(0));
  out.push_back(pairs.unsqueeze(0));
  return at::cat(out).t();
}

at::Tensor LabelSums::part(const at::Tensor& sums, std::int64_t number) const {
  const std::int64_t R = table_.models();
  return sums.slice(1, number * R, (number + 1) * R);
}

at::Tensor LabelSums::prompts(const at::Tensor& sums) const {
  return sums.select(1, sums.size(1) - 2);
}

at::Tensor LabelSums::mean(const at::Tensor& sums, std::int64_t number) const {
  const at::Tensor count = prompts(sums).unsqueeze(1);
  return at::where(count > 0, part(sums, number) / count, kNaN);
}

at::Tensor LabelSums::tac(const at::Tensor& sums) const {
  const at::Tensor labels = sums.select(1, sums.size(1) - 1).unsqueeze(1), scores = part(sums, 5);
  return at::where((labels > 0) & (scores > 0), part(sums, 4) / (labels * scores).sqrt(), kNaN);
}

at::Tensor LabelSums::binned(const at::Tensor& sums, std::int64_t number) const {  // [T, bins, R]
  const std::int64_t R = table_.models(), from = kNumbers * R + number * bins_ * R;
  return sums.slice(1, from, from + bins_ * R).reshape({-1, bins_, R});
}

at::Tensor LabelSums::ece(const at::Tensor& sums) const {
  const at::Tensor pairs = sums.select(1, sums.size(1) - 1).unsqueeze(1);
  const at::Tensor gaps = (binned(sums, 2) - binned(sums, 1)).abs().sum(1);
  return at::where(pairs > 0, gaps / pairs, kNaN);
}

LabelSums::Reliability LabelSums::reliability(const at::Tensor& sums, std::int64_t model) const {
  const auto of = [&](std::int64_t number) {
    return binned(sums.unsqueeze(0), number)[0].select(1, model);
  };
  const at::Tensor pairs = of(0);
  return {pairs, at::where(pairs > 0, of(1) / pairs, kNaN),
          at::where(pairs > 0, of(2) / pairs, kNaN)};
}

}  // namespace saffron::plugins
