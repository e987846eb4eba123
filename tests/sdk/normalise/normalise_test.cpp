#include <saffron/normalise.h>

#include <saffron/error.h>
#include <saffron/random.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace saffron {
namespace {

// Rows that are neither centred nor of one length.
at::Tensor sample(std::int64_t rows, std::int64_t width, at::ScalarType dtype = at::kFloat) {
  const at::Tensor noise = Random(3).normal_rows(0, rows, width, at::kDouble);
  const at::Tensor offset = Random(4).normal_rows(0, 1, width, at::kDouble) * 3;
  return (noise * 2 + offset).to(dtype);
}

struct Expected {
  at::Tensor mean;
  double scale;
};

// The formulas of normalise.h, as they stand there.
Expected by_formula(const at::Tensor& rows, Centring centring, Scaling scaling) {
  const at::Tensor a = rows.to(at::kDouble);
  const auto d = static_cast<double>(a.size(1));
  const at::Tensor bar = a.mean(0);
  const at::Tensor m = centring == Centring::mean ? bar : at::zeros_like(bar);
  const at::Tensor norms = (a - m).square().sum(1).sqrt();
  const double variance = (a - bar).square().sum(1).mean().item<double>() / d;
  switch (scaling) {
    case Scaling::none: return {m, 1};
    case Scaling::sqrt_d: return {m, std::sqrt(d) / norms.mean().item<double>()};
    case Scaling::unit_norm: return {m, 1 / std::sqrt(norms.square().mean().item<double>())};
    case Scaling::unit_variance: return {m, 1 / std::sqrt(variance)};
  }
  return {};
}

TEST(Normalise, EstimatesAreThoseOfTheFormulas) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const std::int64_t rows : {2, 255, 700}) {
      const at::Tensor a = sample(rows, 9, dtype);
      for (const auto& [centre, centring] : centring_words()) {
        for (const auto& [scale, scaling] : scaling_words()) {
          const Normalisation found = estimate_normalisation(a, centring, scaling);
          const Expected expected = by_formula(a, centring, scaling);
          EXPECT_EQ(found.mean.defined(), centring == Centring::mean);
          if (found.mean.defined()) {
            EXPECT_TRUE(at::allclose(found.mean, expected.mean, 1e-13, 1e-13));
          }
          EXPECT_NEAR(found.scale / expected.scale, 1, 1e-13) << centre << ' ' << scale;
          EXPECT_EQ(found.rows, rows);
        }
      }
    }
  }
}

TEST(Normalise, MeanNormIsThatOfTheCentredRows) {
  const at::Tensor a = sample(40, 5, at::kDouble);
  EXPECT_NEAR(estimate_normalisation(a, Centring::mean, Scaling::none).mean_norm,
              (a - a.mean(0)).norm(2, 1).mean().item<double>(), 1e-12);
}

// More rows than one piece: the sums are split in the same way for any number of threads.
TEST(Normalise, TheNumberOfThreadsChangesNoBit) {
  const at::Tensor a = sample(20000, 7);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Normalisation one = estimate_normalisation(a, Centring::mean, Scaling::sqrt_d);
  at::set_num_threads(3);
  const Normalisation three = estimate_normalisation(a, Centring::mean, Scaling::sqrt_d);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one.mean, three.mean));
  EXPECT_EQ(one.scale, three.scale);
  EXPECT_NEAR(one.scale / by_formula(a, Centring::mean, Scaling::sqrt_d).scale, 1, 1e-12);
}

TEST(Normalise, ApplyAndUndoAreInverse) {
  const at::Tensor a = sample(12, 6);
  const Normalisation n = estimate_normalisation(a, Centring::mean, Scaling::sqrt_d);
  const at::Tensor x = n.apply(a.view({3, 4, 6}));
  EXPECT_EQ(x.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(x.view({12, 6}), ((a.to(at::kDouble) - n.mean) * n.scale).to(at::kFloat),
                           1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(n.undo(x).view({12, 6}), a, 1e-5, 1e-5));
  const Normalisation nothing;
  EXPECT_TRUE(nothing.apply(a).is_same(a));
  EXPECT_TRUE(nothing.undo(a).is_same(a));
}

TEST(Normalise, SamplesWithoutScaleAreRefused) {
  const at::Tensor equal = at::ones({5, 3});
  for (const Scaling scaling : {Scaling::sqrt_d, Scaling::unit_norm, Scaling::unit_variance}) {
    try {
      (void)estimate_normalisation(equal, Centring::mean, scaling);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::numeric);
      EXPECT_EQ(error.help(), "set scale = \"none\"");
    }
  }
  EXPECT_NO_THROW((void)estimate_normalisation(equal, Centring::none, Scaling::sqrt_d));
  EXPECT_NO_THROW((void)estimate_normalisation(equal, Centring::mean, Scaling::none));
}

TEST(Normalise, SamplesThatAreNotFiniteOrNoMatrixAreRefused) {
  at::Tensor a = sample(8, 3);
  a[6][2] = std::numeric_limits<float>::infinity();
  try {
    (void)estimate_normalisation(a, Centring::mean, Scaling::none);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_EQ(error.message(),
              "row 6 of the sample that centring and scaling are estimated from is not finite");
  }
  for (const at::Tensor& wrong : {at::ones({3}), at::ones({0, 3}), at::ones({2, 3}, at::kHalf)}) {
    EXPECT_THROW((void)estimate_normalisation(wrong, Centring::mean, Scaling::none), Error);
  }
}

TEST(Normaliser, IsRestoredToTheSameBits) {
  const std::vector<StreamInfo> streams = {{"a", 6}, {"b", 4}};
  Normaliser fitted(Centring::mean, Scaling::unit_variance, streams);
  EXPECT_TRUE(fitted.wants_sample());
  EXPECT_EQ(fitted.save().tensors.size(), 0u);
  const std::vector<at::Tensor> samples = {sample(50, 6), sample(30, 4)};
  fitted.fit(samples);
  EXPECT_FALSE(fitted.wants_sample());

  Normaliser restored(Centring::mean, Scaling::unit_variance, streams);
  restored.load(fitted.save());
  EXPECT_FALSE(restored.wants_sample());
  for (const std::int64_t stream : {0, 1}) {
    EXPECT_TRUE(at::equal(restored.of(stream).mean, fitted.of(stream).mean));
    EXPECT_EQ(restored.of(stream).scale, fitted.of(stream).scale);
    EXPECT_EQ(restored.of(stream).rows, fitted.of(stream).rows);
  }
  // Values go through JSON in a checkpoint.
  State text = fitted.save();
  text.values = from_json(to_json(text.values), "checkpoint");
  restored.load(text);
  EXPECT_EQ(restored.of(1).scale, fitted.of(1).scale);

  Normaliser scaled(Centring::none, Scaling::unit_variance, streams);
  EXPECT_THROW(scaled.load(fitted.save()), Error);
  scaled.load(State());
  EXPECT_TRUE(scaled.wants_sample());
}

TEST(Normaliser, WithNothingToDoIsReady) {
  Normaliser nothing(Centring::none, Scaling::none, {{"a", 6}});
  EXPECT_FALSE(nothing.wants_sample());
  EXPECT_EQ(nothing.save().values, Value::table());
  EXPECT_THROW((void)nothing.of(1), Error);
}

}  // namespace
}  // namespace saffron
