#pragma once

#include <saffron/namespace.h>

#include <c10/core/ScalarType.h>

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace saffron::testing {

// What belongs to the process and not to a plugin, as it is when this is made:
//
//   const ProcessState before;
//   ...
//   EXPECT_EQ(ProcessState().changed_since(before), "");
class SAFFRON_EXPORT ProcessState {
 public:
  ProcessState();
  // "sets the locale": the first thing that is not what it was; "" where all is.
  [[nodiscard]] std::string changed_since(const ProcessState& before) const;
  // Puts back what would change the numbers of others: modes, dtype and the number of threads.
  void restore() const;

 private:
  static constexpr std::size_t kSignals = 32;  // the standard ones, and 0
  [[nodiscard]] std::string variable_unlike(const ProcessState& before) const;
  [[nodiscard]] std::string signal_unlike(const ProcessState& before) const;

  int threads_, rounding_;
  at::ScalarType dtype_;
  bool gradients_, algorithms_;
  int precision_;    // of float32 products: at::Float32MatmulPrecision
  unsigned floats_;  // the modes of SSE, without its flags: denormals, rounding
  std::string locale_;
  std::filesystem::path directory_;
  std::vector<std::string> environment_;
  std::array<void (*)(int), kSignals> handlers_{};
  mode_t mask_;
  unsigned alarm_;
};

}  // namespace saffron::testing
