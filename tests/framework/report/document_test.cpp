// The report document of a run (framework/report/document.h).
#include "tests/places.h"

#include <framework/report/document.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

namespace {

using namespace saffron;
using Document = host::ReportDocument;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

Document small_document() {
  Document document;
  document.run = {"quickstart", "quickstart-1f",      "done", "2026-01-31T14:05:09Z", "",
                  12.5,         "saffron run a.toml", "0.1.0"};
  document.headline = {"One SAE was trained.", "It is good."};
  document.figures = {{"best FVU", 0.25, "", "student"}, {"device", "cpu", "", ""}};
  document.notes = {"4-bit weights"};
  Report report;
  report.metrics = {{"fvu", 0.25, "", "", "", "", Better::lower, "student"}};
  report.blocks = {{"words", "", TextBlock{"text"}}};
  document.sections = {{"score.recon", "Reconstruction", "score", "score.recon", report}};
  document.recipe = {"seed = 1\n", "seed = 1\nthreads = 2\n", {{"seed", "1"}, {"threads", "2"}}};
  document.recipe.extends = {"base.toml"};
  document.recipe.overrides = {"threads=2"};
  document.provenance = {{"Machine", {{"cores", "2"}, {"isa", "avx2"}}}};
  return document;
}

std::string error_of(const std::string& json) {
  try {
    return cat("accepted: ", Document::from_value(from_json(json, "report.json")).run.name);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    return error.what();
  }
}

TEST(Document, SurvivesJsonUnchanged) {
  const Value value = small_document().to_value();
  const Document back = Document::from_value(from_json(to_json(value), "report.json"));
  EXPECT_EQ(back.to_value(), value);
  EXPECT_EQ(back.run.id, "quickstart-1f");
  EXPECT_EQ(back.run.seconds, 12.5);
  EXPECT_THAT(back.headline, ElementsAre("One SAE was trained.", "It is good."));
  EXPECT_EQ(back.figures.at(0).value.as_real(), 0.25);
  EXPECT_EQ(back.sections.at(0).report.metrics.at(0).key, "fvu");
  EXPECT_EQ(back.sections.at(0).report.blocks.at(0).title, "words");
  EXPECT_THAT(back.recipe.values, ElementsAre(Pair("seed", "1"), Pair("threads", "2")));
  EXPECT_THAT(back.recipe.extends, ElementsAre("base.toml"));
  EXPECT_THAT(back.recipe.overrides, ElementsAre("threads=2"));
  EXPECT_THAT(back.provenance.at(0).rows, ElementsAre(Pair("cores", "2"), Pair("isa", "avx2")));
}

TEST(Document, UnfinishedRunHasNoDuration) {
  Document document = small_document();
  document.run.seconds = std::nan("");
  const Value value = document.to_value();
  EXPECT_EQ(value.at("run").find("seconds"), nullptr);
  EXPECT_TRUE(std::isnan(Document::from_value(value).run.seconds));
}

TEST(Document, SampleReads) {
  std::ifstream in(std::string(kSourceDir) + "/tests/fixtures/report/sample.json",
                   std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const Value value = from_json(text, "sample.json");
  const Document sample = Document::from_value(value);
  EXPECT_EQ(sample.sections.size(), 6u);
  EXPECT_EQ(Document::from_value(sample.to_value()).to_value(), sample.to_value());
}

TEST(Document, OtherFormatsAreRefused) {
  EXPECT_THAT(error_of("{}"), HasSubstr("it names no format, not 'saffron-report/1'"));
  EXPECT_THAT(error_of("[]"), HasSubstr("it names no format"));
  EXPECT_THAT(error_of(R"({"format": "saffron-report/2"})"),
              HasSubstr("its format is 'saffron-report/2', not 'saffron-report/1'"));
}

TEST(Document, MistakesAreNamedByPlace) {
  const auto with = [](const std::string& rest) {
    return error_of(R"({"format": "saffron-report/1", )" + rest + "}");
  };
  EXPECT_THAT(with(R"("run": 3)"), HasSubstr("'run' must be a table, not int"));
  EXPECT_THAT(with(R"("run": {"seconds": "x"})"), HasSubstr("'run.seconds' must be a number"));
  EXPECT_THAT(with(R"("headline": [1])"), HasSubstr("'headline[0]' must be a string"));
  EXPECT_THAT(with(R"("recipe": {"overrides": [1]})"),
              HasSubstr("'recipe.overrides[0]' must be a string"));
  EXPECT_THAT(with(R"("figures": [2])"), HasSubstr("'figures[0]' must be a table"));
  EXPECT_THAT(with(R"("provenance": {"groups": [{"title": "m", "rows": [["a"]]}]})"),
              HasSubstr("'provenance.groups[0].rows[0]' must be a list of two strings"));
  EXPECT_THAT(with(R"("sections": [{"id": "score.a", "blocks": [{"type": "pie"}]}])"),
              testing::AllOf(HasSubstr("section 'score.a'"), HasSubstr("'blocks[0].type'")));
}

TEST(Document, FlatValuesAreDottedAndSpelledAsToml) {
  const Value recipe =
      from_json(R"({"seed": 7, "sae": {"topk": {"k": [8, 16], "use": "topk"}}, "rate": 0.5})", "r");
  EXPECT_THAT(host::flat_values(recipe),
              ElementsAre(Pair("seed", "7"), Pair("sae.topk.k", "[8, 16]"),
                          Pair("sae.topk.use", "\"topk\""), Pair("rate", "0.5")));
}

}  // namespace
