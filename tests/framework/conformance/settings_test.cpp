#include "framework/conformance/settings.h"

#include "tests/temporary_folder.h"

#include <saffron/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace saffron::host {
namespace {

using ::testing::HasSubstr;

TestSettings read(const std::string& text) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "test-plugin.toml";
  std::ofstream(path) << text;
  return read_test_settings(path);
}

std::string refusal(const std::string& text) {
  try {
    static_cast<void>(read(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::recipe);
    return error.what();
  }
  return "no error";
}

TEST(TestSettings, OptionsOffAndStrictness) {
  const TestSettings settings = read(
      "strictness = 7\nmemory = 16\n"
      "[options.\"dataset/text\"]\nfiles = [\"a.txt\"]\n"
      "[off]\n\"bfloat16\" = \"counts\"\n\"dataset/text scan\" = \"slow disk\"\n\"library "
      "scan-time\" = \"c\"\n");
  EXPECT_EQ(settings.strictness, 7);
  EXPECT_EQ(settings.memory, 16);
  EXPECT_EQ(to_toml(settings.options_of("dataset", "text")), "{ files = [\"a.txt\"] }");
  EXPECT_EQ(settings.options_of("dataset", "tokens"), Value::table());
  EXPECT_EQ(settings.off_reason("sae", "relu", "bfloat16"), "counts");
  EXPECT_EQ(settings.off_reason("dataset", "text", "scan"), "slow disk");
  EXPECT_EQ(settings.off_reason("dataset", "tokens", "scan"), "");
  EXPECT_EQ(settings.off_reason("library", "", "scan-time"), "c");
  EXPECT_EQ(settings.off_reason("dataset", "text", "scan-time"), "");
  ASSERT_EQ(settings.options_at.size(), 1U);
  EXPECT_EQ(settings.options_at[0].line, 3);
  ASSERT_EQ(settings.off_at.size(), 3U);
  EXPECT_EQ(settings.off_at[1].line, 7);
}

// As a recipe's errors: their kind, and with it the exit code, and their looks.
TEST(TestSettings, EveryMistakeWithItsPlace) {
  const std::string text = refusal(
      "strictness = 11\nstrictnes = 3\n[options]\n\"sae/relu\" = 3\n[off]\nfloat64 = \"\"\n");
  EXPECT_THAT(text,
              HasSubstr("test-plugin.toml:1:14: error: strictness is an int from 1 to 10, not 11\n"
                        "  1 | strictness = 11\n    |              ^\n"));
  EXPECT_THAT(text, HasSubstr("test-plugin.toml:2:1: error: strictnes: unknown key\n"));
  EXPECT_THAT(text, HasSubstr("  help: did you mean 'strictness'?\n"));
  EXPECT_THAT(text, HasSubstr("test-plugin.toml:4:14: error: [options.\"kind/name\"] is a table"));
  EXPECT_THAT(text, HasSubstr("test-plugin.toml:6:11: error: 'float64' is switched off with a"));
  EXPECT_TRUE(text.ends_with("\n4 errors")) << text;
  EXPECT_THAT(refusal("strictness = \n"), HasSubstr("test-plugin.toml:1"));
  EXPECT_THAT(refusal("memory = \"much\"\n"),
              HasSubstr("memory is a number of GiB from 0.125 to 1000000, not \"much\""));
  EXPECT_THAT(refusal("color = 1\n"),
              HasSubstr("help: there are 'strictness', 'memory', 'options' and 'off'"));
  EXPECT_THAT(refusal("# \xff\n"), HasSubstr("UTF-8"));
}

TEST(TestSettings, AFileThatCannotBeRead) {
  const test::TemporaryFolder folder;
  for (const auto& path : {folder.path(), folder.path() / "none.toml"}) {
    try {
      static_cast<void>(read_test_settings(path));
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::recipe);
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
    }
  }
}

}  // namespace
}  // namespace saffron::host
