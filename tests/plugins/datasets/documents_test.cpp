#include <plugins/datasets/text/documents.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace saffron::datasets_test {
namespace {

using plugins::Unit;
using testing::ElementsAre;
using testing::Pair;

std::vector<std::pair<std::int64_t, std::string>> cut(std::string_view text, Unit unit) {
  std::vector<plugins::Document> documents;
  plugins::cut(text, unit, 0, documents);
  std::vector<std::pair<std::int64_t, std::string>> out;
  for (const auto& document : documents) out.emplace_back(document.line, document.text);
  return out;
}

TEST(Documents, AFileIsOne) {
  EXPECT_THAT(cut("\na\n\nb\n", Unit::file), ElementsAre(Pair(1, "\na\n\nb\n")));
  EXPECT_THAT(cut("", Unit::file), ElementsAre());
  EXPECT_THAT(cut(" \n\t\r\n", Unit::file), ElementsAre());
}

TEST(Documents, LinesWithoutTheirEnds) {
  EXPECT_THAT(cut("a b\n\n  \n c \r\nd", Unit::line),
              ElementsAre(Pair(1, "a b"), Pair(4, " c "), Pair(5, "d")));
  EXPECT_THAT(cut("a\nb\n", Unit::line), ElementsAre(Pair(1, "a"), Pair(2, "b")));
  EXPECT_THAT(cut("\n\n", Unit::line), ElementsAre());
}

TEST(Documents, ParagraphsBetweenBlankLines) {
  EXPECT_THAT(cut("\na\nb\n \n\t\n\nc\r\n\r\nd", Unit::blank_line),
              ElementsAre(Pair(2, "a\nb"), Pair(7, "c"), Pair(9, "d")));
  EXPECT_THAT(cut("a\n\n\n", Unit::blank_line), ElementsAre(Pair(1, "a")));
  EXPECT_THAT(cut(" a", Unit::blank_line), ElementsAre(Pair(1, " a")));
}

}  // namespace
}  // namespace saffron::datasets_test
