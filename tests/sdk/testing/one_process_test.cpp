#include "tests/fixtures/wrong/right_regularizer.h"
#include "tests/fixtures/wrong/wrong_once.h"

#include <saffron/testing/conformance.h>

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>

#include <set>

// Cases that share a process, as an author's test program runs them, find what `saffron test-plugin`
// finds. Each penalty of this program is wrong in one way, and only its check may say so.

namespace {

template <class T>
constexpr saffron::ComponentSpec wrong(const char* name) {
  return saffron::component<T>(name, "Wrong");
}

}  // namespace

SAFFRON_PLUGIN("org.saffron.test.one_process", "0.1.0",
               saffron::component<RightRegularizer>("right", "Keeps every promise"),
               wrong<Does<set_variable>>("variable"), wrong<Does<set_umask>>("umask"),
               wrong<Does<set_dtype>>("dtype"), wrong<Does<set_locale>>("locale"),
               wrong<Does<set_variable_once>>("variable_once"),
               wrong<Does<block_signal>>("blocked"), wrong<Does<close_input>>("input"),
               wrong<Does<print>>("prints"), wrong<ByThreads>("by_threads"))

namespace saffron::testing {
namespace {

// "umask: leaves-process-alone" of each case that fails.
std::vector<std::string> failures() {
  std::vector<std::string> out;
  for (const ConformanceCase& of : conformance_cases({})) {
    ::testing::TestPartResultArray results;
    {
      const ::testing::ScopedFakeTestPartResultReporter reporter(
          ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results);
      run_case(of);
    }
    for (int i = 0; i < results.size(); ++i) {
      if (!results.GetTestPartResult(i).failed()) continue;
      out.push_back(cat(of.row == nullptr ? kLibrary : of.row->name, ": ", of.id()));
    }
  }
  return out;
}

TEST(OneProcess, FindsWhatProcessesOfTheirOwnDo) {
  const std::vector<std::string> expected = {"variable: leaves-process-alone",
                                             "umask: leaves-process-alone",
                                             "dtype: leaves-process-alone",
                                             "locale: leaves-process-alone",
                                             "variable_once: leaves-process-alone",
                                             "blocked: leaves-process-alone",
                                             "input: leaves-process-alone",
                                             "by_threads: threads-agree",
                                             "library: silent-stdout"};
  EXPECT_EQ(failures(), expected);
}

TEST(OneProcess, ThreadsDoNotMatter) {
  std::vector<Verdict> verdicts;
  std::thread other([&] {
    for (const Check* check : checks_for("regularizer")) {
      if (std::string_view(check->id) != "threads-agree") continue;
      verdicts.push_back(run(*check, component("regularizer", "by_threads")));
      verdicts.push_back(run(*check, component("regularizer", "right")));
    }
  });
  other.join();
  ASSERT_EQ(verdicts.size(), 2U);
  EXPECT_EQ(verdicts[0].outcome, Outcome::failed) << verdicts[0].message;
  EXPECT_EQ(verdicts[1].outcome, Outcome::passed) << verdicts[1].message;
}

TEST(OneProcess, OneCallSaysItToo) {
  EXPECT_TRUE(conforms(component("regularizer", "right")));
  const auto result = conforms(component("regularizer", "prints"));
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(), ::testing::HasSubstr("silent-stdout: regularizer/prints printed"));
}

}  // namespace
}  // namespace saffron::testing
