#include "support.h"

#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <saffron/testing/gradient_checker.h>

#include <stdexcept>

// Edits at sites, with and without gradients.

namespace llama_test {
namespace {

using saffron::Edit;
using ::testing::HasSubstr;

class Edits : public ::testing::TestWithParam<const char*> {
 protected:
  saffron::SafetensorsFile expected_ =
      saffron::SafetensorsFile::open(fixture(std::string(GetParam()) + ".safetensors"));
  at::Tensor tokens_ = expected_.tensor("tokens");
  std::shared_ptr<saffron::Model> model_ = open(fixture(GetParam()));
};

INSTANTIATE_TEST_SUITE_P(Folders, Edits, ::testing::Values("tiny", "tiny_qwen2"),
                         [](const auto& given) { return std::string(given.param); });

TEST_P(Edits, EqualHooksInTransformers) {
  const std::vector<std::pair<const char*, std::vector<Edit>>> cases = {
      {"edit.zero", {{"layers.0.mlp_out", [](const at::Tensor& x) { return at::zeros_like(x); }}}},
      {"edit.scale",
       {{"layers.1.attn_out", [](const at::Tensor& x) { return 3 * x; }},
        {"layers.0.resid_post", [](const at::Tensor& x) { return 0.5 * x; }}}},
      {"edit.shift",
       {{"layers.1.mlp_in", [](const at::Tensor& x) { return x + 1; }},
        {"embed", [](const at::Tensor& x) { return x.flip(-1); }}}},
  };
  for (const auto& [name, edits] : cases) {
    EXPECT_LT(distance(logits(*model_, tokens_, edits), expected_.tensor(name)), 2e-5) << name;
  }
}

TEST_P(Edits, TheIdentityChangesNoBit) {
  const at::Tensor before = logits(*model_, tokens_);
  for (const std::string& site : names(*model_)) {
    const std::vector<Edit> edits = {{site, [](const at::Tensor& x) { return x; }}};
    EXPECT_TRUE(at::equal(logits(*model_, tokens_, edits), before)) << site;
    const std::vector<Edit> copies = {{site, [](const at::Tensor& x) { return x.clone(); }}};
    EXPECT_TRUE(at::equal(logits(*model_, tokens_, copies), before)) << site;
  }
}

// An edit without effect that carries a gradient: the differentiable pass from every site on.
TEST_P(Edits, BothEnginesAgreeFromEverySite) {
  const at::Tensor before = logits(*model_, tokens_);
  for (const std::string& site : names(*model_)) {
    const at::Tensor delta = at::zeros({32}).requires_grad_(true);
    const std::vector<Edit> edits = {{site, [&](const at::Tensor& x) { return x + delta; }}};
    const at::Tensor after = logits(*model_, tokens_, edits);
    EXPECT_TRUE(after.requires_grad()) << site;
    EXPECT_LT(distance(after, before), 2e-5) << site;
  }
}

TEST_P(Edits, GradientEqualsTransformers) {
  const at::Tensor delta = at::zeros({3, 11, 32}).requires_grad_(true);
  const std::vector<Edit> edits = {
      {"layers.0.attn_out", [&](const at::Tensor& x) { return x + delta; }}};
  (logits(*model_, tokens_, edits) * expected_.tensor("direction")).sum().backward();
  const at::Tensor wanted = expected_.tensor("gradient");
  EXPECT_LT(distance(delta.grad(), wanted), 1e-5 * wanted.abs().max().item<double>());
}

TEST(Edit, GradientEqualsFiniteDifferences) {
  const auto model = open(fixture("tiny"), "float64");
  const at::Tensor tokens = at::randint(97, {2, 7}, at::kLong);
  const at::Tensor direction = at::randn({2, 7, 97}, at::kDouble);
  for (const std::string& site : names(*model)) {
    const saffron::testing::GradientChecker checker(
        [&](const std::vector<at::Tensor>& delta) {
          const std::vector<Edit> edits = {
              {site, [&](const at::Tensor& x) { return x + delta[0]; }}};
          return (logits(*model, tokens, edits) * direction).sum();
        },
        {.step = 1e-3, .entries = 8});
    const auto report = checker.check({at::zeros({2, 7, 32}, at::kDouble)});
    EXPECT_TRUE(report.ok()) << site << ": " << report.text();
  }
}

TEST(Edit, TapsAreTakenAfterEditsAndEditsApplyInOrder) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {2, 5}, at::kLong);
  const std::vector<std::string> taps = {"layers.0.resid_post", "layers.1.resid_pre",
                                         "layers.0.mlp_out"};
  std::vector<std::string> calls;
  const auto make = [&](const char* site, double factor, double offset) {
    return Edit{site, [=, &calls](const at::Tensor& x) {
                  calls.emplace_back(site);
                  return at::zeros_like(x) + (x.mean() * 0 + x.flatten()[0] * factor + offset);
                }};
  };
  const std::vector<Edit> edits = {make("layers.0.resid_post", 0, 1),
                                   make("layers.0.resid_post", 3, 2),
                                   make("layers.1.resid_pre", 2, 0)};
  const saffron::RunResult result = model->run(tokens, taps, edits, false);
  EXPECT_TRUE(at::equal(result.taps[0], at::zeros_like(result.taps[0]) + 5));
  EXPECT_TRUE(at::equal(result.taps[1], at::zeros_like(result.taps[1]) + 10));
  EXPECT_EQ(calls, (std::vector<std::string>{"layers.0.resid_post", "layers.0.resid_post",
                                             "layers.1.resid_pre"}));
}

// What an edit is given is its own: later layers neither write to it nor to what it returns.
TEST(Edit, WhatAnEditSeesAndReturnsStays) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {2, 5}, at::kLong);
  for (const std::string& site : names(*model)) {
    at::Tensor seen, copy, returned = at::randn({2, 5, 32}), returned_copy = returned.clone();
    const std::vector<Edit> edits = {{site, [&](const at::Tensor& x) {
                                        seen = x;
                                        copy = x.clone();
                                        return returned;
                                      }}};
    const at::Tensor first = logits(*model, tokens, edits);
    EXPECT_TRUE(at::equal(seen, copy)) << site;
    EXPECT_TRUE(at::equal(returned, returned_copy)) << site;
    EXPECT_TRUE(at::equal(logits(*model, tokens, edits), first)) << site;
  }
}

TEST(Edit, NoGraphWithoutGradMode) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {2, 5}, at::kLong);
  const at::Tensor delta = at::zeros({32}).requires_grad_(true);
  const std::vector<std::string> taps = {"layers.1.mlp_in"};
  for (const auto& change : std::vector<std::function<at::Tensor(const at::Tensor&)>>{
           [&](const at::Tensor& x) { return x + delta; },
           [&](const at::Tensor& x) { return at::zeros_like(x).requires_grad_(true); }}) {
    const c10::AutoGradMode no_grad(false);
    const std::vector<Edit> edits = {{"layers.0.mlp_in", change}};
    const saffron::RunResult result = model->run(tokens, taps, edits, true);
    EXPECT_FALSE(result.logits.requires_grad());
    EXPECT_FALSE(result.taps[0].requires_grad());
  }
  EXPECT_FALSE(logits(*model, tokens).requires_grad());  // grad mode on, nothing to differentiate
}

TEST(Edit, AThrowingEditLeavesNothingBehind) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {2, 5}, at::kLong);
  const at::Tensor before = logits(*model, tokens);
  const std::vector<Edit> edits = {{"layers.1.resid_mid", [](const at::Tensor&) -> at::Tensor {
                                      throw std::runtime_error("no");
                                    }}};
  EXPECT_THROW((void)logits(*model, tokens, edits), std::runtime_error);
  EXPECT_TRUE(at::equal(logits(*model, tokens), before));
}

TEST(Edit, AWrongResultIsSaid) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {2, 5}, at::kLong);
  const auto run = [&](std::function<at::Tensor(const at::Tensor&)> change) {
    const std::vector<Edit> edits = {{"layers.1.mlp_in", std::move(change)}};
    return error_of([&] { (void)logits(*model, tokens, edits); });
  };
  EXPECT_THAT(run([](const at::Tensor& x) { return x.narrow(2, 0, 31); }),
              HasSubstr("the edit at layers.1.mlp_in returned Float [2, 5, 31] on cpu, "
                        "expected Float [2, 5, 32] on cpu"));
  EXPECT_THAT(run([](const at::Tensor& x) { return x.to(at::kDouble); }), HasSubstr("Double"));
  EXPECT_THAT(run([](const at::Tensor&) { return at::Tensor(); }), HasSubstr("no tensor"));
  const std::vector<Edit> edits = {{"layers.2.mlp_in", [](const at::Tensor& x) { return x; }}};
  EXPECT_THAT(error_of([&] { (void)logits(*model, tokens, edits); }),
              HasSubstr("has no site 'layers.2.mlp_in'"));
}

}  // namespace
}  // namespace llama_test
