#include "ops/cpu/screening_unit.h"

// GCC 12's intrinsics start from registers that they leave undefined on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include "ops/cpu/transpose.h"

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace saffron::ops_cpu {
namespace {

#define SAFFRON_AMX __attribute__((target("amx-tile,amx-bf16")))
#define SAFFRON_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

constexpr std::int64_t kRows = ScreeningUnit::kRows;
constexpr std::int64_t kHalf = 16;     // rows of a tile register
constexpr std::int64_t kColumns = 32;  // numbers in its rows
constexpr std::int64_t kTile = kHalf * kColumns;

// Columns are packed in whole tiles; what is missing is 0.
std::int64_t packed_columns(std::int64_t d) { return (d + kColumns - 1) / kColumns * kColumns; }

// Tiles of 16 rows of 64 bytes. Static, as GCC's intrinsic does not say that it reads all of it.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileShapes tile_shapes;

bool may_use_tiles() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl's, of Linux 5.16 on
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// Intel's leaf 7: bits 22 (AMX-BF16) and 24 (AMX-TILE) of edx.
bool has_tiles() {
  unsigned a = 7, b = 0, c = 0, d = 0;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return (d >> 22 & 1U) != 0 && (d >> 24 & 1U) != 0;
}

// The two sums of squares of a row so far.
struct Squares {
  __m512 of_row, of_error;
};

// bfloat16 numbers as float32.
SAFFRON_BF16 inline __m512 widened(__m256i numbers) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(numbers), 16));
}

SAFFRON_BF16 inline __m512i rounded(const float* from, std::int64_t left, Squares& squares) {
  const auto in = left >= kColumns ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
  const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(in), from);
  const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(in >> 16), from + 16);
  const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
  const __m512 off_low = _mm512_sub_ps(low, widened(_mm512_castsi512_si256(both)));
  const __m512 off_high = _mm512_sub_ps(high, widened(_mm512_extracti64x4_epi64(both, 1)));
  squares.of_row = _mm512_fmadd_ps(low, low, _mm512_fmadd_ps(high, high, squares.of_row));
  squares.of_error =
      _mm512_fmadd_ps(off_low, off_low, _mm512_fmadd_ps(off_high, off_high, squares.of_error));
  return both;
}

// One group of 16 rows, `rows` of which are there: tiles of 16 rows by 32 columns, one after another.
// On the right a tile has the pairs of columns in its rows: [pair][row][2].
SAFFRON_BF16 void pack_half(Side side, std::int64_t rows, std::int64_t d, const float* from,
                            std::int64_t stride, std::uint16_t* packed, RowBounds* bounds) {
  Squares squares[kHalf] = {};
  for (std::int64_t column = 0; column < d; column += kColumns, packed += kTile) {
    __m512i tile[kHalf];
    for (std::int64_t r = 0; r < kHalf; ++r) {
      tile[r] = r < rows ? rounded(from + r * stride + column, d - column, squares[r])
                         : _mm512_setzero_si512();
    }
    if (side == Side::right) transpose(tile);
    for (std::int64_t r = 0; r < kHalf; ++r) _mm512_store_si512(packed + r * kColumns, tile[r]);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    const float norm = norm_above(_mm512_reduce_add_ps(squares[r].of_row), d);
    bounds[r] = {norm, norm, norm_above(_mm512_reduce_add_ps(squares[r].of_error), d)};
  }
}

SAFFRON_AMX void unit_multiply(std::int64_t columns, const std::uint16_t* left,
                               const std::uint16_t* right, float* out, std::int64_t stride) {
  const std::uint16_t *const left_end = left + kHalf * columns, *const right_end =
                                                                    right + kHalf * columns;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t at = 0; at < kHalf * columns; at += kTile) {
    _tile_loadd(4, left + at, 64);
    _tile_loadd(5, left_end + at, 64);
    _tile_loadd(6, right + at, 64);
    _tile_loadd(7, right_end + at, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  const auto bytes = stride * static_cast<std::int64_t>(sizeof(float));
  _tile_stored(0, out, bytes);
  _tile_stored(1, out + kHalf, bytes);
  _tile_stored(2, out + kHalf * stride, bytes);
  _tile_stored(3, out + kHalf * stride + kHalf, bytes);
}

// The place of column c of row r in a packed group of kRows rows.
std::int64_t place_of(Side side, std::int64_t columns, std::int64_t r, std::int64_t c) {
  const std::int64_t half = r / kHalf * kHalf * columns, row = r % kHalf;
  const std::int64_t tile = half + c / kColumns * kTile, column = c % kColumns;
  return side == Side::left ? tile + row * kColumns + column
                            : tile + column / 2 * kColumns + row * 2 + column % 2;
}

// To the nearest, ties to even.
std::uint16_t plain_rounded(float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  if (std::isnan(number)) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

float plain_widened(std::uint16_t number) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(number) << 16);
}

void plain_pack(Side side, std::int64_t rows, std::int64_t d, const float* from,
                std::int64_t stride, std::uint16_t* packed, RowBounds* bounds) {
  const std::int64_t columns = packed_columns(d);
  const std::int64_t whole = (rows + kRows - 1) / kRows * kRows;
  std::fill_n(packed, whole * columns, std::uint16_t{0});
  for (std::int64_t r = 0; r < rows; ++r) {
    std::uint16_t* const group = packed + r / kRows * kRows * columns;
    float of_row = 0, of_error = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      const float number = from[r * stride + c];
      const std::uint16_t rounded = plain_rounded(number);
      group[place_of(side, columns, r % kRows, c)] = rounded;
      const float off = number - plain_widened(rounded);
      of_row += number * number;
      of_error += off * off;
    }
    const float norm = norm_above(of_row, d);
    bounds[r] = {norm, norm, norm_above(of_error, d)};
  }
}

void plain_multiply_groups(std::int64_t columns, const std::uint16_t* left,
                           const std::uint16_t* right, std::int64_t groups, float* out,
                           std::int64_t stride) {
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t i = 0; i < groups * kRows; ++i) {
      const std::uint16_t* const group = right + i / kRows * kRows * columns;
      float sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) {
        sum += plain_widened(left[place_of(Side::left, columns, r, c)]) *
               plain_widened(group[place_of(Side::right, columns, i % kRows, c)]);
      }
      out[r * stride + i] = sum;
    }
  }
}

SAFFRON_AMX void unit_multiply_groups(std::int64_t columns, const std::uint16_t* left,
                                      const std::uint16_t* right, std::int64_t groups, float* out,
                                      std::int64_t stride) {
  _tile_loadconfig(&tile_shapes);
  for (std::int64_t g = 0; g < groups; ++g) {
    unit_multiply(columns, left, right + g * kRows * columns, out + g * kRows, stride);
  }
  _tile_release();
}

// Sums are float32, denormal numbers count as 0.
class Bf16Unit final : public ScreeningUnit {
 public:
  explicit Bf16Unit(bool plain) : plain_(plain) {}

  std::int64_t group_bytes(std::int64_t d) const override {
    return kRows * packed_columns(d) * static_cast<std::int64_t>(sizeof(std::uint16_t));
  }

  // Each number is rounded by itself.
  std::int64_t most_apart() const override { return 0; }

  void pack(Side side, const RowsToRound& rows, std::byte* packed,
            RowBounds* bounds) const override {
    const auto& [count, d, from, stride, apart] = rows;
    auto* numbers = reinterpret_cast<std::uint16_t*>(packed);
    if (plain_) return plain_pack(side, count, d, from, stride, numbers, bounds);
    const std::int64_t whole = (count + kRows - 1) / kRows * kRows;
    for (std::int64_t r = 0; r < whole; r += kHalf, numbers += kHalf * packed_columns(d)) {
      const std::int64_t here = std::clamp<std::int64_t>(count - r, 0, kHalf);
      pack_half(side, here, d, from + r * stride, stride, numbers, bounds + r);
    }
  }

  void multiply(std::int64_t d, const std::byte* left, const std::byte* right, std::int64_t groups,
                float* out, std::int64_t stride) const override {
    const auto* const x = reinterpret_cast<const std::uint16_t*>(left);
    const auto* const W = reinterpret_cast<const std::uint16_t*>(right);
    const auto form = plain_ ? plain_multiply_groups : unit_multiply_groups;
    form(packed_columns(d), x, W, groups, out, stride);
  }

  std::int64_t most_likely(std::int64_t k) const override { return 3 * k + 96; }

 private:
  bool plain_;
};

}  // namespace

const ScreeningUnit* amx_unit() {
  static const Bf16Unit unit(false);
  static const bool has = __builtin_cpu_supports("avx512f") && has_tiles() && may_use_tiles();
  return has ? &unit : nullptr;
}

const ScreeningUnit* plain_bf16_unit() {
  static const Bf16Unit unit(true);
  return &unit;
}

}  // namespace saffron::ops_cpu

#pragma GCC diagnostic pop
