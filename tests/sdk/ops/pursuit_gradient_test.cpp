#include <saffron/ops.h>

#include "tests/sdk/ops/pursuit_cases.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/linalg_inv.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <gtest/gtest.h>

#include <limits>
#include <vector>

using namespace saffron;

namespace {

constexpr std::uint64_t kTrials = 1000;

struct Case {
  test::PursuitCase of;
  ops::Pursuit pursuit;
  at::Tensor df, g;  // either may be undefined
};

Case random_case(std::uint64_t n, bool orthogonal) {
  Case made{.of = test::pursuit_case(n, orthogonal), .pursuit = {}, .df = {}, .g = {}};
  const Random random = Random(53).fork(n);
  const auto laid_out = [&](const at::Tensor& of, std::uint64_t draw) {
    return test::laid_out(of, random.below(test::kLayouts, 0, draw));
  };
  if (n % 2 == 1) {
    made.of.x = laid_out(made.of.x.to(at::kFloat), 0);
    made.of.W = laid_out(made.of.W.to(at::kFloat), 1);
  }
  const at::Tensor& x = made.of.x;
  made.pursuit = ops::pursue(x, made.of.W, made.of.options);
  const auto normal = [&](const char* name, std::int64_t rows, std::int64_t columns) {
    return random.fork(name).normal_rows(0, rows, columns, at::kDouble).to(x.scalar_type());
  };
  const std::int64_t entries = made.pursuit.codes.values().size(0);
  if (n % 5 != 0) made.df = laid_out(normal("df", 1, entries), 2)[0];
  if (n % 5 != 1) made.g = laid_out(normal("g", x.size(0), x.size(1)), 3);
  return made;
}

// <df, f> + <g, f W> of a row, with the choices held. `worst` rises to how much rounding may grow.
at::Tensor loss_of(const Case& c, std::int64_t row, const at::Tensor& x, const at::Tensor& W,
                   double& worst) {
  const ops::Pursuit& p = c.pursuit;
  const auto from = p.offsets[row].item<std::int64_t>(),
             to = p.offsets[row + 1].item<std::int64_t>();
  if (from == to) return {};
  const at::Tensor chosen = W.index_select(0, p.latents.slice(0, from, to).to(at::kLong));
  at::Tensor values, decoded;
  if (c.of.options.orthogonal) {
    const at::Tensor gram = at::mm(chosen, chosen.t());
    worst = std::max(worst, at::linalg_inv(gram.detach()).abs().max().item<double>());
    values = at::linalg_solve(gram, chosen.mv(x[row]));
    decoded = chosen.t().mv(values);
  } else {
    std::vector<at::Tensor> made;
    at::Tensor r = x[row];
    for (std::int64_t t = 0; t < to - from; ++t) {
      made.push_back(r.dot(chosen[t]));
      r = r - made.back() * chosen[t];
    }
    values = at::stack(made);
    decoded = chosen.t().mv(values);
  }
  at::Tensor loss;
  if (c.g.defined()) loss = decoded.dot(c.g[row].to(at::kDouble));
  if (c.df.defined()) {
    const at::Tensor df =
        c.df.to(at::kDouble).index_select(0, p.entries.slice(0, from, to).to(at::kLong));
    loss = loss.defined() ? loss + values.dot(df) : values.dot(df);
  }
  return loss;
}

void expect_close(const at::Tensor& got, const at::Tensor& want, double tolerance,
                  std::uint64_t n) {
  const double size = 1 + want.nan_to_num(0).abs().max().item<double>();
  ASSERT_TRUE(at::allclose(got.to(at::kDouble), want, 0, tolerance * size, true))
      << n << ": " << (got.to(at::kDouble) - want).nan_to_num(0).abs().max().item<double>() / size;
}

class PursuitGradient : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Kinds, PursuitGradient, testing::Bool(),
                         [](const auto& given) { return given.param ? "orthogonal" : "matching"; });

// By autograd in double precision, row by row. In some there is a NaN upstream.
TEST_P(PursuitGradient, IsThatOfTheNaiveLoop) {
  for (std::uint64_t n = 0; n < kTrials; ++n) {
    Case c = random_case(n, GetParam());
    const std::int64_t rows = c.of.x.size(0);
    const auto choices = [&](std::int64_t b) {
      return (c.pursuit.offsets[b + 1] - c.pursuit.offsets[b]).item<std::int64_t>();
    };
    if (n % 7 == 0 && c.g.defined() && choices(rows - 1) > 0) {
      c.g[rows - 1][0].fill_(std::numeric_limits<double>::quiet_NaN());
    }
    const ops::PursuitGradient got = ops::pursuit_gradient(c.pursuit, c.of.x, c.of.W, c.df, c.g);
    at::Tensor dW = at::zeros_like(c.of.W, at::kDouble);
    for (const FactoredGradient& term : got.W) dW = dW + ops::form_gradient(term);

    const c10::AutoGradMode with_grad(true);
    const auto leaf = [](const at::Tensor& of) {
      return of.to(at::kDouble).clone().contiguous().requires_grad_(true);
    };
    const at::Tensor x = leaf(c.of.x), W = leaf(c.of.W);
    at::Tensor loss = (x.sum() + W.sum()) * 0;
    double worst = 1;
    for (std::int64_t b = 0; b < rows; ++b) {
      const at::Tensor own = loss_of(c, b, x, W, worst);
      if (own.defined()) loss = loss + own;
    }
    loss.backward();
    const double tolerance = (n % 2 == 1 ? 2e-5 : 1e-12) * worst;
    expect_close(dW, W.grad(), tolerance, n);
    expect_close(got.x, x.grad(), tolerance, n);
  }
}

}  // namespace
