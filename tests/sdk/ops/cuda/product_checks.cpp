#include "harness.h"

#include <algorithm>
#include <limits>

namespace saffron::ops_cuda::test {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Sums of n products of numbers below 1.
template <class T>
double tolerance(std::int64_t n) {
  return kEps<T> * static_cast<double>(16 + n);
}

template <class T>
std::vector<double> decode_reference(const Sparse& s, const std::vector<T>& values,
                                     const std::vector<T>& W, const std::vector<T>& bias,
                                     std::int64_t width) {
  std::vector<double> out(at(s.rows * width));
  for (std::int64_t r = 0; r < s.rows; ++r) {
    for (std::int64_t j = 0; j < width; ++j) {
      double sum = bias.empty() ? 0 : static_cast<double>(bias[at(j)]);
      for (std::int64_t e = s.offsets[at(r)]; e < s.offsets[at(r + 1)]; ++e) {
        if (values[at(e)] == T(0)) continue;
        sum += static_cast<double>(values[at(e)]) *
               static_cast<double>(W[at(s.latents[at(e)] * width + j)]);
      }
      out[at(r * width + j)] = sum;
    }
  }
  return out;
}

template <class T>
void check_decode(Checks& checks, Random& random, const Sparse& s, std::int64_t width,
                  bool with_bias, std::int64_t shift) {
  std::vector<T> values = random.numbers<T>(s.capacity());
  // W begins `shift` elements into its memory, where packs of 16 bytes no longer fit.
  const std::vector<T> memory = random.numbers<T>(s.F * width + shift);
  const std::vector<T> W(memory.begin() + shift, memory.end());
  const std::vector<T> bias = random.numbers<T>(with_bias ? width : 0);
  for (std::size_t e = 0; e < values.size(); e += 3) values[e] = 0;
  const DeviceSupport support(s);
  const Device<T> v(values), w(memory), b(bias);
  const auto run = [&] {
    Device<T> out(at(s.rows * width));
    const Decode work{
        kScalar<T>, support.get(), v.data(), w.data() + shift, with_bias ? b.data() : nullptr,
        width,      out.data()};
    require(checks.kernels().decode(checks.place(), work), "decode");
    return out.get();
  };
  const std::vector<T> got = run();
  const std::string name =
      text("decode ", kName<T>, s.csr ? " csr" : " topk", " B=", s.rows, " F=", s.F, " k=", s.k,
           " d=", width, with_bias ? " bias" : "", shift > 0 ? " unaligned" : "");
  checks.near(got, decode_reference(s, values, W, bias, width),
              tolerance<T>(s.used() / std::max<std::int64_t>(s.rows, 1)), name);
  checks.equal(run(), got, name + " twice");
}

template <class T>
void check_code_gradient(Checks& checks, Random& random, const Sparse& s, std::int64_t width) {
  const std::vector<T> W = random.numbers<T>(s.F * width), g = random.numbers<T>(s.rows * width);
  std::vector<T> before = random.numbers<T>(s.capacity());
  std::vector<double> want(before.begin(), before.end());
  for (std::int64_t r = 0; r < s.rows; ++r) {
    for (std::int64_t e = s.offsets[at(r)]; e < s.offsets[at(r + 1)]; ++e) {
      want[at(e)] = 0;
      for (std::int64_t j = 0; j < width; ++j) {
        want[at(e)] += static_cast<double>(g[at(r * width + j)]) *
                       static_cast<double>(W[at(s.latents[at(e)] * width + j)]);
      }
    }
  }
  const DeviceSupport support(s);
  const Device<T> w(W), rows(g);
  const auto run = [&] {
    Device<T> out(before);
    const CodeGradient work{kScalar<T>, support.get(), w.data(), rows.data(), width, out.data()};
    require(checks.kernels().code_gradient(checks.place(), work), "code_gradient");
    return out.get();
  };
  const std::vector<T> got = run();
  const std::string name = text("code_gradient ", kName<T>, s.csr ? " csr" : " topk", " B=", s.rows,
                                " F=", s.F, " k=", s.k, " d=", width);
  checks.near(got, want, tolerance<T>(width), name);
  checks.equal(run(), got, name + " twice");
}

template <class T>
void check_zero_skips_nan(Checks& checks) {
  Random random(8);
  const Sparse s = make_topk(random, 2, 4, 2);
  const std::vector<T> values(4, T(0)), W(4 * 8, std::numeric_limits<T>::quiet_NaN());
  const DeviceSupport support(s);
  const Device<T> v(values), w(W);
  Device<T> out(at(16));
  const Decode work{kScalar<T>, support.get(), v.data(), w.data(), nullptr, 8, out.data()};
  require(checks.kernels().decode(checks.place(), work), "decode");
  checks.near(out.get(), std::vector<double>(16, 0.0), 0,
              text("decode ", kName<T>, " skips entries of value 0"));
}

void check_group(Checks& checks, const Sparse& s) {
  std::vector<std::int32_t> offsets(at(s.F + 1)), entries, rows;
  for (std::int64_t i = 0; i < s.F; ++i) {
    for (std::int64_t r = 0; r < s.rows && s.F < 200; ++r) {
      for (std::int32_t e = s.offsets[at(r)]; e < s.offsets[at(r + 1)]; ++e) {
        if (s.latents[at(e)] != i) continue;
        entries.push_back(e);
        rows.push_back(static_cast<std::int32_t>(r));
      }
    }
    offsets[at(i + 1)] = static_cast<std::int32_t>(entries.size());
  }
  if (s.F >= 200) {  // the same by a stable sort
    entries.resize(at(s.used()));
    for (std::size_t e = 0; e < entries.size(); ++e) entries[e] = static_cast<std::int32_t>(e);
    std::stable_sort(entries.begin(), entries.end(), [&](std::int32_t a, std::int32_t b) {
      return s.latents[at(a)] < s.latents[at(b)];
    });
    std::fill(offsets.begin(), offsets.end(), 0);
    for (const std::int32_t e : entries) {
      ++offsets[at(s.latents[at(e)] + 1)];
      const auto row = std::upper_bound(s.offsets.begin(), s.offsets.end(), e);
      rows.push_back(static_cast<std::int32_t>(row - s.offsets.begin() - 1));
    }
    for (std::size_t i = 1; i < offsets.size(); ++i) offsets[i] += offsets[i - 1];
  }
  std::size_t bytes = 0;
  const Kernels& kernels = checks.kernels();
  require(kernels.group_workspace(checks.place(), s.capacity(), s.F, &bytes), "group_workspace");
  const DeviceSupport support(s);
  Device<unsigned char> workspace(bytes);
  Device<std::int32_t> got_offsets(offsets.size()), got_entries(at(s.capacity())),
      got_rows(at(s.capacity()));
  Group work{support.get(),    s.F,  got_offsets.data(), got_entries.data(), got_rows.data(),
             workspace.data(), bytes};
  const std::string name = text("group ", s.csr ? "csr" : "topk", " B=", s.rows, " F=", s.F,
                                " k=", s.k, " capacity=", s.capacity());
  work.workspace_size = bytes - 1;
  checks.check(kernels.group(checks.place(), work) == cudaErrorInvalidValue,
               name + " refuses too small a workspace");
  work.workspace_size = bytes;
  require(kernels.group(checks.place(), work), "group");
  (void)workspace.get();
  auto seen_entries = got_entries.get(), seen_rows = got_rows.get();
  seen_entries.resize(entries.size());
  seen_rows.resize(rows.size());
  checks.equal(got_offsets.get(), offsets, name + " offsets");
  checks.equal(seen_entries, entries, name + " entries");
  checks.equal(seen_rows, rows, name + " rows");
}

template <class T>
void check_sparse(Checks& checks) {
  Random random(10 + sizeof(T));
  for (const std::int64_t width : {1, 3, 4, 64, 130, 768, 1027, 9001, 8200}) {
    const Sparse topk = make_topk(random, 5, 40, 1 + random.below(40));
    const Sparse csr = make_csr(random, 9, 50, 30, 13);
    const bool with_bias = width % 2 == 0;
    check_decode<T>(checks, random, topk, width, with_bias, 0);
    check_decode<T>(checks, random, csr, width, !with_bias, 0);
    check_code_gradient<T>(checks, random, topk, width);
    check_code_gradient<T>(checks, random, csr, width);
  }
  check_decode<T>(checks, random, make_topk(random, 3, 20, 5), 64, true, 1);
  // More entries a row than a block stages at a time, k = F, and nothing at all.
  check_decode<T>(checks, random, make_topk(random, 2, 700, 700), 16, false, 0);
  check_code_gradient<T>(checks, random, make_topk(random, 2, 700, 700), 16);
  check_decode<T>(checks, random, make_topk(random, 0, 5, 2), 16, false, 0);
  check_decode<T>(checks, random, make_csr(random, 4, 5, 0, 3), 16, true, 0);
  check_code_gradient<T>(checks, random, make_csr(random, 4, 5, 0, 3), 16);
  check_zero_skips_nan<T>(checks);
}

}  // namespace

void check_products(Checks& checks) {
  check_sparse<float>(checks);
  check_sparse<double>(checks);
  Random random(12);
  check_group(checks, make_topk(random, 7, 13, 4));
  check_group(checks, make_topk(random, 1, 1, 1));
  check_group(checks, make_topk(random, 6, 100, 100));
  check_group(checks, make_topk(random, 300, 5000, 33));
  check_group(checks, make_topk(random, 0, 9, 3));
  check_group(checks, make_csr(random, 21, 17, 17, 0));
  check_group(checks, make_csr(random, 40, 16, 9, 50));
  check_group(checks, make_csr(random, 200, 70000, 60, 1000));
  check_group(checks, make_csr(random, 5, 8, 0, 7));
}

}  // namespace saffron::ops_cuda::test
