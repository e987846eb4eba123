#include "plugins/comparators/preference_accuracy/preference_accuracy.h"
#include "tests/caught.h"
#include "tests/plugins/comparators/preference_testing.h"

#include <gmock/gmock.h>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using Options = PreferenceAccuracy::Options;

Comparison compare(const World& world, Options options = {}) {
  options.intervals.resamples = 0;
  return PreferenceAccuracy(options, FakeContext()).compare(world);
}

TEST(PreferenceAccuracy, GoldenPairs) {
  const Value& expected = golden_vector("G12").at("expected");
  const Comparison found = compare(golden_pairs_of_scores(false));
  EXPECT_NEAR(number(found, "accuracy", "m1").value,
              expected.at("accuracy_b_on_pairs_half_ties").as_real(), 1e-12);
  EXPECT_NEAR(number(found, "accuracy_strict", "m1").value,
              expected.at("accuracy_b_on_pairs_strict").as_real(), 1e-12);
  EXPECT_NEAR(number(found, "bt_nll", "m0").value, expected.at("bt_nll_a").as_real(), 1e-12);
  EXPECT_NEAR(number(found, "bt_nll", "m1").value, expected.at("bt_nll_b").as_real(), 1e-12);
  EXPECT_NEAR(between(metric(found, "accuracy_difference"), 0, 1), 7.5 / 8 - 5.5 / 8, 1e-12);
  const Comparison tied = compare(golden_pairs_of_scores(true));
  EXPECT_NEAR(number(tied, "tac", "m0").value, expected.at("tac_a_vs_labels").as_real(), 1e-12);
  EXPECT_NEAR(number(tied, "tac", "m1").value, expected.at("tac_b_vs_labels").as_real(), 1e-12);
}

// An exact tie is neither preference: half a point, no point where strict.
TEST(PreferenceAccuracy, TiesAreNotTheSecondPreferred) {
  MemoryScores world({2, 2}, at::full({1, 4}, 3.0, at::kDouble));
  world.labels_ = at::tensor({1.0, 0.0, 0.0, 1.0}, at::kDouble);
  const Comparison found = compare(world);
  EXPECT_EQ(number(found, "accuracy", "m0").value, 0.5);
  EXPECT_EQ(number(found, "accuracy_strict", "m0").value, 0);
  EXPECT_EQ(number(found, "best_of_k", "m0").value, 0.5);
  EXPECT_NEAR(number(found, "bt_nll", "m0").value, std::log(2), 1e-12);
  EXPECT_EQ(number(found, "ece", "m0").value, 0);
  EXPECT_FALSE(number(found, "tac", "m0").undefined.empty());
  EXPECT_THAT(found.degenerate, ::testing::ElementsAre(::testing::HasSubstr("'m0' is trivial")));
}

TEST(PreferenceAccuracy, BestOfKCreditOfTheGoldenVector) {
  const Value& example = golden_vector("G13").at("expected").at("best_of_n_tie_credit_example");
  MemoryScores world({4}, tensor(example.at("scores")).unsqueeze(0));
  world.labels_ = at::zeros({4}, at::kDouble);
  world.labels_[example.at("correct_index").as_int()] = 1;
  EXPECT_NEAR(number(compare(world), "best_of_k", "m0").value, example.at("credit").as_real(),
              1e-12);
}

// Labels are any numbers; prompts with several pairs count as much as those with one.
TEST(PreferenceAccuracy, AgainstBruteForce) {
  const std::vector<std::int64_t> sizes = sizes_of({2, 4, 3}, 10);
  RandomWorlds draw(11);
  MemoryScores world(sizes, (2 * draw.normal({2, total(sizes)})).round() / 2);
  world.labels_ = draw.normal({total(sizes)}).round();
  Options options;
  options.bins = 4;
  const Comparison found = compare(world, options);
  double accuracy = 0, nll = 0, prompts = 0, pairs = 0;
  std::vector<double> gaps(4);
  std::int64_t from = 0;
  for (const std::int64_t K : sizes) {
    double right = 0, loss = 0, count = 0;
    for (std::int64_t k = from; k < from + K; ++k) {
      for (std::int64_t l = from; l < from + K; ++l) {
        if (!(world.labels_[k] > world.labels_[l]).item<bool>()) continue;
        const double margin = (world.scores_[0][k] - world.scores_[0][l]).item<double>();
        const double correct = margin > 0 ? 1 : margin == 0 ? 0.5 : 0;
        right += correct;
        loss += std::log1p(std::exp(-margin));
        const double confidence = 1 / (1 + std::exp(-std::abs(margin)));
        gaps[static_cast<std::size_t>(std::min(3.0, std::floor((2 * confidence - 1) * 4)))] +=
            correct - confidence;
        ++count;
      }
    }
    from += K;
    if (count == 0) continue;
    accuracy += right / count;
    nll += loss / count;
    pairs += count;
    ++prompts;
  }
  ASSERT_LT(prompts, static_cast<double>(sizes.size()));
  double ece = 0;
  for (const double gap : gaps) ece += std::abs(gap) / pairs;
  EXPECT_NEAR(number(found, "accuracy", "m0").value, accuracy / prompts, 1e-12);
  EXPECT_NEAR(number(found, "bt_nll", "m0").value, nll / prompts, 1e-12);
  EXPECT_NEAR(number(found, "ece", "m0").value, ece, 1e-12);
}

// RewardBench 2's Ties, from the golden vector.
MemoryColumns ties() {
  const Value& data = golden_vector("G13").at("data");
  std::vector<std::int64_t> sizes;
  std::vector<double> scores, labels;
  std::vector<std::string> names;
  for (const char* kind : {"ref", "tied"}) {
    for (const Value::Entry& prompt : data.at(kind).as_table()) {
      names.push_back(cat(kind, ":", prompt.key));
      sizes.push_back(0);
      for (const std::size_t wrong : {0, 1}) {
        for (const Value& score : prompt.value.as_list()[wrong].as_list()) {
          scores.push_back(score.as_real());
          labels.push_back(wrong == 0 ? 1 : 0);
          ++sizes.back();
        }
      }
    }
  }
  MemoryColumns out(sizes, at::tensor(scores, at::kDouble).unsqueeze(0));
  out.labels_ = at::tensor(labels, at::kDouble);
  out.prompt_names_ = names;
  for (std::size_t i = 0; i < scores.size(); ++i) out.response_names_.push_back(cat(i));
  return out;
}

TEST(PreferenceAccuracy, TiesOfTheGoldenVector) {
  const Value& expected = golden_vector("G13").at("expected");
  Options options;
  options.ties = true;
  const Comparison found = compare(ties(), options);
  for (const auto& [key, name] : std::vector<std::pair<const char*, const char*>>{
           {"ties_score", "overall"},
           {"ties_accuracy_tied", "tied_accuracy"},
           {"ties_accuracy_ref", "ref_accuracy"},
           {"ties_preferred", "correctness_preferred"},
           {"ties_preferred_hard", "correctness_preferred_hard"},
           {"ties_margin", "margin_score"}}) {
    EXPECT_NEAR(number(found, key, "m0").value, expected.at(name).as_real(), 1e-12) << key;
  }
}

TEST(PreferenceAccuracy, Refusals) {
  const MemoryScores unlabelled = golden_scores();
  EXPECT_THAT(test::caught([&] { compare(unlabelled); }).what(),
              ::testing::HasSubstr("preference_accuracy needs labels"));
  MemoryScores equal = golden_scores();
  equal.labels_ = at::ones({12}, at::kDouble);
  EXPECT_THAT(test::caught([&] { compare(equal); }).what(),
              ::testing::HasSubstr("no prompt has two responses with different labels"));
  Options options;
  options.ties = true;
  MemoryColumns world = ties();
  world.prompt_names_[0] = "reference:0";
  world.prompt_names_[1] = "reference:1";
  EXPECT_THAT(test::caught([&] { compare(world, options); }).what(),
              ::testing::HasSubstr("no ID has both"));
  world.labels_[0] = 2;
  EXPECT_THAT(test::caught([&] { compare(world, options); }).what(),
              ::testing::HasSubstr("has 0 responses with label 1"));
}

TEST(PreferenceAccuracy, RankingAndIntervals) {
  MemoryScores world(sizes_of({2}, 200), RandomWorlds(3).normal({3, 400}));
  world.labels_ = (world.scores_[0] > world.scores_[0].view({-1, 2}).mean(1).repeat_interleave(2))
                      .to(at::kDouble);
  world.scores_[1] = world.scores_[0] + world.scores_[1];
  const Comparison found = PreferenceAccuracy(Options(), FakeContext()).compare(world);
  EXPECT_EQ(number(found, "accuracy", "m0").value, 1);
  EXPECT_LE(number(found, "accuracy/low", "m1").value, number(found, "accuracy", "m1").value);
  EXPECT_GE(number(found, "accuracy/high", "m1").value, number(found, "accuracy", "m1").value);
  EXPECT_GT(between(metric(found, "accuracy_difference/low"), 0, 2), 0.3);
  const auto of = std::find_if(found.report.blocks.begin(), found.report.blocks.end(),
                               [](const Block& b) { return b.title == "Ranking by accuracy"; });
  ASSERT_NE(of, found.report.blocks.end());
  EXPECT_EQ(std::get<TableBlock>(of->body).rows[0][1].as_string(), "m0");
}

}  // namespace
}  // namespace saffron::plugins
