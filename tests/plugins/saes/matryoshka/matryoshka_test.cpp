#include "plugins/saes/matryoshka/matryoshka.h"
#include "tests/plugins/saes/support/reference.h"

#include <saffron/error.h>

#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

using namespace saffron;
using plugins::Matryoshka;

namespace {

constexpr std::int64_t kD = 7, kWidth = 24, kK = 4;

Matryoshka::Options options_of() {
  Matryoshka::Options options;
  options.dictionary.width = kWidth;
  options.dead = {};
  options.selection.k.k = kK;
  options.groups = {3, 10, kWidth};
  return options;
}

// The sum over levels in plain autograd.
at::Tensor loss_of(Reference& want, const at::Tensor& x, const std::vector<std::int64_t>& widths,
                   const std::vector<double>& weights, bool selects = true,
                   const at::Tensor& compared_by = at::ones({kWidth}, at::kDouble)) {
  const at::Tensor a = want.pre(x);
  at::Tensor f = at::relu(a);
  if (selects) f = f * largest_of_batch(a * compared_by, kK * x.size(0));
  at::Tensor total;
  for (std::size_t j = 0; j < widths.size(); ++j) {
    const at::Tensor xhat =
        at::mm(f.slice(1, 0, widths[j]), want.leaf["W_dec"].slice(0, 0, widths[j])) +
        want.leaf["b_dec"];
    const at::Tensor term = mean_square(x - xhat) * (j < weights.size() ? weights[j] : 1.0);
    total = total.defined() ? total + term : term;
  }
  return total;
}

TEST(Matryoshka, GradientsEqualAutograd) {
  for (const bool zero_level : {false, true}) {
    Matryoshka::Options options = options_of();
    options.zero_level = zero_level;
    options.level_weight = 0.7;
    Matryoshka sae(options);
    SaeFixture fixture(sae, kD, 5);
    const SaeInput input = rows_of(6, kD);
    const auto got = fixture.gradients(sae, input);
    const Forward forward = sae.forward(input);
    const c10::AutoGradMode with_grad(true);
    Reference want(fixture);
    const std::vector<std::int64_t> widths = zero_level
                                                 ? std::vector<std::int64_t>{0, 3, 10, kWidth}
                                                 : std::vector<std::int64_t>{3, 10, kWidth};
    const at::Tensor loss =
        loss_of(want, input.inputs[0], widths, std::vector<double>(widths.size() - 1, 0.7));
    loss.backward();
    expect_gradients(got, want);
    const double whole = mean_square(input.inputs[0] - forward.reconstructions[0]).item<double>();
    ASSERT_EQ(forward.terms.size(), 1u);
    EXPECT_NEAR(whole + forward.terms[0].weight * forward.terms[0].value.item<double>(),
                loss.item<double>(), 1e-10);
  }
}

// dictionary_learning's group_weights; matryoshka-saes and saev select nothing, L1 stands beside them.
TEST(Matryoshka, LevelsOfOtherWeightsAndWithoutSelection) {
  for (const bool relu : {false, true}) {
    Matryoshka::Options options = options_of();
    options.level_weights = {0.3, 1.7};
    if (relu) options.activation = Matryoshka::Activation::relu;
    Matryoshka sae(options);
    SaeFixture fixture(sae, kD, 5);
    const SaeInput input = rows_of(6, kD);
    const auto got = fixture.gradients(sae, input);
    const Forward forward = sae.forward(input);
    const c10::AutoGradMode with_grad(true);
    Reference want(fixture);
    loss_of(want, input.inputs[0], {3, 10, kWidth}, {0.3, 1.7}, !relu).backward();
    expect_gradients(got, want);
    const auto most = forward.codes[0].l0().max().item<std::int64_t>();
    EXPECT_TRUE(!relu || most > 2 * kK) << most;
    EXPECT_EQ(sae.canonical().activation, relu ? "relu" : "jumprelu");
  }
}

// sae-lens: use_matryoshka_aux_loss. Two of the first level's latents are dead, none of the second's,
// nine of the third's, of which a row may use three. They compete as the living do.
class MatryoshkaAuxK : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(ByContribution, MatryoshkaAuxK, testing::Bool());

TEST_P(MatryoshkaAuxK, DeadLatentsOfALevelExplainItsOwnError) {
  constexpr std::int64_t kAuxK = 3;
  Matryoshka::Options options = options_of();
  options.dead = {.dead = DeadLatentOptions::Method::auxk,
                  .dead_after = 10,
                  .aux_coef = 0.25,
                  .aux_k = kAuxK,
                  .aux_scale = "raw",
                  .aux_in_proportion = true,
                  .aux_rectified = false};
  options.aux_by_level = true;
  options.by_contribution = GetParam();
  Matryoshka sae(options);
  SaeFixture fixture(sae, kD, 5);
  at::Tensor decoder = fixture.parameters["W_dec"];
  decoder.mul_((0.5 + Random(3).uniform_rows(0, kWidth, 1, at::kDouble)).pow(3));
  at::Tensor fired = fixture.buffers["last_fired"];
  fired.fill_(1000);
  fired.slice(0, 1, 3).fill_(0);
  fired.slice(0, 12, 21).fill_(0);
  SaeInput input = rows_of(6, kD);
  input.rows_seen = 1000;
  const auto got = fixture.gradients(sae, input);
  const Forward forward = sae.forward(input);

  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor x = input.inputs[0], a = want.pre(x);
  const at::Tensor by =
      GetParam() ? decoder.norm(2, at::IntArrayRef{1}) : at::ones({kWidth}, at::kDouble);
  const at::Tensor f = (at::relu(a) * largest_of_batch(a * by, kK * x.size(0))).detach();
  const at::Tensor W_dec = want.leaf["W_dec"];
  struct Level {
    std::int64_t width, first, last;  // dead latents: from first, before last
  };
  at::Tensor aux;
  for (const Level& level : {Level{3, 1, 3}, Level{kWidth, 12, 21}}) {
    const at::Tensor e = (x - at::mm(f.slice(1, 0, level.width), W_dec.slice(0, 0, level.width)) -
                          want.leaf["b_dec"])
                             .detach();
    const std::int64_t dead = level.last - level.first, k = std::min(kAuxK, dead);
    const at::Tensor own = a.slice(1, level.first, level.last);
    const at::Tensor index = std::get<1>((own * by.slice(0, level.first, level.last)).topk(k, 1));
    const at::Tensor best =
        at::zeros({x.size(0), dead}, at::kDouble).scatter(1, index, own.gather(1, index));
    const at::Tensor term = mean_square(e - at::mm(best, W_dec.slice(0, level.first, level.last)));
    const double share = std::min(1.0, static_cast<double>(dead) / kAuxK);
    aux = aux.defined() ? aux + share * term : share * term;
  }
  (loss_of(want, x, {3, 10, kWidth}, {1, 1}, true, by) + 0.25 * aux).backward();
  expect_gradients(got, want);
  ASSERT_EQ(forward.terms.size(), 2u);
  EXPECT_NEAR(forward.terms[1].weight * forward.terms[1].value.item<double>(),
              0.25 * aux.item<double>(), 1e-10);
}

TEST(Matryoshka, HasNoKWithoutSelection) {
  const auto taken = [](const char* json) {
    Matryoshka::Options options;
    Decoded decoded;
    Matryoshka::schema().decode(from_json(json, "test"), &options, decoded);
    return decoded.ok();
  };
  EXPECT_TRUE(taken(R"({"width": 24, "activation": "relu"})"));
  EXPECT_FALSE(taken(R"({"width": 24})"));  // k = 32
}

TEST(Matryoshka, RefusesWeightsOfOtherLevels) {
  const auto taken = [](const char* json) {
    Matryoshka::Options options;
    Decoded decoded;
    Matryoshka::schema().decode(from_json(json, "test"), &options, decoded);
    return decoded.ok();
  };
  EXPECT_TRUE(taken(R"({"width": 24, "k": 4, "groups": [3, 24], "level_weights": [0.5]})"));
  EXPECT_FALSE(taken(R"({"width": 24, "k": 4, "groups": [3, 24], "level_weights": [1.0, 1.0]})"));
  EXPECT_FALSE(taken(R"({"width": 24, "k": 4, "level_weights": [1.0], "prefix": "random"})"));
  EXPECT_FALSE(taken(R"({"width": 24, "k": 4, "groups": [3, 24], "level_weights": [-1.0]})"));
}

TEST(Matryoshka, RandomPrefixesFollowTheParetoLawOfTheStep) {
  Matryoshka::Options options = options_of();
  options.groups.clear();
  options.prefix = Matryoshka::Prefix::random;
  options.levels = 4;
  Matryoshka sae(options);
  SaeFixture fixture(sae, kD, 7);
  const SaeInput input = rows_of(8, kD);
  std::vector<std::int64_t> widths;
  const Random random = input.random.fork("prefixes");
  for (std::uint64_t j = 0; j < 3; ++j) {
    const double u = random.uniform(0, j), F = kWidth;
    widths.push_back(
        static_cast<std::int64_t>(std::pow(1 - u * (1 - std::pow(F, -0.5)), -1 / 0.5)));
    ASSERT_GE(widths.back(), 1);
    ASSERT_LE(widths.back(), kWidth);
  }
  std::sort(widths.begin(), widths.end());
  // Widths below F that are drawn twice count twice, as F does in the reference only once.
  ASSERT_LT(widths.back(), kWidth);
  widths.push_back(kWidth);
  const auto got = fixture.gradients(sae, input);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  loss_of(want, input.inputs[0], widths, {}).backward();
  expect_gradients(got, want);
}

TEST(Matryoshka, DefaultGroupsHalveTheWidth) {
  Matryoshka::Options options = options_of();
  options.groups.clear();
  options.dictionary.width = 64;
  Matryoshka sae(options);
  SaeFixture fixture(sae, kD, 9);
  const Value widths = sae.canonical().extra.at("matryoshka_widths");
  std::vector<std::int64_t> found;
  for (const Value& width : widths.as_list()) found.push_back(width.as_int());
  EXPECT_EQ(found, (std::vector<std::int64_t>{4, 8, 16, 32, 64}));
}

TEST(Matryoshka, RefusesGroupsThatDoNotNest) {
  for (const char* groups : {"[3, 10]", "[10, 3, 24]", "[0, 24]"}) {
    Matryoshka::Options options;
    Decoded decoded;
    Matryoshka::schema().decode(
        from_json(cat(R"({"width": 24, "k": 4, "groups": )", groups, "}"), "test"), &options,
        decoded);
    EXPECT_FALSE(decoded.ok()) << groups;
  }
}

}  // namespace
