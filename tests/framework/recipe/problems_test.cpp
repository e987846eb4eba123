#include "framework/recipe/problems.h"

#include <gtest/gtest.h>

namespace saffron::host {
namespace {

TEST(Problems, AreShownInTheOrderOfTheSourcesWithTheirLine) {
  SourceTexts sources;
  sources.add("main.toml", "a = 1\n\tb = 2\n");
  sources.add("base.toml", "c = 3\n");
  Problems problems;
  problems.error({"base.toml", 1, 5}, "c", "third");
  problems.warning({"main.toml", 2, 6}, "b", "second", "change it");
  problems.error({"main.toml", 1, 1}, "a", "first");
  problems.error({}, "", "nowhere");
  EXPECT_EQ(problems.text(sources),
            "main.toml:1:1: error: a: first\n"
            "  1 | a = 1\n"
            "    | ^\n"
            "main.toml:2:6: warning: b: second\n"
            "  2 |  b = 2\n"
            "    |      ^\n"
            "  help: change it\n"
            "base.toml:1:5: error: c: third\n"
            "  1 | c = 3\n"
            "    |     ^\n"
            "error: nowhere\n"
            "3 errors, 1 warning\n");
}

TEST(Problems, KeepsEachOnce) {
  Problems problems;
  problems.error({"a.toml", 1, 1}, "a", "wrong");
  problems.error({"a.toml", 1, 1}, "a", "wrong");
  problems.error({"a.toml", 1, 2}, "a", "wrong");
  EXPECT_EQ(problems.errors(), 2u);
}

TEST(Problems, CountsWhatItDoesNotShow) {
  Problems problems;
  for (int i = 1; i <= 23; ++i) problems.error({"a.toml", i, 1}, "a", "wrong");
  const std::string text = problems.text({});
  EXPECT_NE(text.find("a.toml:20:1"), std::string::npos);
  EXPECT_EQ(text.find("a.toml:21:1"), std::string::npos);
  EXPECT_TRUE(text.ends_with("and 3 more\n23 errors\n")) << text;
}

TEST(Problems, ThrowsErrorsButNotWarnings) {
  Problems problems;
  problems.warning({}, "a", "odd");
  EXPECT_NO_THROW(problems.throw_errors({}));
  problems.error({}, "b", "wrong");
  try {
    problems.throw_errors({});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::recipe);
    EXPECT_STREQ(error.what(), "warning: a: odd\nerror: b: wrong\n1 error, 1 warning");
  }
}

TEST(Problems, PlacesTheCaretUnderWideCharactersAndInLongLines) {
  SourceTexts sources;
  sources.add("a.toml", "\xC3\xB6 = \"\xE2\x98\x83\" # x\n" + std::string(300, 'y') + "z\r\n");
  Problems problems;
  problems.error({"a.toml", 1, 5}, "", "one");
  problems.error({"a.toml", 2, 301}, "", "two");
  problems.error({"a.toml", 9, 1}, "", "past the end");
  const std::string text = problems.text(sources);
  EXPECT_NE(text.find("  1 | \xC3\xB6 = \"\xE2\x98\x83\" # x\n    |     ^\n"), std::string::npos);
  EXPECT_NE(text.find("yz\n    | " + std::string(44, ' ') + "^\n"), std::string::npos) << text;
  EXPECT_NE(text.find("a.toml:9:1: error: past the end\n3 errors"), std::string::npos) << text;
}

TEST(Problems, ListsNames) {
  EXPECT_EQ(listed({}), "");
  EXPECT_EQ(listed({"a"}), "'a'");
  EXPECT_EQ(listed({"a", "b", "c"}), "'a', 'b' and 'c'");
  EXPECT_EQ(listed({"a", "b", "c", "d"}, 2), "'a', 'b' and 2 more");
  EXPECT_EQ(did_you_mean("inpsect", {"plan", "inspect", "run"}), "did you mean 'inspect'?");
  EXPECT_EQ(did_you_mean("xyz", {"plan", "inspect", "run"}), "");
}

}  // namespace
}  // namespace saffron::host
