#include "harness.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace saffron::ops_cuda::test {
namespace {

constexpr std::int64_t kNothing = std::numeric_limits<std::int64_t>::max();

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class T>
struct Csr {
  std::vector<T> values;
  std::vector<std::int32_t> indices, offsets{0};
};

template <class T>
struct AboveCase {
  std::int64_t rows, F;
  std::int64_t block;                     // rows of one call
  std::int64_t capacity;                  // -1: as many as there are
  std::vector<T> a, bias, scale, bounds;  // [rows, F]; [F] or empty
};

template <class T>
struct AboveResult {
  Csr<T> codes;
  std::vector<std::int64_t> status;
  std::int32_t overflow = 0;
};

// A NaN is above every bound and below none.
template <class T>
Csr<T> reference(const AboveCase<T>& c) {
  Csr<T> want;
  for (std::int64_t r = 0; r < c.rows; ++r) {
    for (std::int64_t i = 0; i < c.F; ++i) {
      T a = c.a[at(r * c.F + i)];
      if (!c.bias.empty()) a += c.bias[at(i)];
      if (!c.scale.empty()) a *= c.scale[at(i)];
      if (a <= (c.bounds.empty() ? T(0) : c.bounds[at(i)])) continue;
      want.values.push_back(a);
      want.indices.push_back(static_cast<std::int32_t>(i));
    }
    want.offsets.push_back(static_cast<std::int32_t>(want.values.size()));
  }
  return want;
}

// The first `capacity` entries of all.
template <class T>
Csr<T> cut(Csr<T> all, std::int64_t capacity) {
  const std::int64_t count = std::min(capacity, static_cast<std::int64_t>(all.values.size()));
  all.values.resize(at(count));
  all.indices.resize(at(count));
  for (std::int32_t& offset : all.offsets) {
    offset = std::min(offset, static_cast<std::int32_t>(count));
  }
  return all;
}

template <class T>
AboveResult<T> above(Checks& checks, const AboveCase<T>& c, std::int64_t capacity,
                     std::int64_t first_row = 0) {
  const Device<T> bias(c.bias), scale(c.scale), bounds(c.bounds);
  Device<T> values(at(capacity));
  Device<std::int32_t> indices(at(capacity)), offsets(at(c.rows + 1));
  Device<std::int32_t> overflow(std::vector<std::int32_t>{0});
  Device<std::int64_t> status(std::vector<std::int64_t>{kNothing, kNothing, 0});
  for (std::int64_t row = 0; row == 0 || row < c.rows; row += c.block) {
    const std::int64_t count = std::min(c.block, c.rows - row);
    const Device<T> products(
        std::vector<T>(c.a.begin() + row * c.F, c.a.begin() + (row + count) * c.F));
    const AboveRows rows{.scalar = kScalar<T>,
                         .products = products.data(),
                         .bias = c.bias.empty() ? nullptr : bias.data(),
                         .scale = c.scale.empty() ? nullptr : scale.data(),
                         .bounds = c.bounds.empty() ? nullptr : bounds.data(),
                         .rows = count,
                         .F = c.F,
                         .first_row = first_row + row,
                         .capacity = capacity,
                         .offsets = offsets.data() + row,
                         .values = values.data(),
                         .indices = indices.data(),
                         .overflow = overflow.data(),
                         .status = status.data()};
    require(checks.kernels().count_above(checks.place(), rows), "count_above");
    require(checks.kernels().write_above(checks.place(), rows), "write_above");
    require(cudaStreamSynchronize(checks.stream()), "encode_above");
  }
  return {{values.get(), indices.get(), offsets.get()}, status.get(), overflow.get()[0]};
}

template <class T>
void compare(Checks& checks, const Csr<T>& got, const Csr<T>& want, const std::string& name) {
  checks.equal(got.offsets, want.offsets, name + " offsets");
  checks.equal(got.indices, want.indices, name + " latents");
  checks.equal(got.values, want.values, name + " values");
}

template <class T>
void check_above_case(Checks& checks, const AboveCase<T>& c, const std::string& what) {
  const Csr<T> all = reference(c);
  const auto count = static_cast<std::int64_t>(all.values.size());
  const std::int64_t capacity = c.capacity < 0 ? count : c.capacity;
  const Csr<T> want = cut(all, capacity);
  AboveResult<T> got = above(checks, c, capacity);
  const std::string name = text("above ", kName<T>, " B=", c.rows, " F=", c.F, " block=", c.block,
                                " capacity=", capacity, " ", what);
  got.codes.values.resize(want.values.size());  // what lies behind is unspecified
  got.codes.indices.resize(want.indices.size());
  compare(checks, got.codes, want, name);
  checks.check(got.status[2] == count && got.overflow == (count > capacity ? 1 : 0),
               name + " count", text("status[2] ", got.status[2], " overflow ", got.overflow));
  checks.check(got.status[0] == kNothing && got.status[1] == kNothing, name + " no NaN");
}

template <class T>
void check_above(Checks& checks) {
  Random random(40 + sizeof(T));
  struct Shape {
    std::int64_t rows, F, block;
  };
  for (const Shape s : {Shape{1, 1, 1}, Shape{3, 7, 2}, Shape{5, 1023, 5}, Shape{4, 1024, 1},
                        Shape{4, 1025, 3}, Shape{300, 40, 270}, Shape{600, 3, 600},
                        Shape{2, 9001, 2}, Shape{0, 6, 1}, Shape{4, 0, 2}}) {
    AboveCase<T> c{
        s.rows, s.F, s.block, -1, random.numbers<T>(s.rows * s.F), random.numbers<T>(s.F), {}, {}};
    check_above_case(checks, c, "biased");
    c.scale = random.numbers<T>(s.F);
    c.bounds = random.numbers<T>(s.F);
    check_above_case(checks, c, "scaled");
    c.bias.clear();
    c.scale.clear();
    for (std::vector<T>* numbers : {&c.a, &c.bounds}) {
      for (T& value : *numbers) value = std::round(value * 4) / 4;
    }
    check_above_case(checks, c, "some equal to their bound");
    c.capacity = s.rows * s.F + 11;
    check_above_case(checks, c, "roomy");
    c.capacity = s.rows * s.F / 5;
    check_above_case(checks, c, "too small");
    c.capacity = -1;
    std::fill(c.bounds.begin(), c.bounds.end(), T(-2));
    check_above_case(checks, c, "all");
    std::fill(c.bounds.begin(), c.bounds.end(), T(2));
    check_above_case(checks, c, "none");
  }
}

template <class T>
void check_above_nan(Checks& checks) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  AboveCase<T> c{
      4, 2000, 2, -1, std::vector<T>(4 * 2000, T(1)), {}, {}, std::vector<T>(2000, T(5))};
  for (const std::size_t i : {3 * 2000 + 7u, 2000 + 1999u, 2000 + 300u}) c.a[i] = nan;
  const AboveResult<T> got = above(checks, c, 3, 50);
  checks.check(got.status[0] == ((std::int64_t{51} << 32) | 300) && got.status[1] == kNothing,
               text("above ", kName<T>, " names the first NaN"), text("status ", got.status[0]));
  const Csr<T> want = reference(c);
  checks.equal(got.codes.indices, want.indices, text("above ", kName<T>, " keeps NaN"));
  checks.check(std::isnan(got.codes.values[0]), text("above ", kName<T>, " shows NaN"));
  c.bounds[1234] = c.bounds[1999] = nan;
  const AboveResult<T> bound = above(checks, c, 20);
  checks.check(bound.status[1] == 1234, text("above ", kName<T>, " names the first bound of NaN"),
               text("status ", bound.status[1]));
}

// By a stable sort of the entries' numbers.
template <class T>
Csr<T> largest_reference(const Csr<T>& csr, std::int64_t wanted, double* smallest) {
  std::vector<std::int32_t> order(at(csr.offsets.back()));
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](std::int32_t e) {
    const T value = csr.values[at(e)];
    return std::isnan(value) ? std::numeric_limits<T>::infinity() : value;
  };
  std::stable_sort(order.begin(), order.end(), [&](auto e, auto f) { return rank(e) > rank(f); });
  order.resize(std::min(order.size(), at(wanted)));
  *smallest = order.empty() ? 0 : static_cast<double>(rank(order.back()));
  std::sort(order.begin(), order.end());
  Csr<T> want;
  for (std::size_t r = 1; r < csr.offsets.size(); ++r) {
    want.offsets.push_back(static_cast<std::int32_t>(
        std::lower_bound(order.begin(), order.end(), csr.offsets[r]) - order.begin()));
  }
  for (const std::int32_t e : order) {
    want.values.push_back(csr.values[at(e)]);
    want.indices.push_back(csr.indices[at(e)]);
  }
  return want;
}

template <class T>
void check_largest_case(Checks& checks, const Csr<T>& csr, std::int64_t wanted,
                        const std::string& what) {
  double smallest = 0;
  const Csr<T> want = largest_reference(csr, wanted, &smallest);
  const auto capacity = static_cast<std::int64_t>(csr.values.size());
  const std::int64_t room = std::min(wanted, capacity);
  std::size_t bytes = 0;
  require(checks.kernels().largest_workspace(capacity, &bytes), "largest_workspace");
  const Device<T> values(csr.values);
  const Device<std::int32_t> indices(csr.indices), offsets(csr.offsets);
  Device<T> out_values(at(room));
  Device<std::int32_t> out_indices(at(room)), out_offsets(csr.offsets.size());
  Device<double> found(1);
  Device<unsigned char> workspace(bytes);
  Largest work{kScalar<T>,
               values.data(),
               indices.data(),
               offsets.data(),
               static_cast<std::int64_t>(csr.offsets.size()) - 1,
               capacity,
               wanted,
               out_values.data(),
               out_indices.data(),
               out_offsets.data(),
               found.data(),
               workspace.data(),
               bytes - 1};
  const std::string name = text("largest ", kName<T>, " rows=", work.rows,
                                " entries=", csr.offsets.back(), " wanted=", wanted, " ", what);
  checks.check(checks.kernels().keep_largest(checks.place(), work) == cudaErrorInvalidValue,
               name + " refuses too small a workspace");
  work.workspace_size = bytes;
  require(checks.kernels().keep_largest(checks.place(), work), "keep_largest");
  (void)workspace.get();
  Csr<T> got{out_values.get(), out_indices.get(), out_offsets.get()};
  got.values.resize(want.values.size());
  got.indices.resize(want.indices.size());
  compare(checks, got, want, name);
  checks.check(found.get()[0] == smallest, name + " smallest",
               text(found.get()[0], ", not ", smallest));
}

template <class T>
Csr<T> random_csr(Random& random, std::int64_t rows, std::int64_t F, std::int64_t most,
                  std::int64_t padding) {
  const Sparse sparse = make_csr(random, rows, F, most, padding);
  return {random.numbers<T>(sparse.capacity()), sparse.latents, sparse.offsets};
}

template <class T>
void check_largest(Checks& checks) {
  Random random(50 + sizeof(T));
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  struct Shape {
    std::int64_t rows, F, most, padding;
  };
  for (const Shape s :
       {Shape{1, 1, 1, 2}, Shape{9, 40, 30, 13}, Shape{3, 5000, 5000, 0},
        Shape{40, 1000, 700, 2048}, Shape{700, 64, 9, 3}, Shape{5, 8, 0, 7}, Shape{0, 8, 0, 0}}) {
    Csr<T> csr = random_csr<T>(random, s.rows, s.F, s.most, s.padding);
    const std::int64_t count = csr.offsets.back();
    for (const std::int64_t wanted :
         {std::int64_t{0}, std::int64_t{1}, count / 3, count - 1, count, count + 5}) {
      if (wanted >= 0) check_largest_case(checks, csr, wanted, "random");
    }
    for (T& value : csr.values) value = std::round(value * 3) / 3;
    check_largest_case(checks, csr, count / 2, "with ties");
    for (std::size_t e = 0; e < csr.values.size(); e += 7) csr.values[e] = e % 2 == 0 ? inf : nan;
    for (std::size_t e = 3; e < csr.values.size(); e += 11)
      csr.values[e] = e % 2 == 0 ? -inf : T(-0.0);
    check_largest_case(checks, csr, count / 20, "among infinities");
    check_largest_case(checks, csr, count / 2, "with infinities");
    check_largest_case(checks, csr, count, "with all infinities");
    std::fill(csr.values.begin(), csr.values.end(), T(0.5));
    check_largest_case(checks, csr, count / 2, "all equal");
  }
}

// A chunk's edge is a row's, and the capacity's.
template <class T>
void check_chunks(Checks& checks) {
  Random random(60);
  Csr<T> csr{random.numbers<T>(8192), std::vector<std::int32_t>(8192), {0, 2048, 2048, 4096, 8192}};
  std::iota(csr.indices.begin(), csr.indices.end(), 0);
  for (const std::int64_t wanted : {100, 4096, 8192}) {
    check_largest_case(checks, csr, wanted, "of whole chunks");
  }
}

void check_limits(Checks& checks) {
  AboveRows rows{};
  rows.capacity = kMaxIndex + 1;
  checks.check(checks.kernels().count_above(checks.place(), rows) == cudaErrorInvalidValue &&
                   checks.kernels().write_above(checks.place(), rows) == cudaErrorInvalidValue,
               "above refuses more entries than int32 can number");
  std::size_t bytes = 0;
  checks.check(checks.kernels().largest_workspace(kMaxIndex + 1, &bytes) == cudaErrorInvalidValue,
               "largest refuses more entries than int32 can number");
}

}  // namespace

void check_csr(Checks& checks) {
  check_above<float>(checks);
  check_above<double>(checks);
  check_above_nan<float>(checks);
  check_above_nan<double>(checks);
  check_largest<float>(checks);
  check_largest<double>(checks);
  check_chunks<float>(checks);
  check_limits(checks);
}

}  // namespace saffron::ops_cuda::test
