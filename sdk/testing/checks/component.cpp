#include "testing/checks/again.h"
#include "testing/checks/groups.h"
#include "testing/checks/process.h"
#include "testing/elsewhere.h"
#include "testing/expect.h"
#include "testing/other_memory.h"
#include "testing/uses.h"

#include <saffron/error.h>

#include <ATen/Context.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

// What holds of every component, whatever its kind.

namespace saffron::testing {
namespace {

constexpr double kStridedTolerance = 1e-5;  // other kernels may sum in another order
constexpr double kFloat64Tolerance = 5e-3;  // float32 beside float64
constexpr double kDeviceTolerance = 1e-3;
constexpr int kManyThreads = 4;

void need(bool power, const Subject& subject, const char* what) {
  if (!power) skip(cat("a ", subject.kind(), " ", what));
}

// What is seeded with the time in whole seconds is the same within one.
void await_next_second() {
  using std::chrono::system_clock;
  std::this_thread::sleep_until(std::chrono::ceil<std::chrono::seconds>(system_clock::now()));
}

// With the global generators as they were: whether they are drawn from is another question.
Observed seeded_use(const Subject& subject) {
  at::manual_seed(1);
  std::srand(1);
  return use_fresh(subject);
}

// Two other processes come first: what a use draws once, they would find drawn.
Verdict deterministic_same_seed(const Subject& subject) {
  need_deterministic(subject);
  const auto there = [&] { return printed(seeded_use(subject)); };
  const auto one = elsewhere(there), another = elsewhere(there);
  const Observed first = seeded_use(subject);
  await_next_second();
  std::string differs = difference(first, seeded_use(subject));
  if (!differs.empty()) fail(cat("two instances with one seed and one input differ: ", differs));
  for (const auto filled : {OtherMemory::Filled::positive, OtherMemory::Filled::negative}) {
    const OtherMemory memory(filled);
    differs = difference(first, seeded_use(subject));
    if (differs.empty()) continue;
    fail(
        cat("says something else where it lies elsewhere in memory, by an address or by memory "
            "that nobody wrote to (at::empty): ",
            differs));
  }
  if (one && another && *one != *another) {
    fail(cat("two processes with one seed and one input differ (std::random_device, getpid()?): ",
             first_difference(*one, *another), ": draw from Context::random"));
  }
  return {};
}

// In a process of its own where that can be, as this one should stay without threads. LibTorch's
// products may round otherwise on several.
Verdict threads_agree(const Subject& subject) {
  need_reproducible(subject);
  const auto compare = [&] {
    const auto of = [&](int count) {
      const ThreadCount threads(count);
      return use_fresh(subject);
    };
    const Observed one = of(1);
    return difference(one, of(kManyThreads), kStridedTolerance);
  };
  const auto told = elsewhere(compare);
  const std::string differs = told ? *told : compare();
  if (!differs.empty()) fail(cat("1 and ", kManyThreads, " threads differ: ", differs));
  return {};
}

Verdict ignores_global_rng(const Subject& subject) {
  const GlobalDraws drawn = global_draws(subject);
  if (!drawn.any()) return {};
  fail(cat("draws from ", drawn.torch ? "LibTorch's global generator" : "C's rand()",
           ", or seeds it: take Context::random instead"));
}

// What a plain use is given.
Inputs given(const Subject& subject) {
  Inputs inputs(drawn(subject));
  static_cast<void>(fresh(subject)->use(inputs));
  return inputs;
}

Verdict input_not_mutated(const Subject& subject) {
  need(given(subject).tensors(), subject, "is given nothing that it could write to");
  const std::string changed = written_to(subject);
  if (!changed.empty()) fail(cat("writes to what it was given: ", changed));
  return {};
}

Verdict noncontiguous_input(const Subject& subject) {
  need(driver_of(subject).powers.strided, subject, "is given no tensors of the caller's layout");
  need_reproducible(subject);
  const Observed plain = use_fresh(subject), strided = use_fresh(subject, {.strided = true});
  const std::string differs = difference(plain, strided, kStridedTolerance);
  if (!differs.empty())
    fail(cat("the same numbers in another layout give other results: ", differs));
  return {};
}

Verdict batch_1_and_odd(const Subject& subject) {
  need(driver_of(subject).powers.rows, subject, "has no batches");
  for (const std::int64_t rows : {1, 3, 7}) {
    const Observed seen = use_fresh(subject, {.rows = rows});
    for (const auto& [name, tensor] : seen.tensors) {
      if (!all_finite(tensor)) fail(cat(name, " is not finite for a batch of ", rows));
    }
  }
  return {};
}

Verdict float64(const Subject& subject) {
  need(driver_of(subject).powers.dtype, subject, "has a dtype of its own");
  const Observed single = use_fresh(subject);
  Observed full;
  try {
    full = use_fresh(subject, {.dtype = at::kDouble}, {.dtype = at::kDouble});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid) throw;
    warn(cat("refuses float64, which a recipe's `dtype` may ask for: ", error.message(),
             " (what is compared to many digits is skipped)"));
  }
  for (const auto& [name, tensor] : full.tensors) {
    if (tensor.scalar_type() == at::kFloat) fail(cat(name, " is float32 for float64 inputs"));
  }
  need_reproducible(subject);
  const std::string inside = float32_inside(subject);
  if (!inside.empty()) {
    fail(cat(inside,
             " has float32's digits for float64 inputs: something inside is float32; take "
             "the dtype from the inputs"));
  }
  const std::string differs = difference(single, full, kFloat64Tolerance);
  if (!differs.empty()) fail(cat("float32 and float64 disagree: ", differs));
  return {};
}

Verdict bfloat16(const Subject& subject) {
  need(driver_of(subject).powers.dtype, subject, "has a dtype of its own");
  need(given(subject).numbers(), subject, "is given no numbers");
  try {
    static_cast<void>(use_fresh(subject, {.dtype = at::kBFloat16}));
  } catch (const Error&) {
    return {};  // refused in words
  } catch (const Finding&) {
    throw;
  } catch (const std::exception& error) {
    warn(cat("bfloat16 inputs are neither taken nor refused in words: ", words_of(error)));
  }
  return {};
}

Verdict cuda_matches_cpu(const Subject& subject) {
  need(driver_of(subject).powers.device, subject, "runs where its inputs are");
  if (!at::hasCUDA()) skip("no GPU");
  need_reproducible(subject);
  const Observed cpu = use_fresh(subject);
  const Observed cuda = use_fresh(subject, {}, {.device = at::kCUDA});
  const std::string differs = difference(cpu, cuda, kDeviceTolerance);
  if (!differs.empty()) fail(cat("CPU and GPU disagree: ", differs));
  return {};
}

Verdict no_grad_respected(const Subject& subject) {
  need(driver_of(subject).powers.gradients, subject, "takes part in no graph");
  const auto driver = fresh(subject);
  const c10::AutoGradMode no_grad(false);
  const Observed seen = use(subject, *driver);
  if (c10::GradMode::is_enabled()) fail("turns gradients on for its caller");
  for (const auto& [name, tensor, copy] : seen.handed) {
    if (tensor.requires_grad()) fail(cat(name, " carries a graph although gradients are off"));
  }
  return {};
}

Verdict exception_does_not_escape(const Subject& subject) {
  Value wrong = Value::table();
  wrong.set("no such parameter", Value::list());
  try {
    static_cast<void>(subject.create(wrong, {}));
  } catch (const Error&) {
    return {};
  }
  fail("creates a component from options that do not decode");
}

constexpr Check kChecks[] = {
    {kDeterministicSameSeed, "component", "same seed and inputs, same bits", 1,
     deterministic_same_seed},
    {kIgnoresGlobalRng, "component",
     "LibTorch's global generator and C's rand() are neither drawn from nor seeded", 1,
     ignores_global_rng},
    {kTwoInstancesIndependent, "component", "instances in one process do not share state", 1,
     two_instances_independent},
    {"threads-agree", "component", "1 and 4 threads give the same, but for rounding", 3,
     threads_agree},
    {kStateRoundtrip, "component", "what a later use depends on is saved and loaded", 1,
     state_roundtrip},
    {kUsedAgain, "component", "used a second time, it does what it did", 1, used_again},
    {kResultsStay, "component", "what it returned stays when it is used again", 1, results_stay},
    {kInputNotMutated, "component", "what it is given stays as it was", 1, input_not_mutated},
    {"noncontiguous-input", "component", "tensors of any layout mean the same", 2,
     noncontiguous_input},
    {"batch-1-and-odd", "component", "batches of 1, 3 and 7 rows work", 2, batch_1_and_odd},
    {"float64", "component", "float64 in, float64 out, and near float32", 3, float64},
    {"no-grad-respected", "component", "no graph is built while gradients are off", 3,
     no_grad_respected},
    {"exception-does-not-escape", "component", "bad options are reported, not thrown through C", 1,
     exception_does_not_escape},
    {kLeavesProcessAlone, "component",
     "threads, modes, locale, directory, environment, umask and signals stay as they were, and no "
     "file is left, or left open",
     4, leaves_process_alone},
    {"no-thread-left", "component", "no thread outlives the component", 4, no_thread_left},
    {"cuda-matches-cpu", "component", "a GPU gives the CPU's numbers", 5, cuda_matches_cpu},
    {"bfloat16", "component", "bfloat16 inputs are taken, or refused in words", 8, bfloat16},
};

}  // namespace

std::span<const Check> component_checks() { return kChecks; }

}  // namespace saffron::testing
