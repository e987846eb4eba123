#include "plugins/formats/gemma_scope/gemma_scope.h"

#include "tests/plugins/formats/formats_testing.h"

#include <saffron/archives.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>

#include <cmath>

namespace saffron::format_test {
namespace {

using test::caught;
using ::testing::HasSubstr;

const plugins::GemmaScope format{{}};

TEST(GemmaScope, ReadsWhatWasRecorded) {
  for (const fs::path& folder : recorded_folders("gemma_scope")) {
    expect_recorded_outputs(format, folder);
  }
}

TEST(GemmaScope, KeepsWeightsBitwise) {
  for (const std::int64_t d_out : {kD, kOut}) {
    CanonicalSae sae = random_sae("jumprelu", d_out);
    sae.subtract_b_dec = false;
    expect_kept_bitwise(format, sae);
  }
}

TEST(GemmaScope, ReluAndASubtractedBiasAreExpressed) {
  for (const char* activation : {"relu", "jumprelu"}) {
    const test::TemporaryFolder folder;
    const CanonicalSae sae = random_sae(activation);
    ASSERT_TRUE(sae.subtract_b_dec);
    format.write(trained_on(kD, kD, true), sae, folder / "sae");
    const CanonicalSae back = format.read(folder / "sae");
    EXPECT_FALSE(back.subtract_b_dec);
    expect_same_outputs(back, sae);
  }
}

TEST(GemmaScope, TakesAnyNpzFile) {
  const fs::path file = recorded_folders("gemma_scope").front() / "params.npz";
  EXPECT_TRUE(format.recognises(file.string()));
  expect_identical(format.read(file.string()), format.read(file.parent_path().string()));
}

// SAELens: W_enc / sqrt(d), W_dec sqrt(d), and nothing else.
TEST(GemmaScope, ReadsEmbeddingSaesWhereAskedTo) {
  const test::TemporaryFolder folder;
  const plugins::GemmaScope embedding{{.embedding = true}};
  CanonicalSae sae = random_sae("jumprelu");
  sae.subtract_b_dec = false;
  format.write(trained_on(kD, kD, true), sae, folder / "sae");
  CanonicalSae got = embedding.read(folder / "sae");
  const double root = std::sqrt(static_cast<double>(kD));
  EXPECT_TRUE(at::allclose(got.W_enc, sae.W_enc / root));
  EXPECT_TRUE(at::allclose(got.W_dec, sae.W_dec * root));
  got.W_enc = sae.W_enc;
  got.W_dec = sae.W_dec;
  expect_identical(got, sae);

  embedding.write(trained_on(kD, kD, true), sae, folder / "back");
  const CanonicalSae back = embedding.read(folder / "back");
  EXPECT_TRUE(at::allclose(back.W_enc, sae.W_enc));
  EXPECT_TRUE(at::allclose(back.W_dec, sae.W_dec));
}

TEST(GemmaScope, RefusesWhatItCannotExpress) {
  const test::TemporaryFolder folder;
  for (const CanonicalSae& sae : {random_sae("topk"), random_sae("gated"), random_sae("abs_topk"),
                                  random_sae("jumprelu", kD, true)}) {
    EXPECT_THROW(format.write(trained_on(kD, kD, true), sae, folder / "sae"), Error);
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(GemmaScope, NamesTheTensorThatDoesNotFit) {
  const test::TemporaryFolder folder;
  const CanonicalSae sae = random_sae("jumprelu");
  write_npz(folder / "params.npz", {{"W_enc", sae.W_enc}, {"W_dec", sae.W_enc}});
  const Error error = caught([&] { (void)format.read(folder.path().string()); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("params.npz"), HasSubstr("'W_dec'"),
                                  HasSubstr("[6, 16]"), HasSubstr("[16, any]")));
}

}  // namespace
}  // namespace saffron::format_test
