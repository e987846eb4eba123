#pragma once

#include <cstdint>
#include <vector>

namespace saffron::testing {

// While it lives, what is allocated lies where nothing lay before, and holds other numbers until it is
// written to: who goes by addresses, or reads what nobody wrote, says something else.
class OtherMemory {
 public:
  enum class Filled : std::uint8_t { positive, negative };  // floats of 0.186, or of -0.186
  explicit OtherMemory(Filled filled);
  ~OtherMemory();
  OtherMemory(const OtherMemory&) = delete;
  OtherMemory& operator=(const OtherMemory&) = delete;

 private:
  std::vector<void*> taken_;
};

}  // namespace saffron::testing
