#pragma once

#include <ATen/Context.h>
#include <ATen/ThreadLocalState.h>

#include <array>
#include <string>

namespace saffron::testing {

// Of a process: what other people's numbers depend on.
struct ProcessNumbers {
  ProcessNumbers();
  [[nodiscard]] std::string changed_since(const ProcessNumbers& before) const;
  void restore() const;

 private:
  int threads_, rounding_;
  at::ScalarType dtype_;
  bool gradients_, inference_, anomalies_;
  bool algorithms_, only_warns_;  // deterministic ones
  std::array<bool, 5> kernels_;   // which of oneDNN and cuDNN are used, and how
  at::Float32MatmulPrecision precision_;
  unsigned floats_;             // the modes of SSE, without its flags: denormals, rounding
  at::ThreadLocalState local_;  // gradients and inference among much else
};

}  // namespace saffron::testing
