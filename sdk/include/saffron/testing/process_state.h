#pragma once

#include <saffron/namespace.h>

#include <memory>
#include <string>

namespace saffron::testing {

struct ProcessNumbers;
struct ProcessSurroundings;

// What belongs to the process and not to a plugin, as it is when this is made: LibTorch's threads,
// modes and switches, rounding, locale, working directory, environment, umask, signals, limits, and
// the files that are open.
//
//   const ProcessState before;
//   ...
//   EXPECT_EQ(ProcessState().changed_since(before), "");
class SAFFRON_EXPORT ProcessState {
 public:
  ProcessState();
  // "sets the locale": the first thing that is not what it was; "" where all is. That more files are
  // open is no change: what still lives may need them.
  [[nodiscard]] std::string changed_since(const ProcessState& before) const;
  // "/tmp/log.csv": a file that is open and was not; "" where there is none.
  [[nodiscard]] std::string opened_since(const ProcessState& before) const;
  // Puts it all back, but for files that were closed and for priorities.
  void restore() const;

 private:
  std::shared_ptr<const ProcessNumbers> numbers_;
  std::shared_ptr<const ProcessSurroundings> surroundings_;
};

}  // namespace saffron::testing
