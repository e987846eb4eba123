#include "tests/plugins/sources/activations/support.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

namespace saffron::source_test {
namespace {

using testing::HasSubstr;

// 103 rows of two streams in three files.
struct Files : testing::Test {
  Files() {
    write_part("b.safetensors", 40, 23);
    write_part("a.safetensors", 0, 40);
    write_part("c.safetensors", 63, 40);
    bench.options.block_rows = 16;
  }
  void write_part(const std::string& name, std::int64_t first, std::int64_t count) const {
    bench.write(name,
                {{"resid", counted(first, count, 5)}, {"mlp", counted(first, count, 3) + 0.5}});
  }
  Bench bench;
};

TEST_F(Files, StreamsAreTheTensorsByName) {
  const auto source = bench.make();
  ASSERT_EQ(source->streams().size(), 2u);
  EXPECT_EQ(source->streams()[0].name, "mlp");
  EXPECT_EQ(source->streams()[0].width, 3);
  EXPECT_EQ(source->streams()[1].name, "resid");
  EXPECT_EQ(source->info().blocks, 7);
  EXPECT_EQ(source->info().block_rows, 16);
  EXPECT_FALSE(source->info().ordered);
  EXPECT_EQ(source->info().description, "3 files, 103 rows, 0.0 MB");
}

TEST_F(Files, BlocksHoldEveryRowOnceAndFromAllFiles) {
  const auto source = bench.make();
  std::vector<std::int64_t> seen;
  for (std::int64_t i = 0; i < 7; ++i) {
    const ActivationRows rows = source->block(i);
    EXPECT_EQ(rows.streams[1].size(0), source->rows_of(i));
    EXPECT_FALSE(rows.origin.defined());
    for (std::int64_t r = 0; r < rows.streams[1].size(0); ++r) {
      const std::int64_t row = row_of(rows.streams[1][r]);
      seen.push_back(row);
      EXPECT_TRUE(identical(rows.streams[1][r], counted(row, 1, 5)[0]));
      EXPECT_TRUE(identical(rows.streams[0][r], counted(row, 1, 3)[0] + 0.5));  // the same event
    }
  }
  EXPECT_EQ(source->rows_of(6), 7);
  // Shuffled over all files, not within one.
  const auto [low, high] = std::minmax_element(seen.begin(), seen.begin() + 16);
  EXPECT_LT(*low, 40);
  EXPECT_GE(*high, 63);
  EXPECT_FALSE(std::is_sorted(seen.begin(), seen.end()));
  std::sort(seen.begin(), seen.end());
  ASSERT_EQ(seen.size(), 103u);
  for (std::int64_t r = 0; r < 103; ++r) EXPECT_EQ(seen[static_cast<std::size_t>(r)], r);
}

TEST_F(Files, ABlockIsTheSameInAnyOrderAndTwice) {
  bench.options.centre = Centring::mean;
  const auto forwards = bench.make(), backwards = bench.make();
  std::vector<at::Tensor> first;
  for (std::int64_t i = 0; i < 7; ++i) first.push_back(forwards->block(i).streams[1]);
  for (std::int64_t i = 6; i >= 0; --i) {
    EXPECT_TRUE(identical(backwards->block(i).streams[1], first[static_cast<std::size_t>(i)]));
    EXPECT_TRUE(identical(forwards->block(i).streams[1], first[static_cast<std::size_t>(i)]));
  }
}

TEST_F(Files, TheOrderFollowsTheSeed) {
  const at::Tensor first = bench.make()->block(0).streams[0];
  bench.context.key = 8;
  EXPECT_FALSE(identical(bench.make()->block(0).streams[0], first));
}

// The order is that of all rows, wherever a file ends.
TEST_F(Files, TheOrderDoesNotDependOnTheFiles) {
  const auto in_three = bench.make();
  Bench other;
  other.write("all.safetensors",
              {{"resid", counted(0, 103, 5)}, {"mlp", counted(0, 103, 3) + 0.5}});
  other.options.block_rows = 16;
  const auto in_one = other.make();
  for (std::int64_t i = 0; i < 7; ++i) {
    EXPECT_TRUE(identical(in_three->block(i).streams[0], in_one->block(i).streams[0]));
  }
}

TEST_F(Files, WithoutShuffleRowsFollowTheFilesByName) {
  bench.options.shuffle = false;
  const auto source = bench.make();
  EXPECT_TRUE(identical(source->block(2).streams[1], counted(32, 16, 5)));
  EXPECT_TRUE(identical(source->block(6).streams[1], counted(96, 7, 5)));
}

TEST_F(Files, StreamsAreChosenInTheirOrder) {
  bench.options.streams = {"resid", "mlp"};
  EXPECT_EQ(bench.make()->streams()[0].name, "resid");
  bench.options.streams = {"resid"};
  const auto source = bench.make();
  ASSERT_EQ(source->streams().size(), 1u);
  EXPECT_EQ(source->block(0).streams[0].size(1), 5);
}

TEST_F(Files, AnIndexSaysWhichFilesAreMeant) {
  bench.options.shuffle = false;
  const std::string index = (bench.folder / "index.json").string();
  write_file_atomic(index, R"({"format": "saffron-activations/1",
                               "files": ["c.safetensors", "a.safetensors"], "rows": 80})");
  const auto source = bench.make();
  EXPECT_EQ(source->info().description, "2 files, 80 rows, 0.0 MB");
  EXPECT_TRUE(identical(source->block(0).streams[1], counted(63, 16, 5)));
  write_file_atomic(index, R"({"weight_map": {}})");  // an index of something else
  EXPECT_EQ(bench.make()->info().description, "3 files, 103 rows, 0.0 MB");
}

TEST_F(Files, APatternOrOneFileWillDo) {
  bench.options.path.value = (bench.folder / "[ac].safetensors").string();
  EXPECT_EQ(bench.make()->info().description, "2 files, 80 rows, 0.0 MB");
  bench.options.path.value = (bench.folder / "b.safetensors").string();
  EXPECT_EQ(bench.make()->info().description, "1 file, 23 rows, 0.0 MB");
}

TEST_F(Files, CentreAndScaleAreThoseOfTheRows) {
  bench.options.centre = Centring::mean;
  bench.options.scale = Scaling::sqrt_d;
  bench.options.normalise_rows = 1000;  // more than there are: all of them
  const auto source = bench.make();
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < 7; ++i) parts.push_back(source->block(i).streams[1]);
  const at::Tensor x = at::cat(parts).to(at::kDouble);
  EXPECT_LT(x.mean(0).abs().max().item<double>(), 1e-5);
  EXPECT_NEAR(x.norm(2, 1).mean().item<double>(), std::sqrt(5.0), 1e-5);

  const at::Tensor raw = counted(0, 103, 5, at::kDouble);
  const at::Tensor mean = raw.mean(0);
  const State state = source->save();
  EXPECT_TRUE(at::allclose(state.tensors["resid/mean"], mean, 1e-12));
  EXPECT_NEAR(state.values.at("resid").at("scale").as_real(),
              std::sqrt(5.0) / (raw - mean).norm(2, 1).mean().item<double>(), 1e-9);
  EXPECT_EQ(state.values.at("mlp").at("rows").as_int(), 103);

  // Whoever writes weights may ask before any block was made, as when training came from the cache.
  const auto asked = bench.make();
  const Normalisation& said = dynamic_cast<const Normalised&>(*asked).normalisation(1);
  EXPECT_TRUE(at::equal(said.mean, state.tensors["resid/mean"]));
  EXPECT_EQ(said.scale, state.values.at("resid").at("scale").as_real());

  bench.options.normalise_rows = 20;
  const auto sampled = bench.make();
  (void)sampled->block(0);
  EXPECT_EQ(sampled->save().values.at("resid").at("rows").as_int(), 20);
}

TEST_F(Files, BlocksOutsideTheRangeAreRefused) {
  const auto source = bench.make();
  for (const std::int64_t index : {-1, 7}) {
    EXPECT_EQ(caught([&] { (void)source->block(index); }).message(),
              cat("there is no block ", index, ": the source has 7"));
  }
}

TEST(ActivationOrigin, ThreeDimensionsSayContextAndPosition) {
  Bench bench;
  bench.write("0.safetensors", {{"x", counted(0, 12, 2).view({3, 4, 2})}});
  bench.write("1.safetensors", {{"x", counted(12, 8, 2).view({2, 4, 2})}});
  const ActivationRows shuffled = bench.make()->block(0);
  for (std::int64_t r = 0; r < 20; ++r) {
    const std::int64_t row = row_of(shuffled.streams[0][r]);
    EXPECT_EQ(shuffled.origin[r][0].item<std::int64_t>(), row / 4);
    EXPECT_EQ(shuffled.origin[r][1].item<std::int64_t>(), row % 4);
  }
  bench.options.shuffle = false;
  bench.options.block_rows = 11;
  const auto source = bench.make();
  EXPECT_TRUE(source->info().ordered);
  EXPECT_EQ(source->info().block_rows, 8);  // whole contexts
  EXPECT_TRUE(identical(source->block(1).streams[0], counted(8, 8, 2)));
}

TEST(ActivationOrigin, ATensorSaysIt) {
  Bench bench;
  const at::Tensor origin = at::arange(12, at::kLong).view({6, 2});
  bench.write("0.safetensors", {{"x", counted(0, 6, 2)}, {"origin", origin}});
  const ActivationRows rows = bench.make()->block(0);
  for (std::int64_t r = 0; r < 6; ++r) {
    EXPECT_EQ(rows.origin[r][0].item<std::int64_t>(), 2 * row_of(rows.streams[0][r]));
  }
}

TEST(ActivationOrigin, TokensOfAsManyEntriesSayIt) {
  Bench bench;
  const at::Tensor tokens = at::ones({3, 4}, at::kInt);
  bench.write("0.safetensors", {{"x", counted(0, 12, 2)}, {"tokens", tokens}});
  bench.options.shuffle = false;
  const ActivationRows rows = bench.make()->block(0);
  EXPECT_EQ(rows.origin[7][0].item<std::int64_t>(), 1);
  EXPECT_EQ(rows.origin[7][1].item<std::int64_t>(), 3);
  bench.write("0.safetensors", {{"x", counted(0, 9, 2)}, {"tokens", tokens}});
  EXPECT_FALSE(bench.make()->block(0).origin.defined());
}

TEST(ActivationSchema, DecodesAndChecks) {
  Value config = Value::table();
  config.set("path", "acts");
  config.set("centre", "mean");
  Decoded decoded;
  Activations::Options options;
  Activations::schema().decode(config, &options, decoded);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded.hashed_files, std::vector<std::string>{"acts"});
  EXPECT_EQ(options.centre, Centring::mean);
  EXPECT_TRUE(options.shuffle);
  config.set("streams", Value(Value::List{"x", "x"}));
  Decoded twice;
  Activations::schema().decode(config, &options, twice);
  ASSERT_EQ(twice.problems.size(), 1u);
  EXPECT_THAT(twice.problems[0].message, HasSubstr("streams names one of them twice"));
}

}  // namespace
}  // namespace saffron::source_test
