#include "tests/caught.h"

#include <saffron/value.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace saffron {
namespace {

using test::caught;
using ::testing::HasSubstr;

Value parse(std::string_view text) { return from_json(text, "a.json"); }

TEST(Error, TextHasPlaceMessageAndHelp) {
  Error error(ErrorKind::data, "expected 3 rows, found 2");
  EXPECT_STREQ(error.what(), "expected 3 rows, found 2");
  error.at({"a.toml", 3, 5}).within("node sae").with_help("add a row");
  EXPECT_STREQ(error.what(), "node sae: a.toml:3:5: expected 3 rows, found 2\n  help: add a row");
  EXPECT_EQ(error.where(), "node sae: a.toml:3:5");
  EXPECT_EQ(error.kind(), ErrorKind::data);
}

TEST(Error, OriginShowsWhatIsKnown) {
  EXPECT_EQ((Origin{"a.toml", 3, 5}).text(), "a.toml:3:5");
  EXPECT_EQ((Origin{"a.json", 3, 0}).text(), "a.json:3");
  EXPECT_EQ((Origin{"--set #1", 0, 0}).text(), "--set #1");
  EXPECT_EQ(Origin{}.text(), "");
  EXPECT_STREQ(Error("wrong").at(Origin{}).what(), "wrong");
}

TEST(Nearest, CountsEditsAndTranspositions) {
  const std::vector<std::string> names = {"topk", "relu", "gated", "jumprelu"};
  const auto near = [&](std::string_view word) {
    return nearest(word, names.data(), names.size());
  };
  EXPECT_EQ(near("rleu"), "relu");          // one transposition
  EXPECT_EQ(near("jumprel"), "jumprelu");   // one insertion
  EXPECT_EQ(near("jmuprelo"), "jumprelu");  // two edits of eight letters
  EXPECT_EQ(near("gxtxd"), "");             // two edits of five letters
  EXPECT_EQ(near("ab"), "");
  EXPECT_EQ(nearest("x", nullptr, 0), "");
  // "ca" -> "abc" is 3 in optimal string alignment (2 in the unrestricted distance).
  const std::string abc = "abc";
  EXPECT_EQ(nearest("ca", &abc, 1), "");
}

TEST(Value, HoldsEachTypeAndWidensInt) {
  EXPECT_TRUE(Value().is_null());
  EXPECT_TRUE(Value(true).as_bool());
  EXPECT_EQ(Value(7).as_int(), 7);
  EXPECT_EQ(Value(7).as_real(), 7.0);
  EXPECT_EQ(Value("x").as_string(), "x");
  EXPECT_EQ(Value(Value::List{1, 2}).as_list().size(), 2U);
  const Error error = caught([] { (void)Value(0.5).with_origin({"a.toml", 2, 1}).as_int(); });
  EXPECT_STREQ(error.what(), "a.toml:2:1: expected int, found float 0.5");
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
}

TEST(Value, TablesKeepOrderReplaceAndErase) {
  Value table = Value::table();
  table.set("width", 8);
  table.set("depth", 2);
  table.set("width", 9);
  ASSERT_EQ(table.as_table().size(), 2U);
  EXPECT_EQ(table.as_table()[0].key, "width");
  EXPECT_EQ(table.at("width").as_int(), 9);
  EXPECT_EQ(table.find("absent"), nullptr);
  EXPECT_THAT(caught([&] { (void)table.at("widht"); }).what(), HasSubstr("did you mean 'width'?"));
  EXPECT_TRUE(table.erase("width"));
  EXPECT_FALSE(table.erase("width"));
  EXPECT_EQ(table.find("width"), nullptr);
}

TEST(Value, CopiesAreDeepAndMovesLeaveNull) {
  Value list = Value::list();
  list.push(Value::table()).set("a", 1);
  Value copy = list;
  copy.as_list()[0].set("a", 2);
  EXPECT_EQ(list.as_list()[0].at("a").as_int(), 1);
  const Value moved = std::move(copy);
  EXPECT_TRUE(copy.is_null());  // NOLINT: the state after a move is part of the contract
  EXPECT_EQ(moved.as_list()[0].at("a").as_int(), 2);
  Value nested = std::move(list);
  nested = std::move(nested.as_list()[0]);  // from within itself
  EXPECT_EQ(nested.at("a").as_int(), 1);
}

TEST(Value, EqualityIgnoresOriginsAndKeyOrder) {
  Value a = parse(R"({"x": 1, "y": [1.5, null]})");
  Value b = from_json(R"({"y": [1.5, null], "x": 1})", "b.json");
  EXPECT_EQ(a, b);
  b.set("x", 1.0);
  EXPECT_FALSE(a == b);  // an int is not a float
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Value(nan), Value(nan));
}

TEST(Json, WritesThreeStyles) {
  const Value value = parse(R"({"b": [1, 2], "a": {"c": [[1], "x"], "d": {}}, "e": []})");
  EXPECT_EQ(to_json(value), R"({"b":[1,2],"a":{"c":[[1],"x"],"d":{}},"e":[]})");
  EXPECT_EQ(to_json(value, JsonStyle::canonical),
            R"({"a":{"c":[[1],"x"],"d":{}},"b":[1,2],"e":[]})");
  EXPECT_EQ(to_json(value, JsonStyle::pretty), R"({
  "b": [1, 2],
  "a": {
    "c": [
      [1],
      "x"
    ],
    "d": {}
  },
  "e": []
})");
}

TEST(Json, DoublesAreShortestAndReadBackAsFloats) {
  const std::vector<double> samples = {0.1,     1.0,
                                       -0.0,    1e22,
                                       5e-324,  1.7976931348623157e308,
                                       2.0 / 3, 1e-7,
                                       0x1p53,  4.1752050594835e+78};
  for (const double sample : samples) {
    const Value back = parse(to_json(Value(sample)));
    ASSERT_EQ(back.type(), Value::Type::real) << sample;
    EXPECT_EQ(back.as_real(), sample);
    EXPECT_EQ(std::signbit(back.as_real()), std::signbit(sample));
  }
  EXPECT_EQ(to_json(Value(0.1)), "0.1");
  EXPECT_EQ(to_json(Value(1.0)), "1.0");
  EXPECT_EQ(to_json(Value(1e22)), "1e+22");
  // Two numbers that Grisu2 writes longer: 4.1752050594835004e+78, -3.0345559750668678e-81.
  EXPECT_EQ(to_json(Value(4.1752050594835e+78)), "4.1752050594835e+78");
  EXPECT_EQ(to_json(Value(-3.034555975066868e-81)), "-3.034555975066868e-81");
  EXPECT_EQ(to_json(Value(std::int64_t{INT64_MIN})), "-9223372036854775808");
}

TEST(Json, NonFiniteIsNullOrAnErrorWhenCanonical) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(to_json(Value(nan)), "null");
  EXPECT_EQ(to_json(Value(-std::numeric_limits<double>::infinity()), JsonStyle::pretty), "null");
  const Error error = caught([&] { (void)to_json(Value(nan), JsonStyle::canonical); });
  EXPECT_EQ(error.kind(), ErrorKind::numeric);
}

TEST(Json, EscapesStringsAndReplacesInvalidUtf8) {
  EXPECT_EQ(to_json(Value("a\"\\\n\x01ü")), "\"a\\\"\\\\\\n\\u0001ü\"");
  EXPECT_EQ(to_json(Value("\xff!")), "\"\xEF\xBF\xBD!\"");
  EXPECT_EQ(caught([] { (void)to_json(Value("\xff"), JsonStyle::canonical); }).kind(),
            ErrorKind::invalid);
}

TEST(Json, ReadsEveryTypeWithItsLine) {
  const Value value =
      parse("{\n \"a\": 1,\n \"b\": [true, null, -2.5, \"\\u00fc\"],\n \"c\": 7\n}");
  EXPECT_EQ(value.at("a").origin().text(), "a.json:2");
  EXPECT_EQ(value.at("b").as_list()[3].as_string(), "ü");
  EXPECT_EQ(value.at("b").as_list()[2].as_real(), -2.5);
  EXPECT_EQ(value.at("c").origin().text(), "a.json:4");  // though the parser read past its line
  EXPECT_STREQ(caught([&] { (void)value.at("b").at("x"); }).what(),
               "a.json:3: expected table, found list");
  EXPECT_EQ(parse("18446744073709551615").as_real(), 18446744073709551615.0);
}

TEST(Json, ErrorsNameLineAndColumn) {
  const auto where = [](std::string_view text) {
    const Error error = caught([&] { (void)parse(text); });
    EXPECT_EQ(error.kind(), ErrorKind::data);
    return error.where();
  };
  EXPECT_EQ(where("{\"a\": 1,\n  \"ü\": x}"), "a.json:2:8");
  EXPECT_EQ(where(""), "a.json:1:1");
  EXPECT_EQ(where("[1, 2"), "a.json:1:6");
  EXPECT_EQ(where("[1] 2"), "a.json:1:5");
  EXPECT_EQ(where("\"\xff\""), "a.json:1:2");
  EXPECT_EQ(where("[1e999]"), "a.json:1:6");
  EXPECT_THAT(caught([] { (void)parse("[1,]"); }).what(), HasSubstr("unexpected ']'"));
}

TEST(Json, RefusesDuplicateKeysAndDeepNesting) {
  const Error twice = caught([] { (void)parse("{\"a\": 1,\n\"b\": 2, \"a\": 3}"); });
  EXPECT_THAT(twice.what(),
              HasSubstr("a.json:2:15: the JSON object that ends here has the key 'a'"));
  const std::string deep(100000, '[');
  EXPECT_THAT(caught([&] { (void)parse(deep); }).what(), HasSubstr("nested deeper than 256"));
  const std::string allowed = std::string(256, '[') + std::string(256, ']');
  EXPECT_EQ(to_json(parse(allowed)), allowed);
}

TEST(Toml, SpellsValuesAsARecipeWould) {
  const Value value =
      parse(R"({"n": 8, "r": 1.0, "s": "a\"\n", "l": [1, "x"], "a b": {"t": true}})");
  EXPECT_EQ(to_toml(value),
            R"({ n = 8, r = 1.0, s = "a\"\n", l = [1, "x"], "a b" = { t = true } })");
  EXPECT_EQ(to_toml(Value::table()), "{}");
  EXPECT_EQ(to_toml(Value("\x7f")), "\"\\u007F\"");
  EXPECT_EQ(to_toml(Value(-std::numeric_limits<double>::infinity())), "-inf");
}

}  // namespace
}  // namespace saffron
