#pragma once

#include <saffron/ops.h>
#include <saffron/random.h>

#include "tests/sdk/ops/inputs.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

// Inputs of the encoders whose pre-activations are exact in float32, so that results can be
// compared bit by bit with a naive reference in double precision, which is here too: whole numbers,
// scales that are powers of two. Without GoogleTest, for programs that do not have it.

namespace saffron::test {

struct EncodeCase {
  at::Tensor x, W, b, scale;           // b and scale may be undefined
  std::vector<std::vector<double>> a;  // the reference's pre-activations
  std::int64_t k = 1;
  [[nodiscard]] std::int64_t B() const { return x.size(0); }
  [[nodiscard]] std::int64_t F() const { return W.size(0); }
};

inline std::vector<std::vector<double>> naive_products(const EncodeCase& c) {
  const at::Tensor x = c.x.to(at::kDouble).contiguous(), W = c.W.to(at::kDouble).contiguous();
  const std::int64_t d = x.size(1);
  std::vector<std::vector<double>> a;
  for (std::int64_t r = 0; r < c.B(); ++r) {
    std::vector<double> row;
    for (std::int64_t i = 0; i < c.F(); ++i) {
      double sum = c.b.defined() ? c.b[i].item<double>() : 0;
      const double* const w = W.const_data_ptr<double>() + i * d;
      const double* const v = x.const_data_ptr<double>() + r * d;
      for (std::int64_t j = 0; j < d; ++j) sum += v[j] * w[j];
      row.push_back(c.scale.defined() ? sum * c.scale[i].item<double>() : sum);
    }
    a.push_back(std::move(row));
  }
  return a;
}

// Shapes small enough for a thousand; a few go over the edge of a tile or of a chunk of rows.
inline EncodeCase random_case(std::uint64_t trial) {
  const Random random = Random(11).fork(trial);
  const auto pick = [&](std::uint64_t draw, std::uint64_t bound) {
    return static_cast<std::int64_t>(1 + random.below(bound, 0, draw));
  };
  const std::int64_t d = pick(0, 33);
  std::int64_t B = pick(1, 4), F = pick(2, 130);
  if (trial % 50 == 7) F = pick(2, 2500);
  if (trial % 50 == 8) B = pick(1, 600), F = pick(2, 20);
  const std::uint64_t most = trial % 2 == 0 ? 2 : 500;  // many ties, or few
  const auto type = trial % 4 < 2 ? at::kFloat : at::kDouble;
  EncodeCase c;
  c.x =
      laid_out(whole_numbers(random.fork("x"), B, d, most).to(type), random.below(kLayouts, 0, 3));
  c.W =
      laid_out(whole_numbers(random.fork("W"), F, d, most).to(type), random.below(kLayouts, 0, 4));
  if (trial % 3 != 0) {
    c.b = laid_out(whole_numbers(random.fork("b"), 1, F, most).to(type),
                   random.below(kLayouts, 0, 5))[0];
  }
  if (trial % 5 == 0) {
    c.scale = whole_numbers(random.fork("s"), 1, F, 2).exp2().to(type)[0];
  }
  c.k = trial % 10 == 0 ? F : trial % 10 == 1 ? 1 : pick(6, static_cast<std::uint64_t>(F));
  c.a = naive_products(c);
  return c;
}

// ---- the references' selections ----------------------------------------------------------------

inline double rank_of(double a, ops::Keep keep) {
  return keep == ops::Keep::magnitude ? std::abs(a) : a;
}

// The k of a row that a full sort puts first; ties to the lower latent.
inline std::vector<std::int64_t> first_of(const std::vector<double>& row, std::int64_t k,
                                          ops::Keep keep) {
  std::vector<std::int64_t> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
    return rank_of(row[static_cast<std::size_t>(i)], keep) >
           rank_of(row[static_cast<std::size_t>(j)], keep);
  });
  order.resize(static_cast<std::size_t>(k));
  return order;
}

// An entry of the reference's selection.
struct Chosen {
  std::int64_t row, latent;
  double value;
};

struct Bounds {
  at::Tensor given;             // [F] of x's type, or undefined
  std::vector<double> numbers;  // [F]
};

// Of the size of pre-activations, so that some are equal to theirs.
inline Bounds random_bounds(const EncodeCase& c, std::uint64_t trial) {
  Bounds bounds{{}, std::vector<double>(static_cast<std::size_t>(c.F()))};
  if (trial % 4 == 3) return bounds;
  const std::uint64_t most = trial % 2 == 0 ? 6 : 300000;
  const at::Tensor drawn = whole_numbers(Random(2).fork(trial), 1, c.F(), most)[0].contiguous();
  std::copy_n(drawn.const_data_ptr<double>(), c.F(), bounds.numbers.begin());
  bounds.given = drawn.to(c.x.scalar_type());
  return bounds;
}

inline std::vector<Chosen> above(const EncodeCase& c, const std::vector<double>& bounds) {
  std::vector<Chosen> chosen;
  for (std::int64_t r = 0; r < c.B(); ++r) {
    for (std::int64_t i = 0; i < c.F(); ++i) {
      const double a = c.a[static_cast<std::size_t>(r)][static_cast<std::size_t>(i)];
      if (a > bounds[static_cast<std::size_t>(i)]) chosen.push_back({r, i, a});
    }
  }
  return chosen;
}

// By a sort of the whole batch; in the order of rows and latents.
inline std::vector<Chosen> best_of_batch(const EncodeCase& c) {
  std::vector<Chosen> all;
  for (std::int64_t r = 0; r < c.B(); ++r) {
    for (std::int64_t i = 0; i < c.F(); ++i) {
      const double a = c.a[static_cast<std::size_t>(r)][static_cast<std::size_t>(i)];
      if (a > 0) all.push_back({r, i, a});
    }
  }
  const auto in_place = [](const Chosen& a, const Chosen& b) {
    return a.row != b.row ? a.row < b.row : a.latent < b.latent;
  };
  std::stable_sort(all.begin(), all.end(),
                   [](const Chosen& a, const Chosen& b) { return a.value > b.value; });
  all.resize(std::min(all.size(), static_cast<std::size_t>(c.k * c.B())));
  std::sort(all.begin(), all.end(), in_place);
  return all;
}

inline double smallest_of(const std::vector<Chosen>& chosen) {
  double smallest = chosen.empty() ? 0 : chosen.front().value;
  for (const Chosen& entry : chosen) smallest = std::min(smallest, entry.value);
  return smallest;
}

}  // namespace saffron::test
