#include "tests/plugins/sources/model_activations/support.h"

#include <saffron/plugin.h>

#include <gmock/gmock.h>

namespace saffron::source_test {
namespace {

using testing::HasSubstr;

TEST(ModelActivations, ConstructionAsksForNoTokensAndNoActivations) {
  const Bench bench;
  const auto source = bench.make();
  ASSERT_EQ(source->streams().size(), 2u);
  EXPECT_EQ(source->streams()[0].name, "layers.0.resid_post");
  EXPECT_EQ(source->streams()[1].width, 6);
  EXPECT_EQ(bench.model->runs, 0);
  EXPECT_EQ(bench.dataset->info_calls, 0);
}

TEST(ModelActivations, BlocksAreWholeContextsInOrder) {
  const Bench bench;
  const auto source = bench.make();
  EXPECT_EQ(source->info().blocks, 3);
  EXPECT_EQ(source->info().block_rows, 20);  // 4 contexts of 6 tokens, the first one dropped
  EXPECT_TRUE(source->info().ordered);
  EXPECT_THAT(source->info().description, HasSubstr("Fake (exact) over 10 contexts of 6 tokens"));
  for (const auto& [block, contexts] : {std::pair{0, 4}, {1, 4}, {2, 2}}) {
    const ActivationRows rows = source->block(block);
    EXPECT_EQ(source->rows_of(block), 5 * contexts);
    ASSERT_EQ(rows.origin.size(0), 5 * contexts);
    for (std::int64_t r = 0; r < rows.origin.size(0); ++r) {
      EXPECT_EQ(rows.origin[r][0].item<std::int64_t>(), 4 * block + r / 5);
      EXPECT_EQ(rows.origin[r][1].item<std::int64_t>(), 1 + r % 5);
    }
    expect_raw(bench, rows);
  }
  EXPECT_EQ(bench.model->largest_batch, 3);
  EXPECT_EQ(bench.context.last, "activations of Fake (exact) 2/2");
}

TEST(ModelActivations, ABlockIsTheSameInAnyOrderAndTwice) {
  Bench bench;
  bench.options.centre = Centring::mean;
  bench.options.scale = Scaling::sqrt_d;
  bench.options.normalise_contexts = 3;
  const auto forwards = bench.make(), backwards = bench.make();
  std::vector<ActivationRows> first;
  for (std::int64_t i = 0; i < 3; ++i) first.push_back(forwards->block(i));
  for (std::int64_t i = 2; i >= 0; --i) {
    EXPECT_TRUE(identical(backwards->block(i), first[static_cast<std::size_t>(i)])) << i;
    EXPECT_TRUE(identical(forwards->block(i), first[static_cast<std::size_t>(i)])) << i;
  }
}

TEST(ModelActivations, SkipFirstSaysWhereContextsBegin) {
  Bench bench;
  for (const std::int64_t skip : {0, 2, 5}) {
    bench.options.skip_first = skip;
    const auto source = bench.make();
    EXPECT_EQ(source->first_position(), skip);
    const ActivationRows rows = source->block(0);
    EXPECT_EQ(rows.origin.size(0), 4 * (6 - skip));
    EXPECT_EQ(rows.origin[0][1].item<std::int64_t>(), skip);
    expect_raw(bench, rows);
  }
  bench.options.skip_first = 6;
  const Error error = caught([&] { (void)bench.make()->info(); });
  EXPECT_EQ(error.message(),
            "skip_first = 6 leaves nothing of the 6 tokens of each context of dataset 'text'");
}

TEST(ModelActivations, RowsAreInTheRecipesDtype) {
  Bench bench;
  bench.context.type = at::kDouble;
  EXPECT_EQ(bench.make()->block(0).streams[0].scalar_type(), at::kDouble);
  bench.context.type = at::kFloat;
  bench.model->dtype = at::kDouble;
  const ActivationRows rows = bench.make()->block(0);
  EXPECT_EQ(rows.streams[0].scalar_type(), at::kFloat);
  expect_raw(bench, rows);
}

TEST(ModelActivations, LowerPrecisionRoundsWithOrWithoutCache) {
  Bench bench;
  bench.model->gain = 0.37;
  const at::Tensor full = bench.make()->block(0).streams[0];
  bench.options.dtype = ModelActivations::Precision::bfloat16;
  const at::Tensor rounded = bench.make()->block(0).streams[0];
  EXPECT_TRUE(identical(rounded, full.to(at::kBFloat16).to(at::kFloat)));
  EXPECT_FALSE(identical(rounded, full));
  const TemporaryFolder folder;
  bench.options.cache.value = folder.path().string();
  for (int time = 0; time < 2; ++time) {
    EXPECT_TRUE(identical(bench.make()->block(0).streams[0], rounded)) << time;
  }
}

TEST(ModelActivations, UnknownAndRepeatedSitesAreRefusedWithASuggestion) {
  Bench bench;
  bench.options.sites = {"layers.0.resid_pots"};
  Error error = caught([&] { (void)bench.make(); });
  EXPECT_EQ(error.message(), "the model Fake (exact) has no site 'layers.0.resid_pots'");
  EXPECT_EQ(error.help(), "did you mean 'layers.0.resid_post'?");
  bench.options.sites = {"nonsense"};
  EXPECT_EQ(caught([&] { (void)bench.make(); }).help(),
            "its 3 sites go from 'embed' to 'layers.1.mlp_out'");
  bench.options.sites = {"embed", "embed"};
  EXPECT_EQ(caught([&] { (void)bench.make(); }).message(), "site 'embed' is named twice");
}

TEST(ModelActivations, DatasetsThatDoNotSuitAreRefused) {
  const auto message = [](const Bench& bench) {
    return caught([&] { (void)bench.make()->info(); }).message();
  };
  Bench labelled;
  labelled.dataset->info_.type = DataType::labelled;
  EXPECT_EQ(message(labelled), "dataset 'text' does not hold tokens");
  Bench empty;
  empty.dataset->info_.rows = 0;
  EXPECT_EQ(message(empty), "dataset 'text' has no rows");
  Bench long_rows;
  long_rows.dataset->info_.length = 65;
  EXPECT_EQ(message(long_rows),
            "the contexts of dataset 'text' have 65 tokens, more than the 64 of Fake (exact)");
}

TEST(ModelActivations, BlocksOutsideTheRangeAreRefused) {
  const Bench bench;
  const auto source = bench.make();
  for (const std::int64_t index : {-1, 3}) {
    const std::string expected = cat("there is no block ", index, ": the source has 3");
    EXPECT_EQ(caught([&] { (void)source->block(index); }).message(), expected);
    EXPECT_EQ(caught([&] { (void)source->rows_of(index); }).message(), expected);
  }
}

TEST(ModelActivations, NonFiniteActivationsAreRefusedWithTheirPlace) {
  Bench bench;
  bench.model->poison = bench.dataset->token(6, 3);
  const auto source = bench.make();
  EXPECT_NO_THROW((void)source->block(0));
  Error error = caught([&] { (void)source->block(1); });
  EXPECT_EQ(error.kind(), ErrorKind::numeric);
  EXPECT_EQ(error.message(),
            "an activation at 'layers.0.resid_post' is not finite, at position 3 of row 6 of the "
            "dataset (line 7)");
  Bench large;
  large.model->gain = 1000;
  large.options.dtype = ModelActivations::Precision::float16;
  error = caught([&] { (void)large.make()->block(0); });
  EXPECT_THAT(error.help(), HasSubstr("float16 ends at 65504"));
}

TEST(ModelActivations, StopsBetweenTwoBatches) {
  Bench bench;
  bench.context.cancel_after = 1;
  const auto source = bench.make();
  const Error error = caught([&] { (void)source->block(0); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_EQ(bench.model->runs, 1);
  bench.context.cancel_after = -1;
  expect_raw(bench, source->block(0));
}

TEST(ModelActivations, TellsWhereItsRowsComeFrom) {
  const Bench bench;
  const auto source = bench.make();
  EXPECT_EQ(&source->model(), bench.model.get());
  EXPECT_EQ(&source->dataset(), bench.dataset.get());
  EXPECT_EQ(source->site(1), "layers.1.mlp_out");
  EXPECT_EQ(caught([&] { (void)source->site(2); }).message(), "there is no stream 2: there are 2");
}

// Through the schema, as a recipe does.
class BenchServices final : public Services {
 public:
  explicit BenchServices(const Bench& bench) : bench_(bench) {}
  std::shared_ptr<void> reference(std::string_view kind, const std::string&,
                                  const Origin&) override {
    if (kind == "model") return std::static_pointer_cast<Model>(bench_.model);
    return std::static_pointer_cast<Dataset>(bench_.dataset);
  }
  std::vector<std::string> expand(std::string_view, const std::string& node,
                                  const Origin&) override {
    return {node};
  }
  std::shared_ptr<void> child(std::string_view, const Value&) override { return nullptr; }
  const Context& context() const override { return bench_.context; }

 private:
  const Bench& bench_;
};

TEST(ModelActivations, IsMadeFromATable) {
  const Bench bench;
  BenchServices services(bench);
  Value config = Value::table();
  config.set("model", "lm");
  config.set("dataset", "text");
  config.set("sites", Value(Value::List{"embed"}));
  config.set("scale", "sqrt_d");
  config.set("cache", "somewhere");
  Decoded decoded;
  ModelActivations::Options options;
  ModelActivations::schema().decode(config, &options, decoded);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded.references.size(), 2u);
  EXPECT_EQ(options.block_contexts, 64);
  EXPECT_EQ(options.skip_first, 1);
  EXPECT_EQ(options.scale, Scaling::sqrt_d);
  for (const ParamInfo& info : ModelActivations::schema().params()) {
    EXPECT_EQ(info.unhashed, info.name == "cache") << info.name;
  }
  saffron_error error{};
  auto* made =
      static_cast<Source*>(detail::create_component<ModelActivations>(&config, &services, &error));
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->streams()[0].name, "embed");
  detail::destroy_component<ModelActivations>(made);
}

}  // namespace
}  // namespace saffron::source_test
