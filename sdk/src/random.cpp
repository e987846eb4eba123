#include <saffron/error.h>
#include <saffron/random.h>

#include "ops/cpu/vector.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

// How draws are laid out. Every use of a key has a counter domain of its own, so that a uniform, a
// normal and a fork never share a Philox block:
//
//   block(domain, row, n) = Philox(key, counter_low = row, counter_high = domain << 60 | n)
//   high word of draw j   = word j mod 4 of block(.._high, row, j / 4)
//   low word of draw j    = the same word of block(.._low, row, j / 4)
//
// A 64-bit draw joins both words; float32 needs the high one alone. So a float32 uniform is the
// float64 one cut to 24 bits, at half the work. Normals are pairs (Box and Muller 1958):
//   n_2p = r cos a,  n_2p+1 = r sin a,  r = sqrt(-2 log u_2p),  a = 2 pi u_2p+1.

namespace saffron::inline sdk_v1 {
namespace {

enum class Domain : std::uint64_t {
  uniform_high,
  uniform_low,
  normal_high,
  normal_low,
  fork_text,
  fork_number
};

constexpr std::uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
constexpr int kRounds = 10;

struct Words {
  std::uint32_t x0, x1, x2, x3;
};

inline Words rounds(std::uint32_t k0, std::uint32_t k1, Words c) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t p0 = std::uint64_t{kMultiplier0} * c.x0;
    const std::uint64_t p1 = std::uint64_t{kMultiplier1} * c.x2;
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c.x1 ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c.x3 ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return c;
}

std::uint64_t in_domain(Domain domain, std::uint64_t number) {
  return static_cast<std::uint64_t>(domain) << 60 | number;
}

std::uint64_t join(std::uint32_t high, std::uint32_t low) {
  return std::uint64_t{high} << 32 | low;
}

// A 64-bit draw of a pair of domains.
std::uint64_t draw_bits(std::uint64_t key, Domain high, Domain low, std::uint64_t row,
                        std::uint64_t draw) {
  const std::size_t word = draw % 4;
  return join(philox(key, row, in_domain(high, draw / 4))[word],
              philox(key, row, in_domain(low, draw / 4))[word]);
}

double to_unit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

// The pair of normals of two 64-bit draws; u is (bits + 1/2) 2^-53 cut so that its log is finite.
std::pair<double, double> normal_pair(std::uint64_t bits0, std::uint64_t bits1) {
  const double u = (static_cast<double>(bits0 >> 12) + 0.5) * 0x1p-52;
  const double r = std::sqrt(-2.0 * std::log(u));
  const double a = 2.0 * std::numbers::pi * to_unit(bits1);
  return {r * std::cos(a), r * std::sin(a)};
}

// ---- blocks of draws, in loops that the compiler vectorises ---------------------------------

constexpr int kBlocks = 64;          // Philox blocks at a time
constexpr int kDraws = 4 * kBlocks;  // draws they make

// words[w][b]: word w of block first + b of a row. The first `count` blocks are made and read.
struct Block {
  std::uint32_t words[4][kBlocks];
};

SAFFRON_CLONES void fill(std::uint64_t key, std::uint64_t row, std::uint64_t first, int count,
                         Block& out) {
  for (int b = 0; b < count; ++b) {
    const std::uint64_t n = first + static_cast<std::uint64_t>(b);
    const Words w = rounds(static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32),
                           {static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32),
                            static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32)});
    out.words[0][b] = w.x0;
    out.words[1][b] = w.x1;
    out.words[2][b] = w.x2;
    out.words[3][b] = w.x3;
  }
}

// Uniforms of 24 bits, draw 4b + w from words[w][b].
SAFFRON_CLONES void to_uniform(const Block& in, int count, float* out) {
  for (int b = 0; b < count; ++b) {
    for (int w = 0; w < 4; ++w) {
      out[4 * b + w] =
          static_cast<float>(static_cast<std::int32_t>(in.words[w][b] >> 8)) * 0x1p-24f;
    }
  }
}

// A polynomial by Horner's rule, highest coefficient first. Fused multiply-adds are written out, so
// that every instruction set gives the same bits.
template <class... C>
inline float polynomial(float x, float highest, C... rest) {
  float y = highest;
  ((y = std::fma(y, x, rest)), ...);
  return y;
}

// -2 log u for u = (n + 1/2) 2^-31, n the upper 31 bits of the word. Cephes' logf polynomial.
inline float minus_two_log(std::uint32_t word) {
  const float u =
      std::fma(static_cast<float>(static_cast<std::int32_t>(word >> 1)), 0x1p-31f, 0x1p-32f);
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(u) - 0x3F3504F3u;  // sqrt(1/2)
  const float exponent = static_cast<float>(static_cast<std::int32_t>(bits) >> 23);
  const float f = std::bit_cast<float>((bits & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
  float y = polynomial(f, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f,
                       1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f,
                       3.3333331174e-1f);
  const float square = f * f;
  y = std::fma(y * square, f, exponent * -2.12194440e-4f);
  y = std::fma(square, -0.5f, y) + f;
  return std::max(-2.0f * std::fma(exponent, 0.693359375f, y), 0.0f);
}

// cos and sin of 2 pi n / 2^32: the quadrant is exact, the rest is in [-pi/4, pi/4].
inline void circle(std::uint32_t n, float& cosine, float& sine) {
  const std::uint32_t quadrant = (n + 0x20000000u) >> 30;
  const auto rest = static_cast<std::int32_t>(n - (quadrant << 30));
  const float a = static_cast<float>(rest) * 1.4629180792671596e-9f;  // 2 pi / 2^32
  const float s2 = a * a;
  float s = polynomial(s2, -1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f);
  s = std::fma(s * s2, a, a);
  float c = polynomial(s2, 2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f);
  c = std::fma(c * s2, s2, std::fma(s2, -0.5f, 1.0f));
  const bool swap = (quadrant & 1u) != 0;
  const float x = swap ? s : c, y = swap ? c : s;
  cosine = ((quadrant + 1u) & 2u) != 0 ? -x : x;
  sine = (quadrant & 2u) != 0 ? -y : y;
}

// sqrt without the library's errno branch, which would keep the loop scalar: 1/sqrt(x) by Newton's
// iteration from the usual bit estimate, then one correction of the root.
inline float root(float x) {
  float y = std::bit_cast<float>(0x5F375A86u - (std::bit_cast<std::uint32_t>(x) >> 1));
  const float half = 0.5f * x;
  for (int i = 0; i < 3; ++i) y = y * std::fma(-half * y, y, 1.5f);
  const float r = x * y;
  return std::fma(std::fma(-r, r, x) * 0.5f, y, r);
}

SAFFRON_CLONES void to_normal(const Block& in, int count, float* out) {
  float c[2][kBlocks], s[2][kBlocks];
  for (int pair = 0; pair < 2; ++pair) {
    for (int b = 0; b < count; ++b) {
      const float r = root(minus_two_log(in.words[2 * pair][b]));
      float cosine, sine;
      circle(in.words[2 * pair + 1][b], cosine, sine);
      c[pair][b] = r * cosine;
      s[pair][b] = r * sine;
    }
  }
  for (int b = 0; b < count; ++b) {
    out[4 * b] = c[0][b];
    out[4 * b + 1] = s[0][b];
    out[4 * b + 2] = c[1][b];
    out[4 * b + 3] = s[1][b];
  }
}

void to_uniform(const Block& high, const Block& low, int count, double* out) {
  for (int b = 0; b < count; ++b) {
    for (int w = 0; w < 4; ++w) {
      out[4 * b + w] = to_unit(join(high.words[w][b], low.words[w][b]));
    }
  }
}

void to_normal(const Block& high, const Block& low, int count, double* out) {
  for (int b = 0; b < count; ++b) {
    for (int w = 0; w < 4; w += 2) {
      const auto [even, odd] = normal_pair(join(high.words[w][b], low.words[w][b]),
                                           join(high.words[w + 1][b], low.words[w + 1][b]));
      out[4 * b + w] = even;
      out[4 * b + w + 1] = odd;
    }
  }
}

// Draws [first, first + 4 count) of a row; first is a multiple of 4.
void draws(std::uint64_t key, bool normal, std::uint64_t row, std::uint64_t first, int count,
           float* out) {
  Block high;
  fill(key, row, in_domain(normal ? Domain::normal_high : Domain::uniform_high, first / 4), count,
       high);
  normal ? to_normal(high, count, out) : to_uniform(high, count, out);
}

void draws(std::uint64_t key, bool normal, std::uint64_t row, std::uint64_t first, int count,
           double* out) {
  Block high, low;
  fill(key, row, in_domain(normal ? Domain::normal_high : Domain::uniform_high, first / 4), count,
       high);
  fill(key, row, in_domain(normal ? Domain::normal_low : Domain::uniform_low, first / 4), count,
       low);
  normal ? to_normal(high, low, count, out) : to_uniform(high, low, count, out);
}

template <class T>
void fill_rows(std::uint64_t key, bool normal, std::int64_t first_row, at::Tensor& out) {
  const std::int64_t width = out.size(1);
  const std::int64_t grain = std::max<std::int64_t>(1, 8192 / std::max<std::int64_t>(1, width));
  T* data = out.mutable_data_ptr<T>();
  at::parallel_for(0, out.size(0), grain, [&](std::int64_t begin, std::int64_t end) {
    T part[kDraws];
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t j = 0; j < width; j += kDraws) {
        const std::int64_t wanted = std::min<std::int64_t>(kDraws, width - j);
        draws(key, normal, static_cast<std::uint64_t>(first_row + r), static_cast<std::uint64_t>(j),
              static_cast<int>((wanted + 3) / 4), part);
        std::copy_n(part, wanted, data + r * width + j);
      }
    }
  });
}

at::Tensor make_rows(std::uint64_t key, bool normal, std::int64_t first_row, std::int64_t count,
                     std::int64_t width, at::ScalarType dtype) {
  if (first_row < 0 || count < 0 || width < 0) {
    throw Error(cat("random rows: first row ", first_row, ", count ", count, " and width ", width,
                    " must not be negative"));
  }
  at::Tensor out = at::empty({count, width}, at::TensorOptions().dtype(dtype));
  if (dtype == at::kFloat) {
    fill_rows<float>(key, normal, first_row, out);
  } else if (dtype == at::kDouble) {
    fill_rows<double>(key, normal, first_row, out);
  } else {
    throw Error(cat("random rows: dtype must be float32 or float64, not ", c10::toString(dtype)));
  }
  return out;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low,
                                    std::uint64_t counter_high) {
  const Words w = rounds(
      static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32),
      {static_cast<std::uint32_t>(counter_low), static_cast<std::uint32_t>(counter_low >> 32),
       static_cast<std::uint32_t>(counter_high), static_cast<std::uint32_t>(counter_high >> 32)});
  return {w.x0, w.x1, w.x2, w.x3};
}

// The text is absorbed in pieces of 8 bytes, its length last.
Random Random::fork(std::string_view purpose) const {
  std::uint64_t key = key_;
  const auto absorb = [&](std::uint64_t piece, std::uint64_t number) {
    const auto w = philox(key, piece, in_domain(Domain::fork_text, number));
    key = join(w[0], w[1]);
  };
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < purpose.size(); i += 8) {
    std::uint64_t piece = 0;
    for (std::size_t j = i; j < std::min(i + 8, purpose.size()); ++j) {
      piece |= std::uint64_t{static_cast<unsigned char>(purpose[j])} << (8 * (j - i));
    }
    absorb(piece, ++number);
  }
  absorb(purpose.size(), 0);
  return Random(key);
}

Random Random::fork(std::uint64_t number) const {
  const auto w = philox(key_, number, in_domain(Domain::fork_number, 0));
  return Random(join(w[0], w[1]));
}

std::uint64_t Random::bits(std::uint64_t row, std::uint64_t draw) const {
  return draw_bits(key_, Domain::uniform_high, Domain::uniform_low, row, draw);
}

double Random::uniform(std::uint64_t row, std::uint64_t draw) const {
  return to_unit(bits(row, draw));
}

double Random::normal(std::uint64_t row, std::uint64_t draw) const {
  const std::uint64_t even = draw & ~std::uint64_t{1};
  const auto pair =
      normal_pair(draw_bits(key_, Domain::normal_high, Domain::normal_low, row, even),
                  draw_bits(key_, Domain::normal_high, Domain::normal_low, row, even + 1));
  return draw == even ? pair.first : pair.second;
}

// Lemire 2019, "Fast random integer generation in an interval": the upper half of a 128-bit
// product, drawn anew while the lower half falls in the uneven rest.
std::uint64_t Random::below(std::uint64_t bound, std::uint64_t row, std::uint64_t draw) const {
  if (bound == 0) throw Error("Random::below: bound must be at least 1");
  __extension__ using Wide = unsigned __int128;
  Wide product = Wide{bits(row, draw)} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t rest = (0 - bound) % bound;
    const Random again = fork("below");
    for (std::uint64_t n = 0; static_cast<std::uint64_t>(product) < rest; ++n) {
      product = Wide{again.fork(n).bits(row, draw)} * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

at::Tensor Random::uniform_rows(std::int64_t first_row, std::int64_t count, std::int64_t width,
                                at::ScalarType dtype) const {
  return make_rows(key_, false, first_row, count, width, dtype);
}

at::Tensor Random::normal_rows(std::int64_t first_row, std::int64_t count, std::int64_t width,
                               at::ScalarType dtype) const {
  return make_rows(key_, true, first_row, count, width, dtype);
}

}  // namespace saffron::inline sdk_v1
