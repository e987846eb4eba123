#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

// Other processes, as /proc shows them.

namespace saffron::host {

// Bytes that a process holds of its own: in memory or swapped out, shared memory among them, mapped
// files not. What it has merely reserved does not count, and LibTorch, CUDA and sanitizers reserve
// far more than there is: no limit of the address space (RLIMIT_AS, RLIMIT_DATA) fits them. 0 for a
// process that is gone.
[[nodiscard]] std::uint64_t memory_of(pid_t id);

// How many threads this process has.
[[nodiscard]] std::ptrdiff_t threads_of_this();

// The processes whose parent is `id`.
[[nodiscard]] std::vector<pid_t> children_of(pid_t id);

// While it lives, processes that descend from this one and lose their parents become its children,
// also those that left their group and session: end_all() ends them, and so does its end. Children
// that were there before it stay.
class Orphans {
 public:
  Orphans();
  ~Orphans();
  Orphans(const Orphans&) = delete;
  Orphans& operator=(const Orphans&) = delete;

  // Call it when no child is to go on. Returns how many processes it ended.
  std::size_t end_all() const;

 private:
  int before_ = 0;  // whether this process took orphans in already
  std::set<pid_t> others_;
};

}  // namespace saffron::host
