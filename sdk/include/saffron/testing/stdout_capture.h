#pragma once

#include <saffron/namespace.h>

#include <cstddef>
#include <limits>
#include <string>

namespace saffron::testing {

// Takes what is printed to standard output while it lives, up to 1 MiB; more cannot be written.
class SAFFRON_EXPORT StdoutCapture {
 public:
  StdoutCapture();
  ~StdoutCapture();
  StdoutCapture(const StdoutCapture&) = delete;
  StdoutCapture& operator=(const StdoutCapture&) = delete;
  // So far, the beginning of it.
  [[nodiscard]] std::string text(std::size_t most = std::numeric_limits<std::size_t>::max()) const;

 private:
  int file_, kept_;
};

}  // namespace saffron::testing
