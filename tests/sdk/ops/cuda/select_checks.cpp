#include "harness.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace saffron::ops_cuda::test {
namespace {

constexpr std::int64_t kNothing = std::numeric_limits<std::int64_t>::max();

template <class T>
struct Case {
  std::int64_t rows, F, k, tile;
  Keep keep;
  std::vector<T> a;                   // x W^T, [rows, F]
  std::vector<T> bias, scale;         // [F] or empty
  std::vector<std::uint8_t> allowed;  // [F] or empty
};

template <class T>
struct Result {
  std::vector<T> values;
  std::vector<std::int32_t> indices;
  std::vector<std::int64_t> status;
};

// The kernels over tiles of c.tile latents, each copied out of `a` as a matrix product would leave
// it.
template <class T>
Result<T> select(Checks& checks, const Case<T>& c, std::int64_t first_row = 0) {
  Device<T> values(static_cast<std::size_t>(c.rows * c.k)), bias(c.bias), scale(c.scale);
  Device<std::int32_t> indices(static_cast<std::size_t>(c.rows * c.k));
  Device<std::uint8_t> allowed(c.allowed);
  Device<std::int64_t> status(std::vector<std::int64_t>{kNothing, kNothing});
  for (std::int64_t first = 0; first < c.F; first += c.tile) {
    const std::int64_t width = std::min(c.tile, c.F - first);
    std::vector<T> tile;
    for (std::int64_t r = 0; r < c.rows; ++r) {
      const auto begin = c.a.begin() + r * c.F + first;
      tile.insert(tile.end(), begin, begin + width);
    }
    Device<T> products(tile);
    const SelectTile work{.scalar = kScalar<T>,
                          .products = products.data(),
                          .bias = c.bias.empty() ? nullptr : bias.data() + first,
                          .scale = c.scale.empty() ? nullptr : scale.data() + first,
                          .allowed = c.allowed.empty() ? nullptr : allowed.data() + first,
                          .rows = c.rows,
                          .width = width,
                          .first_row = first_row,
                          .first_latent = first,
                          .k = c.k,
                          .keep = c.keep,
                          .last = first + width == c.F,
                          .values = values.data(),
                          .indices = indices.data(),
                          .status = status.data()};
    require(checks.kernels().select_topk(checks.place(), work), "select_topk");
    require(cudaStreamSynchronize(checks.stream()), "select_topk");
  }
  return {values.get(), indices.get(), status.get()};
}

// By a full sort of each row; a NaN ranks as +infinity.
template <class T>
Result<T> reference(const Case<T>& c) {
  Result<T> want;
  for (std::int64_t r = 0; r < c.rows; ++r) {
    std::vector<T> row(c.a.begin() + r * c.F, c.a.begin() + (r + 1) * c.F);
    std::vector<std::int32_t> order;
    for (std::int64_t i = 0; i < c.F; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (!c.bias.empty()) row[at] += c.bias[at];
      if (!c.scale.empty()) row[at] *= c.scale[at];
      if (c.allowed.empty() || c.allowed[at] != 0) order.push_back(static_cast<std::int32_t>(i));
    }
    const auto rank = [&](std::int32_t i) {
      const T value = row[static_cast<std::size_t>(i)];
      if (std::isnan(value)) return std::numeric_limits<T>::infinity();
      return c.keep == Keep::magnitude ? std::abs(value) : value;
    };
    std::stable_sort(order.begin(), order.end(), [&](auto i, auto j) { return rank(i) > rank(j); });
    for (std::int64_t i = 0; i < c.k; ++i) {
      const bool used = i < static_cast<std::int64_t>(order.size());
      const std::int32_t latent = used ? order[static_cast<std::size_t>(i)] : 0;
      const T value = used ? row[static_cast<std::size_t>(latent)] : T(0);
      want.indices.push_back(latent);
      want.values.push_back(c.keep == Keep::rectified && value < 0 ? T(0) : value);
    }
  }
  return want;
}

template <class T>
Case<T> make(Random& random, std::int64_t rows, std::int64_t F, std::int64_t k, std::int64_t tile) {
  return {.rows = rows,
          .F = F,
          .k = k,
          .tile = tile,
          .keep = Keep::signed_values,
          .a = random.numbers<T>(rows * F),
          .bias = random.numbers<T>(F),
          .scale = {},
          .allowed = {}};
}

template <class T>
void compare(Checks& checks, const Case<T>& c, const std::string& what) {
  const Result<T> want = reference(c), got = select(checks, c), again = select(checks, c);
  const std::string name =
      text("select ", kName<T>, " B=", c.rows, " F=", c.F, " k=", c.k, " tile=", c.tile, " ", what);
  checks.equal(got.indices, want.indices, name + " latents");
  checks.equal(got.values, want.values, name + " values");
  const bool same =
      got.indices == again.indices &&
      std::memcmp(got.values.data(), again.values.data(), got.values.size() * sizeof(T)) == 0;
  checks.check(same, name + " twice", "two runs differ");
}

template <class T>
void check_shapes(Checks& checks) {
  Random random(sizeof(T));
  struct Shape {
    std::int64_t rows, F, k, tile;
  };
  for (const Shape s :
       {Shape{1, 1, 1, 1}, Shape{3, 7, 7, 7}, Shape{5, 33, 4, 10}, Shape{7, 1025, 64, 1025},
        Shape{4, 5000, 32, 4096}, Shape{3, 5000, 1, 1500}, Shape{2, 2049, 1024, 700},
        Shape{2, 6000, 1025, 4096}, Shape{2, 4096, 4096, 1000}, Shape{1, 9000, 4096, 4096},
        Shape{2, 3000, 2999, 3000}}) {
    Case<T> c = make<T>(random, s.rows, s.F, s.k, s.tile);
    if (s.F % 2 == 1) c.keep = Keep::rectified;
    compare(checks, c, "random");
    c.scale = random.numbers<T>(s.F);
    compare(checks, c, "scaled");
    c.keep = Keep::magnitude;
    compare(checks, c, "scaled by magnitude");
    c.scale.clear();
    c.bias.clear();
    for (T& value : c.a) value = std::round(value * 4) / 4;
    compare(checks, c, "by magnitude with ties");
    c.keep = s.F % 2 == 1 ? Keep::rectified : Keep::signed_values;
    compare(checks, c, "with ties");
    std::fill(c.a.begin(), c.a.end(), T(-0.5));
    compare(checks, c, "all equal");
  }
}

template <class T>
void check_orders(Checks& checks) {
  Random random(3);
  Case<T> c = make<T>(random, 3, 7000, 50, 2500);
  std::sort(c.a.begin(), c.a.end());
  c.bias.clear();
  compare(checks, c, "ascending");
  std::reverse(c.a.begin(), c.a.end());
  compare(checks, c, "descending");
  std::fill(c.a.begin(), c.a.end(), -std::numeric_limits<T>::infinity());
  c.a[6999] = std::numeric_limits<T>::infinity();
  compare(checks, c, "infinities");
  c.keep = Keep::magnitude;
  compare(checks, c, "infinities by magnitude");
  std::fill(c.a.begin(), c.a.end(), T(0));
  compare(checks, c, "zeros by magnitude");
}

template <class T>
void check_allowed(Checks& checks) {
  Random random(5);
  Case<T> c = make<T>(random, 4, 3000, 40, 1100);
  c.allowed.assign(3000, 0);
  for (int i = 0; i < 300; ++i) c.allowed[static_cast<std::size_t>(random.below(3000))] = 1;
  compare(checks, c, "some allowed");
  std::fill(c.allowed.begin(), c.allowed.end(), std::uint8_t{0});
  for (std::size_t i : {5u, 1400u, 2999u}) c.allowed[i] = 1;
  compare(checks, c, "3 allowed");
  const Result<T> few = select(checks, c);
  checks.check(few.status[1] == 3 && few.status[0] == kNothing, "select: too few allowed are told",
               text("status ", few.status[0], " ", few.status[1]));
  c.k = 3;
  const Result<T> enough = select(checks, c);
  checks.check(enough.status[1] == kNothing, "select: just enough are allowed",
               text("status[1] ", enough.status[1]));
}

template <class T>
void check_nan(Checks& checks) {
  Random random(6);
  const T nan = std::numeric_limits<T>::quiet_NaN();
  Case<T> c = make<T>(random, 6, 3000, 8, 1000);
  for (const std::size_t at : {2 * 3000 + 2500u, 2 * 3000 + 1700u, 4 * 3000 + 5u}) c.a[at] = nan;
  const Result<T> want = reference(c), got = select(checks, c, 100);
  checks.check(got.status[0] == ((std::int64_t{102} << 32) | 1700),
               text("select ", kName<T>, " names the first NaN"), text("status ", got.status[0]));
  checks.equal(got.indices, want.indices, text("select ", kName<T>, " ranks NaN first"));
  checks.check(std::isnan(got.values[2 * 8]) && std::isnan(got.values[2 * 8 + 1]) &&
                   !std::isnan(got.values[2 * 8 + 2]),
               text("select ", kName<T>, " keeps NaN in the values"));
  for (std::int64_t i = 0; i < 3000; ++i) c.a[static_cast<std::size_t>(i)] = nan;
  c.keep = Keep::magnitude;
  checks.check(select(checks, c).indices == reference(c).indices,
               text("select ", kName<T>, " ranks NaN first by magnitude"));
  c.keep = Keep::rectified;
  const Result<T> all = select(checks, c);
  checks.check(
      all.status[0] == 0 && all.indices == reference(c).indices && std::isnan(all.values[7]),
      text("select ", kName<T>, " a row of NaN"), text("status ", all.status[0]));
  c.allowed.assign(3000, 1);
  c.allowed[1] = 0;
  c.a[0] = T(0);
  checks.check(select(checks, c).status[0] == 1,
               text("select ", kName<T>, " a NaN that is not allowed is told"));
}

void check_limits(Checks& checks) {
  const Device<float> memory(64);
  const Device<std::int32_t> indices(64);
  Device<std::int64_t> status(std::vector<std::int64_t>{kNothing, kNothing});
  SelectTile work{};
  work.rows = 1;
  work.width = 10;
  work.last = true;
  work.products = work.values = memory.data();
  work.indices = indices.data();
  work.status = status.data();
  for (const std::int64_t k : {std::int64_t{0}, kMaxTopk + 1}) {
    work.k = k;
    checks.check(checks.kernels().select_topk(checks.place(), work) == cudaErrorInvalidValue,
                 text("select refuses k=", k));
  }
  work.k = 2;
  work.rows = 0;
  checks.check(checks.kernels().select_topk(checks.place(), work) == 0, "select of no row");
  checks.check(std::string(checks.kernels().message(cudaErrorInvalidValue)).size() > 3,
               "errors have a message");
}

}  // namespace

void check_select(Checks& checks) {
  check_shapes<float>(checks);
  check_shapes<double>(checks);
  check_orders<float>(checks);
  check_orders<double>(checks);
  check_allowed<float>(checks);
  check_allowed<double>(checks);
  check_nan<float>(checks);
  check_nan<double>(checks);
  check_limits(checks);
}

}  // namespace saffron::ops_cuda::test
