#include "framework/loader/crash.h"

#include "tests/framework/loader/support.h"

namespace saffron::host {
namespace {

using testing::child_program;
using ::testing::HasSubstr;
using ::testing::Not;
using Outcome = ChildResult::Outcome;

TEST(CrashHandler, NamesTheComponentAndTheRun) {
  const ChildResult result =
      run_in_child({"crash-in-component", "runs/quick-0a1b"}, child_program());
  EXPECT_NE(result.outcome, Outcome::passed);
  EXPECT_THAT(result.output,
              HasSubstr("saffron: SIGSEGV in regularizer hoyer (train.all.regularizer.hoyer)\n"
                        "  run directory: runs/quick-0a1b\n"
                        "  help: the same command again resumes the run"));
}

TEST(CrashHandler, TheSignalTakesItsCourse) {
  const ChildResult result = run_in_child({"crash-in-component", ""}, child_program());
  EXPECT_EQ(result.what(), "crashed with SIGSEGV");
  EXPECT_THAT(result.output, Not(HasSubstr("run directory")));
}

TEST(CrashHandler, AWorkersCrashNamesWhatTheMainThreadDid) {
  const ChildResult result = run_in_child({"crash-on-worker"}, child_program());
  EXPECT_THAT(result.output, HasSubstr("saffron: SIGABRT on a worker thread, while the main thread "
                                       "was in sae topk (sae.student)"));
}

TEST(CrashHandler, AStackOverflowIsReported) {
  const ChildResult result = run_in_child({"crash-by-overflow"}, child_program());
  EXPECT_THAT(result.output, HasSubstr("saffron: SIGSEGV in sae deep"));
}

TEST(ExitGuard, NamesWhoEndsTheProcess) {
  for (const char* way : {"exit", "quick_exit"}) {
    const ChildResult result = run_in_child({"exit-in-component", way}, child_program());
    EXPECT_EQ(result.exit_code, 4) << way;
    EXPECT_THAT(result.output,
                HasSubstr("saffron: the process was ended by exit() in regularizer hoyer "
                          "(train.all.regularizer.hoyer): a plugin throws saffron::Error instead\n"
                          "  run directory: runs/quick-0a1b\n"))
        << way;
  }
}

TEST(ExitGuard, LetsForksAndTheProgramItselfEnd) {
  for (const char* way : {"fork", "none"}) {
    const ChildResult result = run_in_child({"exit-in-component", way}, child_program());
    EXPECT_EQ(result.outcome, Outcome::passed) << way;
    EXPECT_EQ(result.output, "") << way;
  }
}

}  // namespace
}  // namespace saffron::host
