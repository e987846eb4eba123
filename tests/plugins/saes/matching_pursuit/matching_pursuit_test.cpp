#include "plugins/saes/matching_pursuit/matching_pursuit.h"
#include "tests/caught.h"
#include "tests/plugins/saes/support/reference.h"

#include <saffron/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <gmock/gmock.h>

#include <tuple>
#include <vector>

using namespace saffron;
using plugins::MatchingPursuit;
using Method = MatchingPursuit::Method;

namespace {

constexpr std::int64_t kD = 7, kWidth = 24;

MatchingPursuit::Options options_of(Method method, std::int64_t k = 5) {
  MatchingPursuit::Options options;
  options.dictionary.width = kWidth;
  options.method = method;
  options.k = k;
  options.tolerance = 0;
  return options;
}

// f [F] of one row as published, choice by choice, in autograd; the choice alone has no gradient.
at::Tensor pursued(const at::Tensor& x, const at::Tensor& W, const MatchingPursuit::Options& o) {
  at::Tensor f = at::zeros({W.size(0)}, x.options()), r = x;
  std::vector<std::int64_t> chosen;
  for (std::int64_t t = 0; t < o.k; ++t) {
    const at::Tensor p = at::mm(W, r.unsqueeze(1)).squeeze(1);
    const std::int64_t i = p.detach().argmax().item<std::int64_t>();
    const bool repeated = std::count(chosen.begin(), chosen.end(), i) > 0;
    if (!(p[i].item<double>() > 0)) break;
    if (o.method == Method::omp) {
      if (repeated) break;
      chosen.push_back(i);
      const at::Tensor at = at::zeros({static_cast<std::int64_t>(chosen.size())}, at::kLong);
      std::copy(chosen.begin(), chosen.end(), at.mutable_data_ptr<std::int64_t>());
      const at::Tensor A = W.index_select(0, at);
      const at::Tensor c = at::linalg_solve(at::mm(A, A.t()), at::mm(A, x.unsqueeze(1)).squeeze(1));
      f = at::zeros({W.size(0)}, x.options()).index_add(0, at, c);
      r = x - at::mm(f.unsqueeze(0), W).squeeze(0);
    } else {
      chosen.push_back(i);
      const at::Tensor v = p[i].clamp_min(0);
      f = f.index_add(0, at::full({1}, i, at::kLong), v.unsqueeze(0));
      r = r - v * W[i];
      if (repeated && o.stop_at_repeat) break;
    }
    if (r.detach().norm().item<double>() < o.tolerance) break;
  }
  return f;
}

at::Tensor all_pursued(const at::Tensor& rows, const at::Tensor& W,
                       const MatchingPursuit::Options& o) {
  std::vector<at::Tensor> out;
  for (std::int64_t b = 0; b < rows.size(0); ++b) out.push_back(pursued(rows[b], W, o));
  return at::stack(out);
}

// The method, whether a repeat ends a row, and whether the Gram matrix is used.
class Gradients : public testing::TestWithParam<std::tuple<Method, bool, double>> {};

TEST_P(Gradients, EqualThoseOfThePlainLoop) {
  const auto [method, stop, tolerance] = GetParam();
  for (const std::int64_t k : {1, 6}) {
    MatchingPursuit::Options options = options_of(method, k);
    options.stop_at_repeat = stop;
    options.tolerance = tolerance;
    MatchingPursuit sae(options);
    SaeFixture fixture(sae, kD, 5);
    const SaeInput input = rows_of(6, kD);
    const Forward forward = sae.forward(input);
    const at::Tensor on_values =
        Random(7).normal_rows(0, 1, forward.codes[0].values().size(0), at::kDouble).flatten();
    const auto got = fixture.gradients(sae, input, on_values);
    const at::Tensor on_dense = forward.codes[0].with_values(on_values).to_dense();

    const c10::AutoGradMode with_grad(true);
    Reference want(fixture);
    const at::Tensor x = input.inputs[0];
    const at::Tensor f = all_pursued(x - want.leaf["b_dec"], want.leaf["W_dec"], options);
    EXPECT_TRUE(at::allclose(forward.codes[0].to_dense(), f.detach(), 1e-9, 1e-11));
    (mean_square(x - want.decoded(f)) + (f * on_dense).sum()).backward();
    expect_gradients(got, want);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Gradients,
                         testing::Combine(testing::Values(Method::mp, Method::omp), testing::Bool(),
                                          testing::Values(0.0, 1.5)));

TEST(MatchingPursuit, GradientsOfTheReconstructionAlone) {
  for (const Method method : {Method::mp, Method::omp}) {
    const MatchingPursuit::Options options = options_of(method);
    MatchingPursuit sae(options);
    SaeFixture fixture(sae, kD, 8);
    const SaeInput input = rows_of(9, kD);
    const auto got = fixture.gradients(sae, input);
    const c10::AutoGradMode with_grad(true);
    Reference want(fixture);
    const at::Tensor x = input.inputs[0];
    const at::Tensor f = all_pursued(x - want.leaf["b_dec"], want.leaf["W_dec"], options);
    mean_square(x - want.decoded(f)).backward();
    expect_gradients(got, want);
  }
}

TEST(MatchingPursuit, ARowEndsWithinTolerance) {
  MatchingPursuit::Options options = options_of(Method::mp, 24);
  options.tolerance = 1.2;
  MatchingPursuit sae(options);
  SaeFixture fixture(sae, kD, 10);
  const at::Tensor x = rows_of(11, kD, 60).inputs[0];
  const Codes codes = sae.encode({x})[0];
  const at::Tensor rest = (x - sae.decode({codes})[0]).norm(2, at::IntArrayRef{1});
  EXPECT_GT(rest.lt(1.2).sum().item<std::int64_t>(), 20);
  // One choice less would have left more.
  options.tolerance = 0;
  options.stop_at_repeat = false;
  EXPECT_TRUE(codes.l0().lt(24).any().item<bool>());
  EXPECT_EQ(*fixture.spec.max_active, 24);
}

TEST(MatchingPursuit, DropoutLeavesLatentsOutOfATrainingStepOnly) {
  MatchingPursuit::Options options = options_of(Method::mp);
  options.dropout = 0.5;
  MatchingPursuit sae(options);
  SaeFixture fixture(sae, kD, 12);
  SaeInput input = rows_of(13, kD, 200);
  const at::Tensor fired = sae.forward(input).codes[0].firing_counts().gt(0);
  EXPECT_LT(fired.sum().item<std::int64_t>(), 20);
  EXPECT_TRUE(at::equal(sae.forward(input).codes[0].firing_counts().gt(0), fired));
  input.random = Random(14);
  EXPECT_FALSE(at::equal(sae.forward(input).codes[0].firing_counts().gt(0), fired));
  EXPECT_GT(sae.encode(input.inputs)[0].firing_counts().gt(0).sum().item<std::int64_t>(), 20);
}

// In SAELens this term is given pre-activations that are all 0, so that it trains nothing.
TEST(MatchingPursuit, AuxKTrainsDeadLatents) {
  MatchingPursuit::Options options = options_of(Method::mp, 3);
  options.dead = {.dead = DeadLatentOptions::Method::auxk, .dead_after = 10, .aux_k = 4};
  MatchingPursuit sae(options);
  SaeFixture fixture(sae, kD, 15);
  fixture.parameters["b_enc"].zero_();
  at::Tensor last = fixture.buffers["last_fired"];
  last.slice(0, 8).fill_(1000);
  SaeInput input = rows_of(16, kD);
  input.rows_seen = 1000;
  const Forward forward = sae.forward(input);
  ASSERT_EQ(forward.terms.size(), 1U);
  const auto with = fixture.gradients(sae, input);
  input.rows_seen = 0;
  const auto without = fixture.gradients(sae, input);
  const at::Tensor by_term = (with.at("W_dec") - without.at("W_dec")).abs().sum(1);
  EXPECT_GT(by_term.slice(0, 0, 8).max().item<double>(), 1e-6);
  EXPECT_LT(by_term.slice(0, 8).max().item<double>(), 1e-12);
}

TEST(MatchingPursuit, OptionsThatCannotBeAreRefused) {
  const auto fails = [](const char* options) {
    MatchingPursuit::Options out;
    Decoded decoded;
    MatchingPursuit::schema().decode(from_json(options, "test"), &out, decoded);
    return !decoded.ok();
  };
  EXPECT_FALSE(fails(R"({"width": 64, "k": 8, "method": "omp"})"));
  EXPECT_TRUE(fails(R"({"width": 64, "k": 65})"));
  EXPECT_TRUE(fails(R"({"k": 0})"));
  EXPECT_TRUE(fails(R"({"tied": false})"));
  EXPECT_TRUE(fails(R"({"encoder_bias": true})"));
  EXPECT_TRUE(fails(R"({"dropout": 1})"));
  EXPECT_TRUE(fails(R"({"method": "nnls"})"));
  EXPECT_TRUE(fails(R"({"frozen": "encoder"})"));
}

TEST(MatchingPursuit, PredictsWhatItReads) {
  for (const std::int64_t width : {kD, kD + 2}) {
    MatchingPursuit sae(options_of(Method::mp));
    const Error error = test::caught([&] { (void)sae.declare({{{"x", kD}}, {{"y", width}}}); });
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    EXPECT_THAT(error.message(), testing::HasSubstr("predicts what it reads"));
    EXPECT_THAT(error.help(), testing::Not(testing::HasSubstr("tied")));
  }
  MatchingPursuit sae(options_of(Method::mp));
  const std::vector<StreamInfo> both{{"x", kD}, {"y", kD + 2}};
  EXPECT_EQ(sae.declare({both, both}).parameters[1].shape[1], 2 * kD + 2);
}

TEST(MatchingPursuit, SaysThatItCannotBeExported) {
  MatchingPursuit sae(options_of(Method::mp));
  SaeFixture fixture(sae, kD, 17);
  EXPECT_THROW((void)sae.canonical(), Error);
}

}  // namespace
