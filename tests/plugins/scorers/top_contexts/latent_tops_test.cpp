#include "plugins/scorers/top_contexts/latent_tops.h"
#include "plugins/scorers/top_contexts/choose.h"
#include "tests/plugins/scorers/scorer_testing.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace saffron {
namespace {

using plugins::Choice;
using plugins::choose_latents;
using plugins::LatentTops;
using plugins::Peak;
using saffron::testing::in_layout;

constexpr std::int64_t kContexts = 30, kLength = 12, kLatents = 7, kKeep = 4, kWindow = 2;

struct Data {
  at::Tensor f, origin;  // [contexts * length, F], [contexts * length, 2]
};

// Sparse codes in few distinct sizes, so that ties are common; latent 6 never fires, latent 5 is
// negative where it fires. Context c is row 3 c of the dataset, its positions are 1..length.
Data data() {
  const std::int64_t rows = kContexts * kLength;
  const at::Tensor u = Random(2).uniform_rows(0, rows, kLatents, at::kFloat);
  at::Tensor f = (u * 40 - 34).clamp_min(0).ceil();
  f.select(1, 5).neg_();
  f.select(1, 6).zero_();
  const at::Tensor context = at::arange(kContexts, at::kLong).repeat_interleave(kLength) * 3;
  const at::Tensor position = at::arange(1, kLength + 1, at::kLong).repeat({kContexts});
  return {f, at::stack({context, position}, 1)};
}

Data slice(const Data& d, std::int64_t begin, std::int64_t end) {
  return {d.f.slice(0, begin * kLength, end * kLength),
          d.origin.slice(0, begin * kLength, end * kLength)};
}

void add(LatentTops& tops, const Data& d, Codes::Layout layout = Codes::Layout::csr) {
  tops.add({in_layout(d.f, layout)}, d.origin);
}

LatentTops all_at_once() {
  LatentTops tops(kLatents, kKeep, kWindow);
  add(tops, data());
  return tops;
}

std::vector<Peak> brute_force(const Data& d, std::int64_t latent) {
  std::vector<Peak> peaks;
  for (std::int64_t c = 0; c < d.f.size(0) / kLength; ++c) {
    Peak peak;
    for (std::int64_t p = 0; p < kLength; ++p) {
      const double v = d.f[c * kLength + p][latent].item<double>();
      if (std::abs(v) > std::abs(peak.strength)) peak.strength = v, peak.position = p + 1;
    }
    if (peak.strength == 0) continue;
    peak.row = d.origin[c * kLength][0].item<std::int64_t>();
    for (std::int64_t p = 0; p < kLength; ++p) {
      const double v = d.f[c * kLength + p][latent].item<double>();
      if (v != 0 && std::abs(p + 1 - peak.position) <= kWindow) peak.around.emplace_back(p + 1, v);
    }
    peaks.push_back(peak);
  }
  std::stable_sort(peaks.begin(), peaks.end(), [](const Peak& a, const Peak& b) {
    return std::abs(a.strength) > std::abs(b.strength);
  });
  if (peaks.size() > kKeep) peaks.resize(kKeep);
  return peaks;
}

void expect_equal(const std::vector<Peak>& a, const std::vector<Peak>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].strength, b[i].strength);
    EXPECT_EQ(a[i].row, b[i].row);
    EXPECT_EQ(a[i].position, b[i].position);
    EXPECT_EQ(a[i].around, b[i].around);
  }
}

void expect_equal(const LatentTops& a, const LatentTops& b) {
  ASSERT_EQ(a.latents(), b.latents());
  EXPECT_EQ(a.rows(), b.rows());
  for (std::int64_t i = 0; i < a.latents(); ++i) {
    EXPECT_EQ(a.fired(i), b.fired(i));
    expect_equal(a.peaks(i), b.peaks(i));
  }
}

TEST(LatentTops, EqualBruteForceInEveryLayout) {
  const Data d = data();
  for (const auto layout : {Codes::Layout::csr, Codes::Layout::topk, Codes::Layout::dense}) {
    LatentTops tops(kLatents, kKeep, kWindow);
    add(tops, d, layout);
    EXPECT_EQ(tops.rows(), kContexts * kLength);
    for (std::int64_t i = 0; i < kLatents; ++i) {
      expect_equal(tops.peaks(i), brute_force(d, i));
      EXPECT_EQ(tops.fired(i), d.f.select(1, i).ne(0).sum().item<std::int64_t>());
    }
    EXPECT_LT(tops.peaks(5).front().strength, 0);
    EXPECT_TRUE(tops.peaks(6).empty());
  }
}

// Otherwise the tests of order and ties below would show nothing.
TEST(LatentTops, TheDataHasTies) {
  int ties = 0;
  for (std::int64_t i = 0; i < kLatents; ++i) {
    const std::vector<Peak> peaks = brute_force(data(), i);
    for (std::size_t k = 1; k < peaks.size(); ++k)
      ties += peaks[k].strength == peaks[k - 1].strength;
  }
  EXPECT_GT(ties, 5);
}

TEST(LatentTops, BatchesOrderAndMergingDoNotMatter) {
  const Data d = data();
  LatentTops backwards(kLatents, kKeep, kWindow);
  for (std::int64_t c = kContexts; c-- > 0;) add(backwards, slice(d, c, c + 1));
  expect_equal(backwards, all_at_once());

  LatentTops a(kLatents, kKeep, kWindow), b(kLatents, kKeep, kWindow);
  for (std::int64_t c = 0; c < kContexts; ++c) add(c % 3 == 0 ? a : b, slice(d, c, c + 1));
  Tensors saved;
  b.save(saved, "x.");
  LatentTops restored(0, kKeep, kWindow);
  restored.load(saved, "x.");
  expect_equal(restored, b);
  restored.merge(a);
  a.merge(b);
  expect_equal(a, all_at_once());
  expect_equal(restored, all_at_once());
}

TEST(LatentTops, RefuseABrokenState) {
  Tensors saved;
  all_at_once().save(saved, "x.");
  LatentTops tops(kLatents, kKeep, kWindow);
  saved.set("x.strengths", saved["x.strengths"].slice(0, 1));
  EXPECT_THROW(tops.load(saved, "x."), Error);
  saved.set("x.strengths", at::zeros({3}));
  EXPECT_THROW(tops.load(saved, "x."), Error);
}

TEST(LatentTops, SeveralCodeSpacesStandSideBySide) {
  const Data d = data();
  LatentTops tops(2, kKeep, kWindow);
  tops.add({in_layout(d.f.slice(1, 0, 2), Codes::Layout::csr),
            in_layout(d.f.slice(1, 2).contiguous(), Codes::Layout::dense)},
           d.origin);
  expect_equal(tops, all_at_once());
}

TEST(Choose, StrongestAndMostFrequentFirst) {
  const at::Tensor f = at::tensor({0.f, 5.f, 1.f, 0.f, -6.f,  //
                                   0.f, 5.f, 1.f, 2.f, 0.f,   //
                                   0.f, 0.f, 1.f, 0.f, 0.f})
                           .view({3, 5});
  LatentTops tops(5, 2, 1);
  tops.add({Codes::from_dense(f)}, at::zeros({3, 2}, at::kLong));
  const auto chosen = [&](Choice choice, std::int64_t count, std::vector<std::int64_t> ids = {}) {
    return choose_latents(tops, choice, ids, count, Random(1));
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(chosen(Choice::strongest, 3), (Ids{4, 1, 3}));
  EXPECT_EQ(chosen(Choice::strongest, 9), (Ids{4, 1, 3, 2}));
  EXPECT_EQ(chosen(Choice::frequent, 3), (Ids{2, 1, 3}));  // 3 and 4 fire once: the lower first
  EXPECT_EQ(chosen(Choice::ids, 1, {0, 3}), (Ids{0, 3}));
}

TEST(Choose, RandomIsUniformAmongTheLatentsThatFire) {
  const LatentTops tops = all_at_once();
  std::vector<int> times(kLatents);
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    for (const std::int64_t i : choose_latents(tops, Choice::random, {}, 2, Random(seed))) {
      ++times[static_cast<std::size_t>(i)];
    }
  }
  EXPECT_EQ(times[6], 0);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(times[i], 1000, 5 * 26);
  const auto again = [&](std::uint64_t seed) {
    return choose_latents(tops, Choice::random, {}, 6, Random(seed));
  };
  EXPECT_EQ(again(1), again(1));
  EXPECT_NE(again(1), again(2));
}

}  // namespace
}  // namespace saffron
