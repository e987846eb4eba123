#include "testing/checks/process.h"

#include "testing/checks/again.h"
#include "testing/drivers/toy_folder.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>
#include <saffron/value.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace saffron::testing {
namespace {

// While it lives the working directory is an empty folder, and LibTorch has an odd number of threads,
// that whoever sets it to what it mostly is be seen.
class OddPlace {
 public:
  OddPlace() : here_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder_.path());
  }
  ~OddPlace() {
    std::error_code ignored;
    std::filesystem::current_path(here_, ignored);
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
  ThreadCount three_{3};
};

// By component and options: what checks of it have changed in this process.
std::string& changes_seen_of(const Subject& subject) {
  static std::map<std::string, std::string> seen;
  return seen[cat(subject.kind(), '/', subject.name(), ' ', to_json(subject.options()))];
}

// What uses change of the process, also while the component lives; nothing where it cannot be used.
std::optional<std::string> changes_of_uses(const Subject& subject) {
  const ProcessState before;
  std::unique_ptr<Driver> driver;
  try {
    driver = fresh(subject);
    static_cast<void>(use(subject, *driver));
  } catch (const std::exception&) {
    return std::nullopt;
  }
  const auto now = [&] { return ProcessState().changed_since(before); };
  std::string changes = now();
  try {
    if (changes.empty()) static_cast<void>(use(subject, *driver, {.data = kOtherData}));
  } catch (...) {
    // A later use that throws is for others to find.
  }
  if (changes.empty()) changes = now();
  driver.reset();
  if (changes.empty()) changes = now();
  before.restore();  // what follows is not the plugin's
  return changes;
}

// A file that every use leaves open. One that the first use opens for all is none of them.
std::string left_open(const Subject& subject) {
  const ProcessState before;
  try {
    static_cast<void>(use_fresh(subject));
  } catch (...) {
    return {};  // for others to find
  }
  return ProcessState().opened_since(before);
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

Undisturbed::~Undisturbed() {
  std::string changes = ProcessState().changed_since(before_);
  if (!changes.empty()) changes_seen_of(subject_) = std::move(changes);
  before_.restore();
}

Verdict leaves_process_alone(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  std::optional<std::string> changes;
  std::string file, open;
  const auto ask = [&] {
    changes = changes_of_uses(subject);
    if (changes) open = left_open(subject);
  };
  {
    const OddPlace place;
    ask();
    if (changes) file = place.left();
  }
  if (!changes) ask();  // its options may name files from where it was
  if (!changes) static_cast<void>(use_fresh(subject));
  if (changes && changes->empty()) changes = changes_seen_of(subject);
  if (changes && !changes->empty()) fail(*changes);
  if (!file.empty()) {
    fail(cat("writes '", file, "' into the working directory: what it writes lies below ",
             "Context::artifacts(), or where its user says"));
  }
  if (!open.empty()) {
    fail(cat("leaves '", open,
             "' open when it is gone: a process may hold so many files, and a run ",
             "makes more uses than that"));
  }
  return {};
}

Verdict no_thread_left(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  begin_torch_threads();
  const auto before = threads();
  for (int i = 0; i < 3; ++i) static_cast<void>(use_fresh(subject));
  if (!has_more_threads_than(before)) return {};
  // LibTorch's own, of a number that it has set.
  leave_to(subject, kLeavesProcessAlone, "a thread is still there after the component is gone");
}

}  // namespace saffron::testing
