#include "testing/checks/process.h"

#include "testing/drivers/toy_folder.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>
#include <saffron/testing/process_state.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

namespace saffron::testing {
namespace {

// While it lives the working directory is an empty folder, and LibTorch has an odd number of threads,
// that whoever sets it to what it mostly is be seen.
class OddPlace {
 public:
  OddPlace() : here_(std::filesystem::current_path()), threads_(at::get_num_threads()) {
    std::filesystem::current_path(folder_.path());
    at::set_num_threads(threads_ + 2);
  }
  ~OddPlace() {
    std::error_code ignored;
    std::filesystem::current_path(here_, ignored);
    at::set_num_threads(threads_);
  }
  OddPlace(const OddPlace&) = delete;
  OddPlace& operator=(const OddPlace&) = delete;

  // "log.csv": something that lies there; "" where nothing does.
  [[nodiscard]] std::string left() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      return entry.path().filename().string();
    }
    return {};
  }

 private:
  ToyFolder folder_;
  std::filesystem::path here_;
  int threads_;
};

// What a use changes of the process; nothing where it cannot be used.
std::optional<std::string> changes_of_use(const Subject& subject) {
  const ProcessState before;
  try {
    static_cast<void>(use_fresh(subject));
  } catch (const std::exception&) {
    return std::nullopt;
  }
  const std::string changes = ProcessState().changed_since(before);
  before.restore();  // what follows is not the plugin's
  return changes;
}

// Threads that have ended may be listed for a moment.
bool has_more_threads_than(std::ptrdiff_t before) {
  constexpr int kPatience = 20;
  for (int i = 0; i < kPatience && threads() > before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return threads() > before;
}

// LibTorch's own pools are there from now on.
void begin_torch_threads() {
  at::parallel_for(0, 1 << 16, 1, [](std::int64_t, std::int64_t) {});
  const at::Tensor leaf = at::ones({2}, at::kFloat).requires_grad_(true);
  leaf.square().sum().backward();
}

}  // namespace

Verdict leaves_process_alone(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  std::optional<std::string> changes;
  std::string left;
  {
    const OddPlace place;
    changes = changes_of_use(subject);
    if (changes) left = place.left();
  }
  // Its options may name files from where it was.
  if (!changes) changes = changes_of_use(subject);
  if (!changes) static_cast<void>(use_fresh(subject));
  if (changes && !changes->empty()) fail(*changes);
  if (!left.empty()) {
    fail(cat("writes '", left, "' into the working directory: what it writes lies below ",
             "Context::artifacts(), or where its user says"));
  }
  return {};
}

Verdict no_thread_left(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  begin_torch_threads();
  const auto before = threads();
  for (int i = 0; i < 3; ++i) static_cast<void>(use_fresh(subject));
  if (has_more_threads_than(before)) fail("a thread is still there after the component is gone");
  return {};
}

}  // namespace saffron::testing
