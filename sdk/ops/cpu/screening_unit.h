#pragma once

#include <saffron/namespace.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

// Products of rows rounded to few bits, on instructions that form them many times as fast as float32
// ones. Such a product is no result: it says which exact ones are worth forming (screened_tiles.h).

namespace saffron::ops_cpu {

// Bounds of a row from above, in float32: its norm, that of the part of it that is rounded, and that of what
// rounding took.
struct RowBounds {
  float norm, rounded, rounded_off;
};

// Rows of d numbers, `stride` apart. `apart` names columns, ascending, so much larger than the others that
// these would lose by being rounded together with them.
struct RowsToRound {
  std::int64_t count, d;
  const float* from;
  std::int64_t stride;
  std::span<const std::int32_t> apart;
};

enum class Side : std::uint8_t { left, right };

class SAFFRON_EXPORT ScreeningUnit {
 public:
  // Rows are packed in groups of so many; what is missing counts as 0.
  static constexpr std::int64_t kRows = 32;

  ScreeningUnit() = default;
  ScreeningUnit(const ScreeningUnit&) = delete;
  ScreeningUnit& operator=(const ScreeningUnit&) = delete;
  virtual ~ScreeningUnit() = default;

  // Of a packed group of rows of d numbers; a multiple of 64.
  [[nodiscard]] virtual std::int64_t group_bytes(std::int64_t d) const = 0;
  // How many columns the unit can keep apart.
  [[nodiscard]] virtual std::int64_t most_apart() const = 0;
  // Into whole groups at an address divisible by 64, for the rows' side of a product. A bound is not finite
  // where a number of its row is not.
  virtual void pack(Side side, const RowsToRound& rows, std::byte* packed,
                    RowBounds* bounds) const = 0;
  // out[r * stride + i] = <row r of the left group, row i of the `groups` on the right>, each off from the
  // product of the rounded rows x' and w' by at most d 2^-24 |x'| |w'| + d 2^-120, for d of 32 and more.
  virtual void multiply(std::int64_t d, const std::byte* left, const std::byte* right,
                        std::int64_t groups, float* out, std::int64_t stride) const = 0;
  // How many entries may lie too close to a row's k largest for this rounding to leave them out before
  // float32 products of the whole row are the better way.
  [[nodiscard]] virtual std::int64_t most_likely(std::int64_t k) const = 0;
};

// bfloat16 on Intel AMX, int8 on AVX512-VNNI; null where processor or kernel lacks it.
SAFFRON_EXPORT const ScreeningUnit* amx_unit();
SAFFRON_EXPORT const ScreeningUnit* vnni_unit();
// The same packed numbers and products without these instructions, slowly: what tests compare with.
SAFFRON_EXPORT const ScreeningUnit* plain_bf16_unit();
SAFFRON_EXPORT const ScreeningUnit* plain_int8_unit();

// What the encoders use: the first of amx_unit and vnni_unit that there is, or null.
SAFFRON_EXPORT const ScreeningUnit* screening_unit();
// Another one, for tests and benchmarks, while no encoder runs.
SAFFRON_EXPORT void use_screening_unit(const ScreeningUnit* unit);

// A norm from above: float32 sums of d squares are off by less than d 2^-23 of themselves, and what
// squares below the smallest number lose is less than 2^-126 each.
inline float norm_above(float squares, std::int64_t d) {
  const double n = static_cast<double>(d);
  return static_cast<float>(std::sqrt(squares * (1 + n * 0x1p-22) + n * 0x1p-125) * (1 + 0x1p-20));
}

}  // namespace saffron::ops_cpu
