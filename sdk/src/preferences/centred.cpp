#include <saffron/error.h>
#include <saffron/preference_metrics.h>
#include <saffron/reward_metrics.h>

#include <ATen/Parallel.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

namespace saffron::inline sdk_v1::preferences {
namespace {

// Scores that are equal but for an offset differ by no more.
constexpr double kInputRounding = 4 * std::numeric_limits<double>::epsilon();

at::Tensor weights_of(const ScoreTable& table, const PromptBlock& block, ResponseWeights weights) {
  if (weights == ResponseWeights::uniform) {
    return at::full(block.rows.sizes(), 1.0 / static_cast<double>(block.responses()), at::kDouble);
  }
  return block.take(table.log_reference()).softmax(0);
}

// sum_x sum_y w x^2 of each model: [R].
at::Tensor squares(const at::Tensor& x, const at::Tensor& weights) {
  return (x.square() * weights).sum({1, 2});
}

}  // namespace

void require_reference(const ScoreTable& table) {
  if (table.log_reference().defined()) return;
  throw Error("weights = \"reference\": the world has no log probabilities of a reference policy")
      .with_help("give it a column `log_reference`, or use weights = \"uniform\"");
}

CentredScores::CentredScores(const ScoreTable& table, ResponseWeights how) {
  if (how == ResponseWeights::reference) require_reference(table);
  const at::Tensor largest =
      table.scores().abs().amax(1);  // nothing overflows that is divided by it
  const at::Tensor scale = at::where(largest > 0, largest, at::ones_like(largest)).view({-1, 1, 1});
  const std::vector<PromptBlock>& blocks = table.blocks();
  unit.resize(blocks.size());
  weights.resize(blocks.size());
  const auto count = static_cast<std::int64_t>(blocks.size());
  const at::Tensor sums = at::zeros({2, count, table.models()}, at::kDouble);
  const at::Tensor least = at::ones({count}, at::kDouble);
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const auto at = static_cast<std::size_t>(b);
      weights[at] = weights_of(table, blocks[at], how);
      least[b] = weights[at].min();
      // Less one of them, which is exact where all have a large offset in common.
      const at::Tensor r = (blocks[at].scores - blocks[at].scores.slice(1, 0, 1)) / scale;
      unit[at] = r - (r * weights[at]).sum(1, true);
      sums[0][b].copy_(squares(unit[at], weights[at]));
      sums[1][b].copy_(squares(blocks[at].scores / scale, weights[at]));
    }
  });
  const at::Tensor total = (sums.sum(1) / static_cast<double>(table.prompts())).sqrt();
  least_weight = count == 0 ? 1 : least.min().item<double>();
  for (std::int64_t i = 0; i < table.models(); ++i) {
    const double c = total[0][i].item<double>(), r = total[1][i].item<double>();
    norm.push_back(c * scale[i].item<double>());
    size.push_back(r * scale[i].item<double>());
    trivial.push_back(c <= kInputRounding * r);
    total[0][i] = trivial.back() ? 0 : 1 / c;
  }
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      unit[static_cast<std::size_t>(b)].mul_(total[0].view({-1, 1, 1}));
    }
  });
}

}  // namespace saffron::inline sdk_v1::preferences
