#include "plugins/sources/planted/planted.h"

#include <saffron/error.h>
#include <saffron/testing/fake_context.h>

#include <gtest/gtest.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <vector>

namespace saffron::plugins {
namespace {

using Options = PlantedSource::Options;

const std::vector<Options> kAll = {
    {.generator = Kind::flat, .block_rows = 300},
    {.generator = Kind::flat, .semantics = Semantics::as_published, .block_rows = 300},
    {.generator = Kind::correlated, .block_rows = 300},
    {.generator = Kind::correlated, .semantics = Semantics::as_published, .block_rows = 300},
    {.generator = Kind::uncorrelated, .block_rows = 300},
    {.generator = Kind::grouped, .block_rows = 300},
    {.generator = Kind::grouped, .semantics = Semantics::as_published, .block_rows = 300}};

at::Tensor rows(const Options& options, std::int64_t block, std::uint64_t seed = 1) {
  const testing::FakeContext context(seed);
  return PlantedSource(options, context).block(block).streams.at(0);
}

TEST(Planted, RowsAreSumsOfTheFeatures) {
  for (const Options& options : kAll) {
    const testing::FakeContext context;
    PlantedSource source(options, context);
    const at::Tensor f = source.features(0);
    EXPECT_EQ(f.sizes(), (at::IntArrayRef{512, 256}));
    EXPECT_TRUE(f.norm(2, at::IntArrayRef{1}).allclose(at::ones({512}), 1e-5, 1e-5));
    const ActivationRows x = source.block(3);
    ASSERT_EQ(x.streams.size(), 1u);
    EXPECT_FALSE(x.origin.defined());
    EXPECT_TRUE(x.streams[0].allclose(at::mm(source.coefficients(3), f), 1e-4, 1e-5));
  }
}

TEST(Planted, BlocksArePure) {
  for (const Options& options : kAll) {
    const testing::FakeContext context;
    PlantedSource source(options, context);
    const at::Tensor later = source.block(7).streams[0], earlier = source.block(2).streams[0];
    EXPECT_TRUE(at::equal(source.block(7).streams[0], later));
    EXPECT_TRUE(at::equal(rows(options, 2), earlier));
    EXPECT_FALSE(at::equal(earlier, later));
    EXPECT_FALSE(at::equal(rows(options, 2, 9), earlier));  // another seed, other rows
  }
}

// Features, strengths and supports are functions of the row's number, not of its block.
TEST(Planted, RowsDoNotDependOnTheBlockSize) {
  for (Options options : kAll) {
    if (options.generator == Kind::correlated && options.semantics == Semantics::as_published) {
      options.shared_rows = 300;
    }
    const at::Tensor whole = rows(options, 1);
    options.block_rows = 100;
    const at::Tensor part = rows(options, 4);
    EXPECT_TRUE(part.allclose(whole.slice(0, 100, 200), 1e-5, 1e-6));
  }
}

TEST(Planted, BlocksDoNotDependOnTheNumberOfThreads) {
  const int before = at::get_num_threads();
  for (Options options : kAll) {
    options.block_rows = 700;
    at::set_num_threads(1);
    const at::Tensor one = rows(options, 1);
    at::set_num_threads(3);
    EXPECT_TRUE(at::equal(rows(options, 1), one));
  }
  at::set_num_threads(before);
}

TEST(Planted, SaysWhatItIs) {
  const testing::FakeContext context(1, at::kDouble);
  PlantedSource source({.width = 64, .block_rows = 10}, context);
  ASSERT_EQ(source.streams().size(), 1u);
  EXPECT_EQ(source.streams()[0].name, "x");
  EXPECT_EQ(source.streams()[0].width, 64);
  EXPECT_EQ(source.info().blocks, kEndless);
  EXPECT_EQ(source.rows_of(12345), 10);
  EXPECT_FALSE(source.info().ordered);
  EXPECT_EQ(source.info().description, "flat features as intended: 512 in 64 dimensions, 5 active");
  EXPECT_EQ(source.block(0).streams[0].scalar_type(), at::kDouble);
}

TEST(Planted, NoiseHasItsDeviation) {
  Options options{.block_rows = 1000};
  const at::Tensor clean = rows(options, 1);
  options.noise = 0.25;
  const at::Tensor noise = rows(options, 1) - clean;
  EXPECT_NEAR(noise.mean().item<double>(), 0, 5 * 0.25 / 506);
  EXPECT_NEAR(noise.std().item<double>(), 0.25, 0.002);
}

TEST(Planted, ControlHasTheSameMeanAndDeviation) {
  Options options{.semantics = Semantics::as_published, .block_rows = 2000};
  const at::Tensor planted = rows(options, 0);
  options.gaussian_control = true;
  const testing::FakeContext context;
  PlantedSource source(options, context);
  const at::Tensor control = source.block(0).streams[0];
  EXPECT_NEAR(control.std().item<double>(), planted.std().item<double>(),
              0.02 * planted.std().item<double>());
  EXPECT_NEAR(control.mean().item<double>(), planted.mean().item<double>(), 0.002);
  // Kurtosis tells them apart: that of a Gaussian is 3, sparse sums have heavier tails.
  const auto kurtosis = [](const at::Tensor& x) {
    const at::Tensor z = (x - x.mean()) / x.std();
    return z.pow(4).mean().item<double>();
  };
  EXPECT_NEAR(kurtosis(control), 3, 0.05);
  EXPECT_GT(kurtosis(planted), 3.3);
  EXPECT_THROW((void)source.coefficients(0), Error);
  EXPECT_THROW((void)source.features(0), Error);
}

std::vector<std::string> problems(const char* json) {
  Options options;
  Decoded decoded;
  PlantedSource::schema().decode(from_json(json, "test"), &options, decoded);
  std::vector<std::string> messages;
  for (const Problem& problem : decoded.problems) messages.push_back(problem.message);
  return messages;
}

TEST(Planted, SchemaRefusesWhatCannotBe) {
  EXPECT_TRUE(problems("{}").empty());
  EXPECT_TRUE(problems(R"({"generator": "grouped", "active": 42})").empty());
  EXPECT_TRUE(problems(R"({"generator": "correlated", "semantics": "as_published",
                           "shared_rows": 256})")
                  .empty());
  for (const char* bad :
       {R"({"generator": "flat_earth"})", R"({"active": 513})", R"({"active": 0})",
        R"({"decay": 0})", R"({"generator": "grouped", "active": 43})",
        R"({"generator": "grouped", "active": 2.5})", R"({"generator": "grouped", "groups": 513})",
        R"({"shared_rows": 4})",
        R"({"generator": "flat", "semantics": "as_published", "shared_rows": 4})",
        R"({"block_rows": 0})", R"({"noise": -1})", R"({"width": 2147483648})",
        R"({"features": 2147483648})", R"({"block_rows": 2147483648})",
        R"({"block_rows": 1000000000})"}) {
    EXPECT_EQ(problems(bad).size(), 1u) << bad;
  }
}

TEST(Planted, RefusesBlocksAndStreamsThatAreNot) {
  const testing::FakeContext context;
  PlantedSource source({.block_rows = 4}, context);
  EXPECT_THROW((void)source.block(-1), Error);
  EXPECT_THROW((void)source.coefficients(-1), Error);
  EXPECT_THROW((void)source.features(1), Error);
}

}  // namespace
}  // namespace saffron::plugins
