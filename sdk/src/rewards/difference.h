#pragma once

#include <saffron/reward_metrics.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace saffron::inline sdk_v1::rewards {

// All norms of one vector, by kind.
class Norms {
 public:
  double& operator[](Norm kind) { return of_[static_cast<std::size_t>(kind) - 1]; }
  double operator[](Norm kind) const { return of_[static_cast<std::size_t>(kind) - 1]; }

 private:
  std::array<double, 6> of_{};
};

// N numbers and the largest of their absolute values.
struct Sized {
  const double* data = nullptr;
  double largest = 0;

  [[nodiscard]] static Sized of(const double* data, std::int64_t n);
};

// Of a x - b y, in one pass over cells whose tensors are contiguous. No intermediate result overflows or
// underflows where the norms themselves do not.
[[nodiscard]] Norms norms_of_difference(double a, const Sized& x, double b, const Sized& y,
                                        const Cells& cells);

}  // namespace saffron::inline sdk_v1::rewards
