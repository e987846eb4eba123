#include "gguf_types.h"

#include "parse.h"

#include <array>
#include <bit>

// Layouts and arithmetic after ggml-quants.c (https://github.com/ggml-org/llama.cpp). Every product
// of a half-precision scale, a small integer scale and a quant is rounded at most once in float32,
// in the order written here, so that results equal the reference's to the last bit.

namespace saffron::io_detail {
namespace {

constexpr std::size_t kSmall = 32;   // elements of a Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0 block
constexpr std::size_t kSuper = 256;  // elements of a K-type block

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact in float32
    const float size = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(size) | sign);
  }
  const std::uint32_t biased = exponent == 0x1F ? 0xFFU : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (biased << 23) | (fraction << 13));
}

float load_half(const std::byte* from) { return half_to_float(load<std::uint16_t>(from)); }

unsigned low(std::byte b) { return std::to_integer<unsigned>(b) & 0xFU; }
unsigned high(std::byte b) { return std::to_integer<unsigned>(b) >> 4; }

void expand_f32(const std::byte* in, std::size_t count, float* out) {
  std::memcpy(out, in, count * sizeof(float));
}

void expand_f16(const std::byte* in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = load_half(in + 2 * i);
}

void expand_bf16(const std::byte* in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] =
        std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(in + 2 * i)) << 16);
  }
}

// d (f16), 32 signed bytes: x = q d
void expand_q8_0(const std::byte* in, std::size_t count, float* out) {
  for (std::size_t b = 0; b < count; ++b, in += 34, out += kSmall) {
    const float d = load_half(in);
    for (std::size_t i = 0; i < kSmall; ++i) {
      out[i] = static_cast<float>(std::to_integer<std::int8_t>(in[2 + i])) * d;
    }
  }
}

// d (f16), 16 bytes of nibbles, the low ones first: x = d (q - 8)
void expand_q4_0(const std::byte* in, std::size_t count, float* out) {
  for (std::size_t b = 0; b < count; ++b, in += 18, out += kSmall) {
    const float d = load_half(in);
    for (std::size_t i = 0; i < kSmall / 2; ++i) {
      out[i] = d * (static_cast<float>(low(in[2 + i])) - 8.0F);
      out[i + kSmall / 2] = d * (static_cast<float>(high(in[2 + i])) - 8.0F);
    }
  }
}

// d, m (f16), 16 bytes of nibbles: x = d q + m
void expand_q4_1(const std::byte* in, std::size_t count, float* out) {
  for (std::size_t b = 0; b < count; ++b, in += 20, out += kSmall) {
    const float d = load_half(in), m = load_half(in + 2);
    for (std::size_t i = 0; i < kSmall / 2; ++i) {
      out[i] = d * static_cast<float>(low(in[4 + i])) + m;
      out[i + kSmall / 2] = d * static_cast<float>(high(in[4 + i])) + m;
    }
  }
}

// As Q4, with the fifth bits of the 32 quants in a 32-bit word before the nibbles.
void fifth_bits(const std::byte* word, const std::byte* nibbles, unsigned (&quants)[kSmall]) {
  const auto bits = load<std::uint32_t>(word);
  for (std::size_t i = 0; i < kSmall / 2; ++i) {
    quants[i] = low(nibbles[i]) | (((bits >> i) & 1U) << 4);
    quants[i + kSmall / 2] = high(nibbles[i]) | (((bits >> (i + kSmall / 2)) & 1U) << 4);
  }
}

// x = d (q - 16)
void expand_q5_0(const std::byte* in, std::size_t count, float* out) {
  unsigned quants[kSmall];
  for (std::size_t b = 0; b < count; ++b, in += 22, out += kSmall) {
    const float d = load_half(in);
    fifth_bits(in + 2, in + 6, quants);
    for (std::size_t i = 0; i < kSmall; ++i) {
      out[i] = d * (static_cast<float>(quants[i]) - 16.0F);
    }
  }
}

// x = d q + m
void expand_q5_1(const std::byte* in, std::size_t count, float* out) {
  unsigned quants[kSmall];
  for (std::size_t b = 0; b < count; ++b, in += 24, out += kSmall) {
    const float d = load_half(in), m = load_half(in + 2);
    fifth_bits(in + 4, in + 8, quants);
    for (std::size_t i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(quants[i]) + m;
  }
}

// The 6-bit scales and minima of the eight groups of a Q4_K or Q5_K block, packed in 12 bytes: the
// first four of each in the low bits of bytes 0-3 and 4-7; of the last four, the low nibbles in
// bytes 8-11 and the two high bits on top of bytes 0-7.
struct GroupScales {
  float scale[8], minimum[8];

  GroupScales(float d, float d_min, const std::byte* packed) {
    const auto byte = [packed](std::size_t i) { return std::to_integer<unsigned>(packed[i]); };
    for (std::size_t i = 0; i < 4; ++i) {
      scale[i] = d * static_cast<float>(byte(i) & 0x3F);
      minimum[i] = d_min * static_cast<float>(byte(i + 4) & 0x3F);
      scale[i + 4] = d * static_cast<float>((byte(i + 8) & 0xF) | ((byte(i) >> 2) & 0x30));
      minimum[i + 4] = d_min * static_cast<float>((byte(i + 8) >> 4) | ((byte(i + 4) >> 2) & 0x30));
    }
  }
};

// d, d_min (f16), 12 bytes of scales, 128 bytes of nibbles: groups of 32, two to every 32 bytes;
// x = d s q - d_min m
void expand_q4_k(const std::byte* in, std::size_t count, float* out) {
  for (std::size_t b = 0; b < count; ++b, in += 144, out += kSuper) {
    const GroupScales groups(load_half(in), load_half(in + 2), in + 4);
    for (std::size_t g = 0; g < 8; ++g) {
      const std::byte* nibbles = in + 16 + 32 * (g / 2);
      for (std::size_t i = 0; i < 32; ++i) {
        const unsigned q = g % 2 == 0 ? low(nibbles[i]) : high(nibbles[i]);
        out[32 * g + i] = groups.scale[g] * static_cast<float>(q) - groups.minimum[g];
      }
    }
  }
}

// As Q4_K, with the fifth bits in 32 bytes before the nibbles: bit g of byte i is that of element i
// of group g.
void expand_q5_k(const std::byte* in, std::size_t count, float* out) {
  for (std::size_t b = 0; b < count; ++b, in += 176, out += kSuper) {
    const GroupScales groups(load_half(in), load_half(in + 2), in + 4);
    for (std::size_t g = 0; g < 8; ++g) {
      const std::byte* nibbles = in + 48 + 32 * (g / 2);
      for (std::size_t i = 0; i < 32; ++i) {
        const unsigned q = (g % 2 == 0 ? low(nibbles[i]) : high(nibbles[i])) |
                           (((std::to_integer<unsigned>(in[16 + i]) >> g) & 1U) << 4);
        out[32 * g + i] = groups.scale[g] * static_cast<float>(q) - groups.minimum[g];
      }
    }
  }
}

// 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, d (f16); each half of 128
// elements takes 64 bytes of nibbles and 32 of pairs; x = d s (q - 32)
void expand_q6_k(const std::byte* in, std::size_t count, float* out) {
  for (std::size_t b = 0; b < count; ++b, in += 210, out += kSuper) {
    const float d = load_half(in + 208);
    for (std::size_t e = 0; e < kSuper; ++e) {
      const std::size_t half = e / 128, quarter = e % 128 / 32, i = e % 32;
      const std::byte nibbles = in[64 * half + 32 * (quarter % 2) + i];
      const unsigned pairs = std::to_integer<unsigned>(in[128 + 32 * half + i]);
      const unsigned q =
          (quarter < 2 ? low(nibbles) : high(nibbles)) | (((pairs >> (2 * quarter)) & 3U) << 4);
      const float scale = d * static_cast<float>(std::to_integer<std::int8_t>(in[192 + e / 16]));
      out[e] = scale * (static_cast<float>(q) - 32.0F);
    }
  }
}

constexpr std::array<GgufElement, 34> kElements = {{
    {0, "F32", 1, 4, expand_f32},        {1, "F16", 1, 2, expand_f16},
    {2, "Q4_0", 32, 18, expand_q4_0},    {3, "Q4_1", 32, 20, expand_q4_1},
    {6, "Q5_0", 32, 22, expand_q5_0},    {7, "Q5_1", 32, 24, expand_q5_1},
    {8, "Q8_0", 32, 34, expand_q8_0},    {9, "Q8_1", 32, 40, nullptr},
    {10, "Q2_K", 256, 84, nullptr},      {11, "Q3_K", 256, 110, nullptr},
    {12, "Q4_K", 256, 144, expand_q4_k}, {13, "Q5_K", 256, 176, expand_q5_k},
    {14, "Q6_K", 256, 210, expand_q6_k}, {15, "Q8_K", 256, 292, nullptr},
    {16, "IQ2_XXS", 256, 66, nullptr},   {17, "IQ2_XS", 256, 74, nullptr},
    {18, "IQ3_XXS", 256, 98, nullptr},   {19, "IQ1_S", 256, 50, nullptr},
    {20, "IQ4_NL", 32, 18, nullptr},     {21, "IQ3_S", 256, 110, nullptr},
    {22, "IQ2_S", 256, 82, nullptr},     {23, "IQ4_XS", 256, 136, nullptr},
    {24, "I8", 1, 1, nullptr},           {25, "I16", 1, 2, nullptr},
    {26, "I32", 1, 4, nullptr},          {27, "I64", 1, 8, nullptr},
    {28, "F64", 1, 8, nullptr},          {29, "IQ1_M", 256, 56, nullptr},
    {30, "BF16", 1, 2, expand_bf16},     {34, "TQ1_0", 256, 54, nullptr},
    {35, "TQ2_0", 256, 66, nullptr},     {39, "MXFP4", 32, 17, nullptr},
    {40, "NVFP4", 64, 36, nullptr},      {41, "Q1_0", 128, 18, nullptr},
}};

}  // namespace

const GgufElement* find_gguf_element(std::uint32_t id) {
  for (const GgufElement& element : kElements) {
    if (element.id == id) return &element;
  }
  return nullptr;
}

const GgufElement* find_gguf_element(std::string_view name) {
  for (const GgufElement& element : kElements) {
    if (element.name == name) return &element;
  }
  return nullptr;
}

std::string_view readable_gguf_elements() {
  static const std::string names = [] {
    std::string out;
    for (const GgufElement& element : kElements) {
      if (element.expand) out += cat(out.empty() ? "" : " ", element.name);
    }
    return out;
  }();
  return names;
}

}  // namespace saffron::io_detail
