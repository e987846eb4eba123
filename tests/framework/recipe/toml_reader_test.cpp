#include "framework/recipe/toml_reader.h"

#include <gtest/gtest.h>

#include <cmath>

namespace saffron::host {
namespace {

TEST(TomlReader, GivesEveryValueAndKeyItsPosition) {
  const TomlText text = parse_toml(
      "saffron = 1\n"
      "[sae.student]\n"
      "  k    = 8\n"
      "aux = { coef = 0.5, names = [\"a\",\n \"b\"] }\n",
      "a.toml");
  ASSERT_TRUE(text.problems.empty());
  const Value& student = text.root.at("sae").at("student");
  EXPECT_EQ(text.root.at("saffron").origin().text(), "a.toml:1:11");
  EXPECT_EQ(text.root.at("sae").find_entry("student")->key_origin.text(), "a.toml:2:6");
  EXPECT_EQ(student.find_entry("k")->key_origin.text(), "a.toml:3:3");
  EXPECT_EQ(student.at("k").origin().text(), "a.toml:3:10");
  EXPECT_EQ(student.at("aux").origin().text(), "a.toml:4:7");
  EXPECT_EQ(student.at("aux").at("coef").origin().text(), "a.toml:4:16");
  EXPECT_EQ(student.at("aux").at("names").as_list()[1].origin().text(), "a.toml:5:2");
}

TEST(TomlReader, CountsColumnsInCharacters) {
  const TomlText text = parse_toml("x = [\"größe ☃\", 7]\n", "a.toml");
  EXPECT_EQ(text.root.at("x").as_list()[1].origin().column, 17);
}

TEST(TomlReader, KeepsTheOrderOfTheText) {
  const TomlText text = parse_toml("[b]\nz = 1\ny = 2\nx = 3\n[a]\n[c]\n[b.d]\n", "a.toml");
  std::string order;
  for (const Value::Entry& entry : text.root.as_table()) order += entry.key;
  for (const Value::Entry& entry : text.root.at("b").as_table()) order += entry.key;
  EXPECT_EQ(order,
            "bac"
            "zyxd");
}

TEST(TomlReader, KeepsTypesApart) {
  const TomlText text = parse_toml(
      "a = 1\nb = 1.0\nc = true\nd = \"1\"\ne = -inf\nf = nan\ng = 0x10\nh = 1_000\n", "a.toml");
  EXPECT_EQ(text.root.at("a").type(), Value::Type::integer);
  EXPECT_EQ(text.root.at("b").type(), Value::Type::real);
  EXPECT_EQ(text.root.at("c").type(), Value::Type::boolean);
  EXPECT_EQ(text.root.at("d").type(), Value::Type::string);
  EXPECT_EQ(text.root.at("e").as_real(), -HUGE_VAL);
  EXPECT_TRUE(std::isnan(text.root.at("f").as_real()));
  EXPECT_EQ(text.root.at("g").as_int(), 16);
  EXPECT_EQ(text.root.at("h").as_int(), 1000);
}

TEST(TomlReader, RefusesDatesInWords) {
  const TomlText text = parse_toml("a = 1\nb = [2024-01-01, 07:30:00]\n", "a.toml");
  EXPECT_TRUE(text.parsed);
  ASSERT_EQ(text.problems.size(), 2u);
  EXPECT_EQ(text.problems[0].path, "b[0]");
  EXPECT_EQ(text.problems[0].origin.text(), "a.toml:2:6");
  EXPECT_EQ(text.problems[1].message, "dates and times are not values of a recipe");
}

TEST(TomlReader, SaysWhereTheSyntaxBreaks) {
  const TomlText text = parse_toml("a = 1\nb = [1,\n", "a.toml");
  EXPECT_FALSE(text.parsed);
  EXPECT_TRUE(text.root.as_table().empty());
  ASSERT_EQ(text.problems.size(), 1u);
  EXPECT_EQ(text.problems[0].origin.source, "a.toml");
  EXPECT_GE(text.problems[0].origin.line, 2);
  EXPECT_EQ(text.problems[0].message.rfind("syntax error in an array: ", 0), 0u);
}

TEST(TomlReader, ReadsOneValueAtItsColumn) {
  const TomlValue value = parse_toml_value("[1, \"b\"]", "--set #2", 10);
  ASSERT_TRUE(value.value.has_value());
  EXPECT_EQ(value.value->origin().text(), "--set #2");
  EXPECT_EQ(value.value->origin().column, 10);
  EXPECT_EQ(value.value->as_list()[1].origin().column, 14);
  EXPECT_FALSE(parse_toml_value("many", "--set #1", 5).value.has_value());
  EXPECT_FALSE(parse_toml_value("1\ny = 2", "--set #1", 5).value.has_value());
}

TEST(TomlReader, SurvivesDeepNesting) {
  const std::string deep = "a = " + std::string(100000, '[');
  EXPECT_FALSE(parse_toml(deep, "a.toml").parsed);
}

}  // namespace
}  // namespace saffron::host
