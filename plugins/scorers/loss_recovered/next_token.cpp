#include "next_token.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>

#include <algorithm>

namespace saffron::plugins {
namespace {

// Numbers of a distribution that are worked on at once: 1 MiB in float64 stays in a cache.
constexpr std::int64_t kNumbers = 1 << 17;

}  // namespace

at::Tensor counted_positions(const at::Tensor& tokens, const at::Tensor& mask, std::int64_t first) {
  const std::int64_t T = tokens.size(1);
  at::Tensor counted = at::ones({tokens.size(0), std::max<std::int64_t>(T - 1, 0)}, at::kBool);
  if (mask.defined() && T > 0) counted = mask.slice(1, 0, T - 1) & mask.slice(1, 1, T);
  counted.slice(1, 0, std::min(first, counted.size(1))).fill_(false);
  return counted;
}

ContextLoss next_token_loss(const at::Tensor& logits, const at::Tensor& tokens,
                            const at::Tensor& counted, const at::Tensor& clean_logits) {
  const std::int64_t n = tokens.size(0);
  const std::int64_t at_once = std::max<std::int64_t>(1, kNumbers / logits.size(-1));
  ContextLoss loss;
  for (std::int64_t context = 0; context < n; ++context) {
    const at::Tensor positions = counted[context].nonzero().squeeze(1);
    const auto rows_of = [&](const at::Tensor& all, const at::Tensor& some) {
      return at::log_softmax(all[context].index_select(0, some).to(at::kDouble), -1);
    };
    double ce = 0, kl = 0;
    for (std::int64_t begin = 0; begin < positions.size(0); begin += at_once) {
      const at::Tensor some = positions.slice(0, begin, begin + at_once);
      const at::Tensor next = tokens[context].index_select(0, some + 1).unsqueeze(1);
      const at::Tensor log_q = rows_of(logits, some);
      ce -= log_q.gather(1, next).sum().item<double>();
      if (!clean_logits.defined()) continue;
      const at::Tensor log_p = rows_of(clean_logits, some);
      // A token that p rules out adds 0.
      kl += (log_p.exp() * (log_p - log_q)).masked_fill_(log_p.isneginf(), 0).sum().item<double>();
    }
    loss.ce.push_back(ce);
    if (clean_logits.defined()) loss.kl.push_back(kl);
  }
  return loss;
}

}  // namespace saffron::plugins
