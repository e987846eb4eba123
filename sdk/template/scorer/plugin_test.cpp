#include <saffron/scorer.h>
#include <saffron/testing/conformance.h>

#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every scorer promises, one case each

namespace {

// One batch of one SAE with codes made by hand.
class Batch final : public saffron::ScoreBatch {
 public:
  explicit Batch(const at::Tensor& f) : codes_{saffron::Codes::from_dense(f)} {
    rows_.streams = {at::zeros({f.size(0), 1})};
  }
  const saffron::ActivationRows& rows() const override { return rows_; }
  std::int64_t block() const override { return 0; }
  const std::vector<at::Tensor>& inputs(std::int64_t) const override { return rows_.streams; }
  const std::vector<at::Tensor>& targets(std::int64_t) const override { return rows_.streams; }
  const std::vector<saffron::Codes>& codes(std::int64_t) const override { return codes_; }
  const std::vector<at::Tensor>& reconstructions(std::int64_t) const override {
    return rows_.streams;
  }

 private:
  saffron::ActivationRows rows_;
  std::vector<saffron::Codes> codes_;
};

// Four rows: latent 0 fires in two of them, latent 1 in one. L0 = 3 / 4; all but two are dead.
TEST(@CLASS@, IsTheFormula) {
  const auto scorer = saffron::testing::component("scorer", "@NAME@").make<saffron::Scorer>();
  const std::int64_t F = scorer->needs().saes.at(0)->spec.latents;
  at::Tensor f = at::zeros({4, F});
  f[0][0] = 2;
  f[1][0] = 1;
  f[1][1] = -3;
  const auto accumulator = scorer->begin();
  accumulator->add(Batch(f));
  const saffron::Report report = accumulator->finish();
  ASSERT_EQ(report.metrics.size(), 2u);
  EXPECT_DOUBLE_EQ(report.metrics[0].value, 0.75);
  EXPECT_DOUBLE_EQ(report.metrics[1].value, static_cast<double>(F - 2) / static_cast<double>(F));
}

TEST(@CLASS@, SaysWhyThereIsNoValue) {
  const auto scorer = saffron::testing::component("scorer", "@NAME@").make<saffron::Scorer>();
  EXPECT_EQ(scorer->begin()->finish().metrics.at(0).undefined, "no row was scored");
}

}  // namespace
