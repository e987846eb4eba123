#include "ops/cpu/screening_unit.h"

// GCC 12's intrinsics start from registers that they leave undefined on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include "ops/cpu/transpose.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

// Rows as int8 with a scale each:  x' = s q,  s = max |x_i| / 127,  q_i = x_i / s to the nearest. Columns that
// are kept apart stay float32 and are 0 in q, so that none of them stretches s. Then
//
//   <x', w'> = s t <q, p> + sum over the columns apart of x_c w_c
//
// where <q, p> is exact in int32 for the d that screening takes. Its conversion, the two factors, and a sum
// of at most 16 more terms round by less than 20 2^-24 |x'| |w'| together, plus 2^-126 each where a number
// leaves the range.

namespace saffron::ops_cpu {
namespace {

#define SAFFRON_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

constexpr std::int64_t kRows = ScreeningUnit::kRows;
constexpr std::int64_t kHalf = 16;     // numbers of 32 bits in a register
constexpr std::int64_t kColumns = 64;  // numbers of 8
constexpr std::int64_t kStep = 4;      // columns that one instruction sums

std::int64_t packed_columns(std::int64_t d) { return (d + kColumns - 1) / kColumns * kColumns; }

constexpr std::int64_t kMostApart = 16;

// Before the numbers of a group. The instruction takes numbers below 0 on one side only: on the right they
// are 128 higher, and every sum starts from what that adds to it.
struct alignas(64) Header {
  float scales[kRows];
  std::int32_t starts[kRows];  // -128 times the sum of the row
  float apart[kMostApart][kRows];
  std::int64_t apart_count;
};
constexpr auto kHeader = static_cast<std::int64_t>(sizeof(Header));

// 0 leaves all of the row to the bound, where numbers are too small to divide by, or too large.
float scale_of(float most) { return most >= 0x1p-100F && most <= 0x1p100F ? most / 127 : 0; }
float inverse_of(float most) { return most >= 0x1p-100F && most <= 0x1p100F ? 127 / most : 0; }

// A bit for each column that there is and that is not apart, in packed_columns.
std::vector<__mmask16> rounded_columns(const RowsToRound& rows) {
  std::vector<__mmask16> in(static_cast<std::size_t>(packed_columns(rows.d) / kHalf));
  const auto flip = [&](std::int64_t c) {
    in[static_cast<std::size_t>(c / kHalf)] ^= static_cast<__mmask16>(1U << c % kHalf);
  };
  for (std::int64_t c = 0; c < rows.d; ++c) flip(c);
  for (const std::int32_t c : rows.apart) flip(c);
  return in;
}

// Of row r of a group; returns the sum of their squares.
float put_apart(const RowsToRound& rows, const float* row, std::int64_t r, Header& header) {
  header.apart_count = static_cast<std::int64_t>(rows.apart.size());
  float squares = 0;
  for (std::size_t i = 0; i < rows.apart.size(); ++i) {
    const float x = header.apart[i][r] = row[rows.apart[i]];
    squares += x * x;
  }
  return squares;
}

struct Row {
  __m512 scale, inverse, squares, error_squares;
  __m512i sum;
};

SAFFRON_VNNI inline Row row_of(std::span<const __mmask16> in, const float* from, float& scale) {
  __m512 most = _mm512_setzero_ps();
  for (const __mmask16 mask : in) {
    most = _mm512_max_ps(most, _mm512_abs_ps(_mm512_maskz_loadu_ps(mask, from)));
    from += kHalf;
  }
  const float m = _mm512_reduce_max_ps(most);
  scale = scale_of(m);
  return {_mm512_set1_ps(scale), _mm512_set1_ps(inverse_of(m)), _mm512_setzero_ps(),
          _mm512_setzero_ps(), _mm512_setzero_si512()};
}

// kColumns of the row's numbers.
SAFFRON_VNNI inline __m512i quantised(const float* from, const __mmask16* in, Row& row) {
  __m512i q[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512 x = _mm512_maskz_loadu_ps(in[i], from + i * kHalf);
    q[i] = _mm512_cvtps_epi32(_mm512_mul_ps(x, row.inverse));
    const __m512 off = _mm512_fnmadd_ps(row.scale, _mm512_cvtepi32_ps(q[i]), x);
    row.squares = _mm512_fmadd_ps(x, x, row.squares);
    row.error_squares = _mm512_fmadd_ps(off, off, row.error_squares);
  }
  // Packing interleaves quarters of the registers.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_permutexvar_epi32(
      order, _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3])));
  row.sum = _mm512_dpbusd_epi32(row.sum, _mm512_set1_epi8(1), bytes);
  return bytes;
}

// Half a group. On the left: row after row. On the right, for every kStep columns: these of the 32 rows of
// the group, one row after another.
SAFFRON_VNNI void pack_half(Side side, const RowsToRound& rows, std::span<const __mmask16> in,
                            std::int64_t half, std::byte* group, RowBounds* bounds) {
  auto& header = *reinterpret_cast<Header*>(group);
  std::byte* const numbers = group + kHeader;
  const std::int64_t columns = packed_columns(rows.d), first = half * kHalf;
  Row state[kHalf];
  float apart[kHalf] = {};
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const float* const row = rows.from + r * rows.stride;
    state[r] = row_of(in, row, header.scales[first + r]);
    apart[r] = put_apart(rows, row, first + r, header);
  }
  for (std::int64_t c = 0; c < columns; c += kColumns) {
    __m512i tile[kHalf];
    for (std::int64_t r = 0; r < kHalf; ++r) {
      tile[r] = r < rows.count
                    ? quantised(rows.from + r * rows.stride + c, &in[c / kHalf], state[r])
                    : _mm512_setzero_si512();
    }
    if (side == Side::left) {
      for (std::int64_t r = 0; r < kHalf; ++r) {
        _mm512_store_si512(numbers + (first + r) * columns + c, tile[r]);
      }
      continue;
    }
    transpose(tile);
    for (std::int64_t i = 0; i < kHalf; ++i) {
      _mm512_store_si512(numbers + (c + i * kStep) * kRows + half * kColumns,
                         _mm512_xor_si512(tile[i], _mm512_set1_epi8(-128)));
    }
  }
  for (std::int64_t r = 0; r < rows.count; ++r) {
    header.starts[first + r] = -128 * _mm512_reduce_add_epi32(state[r].sum);
    const float squares = _mm512_reduce_add_ps(state[r].squares);
    bounds[r] = {norm_above(squares + apart[r], rows.d), norm_above(squares, rows.d),
                 norm_above(_mm512_reduce_add_ps(state[r].error_squares), rows.d)};
  }
}

constexpr int kBlock =
    8;  // rows on the left at a time: sums of kBlock by 32 fill half of the registers

SAFFRON_VNNI void multiply_rows(std::int64_t columns, const std::byte* left, std::int64_t first,
                                const std::byte* right, float* out, std::int64_t stride) {
  const auto& x = *reinterpret_cast<const Header*>(left);
  const auto& W = *reinterpret_cast<const Header*>(right);
  const std::byte* const rows = left + kHeader + first * columns;
  const std::byte* const latents = right + kHeader;
  __m512i sum[kBlock][2];
#pragma GCC unroll 8
  for (int r = 0; r < kBlock; ++r) sum[r][0] = sum[r][1] = _mm512_set1_epi32(x.starts[first + r]);
  for (std::int64_t c = 0; c < columns; c += 2 * kStep) {
#pragma GCC unroll 2
    for (std::int64_t at = c; at < c + 2 * kStep; at += kStep) {
      const __m512i low = _mm512_load_si512(latents + at * kRows);
      const __m512i high = _mm512_load_si512(latents + at * kRows + kColumns);
#pragma GCC unroll 8
      for (int r = 0; r < kBlock; ++r) {
        std::int32_t four;
        std::memcpy(&four, rows + r * columns + at, sizeof(four));
        const __m512i numbers = _mm512_set1_epi32(four);
        sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], low, numbers);
        sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], high, numbers);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kBlock; ++r) {
    const __m512 scale = _mm512_set1_ps(x.scales[first + r]);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      __m512 product = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][half]), scale),
                                     _mm512_load_ps(W.scales + half * kHalf));
      for (std::int64_t i = 0; i < x.apart_count; ++i) {
        product = _mm512_fmadd_ps(_mm512_set1_ps(x.apart[i][first + r]),
                                  _mm512_load_ps(W.apart[i] + half * kHalf), product);
      }
      _mm512_storeu_ps(out + (first + r) * stride + half * kHalf, product);
    }
  }
}

// The place of column c of row r behind the header.
std::int64_t place_of(Side side, std::int64_t columns, std::int64_t r, std::int64_t c) {
  return side == Side::left ? r * columns + c : c / kStep * kStep * kRows + r * kStep + c % kStep;
}

void plain_pack(Side side, const RowsToRound& rows, std::span<const __mmask16> in, std::byte* group,
                RowBounds* bounds) {
  auto& header = *reinterpret_cast<Header*>(group);
  auto* const numbers = reinterpret_cast<std::uint8_t*>(group + kHeader);
  const std::uint8_t zero = side == Side::left ? 0 : 128;
  std::fill_n(numbers, kRows * packed_columns(rows.d), zero);
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const float* const row = rows.from + r * rows.stride;
    const auto rounded = [&](std::int64_t c) {
      return (in[static_cast<std::size_t>(c / kHalf)] >> c % kHalf & 1) != 0 ? row[c] : 0.0F;
    };
    float most = 0, squares = 0, error_squares = 0;
    for (std::int64_t c = 0; c < rows.d; ++c) most = std::max(most, std::abs(rounded(c)));
    const float scale = header.scales[r] = scale_of(most), inverse = inverse_of(most);
    for (std::int64_t c = 0; c < rows.d; ++c) {
      const float x = rounded(c);
      const int q =
          scale > 0 && std::isfinite(x) ? static_cast<int>(std::nearbyint(x * inverse)) : 0;
      numbers[place_of(side, packed_columns(rows.d), r, c)] = static_cast<std::uint8_t>(q + zero);
      header.starts[r] -= 128 * q;
      const float off = std::fma(-scale, static_cast<float>(q), x);
      squares += x * x;
      error_squares += off * off;
    }
    bounds[r] = {norm_above(squares + put_apart(rows, row, r, header), rows.d),
                 norm_above(squares, rows.d), norm_above(error_squares, rows.d)};
  }
}

void plain_multiply(std::int64_t columns, const std::byte* left, const std::byte* right, float* out,
                    std::int64_t stride) {
  const auto& x = *reinterpret_cast<const Header*>(left);
  const auto& W = *reinterpret_cast<const Header*>(right);
  const auto* const rows = reinterpret_cast<const std::int8_t*>(left + kHeader);
  const auto* const latents = reinterpret_cast<const std::uint8_t*>(right + kHeader);
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t i = 0; i < kRows; ++i) {
      std::int64_t sum = x.starts[r];
      for (std::int64_t c = 0; c < columns; ++c) {
        sum += rows[place_of(Side::left, columns, r, c)] *
               latents[place_of(Side::right, columns, i, c)];
      }
      float product = static_cast<float>(sum) * x.scales[r] * W.scales[i];
      for (std::int64_t a = 0; a < x.apart_count; ++a) {
        product = std::fma(x.apart[a][r], W.apart[a][i], product);
      }
      out[r * stride + i] = product;
    }
  }
}

class Int8Unit final : public ScreeningUnit {
 public:
  explicit Int8Unit(bool plain) : plain_(plain) {}

  std::int64_t group_bytes(std::int64_t d) const override {
    return kHeader + kRows * packed_columns(d);
  }

  std::int64_t most_apart() const override { return kMostApart; }

  void pack(Side side, const RowsToRound& rows, std::byte* packed,
            RowBounds* bounds) const override {
    const std::vector<__mmask16> in = rounded_columns(rows);
    const auto some = [&](std::int64_t first, std::int64_t most) {
      RowsToRound part = rows;
      part.count = std::clamp<std::int64_t>(rows.count - first, 0, most);
      part.from += first * rows.stride;
      return part;
    };
    for (std::int64_t r = 0; r < rows.count; r += kRows, packed += group_bytes(rows.d)) {
      *reinterpret_cast<Header*>(packed) = {};
      if (plain_) {
        plain_pack(side, some(r, kRows), in, packed, bounds + r);
        continue;
      }
      pack_half(side, some(r, kHalf), in, 0, packed, bounds + r);
      pack_half(side, some(r + kHalf, kHalf), in, 1, packed, bounds + r + kHalf);
    }
  }

  void multiply(std::int64_t d, const std::byte* left, const std::byte* right, std::int64_t groups,
                float* out, std::int64_t stride) const override {
    const std::int64_t columns = packed_columns(d);
    for (std::int64_t g = 0; g < groups; ++g, right += group_bytes(d), out += kRows) {
      if (plain_) {
        plain_multiply(columns, left, right, out, stride);
        continue;
      }
      for (std::int64_t first = 0; first < kRows; first += kBlock) {
        multiply_rows(columns, left, first, right, out, stride);
      }
    }
  }

  // Bounds are some six times as wide as those of bfloat16.
  std::int64_t most_likely(std::int64_t k) const override { return 4 * k + 640; }

 private:
  bool plain_;
};

}  // namespace

const ScreeningUnit* vnni_unit() {
  static const Int8Unit unit(false);
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vnni");
  return has ? &unit : nullptr;
}

const ScreeningUnit* plain_int8_unit() {
  static const Int8Unit unit(true);
  return &unit;
}

}  // namespace saffron::ops_cpu

#pragma GCC diagnostic pop
