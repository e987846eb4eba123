#include "plugins/scorers/top_contexts/top_contexts.h"
#include "tests/plugins/scorers/language_model_testing.h"
#include "tests/plugins/scorers/scorer_testing.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <iomanip>

namespace saffron {
namespace {

using plugins::Choice;
using plugins::TopContexts;
using saffron::testing::error_of;
using saffron::testing::feed;
using saffron::testing::FixedContext;
using saffron::testing::kModelWidth;
using saffron::testing::LetterActivations;
using saffron::testing::relu_sae;
using saffron::testing::StreamsOnly;
using saffron::testing::trained;
using ::testing::HasSubstr;

constexpr std::int64_t kLatents = 9;

at::Tensor dictionary() {
  at::Tensor W = Random(8).normal_rows(0, kLatents, kModelWidth, at::kDouble);
  W[3].zero_();  // never fires
  return W;
}

struct Trial {
  std::shared_ptr<LetterActivations> source;
  TopContexts::Options options;
  FixedContext context;

  explicit Trial(LetterActivations::Layout layout = {})
      : source(std::make_shared<LetterActivations>(layout)) {
    options.window = 3;
    for (const char* name : {"s[k=1]", "s[k=2]"}) {
      options.sae.push_back(
          trained(name, relu_sae(dictionary(), -2, Codes::Layout::csr), source, kLatents, {1}));
    }
  }
  ActivationRows all() { return source->contexts(0, source->dataset().info().rows); }
  Report score(std::vector<std::int64_t> cuts = {}) {
    const TopContexts scorer(options, context);
    const auto accumulator = scorer.begin();
    feed(scorer, *accumulator, all(), std::move(cuts));
    return accumulator->finish();
  }
};

const ContextsBlock& contexts(const Report& report, std::size_t sae = 0) {
  return std::get<ContextsBlock>(report.blocks.at(sae).body);
}

std::int64_t latent_of(const ContextsBlock::Group& group) {
  return std::stoll(group.title.substr(group.title.rfind(' ')));
}

// Every token shown is the row's, with the strength that encoding the row gives it.
TEST(TopContexts, ShowTheTextAndItsActivations) {
  for (const bool ragged : {false, true}) {
    Trial trial({.contexts = 12, .length = 9, .first = 1, .ragged = ragged});
    trial.options.choose = Choice::frequent;
    const Report report = trial.score();
    ASSERT_EQ(report.blocks.size(), 2u);
    EXPECT_EQ(report.blocks[0].title, "Strongest contexts of s[k=1]");
    EXPECT_THAT(report.blocks[0].caption, HasSubstr("Tokens before position 1"));
    ASSERT_FALSE(contexts(report).groups.empty());
    const ActivationRows all = trial.all();
    const at::Tensor f = (all.streams[1].matmul(dictionary().t()) - 2).clamp_min(0);
    for (const ContextsBlock::Group& group : contexts(report).groups) {
      const std::int64_t latent = latent_of(group);
      EXPECT_THAT(group.title, HasSubstr("s[k=1] latent "));
      double previous = 1e9;
      for (const ContextsBlock::Context& context : group.contexts) {
        long long row = -1, peak = -1;
        ASSERT_EQ(std::sscanf(context.where.c_str(), "letters, row %lld, token %lld", &row, &peak),
                  2)
            << context.where;
        const std::int64_t one[] = {row};
        const at::Tensor ids = trial.source->dataset().rows(one).values[0];
        const std::int64_t length = ragged && row % 3 == 2 ? 7 : 9;
        const std::int64_t begin = std::max<std::int64_t>(0, peak - 3);
        ASSERT_EQ(context.tokens.size(),
                  static_cast<std::size_t>(std::min<std::int64_t>(length, peak + 4) - begin));
        double strongest = 0;
        for (std::size_t i = 0; i < context.tokens.size(); ++i) {
          const std::int64_t p = begin + static_cast<std::int64_t>(i);
          EXPECT_EQ(context.tokens[i].text,
                    std::string(1, static_cast<char>('a' + ids[p].item<std::int64_t>())));
          const at::Tensor here =
              all.origin.select(1, 0).eq(row).logical_and(all.origin.select(1, 1).eq(p));
          const double expected =
              p < 1 ? 0 : f.select(1, latent).masked_select(here).item<double>();
          EXPECT_NEAR(context.tokens[i].strength, expected, 1e-12);
          strongest = std::max(strongest, expected);
        }
        EXPECT_NEAR(context.peak, strongest, 1e-12);
        EXPECT_LE(context.peak, previous);
        previous = context.peak;
      }
    }
  }
}

TEST(TopContexts, SayHowOftenALatentFires) {
  Trial trial({.contexts = 12, .length = 9, .first = 0});
  trial.options.choose = Choice::ids;
  trial.options.ids = {3, 0};
  const Report report = trial.score();
  ASSERT_EQ(contexts(report).groups.size(), 2u);
  EXPECT_EQ(contexts(report).groups[0].title, "s[k=1] latent 3");
  EXPECT_EQ(contexts(report).groups[0].note, "never fires on 108 tokens");
  EXPECT_TRUE(contexts(report).groups[0].contexts.empty());
  const at::Tensor f =
      (trial.all().streams[1].matmul(dictionary().t()) - 2).clamp_min(0).select(1, 0);
  const std::string share =
      cat(std::setprecision(2), 100 * f.ne(0).sum().item<double>() / 108, " % of 108 tokens");
  EXPECT_THAT(contexts(report).groups[1].note, HasSubstr("fires on " + share));
  EXPECT_THAT(contexts(report).groups[1].note,
              HasSubstr(cat("strongest ", std::setprecision(4), f.max().item<double>())));
  EXPECT_EQ(report.blocks[0].caption.find("Tokens before"), std::string::npos);
}

TEST(TopContexts, BatchesAndMergingDoNotMatter) {
  Trial trial;
  trial.options.contexts = 2;
  const std::string once = to_json(to_value(trial.score()));
  EXPECT_EQ(to_json(to_value(trial.score({8, 32, 40}))), once);
  const TopContexts scorer(trial.options, trial.context);
  const auto a = scorer.begin(), b = scorer.begin(), restored = scorer.begin();
  feed(scorer, *a, trial.source->contexts(5, 12));
  feed(scorer, *b, trial.source->contexts(0, 5));
  restored->load(b->save());
  restored->merge(*a);
  a->merge(*b);
  EXPECT_EQ(to_json(to_value(a->finish())), once);
  EXPECT_EQ(to_json(to_value(restored->finish())), once);
}

TEST(TopContexts, TheModelRunsOnlyForTheRows) {
  Trial trial;
  const TopContexts scorer(trial.options, trial.context);
  const auto accumulator = scorer.begin();
  feed(scorer, *accumulator, trial.all());
  trial.source->model_.runs = 0;
  const Report report = accumulator->finish();
  EXPECT_EQ(trial.source->model_.runs, 0);
  EXPECT_FALSE(contexts(report).groups.empty());
}

TEST(TopContexts, ARandomChoiceFollowsTheSeed) {
  Trial trial;
  trial.options.choose = Choice::random;
  trial.options.latents = 3;
  const auto chosen = [&](std::uint64_t seed) {
    const FixedContext context(seed);
    const TopContexts scorer(trial.options, context);
    const auto accumulator = scorer.begin();
    feed(scorer, *accumulator, trial.all());
    const Report report = accumulator->finish();
    std::vector<std::int64_t> latents;
    for (const auto& group : contexts(report).groups) latents.push_back(latent_of(group));
    return latents;
  };
  EXPECT_EQ(chosen(1).size(), 3u);
  EXPECT_EQ(chosen(1), chosen(1));
  EXPECT_NE(chosen(1), chosen(2));
}

TEST(TopContexts, TheSchemaWantsIdsOnlyToChooseByThem) {
  const auto problem = [](Value::Table entries) {
    Value config(std::move(entries));
    config.set("sae", Value(Value::List{Value("s")}));
    Decoded decoded;
    TopContexts::Options options;
    TopContexts::schema().decode(config, &options, decoded);
    return decoded.problems.empty() ? std::string() : decoded.problems.front().message;
  };
  const Value ids(Value::List{Value(3)});
  EXPECT_EQ(problem({}), "");
  EXPECT_EQ(problem({{"choose", Value("ids"), {}}, {"ids", ids, {}}}), "");
  EXPECT_THAT(problem({{"choose", Value("ids"), {}}}), HasSubstr("needs `ids`"));
  const Value repeated(Value::List{Value(3), Value(5), Value(3)});
  EXPECT_THAT(problem({{"choose", Value("ids"), {}}, {"ids", repeated, {}}}),
              HasSubstr("names latent 3 twice"));
  EXPECT_THAT(problem({{"ids", ids, {}}}), HasSubstr("for choose = \"ids\" only"));
  EXPECT_NE(problem({{"choose", Value("weakest"), {}}}), "");
}

TEST(TopContexts, RefuseWhatCannotBeShown) {
  Trial trial;
  trial.options.choose = Choice::ids;
  trial.options.ids = {kLatents};
  EXPECT_THAT(error_of([&] { TopContexts scorer(trial.options, trial.context); }),
              HasSubstr("has no latent 9, its latents are 0 to 8"));
  TopContexts::Options options;
  options.sae.push_back(
      trained("s", relu_sae(dictionary(), 0),
              std::make_shared<StreamsOnly>(std::vector<StreamInfo>{{"a", kModelWidth}}), 9));
  EXPECT_THAT(error_of([&] { TopContexts scorer(options, trial.context); }),
              HasSubstr("come from no model"));

  Trial lost;
  const TopContexts scorer(lost.options, lost.context);
  const auto accumulator = scorer.begin();
  ActivationRows rows = lost.all();
  rows.origin.reset();
  EXPECT_THAT(error_of([&] { feed(scorer, *accumulator, rows); }),
              HasSubstr("do not say which context"));
}

}  // namespace
}  // namespace saffron
