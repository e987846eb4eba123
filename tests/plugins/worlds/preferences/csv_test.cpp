#include "plugins/worlds/preferences/csv.h"
#include "tests/caught.h"

#include <gtest/gtest.h>

namespace saffron::plugins {
namespace {

using test::caught;
using Record = std::vector<std::string>;

std::vector<Record> records(std::string_view text) {
  CsvReader reader(text, "t.csv");
  std::vector<Record> out;
  while (reader.next()) out.emplace_back(reader.fields().begin(), reader.fields().end());
  return out;
}

std::string refusal(std::string_view text) {
  const Error error = caught([&] { (void)records(text); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  return error.where() + ": " + error.message();
}

TEST(Csv, Records) {
  const std::vector<Record> expected = {{"a", "b"}, {"1", "2"}};
  EXPECT_EQ(records("a,b\n1,2\n"), expected);
  EXPECT_EQ(records("a,b\n1,2"), expected);
  EXPECT_EQ(records("a,b\r\n1,2\r\n"), expected);
  EXPECT_EQ(records("\xef\xbb\xbf\"a\",b\n1,\"2\"\n"), expected);
  EXPECT_EQ(records(""), std::vector<Record>());
  EXPECT_EQ(records("\n"), std::vector<Record>{{""}});
  EXPECT_EQ(records(",\n,,"), (std::vector<Record>{{"", ""}, {"", "", ""}}));
  EXPECT_EQ(records("a,"), (std::vector<Record>{{"a", ""}}));
  EXPECT_EQ(records(" a , b\n"), (std::vector<Record>{{" a ", " b"}}));
}

TEST(Csv, Quotes) {
  EXPECT_EQ(records("\"a,b\",c\n"), (std::vector<Record>{{"a,b", "c"}}));
  EXPECT_EQ(records("\"say \"\"yes\"\"\",\"\"\n"), (std::vector<Record>{{"say \"yes\"", ""}}));
  EXPECT_EQ(records("\"\"\"\"\n"), std::vector<Record>{{"\""}});
  EXPECT_EQ(records("\"two\r\nlines\",x\r\ny,z"),
            (std::vector<Record>{{"two\r\nlines", "x"}, {"y", "z"}}));
  EXPECT_EQ(records("\"\"\"a\"\"\",\"\"\"b\"\"\"\n"), (std::vector<Record>{{"\"a\"", "\"b\""}}));
}

TEST(Csv, Lines) {
  CsvReader reader("a\n\"b\nb\"\nc\n", "t.csv");
  std::vector<std::int64_t> lines;
  while (reader.next()) lines.push_back(reader.line());
  EXPECT_EQ(lines, (std::vector<std::int64_t>{1, 2, 4}));
}

TEST(Csv, Refusals) {
  EXPECT_EQ(refusal("a,b\n1,2\"\n"), "t.csv:2:4: a quote within a field that has none around it");
  EXPECT_EQ(refusal("a\n\"x\" ,\n"), "t.csv:2:4: text after the quote that closes a field");
  EXPECT_EQ(refusal("a\n\xc3\xa4,\"x\n\n"), "t.csv:2:3: a quote is opened here and never closed");
  EXPECT_EQ(refusal("a\rb\n"), "t.csv:1:2: a carriage return without a line feed");
  EXPECT_EQ(refusal("a\n\"b\nb\",c\"\n"),
            "t.csv:3:5: a quote within a field that has none around it");
  EXPECT_TRUE(refusal("a\nb\xff\n").starts_with("t.csv:2:2")) << refusal("a\nb\xff\n");
}

TEST(Csv, PlacesOfFields) {
  CsvReader reader("h,i\n\"\xc3\xa4\nx\",\"y\"\"\",z\n", "t.csv");
  ASSERT_TRUE(reader.next());
  ASSERT_TRUE(reader.next());
  const auto where = [&](std::size_t field) {
    return caught([&] { reader.fail(field, "wrong"); }).where();
  };
  EXPECT_EQ(where(0), "t.csv:2:1");
  EXPECT_EQ(where(1), "t.csv:3:4");
  EXPECT_EQ(where(2), "t.csv:3:10");
}

}  // namespace
}  // namespace saffron::plugins
