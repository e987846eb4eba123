#include "plugins/sources/synth_sae_bench/normal_table.h"
#include "plugins/sources/synth_sae_bench/row_draws.h"
#include "support.h"

#include <saffron/error.h>
#include <saffron/value.h>

#include <gtest/gtest.h>

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <cstdint>
#include <string>

// What holds for every row: purity, the hierarchy's rules, x = a E + b; and what is refused.

namespace saffron::plugins::synth {
namespace {

// The small one, one without correlation, one without trees, a group that is not full, and one with
// many certain children.
std::vector<Options> kinds() {
  std::vector<Options> all(5, small());
  all[1].correlation.rank = 0;
  all[2].hierarchy.roots = 0;
  all[3].features = 53;
  all[4].firing = {.exponent = 0.1, .maximum = 1, .minimum = 0.9};
  return all;
}

at::Tensor rows(const Options& options, std::int64_t block, std::uint64_t seed = 1) {
  const testing::FakeContext context(seed);
  return SynthSaeBench(options, context).block(block).streams.at(0);
}

TEST(SynthRows, BlocksArePure) {
  for (const Options& o : kinds()) {
    const testing::FakeContext context;
    SynthSaeBench source(o, context);
    const at::Tensor later = source.block(7).streams[0], earlier = source.block(2).streams[0];
    EXPECT_TRUE(at::equal(source.block(7).streams[0], later));
    EXPECT_TRUE(at::equal(rows(o, 2), earlier));
    EXPECT_FALSE(at::equal(earlier, later));
    EXPECT_FALSE(at::equal(rows(o, 2, 9), earlier));
  }
}

// To the bit: a row is a function of its number, wherever its block begins.
TEST(SynthRows, DoNotDependOnTheBlockSize) {
  for (Options o : kinds()) {
    o.block_rows = 300;
    const at::Tensor whole = rows(o, 1);
    o.block_rows = 50;
    EXPECT_TRUE(at::equal(rows(o, 8), whole.slice(0, 100, 150)));
    o.block_rows = 1;
    EXPECT_TRUE(at::equal(rows(o, 599), whole.slice(0, 299, 300)));
  }
}

TEST(SynthRows, DoNotDependOnTheNumberOfThreads) {
  const int before = at::get_num_threads();
  for (Options o : kinds()) {
    for (const std::int64_t count : {7, 700}) {
      o.block_rows = count;
      at::set_num_threads(1);
      const at::Tensor one = rows(o, 1);
      at::set_num_threads(3);
      EXPECT_TRUE(at::equal(rows(o, 1), one));
    }
  }
  at::set_num_threads(before);
}

TEST(SynthRows, AreSumsOfTheFeatures) {
  for (const Options& o : kinds()) {
    const testing::FakeContext context;
    SynthSaeBench source(o, context);
    const at::Tensor e = source.features(0), b = source.bias();
    EXPECT_EQ(e.sizes(), (at::IntArrayRef{o.features, o.width}));
    EXPECT_TRUE(e.norm(2, at::IntArrayRef{1}).allclose(at::ones({o.features}), 1e-5, 1e-5));
    EXPECT_NEAR(b.norm().item<double>(), 0.5, 1e-6);
    const ActivationRows x = source.block(3);
    ASSERT_EQ(x.streams.size(), 1u);
    EXPECT_FALSE(x.origin.defined());
    const at::Tensor a = source.coefficients(3);
    EXPECT_EQ(a.sizes(), (at::IntArrayRef{256, o.features}));
    EXPECT_GE(a.min().item<double>(), 0);
    EXPECT_TRUE(x.streams[0].allclose(at::mm(a, e) + b, 1e-4, 1e-4));
  }
}

TEST(SynthRows, CodesAscend) {
  const testing::FakeContext context;
  const SynthSaeBench source(small(), context);
  const Codes codes = source.codes(0);
  const auto* offset = codes.offsets().const_data_ptr<std::int32_t>();
  const auto* feature = codes.indices().const_data_ptr<std::int32_t>();
  EXPECT_EQ(offset[codes.rows()], codes.indices().numel());
  EXPECT_EQ(codes.overflow().item<std::int32_t>(), 0);
  for (std::int64_t r = 0; r < codes.rows(); ++r) {
    for (std::int32_t i = offset[r] + 1; i < offset[r + 1]; ++i) {
      EXPECT_LT(feature[i - 1], feature[i]);
    }
  }
}

TEST(SynthRows, ChildrenNeedTheirParentAndSiblingsExclude) {
  for (const Options& o : kinds()) {
    const at::Tensor active = coefficients(o, 4000) > 0;
    const FeatureModel model = model_of(o);
    bool together = false;
    for (std::size_t p = 0; p < model.exclusive.size(); ++p) {
      const auto parent = static_cast<std::int64_t>(p);
      const std::int64_t first = o.hierarchy.first_child(parent);
      const at::Tensor children = active.slice(1, first, first + 3).sum(1);
      EXPECT_GT(children.sum().item<std::int64_t>(), 0);
      const at::Tensor orphans = (children > 0).logical_and(active.select(1, parent).logical_not());
      EXPECT_FALSE(orphans.any().item<bool>());
      const bool several = children.max().item<std::int64_t>() > 1;
      EXPECT_FALSE(several && model.exclusive[p] != 0);
      together = together || several;
    }
    EXPECT_EQ(together, o.hierarchy.roots > 0);
  }
}

// A probability of 1 means always, whatever the copula adds: only magnitudes are cut at 0 then.
TEST(SynthRows, CertainFeaturesAlwaysFire) {
  Options o = small();
  o.firing = {.exponent = 1, .maximum = 1, .minimum = 1};
  o.magnitude.deviation = o.magnitude.deviation_spread = 0;
  o.hierarchy.exclusive = 0;
  EXPECT_EQ((coefficients(o, 500) > 0).sum(1).min().item<std::int64_t>(), 60);
}

TEST(SynthRows, TableDecidesAsPhiDoes) {
  const NormalTable table;
  RowDraws draws(5, 0);
  for (int i = 0; i < 200'000; ++i) {
    const auto y = static_cast<float>(3 * draws.normal());
    const double phi = normal_cdf(y);
    const double u = draws.uniform() * (i % 2 == 0 ? 1 : 2 * phi);  // half of them near Phi
    ASSERT_EQ(table.below(u, y), u < phi) << y;
    ASSERT_GE(table.bound(y).probability, phi) << y;
    ASSERT_NEAR(-std::expm1(-table.bound(y).hazard), table.bound(y).probability, 1e-14) << y;
    ASSERT_LE(table.bound(y).probability, normal_cdf(std::max(y, -8.0f) + 0.0626) + 1e-15) << y;
  }
  for (const float y : {-400.0f, -8.0f, 7.99f, 8.0f, 400.0f}) {
    EXPECT_GE(table.bound(y).probability, normal_cdf(y));
    EXPECT_GT(table.bound(y).hazard, 0);
    EXPECT_EQ(table.below(0x1p-33, y), y > -6.3f);
    EXPECT_EQ(table.below(1 - 0x1p-33, y), y > 6.3f);
  }
}

TEST(SynthRows, DrawsAreUniformAndNormal) {
  const int n = 100'000;
  double uniform = 0, exponential = 0, normal = 0, square = 0, neighbours = 0, last = 0;
  for (int r = 0; r < n / 10; ++r) {
    RowDraws draws(11, static_cast<std::uint64_t>(r));
    for (int i = 0; i < 10; ++i) {
      uniform += draws.uniform();
      exponential += draws.exponential();
      const double x = draws.normal();
      normal += x;
      square += x * x;
      neighbours += x * last;
      last = x;
    }
  }
  expect_within(uniform / n, 0.5, std::sqrt(1 / 12.0 / n));
  expect_within(exponential / n, 1, std::sqrt(1.0 / n));
  expect_within(normal / n, 0, std::sqrt(1.0 / n));
  expect_within(square / n, 1, std::sqrt(2.0 / n));
  expect_within(neighbours / n, 0, std::sqrt(1.0 / n));
}

TEST(SynthRows, SaysWhatItIs) {
  const testing::FakeContext context(1, at::kDouble);
  SynthSaeBench source(small(), context);
  ASSERT_EQ(source.streams().size(), 1u);
  EXPECT_EQ(source.streams()[0].name, "x");
  EXPECT_EQ(source.streams()[0].width, 24);
  EXPECT_EQ(source.info().blocks, kEndless);
  EXPECT_EQ(source.rows_of(12345), 256);
  EXPECT_EQ(source.info().description,
            "60 features in 24 dimensions, 52 of them in 4 trees, correlated with rank 3; model "
            "seed 42");
  EXPECT_EQ(source.block(0).streams[0].scalar_type(), at::kDouble);
}

std::vector<std::string> problems(const char* json) {
  Options options;
  Decoded decoded;
  SynthSaeBench::schema().decode(from_json(json, "test"), &options, decoded);
  std::vector<std::string> messages;
  for (const Problem& problem : decoded.problems) messages.push_back(problem.message);
  return messages;
}

TEST(SynthRows, SchemaRefusesWhatCannotBe) {
  for (const char* good :
       {"{}", R"({"features": 10880})", R"({"features": 100, "hierarchy": {"roots": 0}})",
        R"({"correlation": {"rank": 0}, "orthogonalization": {"steps": 0}})",
        R"({"firing": {"maximum": 1, "minimum": 1}})"}) {
    EXPECT_TRUE(problems(good).empty()) << good;
  }
  for (const char* bad : {R"({"features": 10879})",
                          R"({"features": 0})",
                          R"({"features": 2147483648})",
                          R"({"width": 0})",
                          R"({"block_rows": 0})",
                          R"({"block_rows": 200000})",
                          R"({"bias": -1})",
                          R"({"model_seed": -1})",
                          R"({"firing": {"exponent": 0}})",
                          R"({"firing": {"maximum": 1.1}})",
                          R"({"firing": {"minimum": 0}})",
                          R"({"firing": {"minimum": 0.5}})",
                          R"({"hierarchy": {"branching": 1}})",
                          R"({"hierarchy": {"depth": 0}})",
                          R"({"hierarchy": {"depth": 30}})",
                          R"({"hierarchy": {"roots": 2147483647, "branching": 2147483647}})",
                          R"({"hierarchy": {"exclusive": 1.5}})",
                          R"({"hierarchy": {"exclusive_from": -1}})",
                          R"({"correlation": {"rank": -1}})",
                          R"({"correlation": {"scale": -0.1}})",
                          R"({"orthogonalization": {"lr": 0}})",
                          R"({"orthogonalization": {"steps": -1}})",
                          R"({"magnitude": {"first": 0}})",
                          R"({"magnitude": {"deviation_spread": -1}})",
                          R"({"hierarchy": {"trees": 3}})"}) {
    EXPECT_EQ(problems(bad).size(), 1u) << bad;
  }
  EXPECT_EQ(problems(R"({"features": 10879})").at(0),
            "a hierarchy of 128 trees with 4 children a node down to depth 3 has more nodes than "
            "the 10879 features there are");
}

TEST(SynthRows, RefusesBlocksAndStreamsThatAreNot) {
  const testing::FakeContext context;
  SynthSaeBench source(small(), context);
  EXPECT_THROW((void)source.block(-1), Error);
  EXPECT_THROW((void)source.coefficients(-1), Error);
  EXPECT_THROW((void)source.features(1), Error);
}

}  // namespace
}  // namespace saffron::plugins::synth
