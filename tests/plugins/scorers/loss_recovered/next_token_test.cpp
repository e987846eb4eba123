#include "plugins/scorers/loss_recovered/next_token.h"
#include "plugins/scorers/loss_recovered/context_sample.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace saffron {
namespace {

using plugins::ContextSample;
using plugins::counted_positions;
using plugins::next_token_loss;

at::Tensor random_logits(std::uint64_t seed, std::int64_t n, std::int64_t T, std::int64_t V) {
  return (3 * Random(seed).normal_rows(0, n * T, V, at::kFloat)).view({n, T, V});
}

at::Tensor tokens(std::int64_t n, std::int64_t T, std::int64_t V) {
  return (at::arange(n * T, at::kLong) * 7).remainder(V).view({n, T});
}

TEST(NextToken, CountsFromTheFirstPositionToTheLastButOne) {
  const at::Tensor t = at::zeros({2, 5}, at::kLong);
  const auto row = [](const at::Tensor& counted, std::int64_t i) {
    std::string out;
    for (std::int64_t p = 0; p < counted.size(1); ++p)
      out += counted[i][p].item<bool>() ? '1' : '.';
    return out;
  };
  EXPECT_EQ(row(counted_positions(t, {}, 0), 0), "1111");
  EXPECT_EQ(row(counted_positions(t, {}, 1), 1), ".111");
  EXPECT_EQ(row(counted_positions(t, {}, 9), 0), "....");
  at::Tensor mask = at::ones({2, 5}, at::kBool);
  mask[1].slice(0, 3).fill_(false);  // three real tokens
  EXPECT_EQ(row(counted_positions(t, mask, 1), 0), ".111");
  EXPECT_EQ(row(counted_positions(t, mask, 1), 1), ".1..");
  EXPECT_TRUE(mask[0].all().item<bool>());
}

TEST(NextToken, EqualsLoopsInFloat64) {
  constexpr std::int64_t n = 3, T = 80, V = 13;
  const at::Tensor q = random_logits(1, n, T, V), p = random_logits(2, n, T, V);
  const at::Tensor ids = tokens(n, T, V);
  const at::Tensor counted = counted_positions(ids, {}, 2);
  const auto loss = next_token_loss(q, ids, counted, p);
  const auto log_softmax = [](const at::Tensor& row) {
    std::vector<long double> out(static_cast<std::size_t>(V));
    long double sum = 0;
    for (std::int64_t v = 0; v < V; ++v) sum += std::exp(row[v].item<double>());
    for (std::int64_t v = 0; v < V; ++v) {
      out[static_cast<std::size_t>(v)] = row[v].item<double>() - std::log(sum);
    }
    return out;
  };
  for (std::int64_t c = 0; c < n; ++c) {
    long double ce = 0, kl = 0;
    for (std::int64_t t = 2; t < T - 1; ++t) {
      const auto lq = log_softmax(q[c][t]), lp = log_softmax(p[c][t]);
      ce -= lq[static_cast<std::size_t>(ids[c][t + 1].item<std::int64_t>())];
      for (std::size_t v = 0; v < V; ++v) kl += std::exp(lp[v]) * (lp[v] - lq[v]);
    }
    EXPECT_NEAR(loss.ce[static_cast<std::size_t>(c)], static_cast<double>(ce), 1e-9);
    EXPECT_NEAR(loss.kl[static_cast<std::size_t>(c)], static_cast<double>(kl), 1e-9);
  }
  EXPECT_TRUE(next_token_loss(q, ids, counted, {}).kl.empty());
  EXPECT_EQ(next_token_loss(p, ids, counted, p).kl[0], 0);
}

// A vocabulary so large that a few positions at a time are in memory.
TEST(NextToken, LargeVocabulariesAreReadInPieces) {
  constexpr std::int64_t T = 8, V = 50'000;
  const at::Tensor q = random_logits(1, 1, T, V), p = random_logits(2, 1, T, V);
  const at::Tensor ids = tokens(1, T, V);
  const auto loss = next_token_loss(q, ids, counted_positions(ids, {}, 0), p);
  const at::Tensor log_q = at::log_softmax(q[0].slice(0, 0, T - 1).to(at::kDouble), -1);
  const at::Tensor log_p = at::log_softmax(p[0].slice(0, 0, T - 1).to(at::kDouble), -1);
  EXPECT_NEAR(loss.ce[0], -log_q.gather(1, ids[0].slice(0, 1).unsqueeze(1)).sum().item<double>(),
              1e-9);
  EXPECT_NEAR(loss.kl[0], (log_p.exp() * (log_p - log_q)).sum().item<double>(), 1e-9);
}

TEST(NextToken, ATokenThatIsRuledOutAddsNothing) {
  at::Tensor p = at::zeros({1, 2, 3});
  p[0][0][2] = -std::numeric_limits<float>::infinity();
  const at::Tensor ids = at::zeros({1, 2}, at::kLong);
  const at::Tensor counted = counted_positions(ids, {}, 0);
  EXPECT_NEAR(next_token_loss(at::zeros({1, 2, 3}), ids, counted, p).kl[0], std::log(1.5), 1e-12);
  EXPECT_EQ(next_token_loss(p, ids, counted, p).kl[0], 0);
}

at::Tensor origins(const at::Tensor& contexts, std::int64_t length) {
  return at::stack({contexts.repeat_interleave(length),
                    at::arange(length, at::kLong).repeat({contexts.size(0)})},
                   1);
}

TEST(ContextSample, DoesNotDependOnOrderOrParts) {
  const at::Tensor all = at::arange(100, at::kLong);
  ContextSample forwards(10, Random(4)), backwards(10, Random(4)), a(10, Random(4)),
      b(10, Random(4)), other(10, Random(5));
  forwards.add(origins(all, 3));
  backwards.add(origins(all.flip(0), 3));
  other.add(origins(all, 3));
  a.add(origins(all.slice(0, 0, 30), 3));
  b.add(origins(all.slice(0, 30), 3));
  Tensors saved;
  b.save(saved, "c");
  ContextSample restored(10, Random(4));
  restored.load(saved, "c");
  restored.merge(a);
  a.merge(b);
  EXPECT_EQ(forwards.rows().size(), 10u);
  EXPECT_EQ(forwards.rows(), backwards.rows());
  EXPECT_EQ(forwards.rows(), a.rows());
  EXPECT_EQ(forwards.rows(), restored.rows());
  EXPECT_NE(forwards.rows(), other.rows());
  ContextSample few(1000, Random(4));
  few.add(origins(all, 3));
  EXPECT_EQ(few.rows().size(), 100u);
}

TEST(ContextSample, DrawsEveryContextAsOften) {
  std::vector<int> drawn(20);
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    ContextSample sample(5, Random(seed));
    sample.add(origins(at::arange(20, at::kLong), 1));
    for (const std::int64_t row : sample.rows()) ++drawn[static_cast<std::size_t>(row)];
  }
  for (const int times : drawn) EXPECT_NEAR(times, 500, 5 * 19.4);  // sd = sqrt(2000 / 4 * 3 / 4)
}

}  // namespace
}  // namespace saffron
