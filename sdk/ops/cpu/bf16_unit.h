#pragma once

#include <cstdint>

// Products of rows rounded to bfloat16, on a processor's matrix unit (Intel AMX). Such a product is
// no result: it says which exact ones are worth forming (screened_tiles.h).

namespace saffron::ops_cpu {

// Whether processor and kernel let this process use one. Without, what follows works too, slowly.
bool has_bf16_unit();

// Rows are packed in groups of kBf16Rows, columns in chunks of kBf16Columns; what is missing is 0.
inline constexpr std::int64_t kBf16Rows = 32;
inline constexpr std::int64_t kBf16Columns = 32;
inline std::int64_t packed_columns(std::int64_t d) {
  return (d + kBf16Columns - 1) / kBf16Columns * kBf16Columns;
}

// Bounds of a row from above, in float32: its norm, and that of what rounding took from it.
struct RowBounds {
  float norm, rounded_off;
};

enum class Side : std::uint8_t { left, right };
// Rounds `rows` rows of d numbers, `stride` apart, into packed [rows up to kBf16Rows][packed_columns(d)],
// at an address divisible by 64, for their side of a product. A bound is not finite where a number of
// its row is not.
void pack_bf16(Side side, std::int64_t rows, std::int64_t d, const float* from, std::int64_t stride,
               std::uint16_t* packed, RowBounds* bounds);

// out[r * stride + i] = <left row r, right row i> for kBf16Rows rows of each; `columns` of
// packed_columns. Sums are float32, denormal numbers count as 0. A matrix unit is on for its thread while
// one of these lives.
class Bf16Unit {
 public:
  Bf16Unit();
  ~Bf16Unit();
  Bf16Unit(const Bf16Unit&) = delete;
  Bf16Unit& operator=(const Bf16Unit&) = delete;
  void multiply(std::int64_t columns, const std::uint16_t* left, const std::uint16_t* right,
                float* out, std::int64_t stride) const;
};

}  // namespace saffron::ops_cpu
