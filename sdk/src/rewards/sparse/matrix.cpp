#include "src/rewards/sparse/columns.h"

#include <saffron/error.h>
#include <saffron/reward_sparse.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace saffron::inline sdk_v1::rewards {
namespace {

template <class T>
at::Tensor copied(const std::vector<T>& values, at::ScalarType dtype) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, dtype);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<T>());
  return out;
}

// Sum (or, with `most`, the largest) of an entry's value in each row: [rows].
at::Tensor row_sums(const SparseMatrix& of, bool most) {
  at::Tensor out = at::zeros({of.rows}, at::kDouble);
  const auto* at = of.offsets.const_data_ptr<std::int64_t>();
  const double* value = of.values.const_data_ptr<double>();
  double* to = out.mutable_data_ptr<double>();
  for (std::int64_t row = 0; row < of.rows; ++row) {
    for (std::int64_t e = at[row]; e < at[row + 1]; ++e) {
      to[row] = most ? std::max(to[row], value[e]) : to[row] + value[e];
    }
  }
  return out;
}

}  // namespace

SparseMatrix SparseMatrix::of(const Transitions& sparse) {
  if (sparse.states > std::numeric_limits<std::int32_t>::max()) {
    throw Error(cat(sparse.states, " states are more than 2^31 - 1"));
  }
  return {sparse.states * sparse.actions, sparse.states, sparse.offsets,
          sparse.successors.to(at::kInt), sparse.probabilities};
}

// By counting: entries of a row of the result come in the order of their rows here.
SparseMatrix SparseMatrix::transposed() const {
  const std::int64_t nnz = values.size(0);
  SparseMatrix out{columns, rows, at::zeros({columns + 1}, at::kLong), at::empty({nnz}, at::kInt),
                   at::empty({nnz}, at::kDouble)};
  const auto* at = offsets.const_data_ptr<std::int64_t>();
  const auto* place = places.const_data_ptr<std::int32_t>();
  const double* value = values.const_data_ptr<double>();
  auto* begin = out.offsets.mutable_data_ptr<std::int64_t>();
  for (std::int64_t e = 0; e < nnz; ++e) ++begin[place[e] + 1];
  for (std::int64_t c = 0; c < columns; ++c) begin[c + 1] += begin[c];
  std::vector<std::int64_t> next(begin, begin + columns);
  auto* row_of = out.places.mutable_data_ptr<std::int32_t>();
  double* to = out.values.mutable_data_ptr<double>();
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t e = at[row]; e < at[row + 1]; ++e) {
      const std::int64_t slot = next[static_cast<std::size_t>(place[e])]++;
      row_of[slot] = static_cast<std::int32_t>(row);
      to[slot] = value[e];
    }
  }
  return out;
}

SparseMatrix SparseMatrix::chain(const at::Tensor& policy) const {
  const std::int64_t S = columns, A = rows / columns;
  const auto* at = offsets.const_data_ptr<std::int64_t>();
  const auto* place = places.const_data_ptr<std::int32_t>();
  const double* value = values.const_data_ptr<double>();
  const bool one = policy.scalar_type() == at::kLong;
  const at::Tensor held = policy.contiguous();
  std::vector<std::int64_t> begin = {0};
  std::vector<std::int32_t> next;
  std::vector<double> weight;
  begin.reserve(static_cast<std::size_t>(S) + 1);
  const auto room = static_cast<std::size_t>(one ? values.size(0) / A : values.size(0));
  next.reserve(room);
  weight.reserve(room);
  for (std::int64_t s = 0; s < S; ++s) {
    for (std::int64_t a = 0; a < A; ++a) {
      const double p = one ? (held.const_data_ptr<std::int64_t>()[s] == a ? 1.0 : 0.0)
                           : held.const_data_ptr<double>()[s * A + a];
      if (p == 0) continue;
      const std::int64_t row = s * A + a;
      for (std::int64_t e = at[row]; e < at[row + 1]; ++e) {
        next.push_back(place[e]);
        weight.push_back(p * value[e]);
      }
    }
    begin.push_back(static_cast<std::int64_t>(next.size()));
  }
  return {S, S, copied(begin, at::kLong), copied(next, at::kInt), copied(weight, at::kDouble)};
}

// One column, or few, in registers.
template <std::int64_t K>
void multiply(const SparseMatrix& by, const double* from, double* to) {
  const auto* at = by.offsets.const_data_ptr<std::int64_t>();
  const auto* place = by.places.const_data_ptr<std::int32_t>();
  const double* value = by.values.const_data_ptr<double>();
  at::parallel_for(0, by.rows, columns::kRows, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      double sums[K] = {};
      for (std::int64_t e = at[row]; e < at[row + 1]; ++e) {
        for (std::int64_t k = 0; k < K; ++k) sums[k] += value[e] * from[place[e] * K + k];
      }
      std::copy(sums, sums + K, to + row * K);
    }
  });
}

at::Tensor SparseMatrix::times(const at::Tensor& x) const {
  const std::int64_t K = x.size(1);
  at::Tensor out = at::empty({rows, K}, at::kDouble);
  const auto* at = offsets.const_data_ptr<std::int64_t>();
  const auto* place = places.const_data_ptr<std::int32_t>();
  const double *value = values.const_data_ptr<double>(), *from = x.const_data_ptr<double>();
  double* to = out.mutable_data_ptr<double>();
  if (K == 1) return multiply<1>(*this, from, to), out;
  if (K == 2) return multiply<2>(*this, from, to), out;
  at::parallel_for(0, rows, columns::kRows, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      double* const sums = to + row * K;
      std::fill(sums, sums + K, 0.0);
      for (std::int64_t e = at[row]; e < at[row + 1]; ++e) {
        const double* const y = from + place[e] * K;
        for (std::int64_t k = 0; k < K; ++k) sums[k] += value[e] * y[k];
      }
    }
  });
  return out;
}

at::Tensor expected_on_support(const SparseMatrix& tau, const at::Tensor& rewards) {
  const std::int64_t R = rewards.size(0), nnz = rewards.size(1);
  at::Tensor out = at::zeros({tau.rows, R}, at::kDouble);
  const auto* at = tau.offsets.const_data_ptr<std::int64_t>();
  const double *p = tau.values.const_data_ptr<double>(), *from = rewards.const_data_ptr<double>();
  double* to = out.mutable_data_ptr<double>();
  at::parallel_for(0, tau.rows, columns::kRows, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t e = at[row]; e < at[row + 1]; ++e) {
        for (std::int64_t i = 0; i < R; ++i) to[row * R + i] += p[e] * from[i * nnz + e];
      }
    }
  });
  return out;
}

Cells cells_of(const SparseMatrix& tau, bool constant_in_successor) {
  if (!constant_in_successor) return {at::ones_like(tau.values), tau.values, tau.values};
  const at::Tensor mass = row_sums(tau, false);
  return {at::full_like(mass, static_cast<double>(tau.columns)), mass, row_sums(tau, true)};
}

}  // namespace saffron::inline sdk_v1::rewards
