// Reports to values and back (sdk/src/report.cpp, report_read.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <saffron/report.h>

#include <cmath>
#include <limits>

namespace {

using namespace saffron;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Report every_block() {
  Report report;
  report.metrics = {
      {"fvu", 0.125, "", "sum ||x - xhat||^2 / sum ||x||^2", "", "[0, inf)", Better::lower, "a"},
      {"kl", kNaN, "no model in the loop", "", "nats", "", Better::higher, "a"}};
  report.blocks = {
      {"table", "how to read it",
       TableBlock{{{"name", "", "", Better::neither}, {"loss", "nats", "mean", Better::lower}},
                  {{"a", 0.5}, {Value(), 3}, {true, "x"}}}},
      {"series", "",
       SeriesBlock{"step", "loss", false, true, {{"a", {0, 1, 2.5}, {1.5, kNaN, 0.25}}}}},
      {"histogram", "",
       HistogramBlock{"x", "n", {0, 0.5, 1}, {{"a", {3, 4}}, {"b", {0, 7}}}, "two"}},
      {"matrix", "", MatrixBlock{{"r"}, {"c", "d"}, {1, kNaN}, "cosine"}},
      {"scatter", "", ScatterBlock{"x", "y", true, false, {{"a", {1, 2}, {3, 4}, {"p", "q"}}}}},
      {"contexts", "",
       ContextsBlock{{{"latent 3", "rare", {{{{"In", 0}, {" the\n", 2.5}}, "file, row 1", 2.5}}}}}},
      {"text", "", TextBlock{"one\n\ntwo \xF0\x9F\x8C\xBE"}}};
  return report;
}

template <class Body>
const Body& body(const Report& report, std::size_t i) {
  return std::get<Body>(report.blocks.at(i).body);
}

// Through text, as on disk.
Report there_and_back(const Report& report) {
  return report_from_value(from_json(to_json(to_value(report), JsonStyle::pretty), "report.json"));
}

TEST(ReportValue, SurvivesJsonUnchanged) {
  const Report report = every_block();
  EXPECT_EQ(to_value(there_and_back(report)), to_value(report));
}

TEST(ReportValue, KeepsMetrics) {
  const Report back = there_and_back(every_block());
  ASSERT_EQ(back.metrics.size(), 2u);
  EXPECT_EQ(back.metrics[0].key, "fvu");
  EXPECT_EQ(back.metrics[0].value, 0.125);
  EXPECT_EQ(back.metrics[0].undefined, "");
  EXPECT_EQ(back.metrics[0].better, Better::lower);
  EXPECT_EQ(back.metrics[0].range, "[0, inf)");
  EXPECT_EQ(back.metrics[0].subject, "a");
  EXPECT_TRUE(std::isnan(back.metrics[1].value));
  EXPECT_EQ(back.metrics[1].undefined, "no model in the loop");
  EXPECT_EQ(back.metrics[1].unit, "nats");
}

TEST(ReportValue, KeepsEveryBlock) {
  const Report back = there_and_back(every_block());
  ASSERT_EQ(back.blocks.size(), 7u);
  EXPECT_EQ(back.blocks[0].caption, "how to read it");
  const auto& table = body<TableBlock>(back, 0);
  EXPECT_EQ(table.columns[1].unit, "nats");
  EXPECT_EQ(table.columns[1].better, Better::lower);
  EXPECT_EQ(table.rows[0][1].as_real(), 0.5);
  EXPECT_TRUE(table.rows[1][0].is_null());
  EXPECT_EQ(table.rows[1][1].as_int(), 3);
  const auto& line = body<SeriesBlock>(back, 1).lines.at(0);
  EXPECT_TRUE(body<SeriesBlock>(back, 1).log_y);
  EXPECT_THAT(line.x, ElementsAre(0, 1, 2.5));
  EXPECT_TRUE(std::isnan(line.y[1]));
  EXPECT_THAT(body<HistogramBlock>(back, 2).parts.at(1).counts, ElementsAre(0, 7));
  EXPECT_EQ(body<HistogramBlock>(back, 2).note, "two");
  EXPECT_TRUE(std::isnan(body<MatrixBlock>(back, 3).cells[1]));
  EXPECT_EQ(body<MatrixBlock>(back, 3).value_label, "cosine");
  EXPECT_THAT(body<ScatterBlock>(back, 4).groups.at(0).labels, ElementsAre("p", "q"));
  const auto& context = body<ContextsBlock>(back, 5).groups.at(0).contexts.at(0);
  EXPECT_EQ(context.tokens.at(1).text, " the\n");
  EXPECT_EQ(context.tokens.at(1).strength, 2.5);
  EXPECT_EQ(body<TextBlock>(back, 6).text, "one\n\ntwo \xF0\x9F\x8C\xBE");
}

TEST(ReportValue, UndefinedIsNullWithItsReason) {
  Report report;
  for (const double value : {0.0, kNaN, -kInfinity, 0.0})
    report.metrics.emplace_back().value = value;
  report.metrics[0].undefined = "no text was left";
  const Value value = to_value(report);
  const Value::List& metrics = value.at("metrics").as_list();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(metrics[i].at("value").is_null()) << i;
  EXPECT_EQ(metrics[0].at("undefined").as_string(), "no text was left");
  EXPECT_EQ(metrics[1].at("undefined").as_string(), "not a number");
  EXPECT_EQ(metrics[2].at("undefined").as_string(), "-infinite");
  EXPECT_EQ(metrics[3].at("value").as_int(), 0);
  EXPECT_EQ(metrics[3].find("undefined"), nullptr);
}

TEST(ReportValue, WholeNumbersHaveNoFraction) {
  Report report;
  report.blocks = {
      {"", "", SeriesBlock{"", "", false, false, {{"", {1, 1e15, 1e300}, {-2, 0.5, 0}}}}}};
  const std::string text = to_json(to_value(report));
  EXPECT_THAT(text, HasSubstr("\"x\":[1,1000000000000000,1e+300]"));
  EXPECT_THAT(text, HasSubstr("\"y\":[-2,0.5,0]"));
}

struct BadReport {
  const char* name;
  const char* json;
  const char* message;

  friend void PrintTo(const BadReport& bad, std::ostream* out) { *out << bad.name; }
};

class BadReportTest : public testing::TestWithParam<BadReport> {};

TEST_P(BadReportTest, IsRefusedWithItsPlace) {
  try {
    const Report report = report_from_value(from_json(GetParam().json, "bad.json"));
    FAIL() << "accepted, with " << report.blocks.size() << " blocks";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_THAT(error.what(), HasSubstr(GetParam().message));
    EXPECT_THAT(error.where(), HasSubstr("bad.json"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    ReportValue, BadReportTest,
    testing::Values(
        BadReport{"not_a_table", "[]", "a report must be a table, not list"},
        BadReport{"metrics_not_a_list", R"({"metrics": 3})", "'metrics' must be a list, not int"},
        BadReport{"metric_without_key", R"({"metrics": [{"value": 1}]})",
                  "'metrics[0]' must be a metric with a 'key', not table"},
        BadReport{"direction", R"({"metrics": [{"key": "a", "better": "up"}]})",
                  "'metrics[0].better' must be 'lower', 'higher' or 'neither', not string 'up'"},
        BadReport{"value", R"({"metrics": [{"key": "a", "value": "high"}]})",
                  "'metrics[0].value' must be a number or null"},
        BadReport{"type", R"({"blocks": [{"type": "pie"}]})", "'blocks[0].type' must be 'table', "},
        BadReport{
            "short_row",
            R"({"blocks": [{"type": "table", "columns": [{"name": "a"}], "rows": [[1, 2]]}]})",
            "'blocks[0].rows[0]' has 2 cells instead of 1"},
        BadReport{"nested_cell",
                  R"({"blocks": [{"type": "table", "columns": [{"name": "a"}], "rows": [[[]]]}]})",
                  "'blocks[0].rows[0][0]' must be null, a bool, a number or a string"},
        BadReport{"ragged_line",
                  R"({"blocks": [{"type": "series", "lines": [{"x": [1, 2], "y": [1]}]}]})",
                  "'blocks[0].lines[0].y' has 1 numbers instead of 2"},
        BadReport{"text_in_numbers",
                  R"({"blocks": [{"type": "series", "lines": [{"x": [1, "b"]}]}]})",
                  "'blocks[0].lines[0].x[1]' must be a number or null, not string 'b'"},
        BadReport{"edges",
                  R"({"blocks": [{"type": "histogram", "edges": [0, 1],
                      "parts": [{"counts": [1, 2]}]}]})",
                  "'blocks[0].parts[0].counts' has 2 counts instead of 1"},
        BadReport{"cells",
                  R"({"blocks": [{"type": "matrix", "row_labels": ["a"], "column_labels": ["b"],
                      "cells": []}]})",
                  "'blocks[0].cells' has 0 cells instead of 1"},
        BadReport{"labels",
                  R"({"blocks": [{"type": "scatter",
                      "groups": [{"x": [1, 2], "y": [1, 2], "labels": ["a"]}]}]})",
                  "'blocks[0].groups[0].labels' has 1 labels instead of 2"},
        BadReport{"strengths",
                  R"({"blocks": [{"type": "contexts",
                      "groups": [{"contexts": [{"tokens": ["a"], "strengths": []}]}]}]})",
                  "'blocks[0].groups[0].contexts[0].strengths' has 0 numbers instead of 1"}),
    [](const auto& test) { return test.param.name; });

TEST(ReportValue, AbsentPartsReadAsEmpty) {
  const Report report = report_from_value(
      from_json(R"({"metrics": [{"key": "a"}], "blocks": [{"type": "series"}], "later": 1})", "r"));
  EXPECT_EQ(report.metrics.at(0).undefined, "undefined");
  EXPECT_EQ(report.metrics.at(0).better, Better::neither);
  EXPECT_TRUE(std::get<SeriesBlock>(report.blocks.at(0).body).lines.empty());
}

}  // namespace
