#include "tests/fixtures/wrong/wrong_once.h"

#include <saffron/testing/process_state.h>

#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cfenv>
#include <filesystem>
#include <string>

namespace saffron::testing {
namespace {

struct Change {
  void (*make)();
  const char* sentence;
};

const Change kChanges[] = {
    {[] { at::set_num_threads(at::get_num_threads() + 1); }, "sets the number of threads"},
    {set_dtype, "sets LibTorch's default dtype"},
    {[] { static_cast<void>(new c10::InferenceMode); },
     "leaves LibTorch's inference mode switched"},
    {[] { c10::GradMode::set_enabled(false); }, "leaves gradients switched"},
    {seek_anomalies, "switches autograd's search for anomalies"},
    {[] { at::globalContext().setDeterministicAlgorithms(true, true); },
     "switches LibTorch's deterministic algorithms"},
    {switch_kernels, "switches LibTorch's use of oneDNN or cuDNN"},
    {[] { at::globalContext().setFloat32MatmulPrecision("medium"); },
     "sets the precision of float32 products"},
    {[] { std::fesetround(FE_UPWARD); }, "sets the rounding mode"},
    {[] { at::globalContext().setFlushDenormal(true); },
     "sets the floating-point modes, as setFlushDenormal does"},
    {set_locale, "sets the locale"},
    {set_cpp_locale, "sets the locale"},
    {[] { std::filesystem::current_path("/"); }, "changes the working directory"},
    {set_umask, "sets the umask"},
    {[] { ::alarm(1000); }, "sets an alarm, which ends the process"},
    {set_variable, "changes the environment variable 'TZ'"},
    {[] { ::unsetenv("PATH"); }, "changes the environment variable 'PATH'"},
    {[] { std::signal(SIGUSR1, SIG_IGN); }, "sets the handler of SIGUSR1"},
    {block_signal, "blocks or unblocks SIGUSR2"},
    {set_limit, "sets a limit of the process (setrlimit)"},
};

TEST(ProcessState, SeesAndUndoesEachChange) {
  ::setenv("PATH", "/bin", 0);
  for (const Change& change : kChanges) {
    const ProcessState before;
    change.make();
    EXPECT_EQ(ProcessState().changed_since(before), change.sentence);
    before.restore();
    EXPECT_EQ(ProcessState().changed_since(before), "") << "after: " << change.sentence;
  }
}

TEST(ProcessState, OpenFiles) {
  const ProcessState before;
  EXPECT_EQ(before.opened_since(before), "");
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const ProcessState then;
  EXPECT_EQ(then.changed_since(before), "");
  EXPECT_EQ(then.opened_since(before), "/dev/null");
  ::close(file);
  EXPECT_EQ(ProcessState().changed_since(then),
            "closes descriptor " + std::to_string(file) + ", which is not its own");
}

}  // namespace
}  // namespace saffron::testing
