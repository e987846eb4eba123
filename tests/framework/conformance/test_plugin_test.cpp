#include "framework/conformance/test_plugin.h"
#include "framework/conformance/settings.h"

#include "tests/places.h"
#include "tests/temporary_folder.h"

#include <saffron/error.h>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace saffron::host {
namespace {

using saffron::testing::Outcome;
using ::testing::HasSubstr;
using ::testing::Not;

TestRequest request(std::vector<std::string> only = {"shapes", "scan-time"}) {
  TestRequest out;
  out.file = std::filesystem::path(kBuildDir) / "lib/saffron/plugins/librelu.so";
  out.only = std::move(only);
  return out;
}

std::string refusal(const TestRequest& request) {
  try {
    static_cast<void>(test_plugin(request));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TestPlugin, OnlyWhatIsAskedFor) {
  const PluginTest test = test_plugin(request());
  ASSERT_EQ(test.checks.size(), 2U);
  EXPECT_EQ(test.checks[0].id, "scan-time");
  EXPECT_EQ(test.checks[1].subject, "sae/relu");
  EXPECT_EQ(test.count(Outcome::passed), 2U);
  EXPECT_TRUE(test.passed());
}

// Whether anything prints shows only where everything runs: all of it does, and one line is recorded.
TEST(TestPlugin, SilenceAloneIsStillListenedFor) {
  TestRequest chatty = request({"silent-stdout"});
  chatty.file =
      std::filesystem::path(kBuildDir) / "tests/wrong_libraries/libwrong_library_silent_stdout.so";
  const PluginTest test = test_plugin(chatty);
  ASSERT_EQ(test.checks.size(), 1U);
  EXPECT_EQ(test.checks[0].verdict.outcome, Outcome::failed);
  EXPECT_THAT(test.checks[0].verdict.message, HasSubstr("printed 'step"));
}

TEST(TestPlugin, ChecksThatNothingHereHasAreAnError) {
  EXPECT_THAT(refusal(request({"row-out-of-range-refused"})), HasSubstr("has these checks"));
}

TEST(TestPlugin, NamesThatDoNotExist) {
  EXPECT_THAT(refusal(request({"shape"})), HasSubstr("there is no check 'shape'"));
  EXPECT_THAT(refusal(request({"shape"})),
              HasSubstr("did you mean 'shapes'? saffron test-plugin --list FILE has them all"));
  EXPECT_THAT(refusal(request({"zzzzzzzzz"})),
              HasSubstr("help: saffron test-plugin --list FILE has them"));
  TestRequest component = request();
  component.components = {"sae/rely"};
  EXPECT_THAT(refusal(component), HasSubstr("did you mean 'sae/relu'?"));
  TestRequest off = request();
  off.settings.off = {{"sae/relu shapess", "because"}};
  EXPECT_THAT(refusal(off), HasSubstr("there is no check 'shapess'"));
  TestRequest file = request();
  file.file = std::string(kSourceDir) + "/README.md";
  EXPECT_THAT(refusal(file), HasSubstr("README.md"));
}

// All at once, each with its place.
TEST(TestPlugin, NamesInItsFileThatDoNotExist) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "test-plugin.toml";
  std::ofstream(path) << "[options.\"sae/rely\"]\n"
                         "width = 8\n"
                         "[options.\"sae/relu\"]\n"
                         "widht = 8\n"
                         "width = \"8\"\n"
                         "[off]\n"
                         "shapess = \"a\"\n"
                         "\"sae/relu rows-stay\" = \"a dataset's\"\n"
                         "\"libary scan-time\" = \"a\"\n"
                         "\"library shapes\" = \"an SAE's\"\n"
                         "\"library scan-time\" = \"right\"\n";
  TestRequest wrong = request();
  wrong.settings = read_test_settings(path);
  wrong.only = {"shapes", "scan-tim"};
  const std::string at = path.string() + ':', text = refusal(wrong);
  const char* const all = " saffron test-plugin --list FILE has them all\n";
  for (const std::string& part :
       {at + "1:10: error: there is no component 'sae/rely'\n",
        at + "4:1: error: relu.widht: unknown key\n",
        at + "5:9: error: relu.width: expected int, got string \"8\"\n  5 | width = \"8\"\n",
        at + "7:1: error: there is no check 'shapess'\n",
        at + "8:1: error: there is no check 'rows-stay' of sae/relu\n",
        at + "9:1: error: there is no component 'libary'\n",
        at + "10:1: error: there is no check 'shapes' of the library\n",
        std::string("  help: did you mean 'sae/relu'?\n"),
        std::string("  help: did you mean 'width'?\n"),
        std::string("  help: write 8 without quotes\n"), cat("  help: did you mean 'shapes'?", all),
        std::string("  help: did you mean 'library'?\n"),
        cat("error: there is no check 'scan-tim'\n  help: did you mean 'scan-time'?", all),
        std::string("\n8 errors")}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

// What the options lack skips checks; it is no mistake of the file.
TEST(TestPlugin, OptionsThatLackOneAreTaken) {
  TestRequest lacking = request({"rows-stay"});
  lacking.file = std::filesystem::path(kBuildDir) / "lib/saffron/plugins/libtext.so";
  lacking.settings.options = {{"dataset/text", from_json(R"({"context": 16})", "options")}};
  const PluginTest test = test_plugin(lacking);
  ASSERT_EQ(test.checks.size(), 1U);
  EXPECT_EQ(test.checks[0].verdict.outcome, Outcome::skipped);
  EXPECT_THAT(test.checks[0].verdict.message, HasSubstr("needs a value for 'files'"));
}

TEST(TestPlugin, WhatIsSwitchedOffSaysWhy) {
  TestRequest off = request();
  off.settings.off = {{"library scan-time", "a network disk"}, {"sae/relu shapes", "a reason"}};
  const PluginTest test = test_plugin(off);
  EXPECT_EQ(test.count(Outcome::skipped), 2U);
  EXPECT_EQ(test.checks[0].verdict.message, "switched off: a network disk");
}

TEST(TestPlugin, LowStrictnessAsksLess) {
  TestRequest lax = request({}), strict = request({});
  lax.settings.strictness = 1;
  EXPECT_LT(test_plugin(lax).checks.size(), test_plugin(strict).checks.size());
}

TEST(TestPlugin, ReportsAsTextAndJson) {
  const PluginTest test = test_plugin(request());
  const std::string text = text_of(test, false);
  EXPECT_THAT(text, HasSubstr("library\n  passed   scan-time"));
  EXPECT_THAT(text, HasSubstr("2 passed\n"));
  EXPECT_THAT(text_of(test, true), Not(HasSubstr("scan-time")));
  const Value json = to_value(test, false);
  EXPECT_EQ(json.at("plugin").as_string(), "org.saffron.relu");
  EXPECT_EQ(json.at("checks").as_list()[1].at("outcome").as_string(), "passed");
  EXPECT_EQ(json.at("counts").at("passed").as_int(), 2);
}

TEST(TestPlugin, InThisProcessItIsTheSame) {
  at::set_num_threads(1);  // a process with threads could fork no checks afterwards
  TestRequest here = request();
  here.in_process = true;
  EXPECT_EQ(test_plugin(here).count(Outcome::passed), 2U);
}

TEST(TestPlugin, EveryCheckIsListed) {
  const std::string list = list_of_checks();
  for (const saffron::testing::Check& check : saffron::testing::checks()) {
    EXPECT_THAT(list, HasSubstr(check.sentence));
  }
  EXPECT_THAT(list, HasSubstr("silent-stdout"));
  EXPECT_THAT(list, HasSubstr("kind-tried"));
}

TEST(TestPlugin, TheChecksOfAFileAreListed) {
  const PluginFile file = read_plugin_file(request().file);
  const std::string list = list_of_checks(&file);
  for (const char* id : {"scan-time", "defaults-valid", "float64", "l0-bound"}) {
    EXPECT_THAT(list, HasSubstr(id));
  }
  for (const char* id : {"scale-degree", "rows-stay", "\nregularizer\n"}) {
    EXPECT_THAT(list, Not(HasSubstr(id)));
  }
}

}  // namespace
}  // namespace saffron::host
