#include "framework/loader/sandbox.h"

#include "framework/loader/process.h"
#include "tests/framework/loader/support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <thread>

namespace saffron::host {
namespace {

using ::testing::AllOf;
using testing::child_program;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;
using Outcome = ChildResult::Outcome;
using std::chrono::milliseconds;

TEST(Sandbox, Passed) {
  const ChildResult result = run_in_child({"print"}, child_program());
  EXPECT_EQ(result.outcome, Outcome::passed);
  EXPECT_EQ(result.result, "the result");
  EXPECT_THAT(result.output, AllOf(HasSubstr("to stdout\n"), HasSubstr("to stderr\n")));
  EXPECT_EQ(result.what(), "");
}

TEST(Sandbox, Failed) {
  const ChildResult result = run_in_child({"exit", "3"}, child_program());
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.what(), "exited with code 3");
}

TEST(Sandbox, CrashedBySignal) {
  for (const int signal : {SIGSEGV, SIGABRT, SIGKILL}) {
    const ChildResult result = run_in_child({"raise", std::to_string(signal)}, child_program());
    EXPECT_EQ(result.outcome, Outcome::crashed);
    EXPECT_EQ(result.what(), "crashed with " + signal_name(signal));
  }
  EXPECT_EQ(signal_name(SIGSEGV), "SIGSEGV");
  EXPECT_EQ(signal_name(77), "signal 77");
}

TEST(Sandbox, TimedOutKeepsWhatWasPrinted) {
  // The first runs may be slow to start: the limit is generous, the child never ends by itself.
  const ChildResult result = run_in_child({"hang"}, child_program(milliseconds(6000)));
  EXPECT_EQ(result.outcome, Outcome::timed_out);
  EXPECT_EQ(result.output, "before the hang\n");
  EXPECT_THAT(result.what(), HasSubstr("gave no answer within 6"));
  EXPECT_LT(result.seconds, 30);
}

TEST(Sandbox, WhatTheChildLeavesBehindIsKilled) {
  const TempFolder folder;
  const std::string file = (folder.path() / "id").string();
  const ChildResult result = run_in_child({"grandchild", file}, child_program());
  EXPECT_EQ(result.outcome, Outcome::passed);
  pid_t id = 0;
  std::ifstream(file) >> id;
  ASSERT_GT(id, 0);
  bool gone = false;
  for (int i = 0; i < 200 && !gone; ++i) {
    std::ifstream status(cat("/proc/", id, "/stat"));
    std::string number, name, state;
    // Gone, or dead and waiting for init to collect it.
    gone = !(status >> number >> name >> state) || state == "Z";
    if (!gone) std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_TRUE(gone);
}

TEST(Sandbox, OutputIsBounded) {
  ChildOptions options = child_program();
  options.output_limit = 1000;
  const ChildResult result = run_in_child({"flood"}, options);
  EXPECT_EQ(result.outcome, Outcome::passed);
  EXPECT_EQ(result.output, std::string(1000, 'x'));
}

// It has left its parent's group, and would keep the pipe full for ever.
TEST(Sandbox, WhoGoesOnWritingHoldsNobodyUp) {
  const TempFolder folder;
  const std::string file = (folder.path() / "id").string();
  const Orphans orphans;
  ChildOptions options = child_program();
  options.orphans = &orphans;
  const ChildResult result = run_in_child({"writer", file}, options);
  EXPECT_EQ(result.outcome, Outcome::passed);
  EXPECT_LT(result.seconds, 30);
  pid_t id = 0;
  std::ifstream(file) >> id;
  ASSERT_GT(id, 0);
  EXPECT_TRUE(::kill(id, 0) == -1 && errno == ESRCH);
}

TEST(Sandbox, WhoGoesOnWritingIsNotWaitedForEither) {
  const TempFolder folder;
  const std::string file = (folder.path() / "id").string();
  const ChildResult result = run_in_child({"writer", file}, child_program());
  EXPECT_EQ(result.outcome, Outcome::passed);
  EXPECT_LT(result.seconds, 30);
  pid_t id = 0;
  std::ifstream(file) >> id;
  ASSERT_GT(id, 0);
  ::kill(id, SIGKILL);
}

TEST(Sandbox, ChildrenThatWereThereStay) {
  const pid_t mine = ::fork();
  if (mine == 0) {
    for (;;) ::pause();
  }
  {
    const Orphans orphans;
    EXPECT_EQ(run_in_child({"print"}, child_program()).outcome, Outcome::passed);
    orphans.end_all();
  }
  EXPECT_EQ(::kill(mine, 0), 0);
  ::kill(mine, SIGKILL);
  ::waitpid(mine, nullptr, 0);
}

TEST(Sandbox, TooMuchMemory) {
  ChildOptions options = child_program();
  options.memory_limit = std::uint64_t{1} << 29;
  const ChildResult result = run_in_child({"memory"}, options);
  EXPECT_EQ(result.outcome, Outcome::too_large);
  EXPECT_EQ(result.what(), "took more than 0.5 GiB of memory");
}

TEST(Sandbox, MemoryThatIsOnlyReservedIsFree) {
  ChildOptions options = child_program();
  options.memory_limit = std::uint64_t{1} << 29;
  EXPECT_EQ(run_in_child({"reserve"}, options).outcome, Outcome::passed);
}

TEST(Sandbox, Stopped) {
  ChildOptions options = child_program(std::chrono::minutes(10));
  options.stop = [] { return true; };
  const ChildResult result = run_in_child({"hang"}, options);
  EXPECT_EQ(result.outcome, Outcome::stopped);
  EXPECT_LT(result.seconds, 30);
}

// Files that this program has open are none of the child's business, pipes of others least of all.
TEST(Sandbox, TheChildHasNoFilesOfItsParent) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);  // without O_CLOEXEC
  const ChildResult result = run_in_child({"files"}, child_program());
  EXPECT_EQ(result.result, "0 1 2 3 ");
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(Sandbox, MissingProgram) {
  ChildOptions options;
  options.program = "/no/such/program";
  EXPECT_EQ(run_in_child({"x"}, options).what(), "exited with code 127");
}

}  // namespace
}  // namespace saffron::host
