#pragma once

#include <saffron/codes.h>
#include <saffron/random.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

enum class Kind : std::uint8_t { flat, correlated, uncorrelated, grouped };
enum class Semantics : std::uint8_t { intended, as_published };

// What every generator is made from. Rows are numbered over all blocks.
struct GeneratorSettings {
  Kind kind = Kind::flat;
  Semantics semantics = Semantics::intended;
  std::int64_t features = 512;  // G
  double active = 5;            // mean number (exact for grouped) of active features, m
  double decay = 0.99;
  std::int64_t groups = 12;      // grouped
  std::int64_t shared_rows = 1;  // as published: rows that share one draw
};

// Sparse rows under construction.
struct SparseRows {
  std::vector<std::int32_t> ends;  // entries up to the end of each row
  std::vector<std::int32_t> indices;
  std::vector<float> values;

  void add(std::int64_t feature, double value) {
    indices.push_back(static_cast<std::int32_t>(feature));
    values.push_back(static_cast<float>(value));
  }
  void end_row() { ends.push_back(static_cast<std::int32_t>(indices.size())); }
};

// Which features are active in a row, and how strongly. Every row is a function of its number.
class Generator {
 public:
  virtual ~Generator() = default;
  // Strengths of rows [first, first + count): csr, float32, ascending features.
  [[nodiscard]] Codes draw(std::int64_t first, std::int64_t count) const;

 protected:
  explicit Generator(const GeneratorSettings& settings) : settings_(settings) {}
  // Called in parallel, on chunks of a size that does not depend on the number of threads.
  [[nodiscard]] virtual SparseRows draw_chunk(std::int64_t first, std::int64_t count) const = 0;

  GeneratorSettings settings_;
};

// Features switched on independently given p [G] of the row:
//
//   f_i = s_i u_i,  s_i ~ Bernoulli(p_i),  u_i ~ U[0, 1),   sum_i p_i = m before clamping to [0, 1]
//
//   flat          p_i ~ Phi(a_i)^(decay i),  a ~ N(0, Sigma) for each row.     (Lawson's toy model)
//                 As published Sigma = A A^T, A [G, G] standard normal: its diagonal is about G,
//                 Phi saturates at 0 and 1, the decay does nothing and frequencies are flat. As
//                 intended Sigma has unit diagonal: frequencies fall like 1 / (1 + decay i).
//   correlated    p_i ~ Phi(a_i) decay^i,  a ~ N(0, S).                         (Cunningham et al.)
//                 S = (U + U^T) / 2 - 1.001 lambda_min I, U uniform. As published its diagonal
//                 is about 9.8 at G = 512, so that Phi is mostly near 0 or 1, and `shared_rows`
//                 rows share one a. As intended S has unit diagonal (its correlations, about .05,
//                 are the same) and each row draws its own a. A row without any active feature gets
//                 one at random with strength 1.
//   uncorrelated  p_i ~ decay^i. As published scaled by m / G instead of to a sum of m (mean L0 is
//                 then m (1 - decay^G) / (G (1 - decay)), 0.97 instead of 5).
class Bernoulli final : public Generator {
 public:
  Bernoulli(const GeneratorSettings& settings, Random random);
  // p of rows [first, first + count): [count, G] float32.
  [[nodiscard]] at::Tensor probabilities(std::int64_t first, std::int64_t count) const;

 private:
  [[nodiscard]] at::Tensor rescale(const at::Tensor& p) const;
  [[nodiscard]] SparseRows draw_chunk(std::int64_t first, std::int64_t count) const override;

  Random normals_, presence_, strength_, filler_;
  at::Tensor mixing_;    // [G, G]: a = z mixing, z standard normal; undefined for uncorrelated
  at::Tensor exponent_;  // [G]: decay i
  at::Tensor falloff_;   // [G]: decay^i
};

// One of `groups` equal groups a row, then exactly m of its features without replacement, weights
// decay^j for the group's j-th; strengths U[0, 1). (Marks et al.)  Features beyond groups * size
// are never used. As published the m features are drawn once for each group and `shared_rows` rows;
// as intended each row draws its own.
class Grouped final : public Generator {
 public:
  Grouped(const GeneratorSettings& settings, Random random);
  [[nodiscard]] std::int64_t group_of(std::int64_t row) const;

 private:
  // Supports number [first, first + count): `active` members of a group each, ascending.
  [[nodiscard]] std::vector<std::int32_t> supports(std::int64_t first, std::int64_t count) const;
  [[nodiscard]] SparseRows draw_chunk(std::int64_t first, std::int64_t count) const override;

  std::int64_t size_, active_;
  Random choice_, support_, strength_;
};

}  // namespace saffron::plugins
