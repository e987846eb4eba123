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

// Columns: six numbers a model (accuracy, strict, nll, best_of_k, concordance, untied scores), then by model and
// bin the correct ones less the sum of their confidence, then the prompts that count and the pairs that do.
constexpr std::int64_t kNumbers = 6;

// Of pairs of responses: the signs of label differences, and differences of scores towards the better response.
struct Margins {
  at::Tensor label;   // [M, n]
  at::Tensor score;   // [R, M, n]
  at::Tensor margin;  // [R, M, n]
  Margins(const preferences::PromptBlock& block, const at::Tensor& labels)
      : label(preferences::pair_differences(labels).sign()),
        score(preferences::pair_differences(block.scores)),
        margin(score * label) {}
  [[nodiscard]] at::Tensor correct() const { return 0.5 * (1 + margin.sign()); }
  [[nodiscard]] at::Tensor confidence() const { return margin.abs().sigmoid(); }
};

// x [R, M, n] of pairs that count, summed by bin of their confidence: [R bins, n].
at::Tensor binned(const at::Tensor& x, const at::Tensor& confidence, std::int64_t bins) {
  const at::Tensor bin =
      ((2 * confidence - 1) * static_cast<double>(bins)).to(at::kLong).clamp_max(bins - 1);
  at::Tensor sums = at::zeros({x.size(0), bins, x.size(2)}, at::kDouble);
  sums.scatter_add_(1, bin, x);
  return sums.flatten(0, 1);
}

}  // namespace

at::Tensor LabelSums::of_block(std::size_t number) const {
  const preferences::PromptBlock& block = table_.blocks()[number];
  const at::Tensor labels = block.take(table_.labels());  // [K, n]
  const Margins of(block, labels);
  const at::Tensor counts = of.label.abs(), pairs = counts.sum(0);
  const at::Tensor share = at::where(pairs > 0, counts / pairs, 0.0);  // of the prompt's pairs
  const at::Tensor decided = (pairs > 0).to(at::kDouble);
  const at::Tensor top = block.scores == block.scores.amax(1, true);
  const at::Tensor credit =
      (top & (labels == labels.amax(0, true))).sum(1) / top.sum(1).to(at::kDouble);
  const at::Tensor sign = of.score.sign(), correct = of.correct(), confidence = of.confidence();
  return at::cat({(correct * share).sum(1), ((of.margin > 0) * share).sum(1),
                  (-at::log_sigmoid(of.margin) * share).sum(1), credit * decided,
                  (sign * of.label).sum(1), sign.abs().sum(1),
                  binned((correct - confidence) * counts, confidence, bins_), decided.unsqueeze(0),
                  pairs.unsqueeze(0)})
      .t();
}

at::Tensor LabelSums::bins_of_block(std::size_t number) const {
  const preferences::PromptBlock& block = table_.blocks()[number];
  const Margins of(block, block.take(table_.labels()));
  const at::Tensor counts = of.label.abs().expand_as(of.margin), confidence = of.confidence();
  return at::cat({binned(counts.contiguous(), confidence, bins_),
                  binned(counts * confidence, confidence, bins_),
                  binned(counts * of.correct(), confidence, bins_)})
      .t();
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

at::Tensor LabelSums::ece(const at::Tensor& sums) const {
  const std::int64_t R = table_.models();
  const at::Tensor gaps =
      sums.slice(1, kNumbers * R, (kNumbers + bins_) * R).reshape({-1, R, bins_}).abs().sum(2);
  const at::Tensor pairs = sums.select(1, sums.size(1) - 1).unsqueeze(1);
  return at::where(pairs > 0, gaps / pairs, kNaN);
}

LabelSums::Reliability LabelSums::reliability(const at::Tensor& sums, std::int64_t model) const {
  const at::Tensor of = sums.view({3, table_.models(), bins_}).select(1, model);
  return {of[0], at::where(of[0] > 0, of[1] / of[0], kNaN),
          at::where(of[0] > 0, of[2] / of[0], kNaN)};
}

}  // namespace saffron::plugins
