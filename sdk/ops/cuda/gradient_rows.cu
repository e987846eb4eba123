#include "row_sum.cuh"

#include <algorithm>
#include <cmath>
#include <type_traits>

// A parameter's gradient, formed row by row: one block a row. A row that does not fit in shared
// memory is formed chunk by chunk, twice where the projection needs <g, w> first.

namespace saffron::ops_cuda {
namespace {

template <class T>
struct Rows {
  std::int64_t width, size;
  Hold hold;
  const T* dense;
  int term_count;
  RowSum<T> terms[kMaxTerms];

  __device__ std::int64_t length(std::int64_t i) const { return min(width, size - i * width); }
};

// sums[0, columns) = g[i, column ...]
template <int N, class T>
__device__ void form(const Rows<T>& rows, std::int64_t i, std::int64_t column, int columns,
                     T* sums) {
  const std::int64_t start = i * rows.width + column;
  for (int j = static_cast<int>(threadIdx.x) * N; j < columns; j += kThreads * N) {
    store<N>(sums + j, rows.dense != nullptr ? load<N>(rows.dense + start + j) : Pack<T, N>{});
  }
  for (int t = 0; t < rows.term_count; ++t) {
    add_row<N>(rows.terms[t], i, rows.width, column, columns, sums);
  }
}

// Calls body(offset, j) for the thread's own columns of row i, a pack at a time, chunk by chunk:
// offset is counted from the row's start, sums[j] holds g[i, offset]. `formed`: sums already holds
// the row's only chunk.
template <int N, class T, class Body>
__device__ void each_pack(const Rows<T>& rows, std::int64_t i, bool formed, T* sums, Body&& body) {
  const std::int64_t length = rows.length(i);
  for (std::int64_t column = 0; column < length; column += kColumns<T>) {
    const int columns = static_cast<int>(min(length - column, std::int64_t{kColumns<T>}));
    if (!formed) form<N>(rows, i, column, columns, sums);
    for (int j = static_cast<int>(threadIdx.x) * N; j < columns; j += kThreads * N) {
      body(column + j, j);
    }
  }
}

// <g, w> of row i, the same in every thread.
template <int N, class T>
__device__ T along(const Rows<T>& rows, std::int64_t i, const T* w, T* sums) {
  double dot = 0;
  each_pack<N>(rows, i, false, sums, [&](std::int64_t offset, int j) {
    const Pack<T, N> g = load<N>(sums + j), x = load<N>(w + offset);
#pragma unroll
    for (int n = 0; n < N; ++n) dot += static_cast<double>(g.at[n]) * static_cast<double>(x.at[n]);
  });
  return static_cast<T>(block_sum(dot));
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) form_kernel(const Rows<T> rows, T* out) {
  T* const sums = reinterpret_cast<T*>(dynamic_shared());
  const std::int64_t i = blockIdx.x, start = i * rows.width;
  each_pack<N>(rows, i, false, sums, [&](std::int64_t offset, int j) {
    store<N>(out + start + offset, load<N>(sums + j));
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    norm_kernel(const Rows<T> rows, const T* w, double* partial) {
  T* const sums = reinterpret_cast<T*>(dynamic_shared());
  const std::int64_t i = blockIdx.x, start = i * rows.width;
  const bool project = rows.hold == Hold::unit_rows;
  const T part = project ? along<N>(rows, i, w + start, sums) : T(0);
  double squares = 0;
  each_pack<N>(rows, i, project && rows.length(i) <= kColumns<T>, sums,
               [&](std::int64_t offset, int j) {
                 Pack<T, N> g = load<N>(sums + j);
                 if (project) {
                   const Pack<T, N> x = load<N>(w + start + offset);
#pragma unroll
                   for (int n = 0; n < N; ++n) g.at[n] -= part * x.at[n];
                 }
#pragma unroll
                 for (int n = 0; n < N; ++n) {
                   squares += static_cast<double>(g.at[n]) * static_cast<double>(g.at[n]);
                 }
               });
  const double total = block_sum(squares);
  if (threadIdx.x == 0) partial[i] = total;
}

__global__ void __launch_bounds__(kThreads)
    total_kernel(const double* partial, std::int64_t count, double* out) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  const double total = block_sum(sum);
  if (threadIdx.x == 0) *out = total;
}

// The rules of a step: the parameter's new value; the moments change in place.
template <class T>
struct AdamRule {
  static constexpr bool kSecondMoment = true;
  T beta1, rest1, beta2, rest2, step, root, eps, keep, scale;

  explicit AdamRule(const Adam& s)
      : beta1(static_cast<T>(s.beta1)),
        rest1(static_cast<T>(1 - s.beta1)),
        beta2(static_cast<T>(s.beta2)),
        rest2(static_cast<T>(1 - s.beta2)),
        step(static_cast<T>(s.step_size)),
        root(static_cast<T>(1 / s.root_correction)),
        eps(static_cast<T>(s.eps)),
        keep(static_cast<T>(1 - s.decay)),
        scale(static_cast<T>(s.scale)) {}

  __device__ T operator()(T gradient, T w, T& m, T& v) const {
    gradient *= scale;
    m = beta1 * m + rest1 * gradient;
    v = beta2 * v + rest2 * gradient * gradient;
    return keep * w - step * m / (sqrt(v) * root + eps);
  }
};

template <class T>
struct SignumRule {
  static constexpr bool kSecondMoment = false;
  T beta, rest, step, keep;

  explicit SignumRule(const Signum& s)
      : beta(static_cast<T>(s.beta)),
        rest(static_cast<T>((1 - s.beta) * s.scale)),
        step(static_cast<T>(s.step_size)),
        keep(static_cast<T>(1 - s.decay)) {}

  __device__ T operator()(T gradient, T w, T& m, T&) const {
    m = beta * m + rest * gradient;
    return keep * w - (m > T(0) ? step : (m < T(0) ? -step : T(0)));
  }
};

template <class T, int N, class Rule>
__global__ void __launch_bounds__(kThreads)
    step_kernel(const Rows<T> rows, const Rule rule, T* w, T* m, T* v) {
  T* const sums = reinterpret_cast<T*>(dynamic_shared());
  const std::int64_t i = blockIdx.x, start = i * rows.width, length = rows.length(i);
  const bool unit = rows.hold == Hold::unit_rows, fits = length <= kColumns<T>;
  w += start;
  m += start;
  if (Rule::kSecondMoment) v += start;
  const T part = unit ? along<N>(rows, i, w, sums) : T(0);
  T* const updated = unit && fits ? sums : w;  // a row that is scaled yet stays in shared memory
  double squares = 0;
  each_pack<N>(rows, i, unit && fits, sums, [&](std::int64_t offset, int j) {
    const Pack<T, N> g = load<N>(sums + j);
    Pack<T, N> x = load<N>(w + offset), first = load<N>(m + offset), second{};
    if constexpr (Rule::kSecondMoment) second = load<N>(v + offset);
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const T old = x.at[n];
      x.at[n] = rule(unit ? g.at[n] - part * old : g.at[n], old, first.at[n], second.at[n]);
      if (rows.hold == Hold::non_negative && x.at[n] < T(0)) x.at[n] = 0;
      squares += static_cast<double>(x.at[n]) * static_cast<double>(x.at[n]);
    }
    store<N>(m + offset, first);
    if constexpr (Rule::kSecondMoment) store<N>(v + offset, second);
    store<N>(updated + offset, x);
  });
  if (!unit) return;
  const T norm = static_cast<T>(sqrt(block_sum(squares)));
  const T divisor = norm > T(0) ? norm : T(1);
  for (std::int64_t offset = std::int64_t{threadIdx.x} * N; offset < length;
       offset += kThreads * N) {
    Pack<T, N> x = load<N>(updated + offset);
#pragma unroll
    for (int n = 0; n < N; ++n) x.at[n] /= divisor;
    store<N>(w + offset, x);
  }
}

bool valid(const RowGradient& g) {
  return g.rows >= 0 && g.rows <= kMaxIndex && g.width >= 0 && g.term_count >= 0 &&
         g.term_count <= kMaxTerms && g.size <= g.rows * g.width &&
         g.size >= (g.rows - 1) * g.width && (g.term_count == 0 || g.size == g.rows * g.width);
}

template <class T>
Rows<T> rows_of(const RowGradient& g) {
  Rows<T> rows{
      g.width, g.size, g.hold, static_cast<const T*>(g.dense), static_cast<int>(g.term_count), {}};
  for (std::int64_t t = 0; t < g.term_count; ++t) {
    const Term& term = g.terms[t];
    rows.terms[t] = {term.offsets,
                     0,
                     term.entries,
                     term.rows,
                     static_cast<const T*>(term.coefficients),
                     static_cast<const T*>(term.matrix)};
  }
  return rows;
}

template <class T>
bool all_pack(const RowGradient& g, std::initializer_list<const void*> others) {
  bool fits = packs<T>(g.width, others) && packs<T>(g.size, {g.dense});
  for (std::int64_t t = 0; t < g.term_count; ++t) {
    fits = fits && packs<T>(g.width, {g.terms[t].matrix});
  }
  return fits;
}

template <class T>
std::size_t shared_of(const RowGradient& g) {
  return sizeof(T) * static_cast<std::size_t>(std::min<std::int64_t>(g.width, kColumns<T>));
}

// Runs body(T{}, integral_constant<int, N>{}) for the scalar type and the widest loads that the
// pointers allow.
template <class Body>
int by_width(const Place& place, const RowGradient& g, std::initializer_list<const void*> others,
             Body&& body) {
  if (!valid(g)) return cudaErrorInvalidValue;
  if (const int error = enter(place)) return error;
  return by_scalar(g.scalar, [&](auto t) -> int {
    using T = decltype(t);
    return all_pack<T>(g, others) ? body(t, std::integral_constant<int, kPack<T>>{})
                                  : body(t, std::integral_constant<int, 1>{});
  });
}

}  // namespace

int form_gradient(const Place& place, const RowGradient& gradient, void* out) {
  return by_width(place, gradient, {out}, [&](auto t, auto n) -> int {
    using T = decltype(t);
    constexpr int N = decltype(n)::value;
    return launch(place, form_kernel<T, N>, gradient.rows, 1, shared_of<T>(gradient),
                  rows_of<T>(gradient), out);
  });
}

int squared_norm(const Place& place, const RowGradient& gradient, const void* w, double* partial,
                 double* out) {
  return by_width(place, gradient, {w}, [&](auto t, auto n) -> int {
    using T = decltype(t);
    constexpr int N = decltype(n)::value;
    const int error = launch(place, norm_kernel<T, N>, gradient.rows, 1, shared_of<T>(gradient),
                             rows_of<T>(gradient), w, partial);
    if (error != cudaSuccess) return error;
    return launch(place, total_kernel, 1, 1, 0, partial, gradient.rows, out);
  });
}

int adam(const Place& place, const RowGradient& gradient, const Adam& adam, void* w, void* m,
         void* v) {
  return by_width(place, gradient, {w, m, v}, [&](auto t, auto n) -> int {
    using T = decltype(t);
    constexpr int N = decltype(n)::value;
    return launch(place, step_kernel<T, N, AdamRule<T>>, gradient.rows, 1, shared_of<T>(gradient),
                  rows_of<T>(gradient), AdamRule<T>(adam), w, m, v);
  });
}

int signum(const Place& place, const RowGradient& gradient, const Signum& signum, void* w,
           void* m) {
  return by_width(place, gradient, {w, m}, [&](auto t, auto n) -> int {
    using T = decltype(t);
    constexpr int N = decltype(n)::value;
    return launch(place, step_kernel<T, N, SignumRule<T>>, gradient.rows, 1, shared_of<T>(gradient),
                  rows_of<T>(gradient), SignumRule<T>(signum), w, m, nullptr);
  });
}

}  // namespace saffron::ops_cuda
