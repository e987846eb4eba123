#pragma once

#include <saffron/testing/checks.h>
#include <saffron/testing/process_state.h>

#include <ATen/Parallel.h>

// What a component does to the process that it is used in.

namespace saffron::testing {

// While it lives LibTorch has so many threads.
class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~ThreadCount() { at::set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

// While it lives a check of a component runs: on one thread, and with the process afterwards as it
// was. What had changed is kept in mind for leaves_process_alone, as some change it but once.
class Undisturbed {
 public:
  explicit Undisturbed(const Subject& subject) : subject_(subject) {}
  ~Undisturbed();
  [[nodiscard]] bool changed() const { return !ProcessState().changed_since(before_).empty(); }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;

 private:
  const Subject& subject_;
  // What checks compute is small; more threads would wait for each other on a busy machine, and a
  // process that has begun them cannot go on in a fork.
  ThreadCount one_{1};
  ProcessState before_;
};

Verdict leaves_process_alone(const Subject& subject);
Verdict no_thread_left(const Subject& subject);

}  // namespace saffron::testing
