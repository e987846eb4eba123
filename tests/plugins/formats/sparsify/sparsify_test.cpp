#include "plugins/formats/sparsify/sparsify.h"

#include "tests/plugins/formats/formats_testing.h"

namespace saffron::format_test {
namespace {

using test::caught;
using ::testing::HasSubstr;

const plugins::Sparsify format{{}};

TEST(Sparsify, ReadsWhatSparsifyRecorded) {
  for (const fs::path& folder : recorded_folders("sparsify")) {
    expect_recorded_outputs(format, folder);
  }
}

TEST(Sparsify, KeepsWeightsBitwise) {
  for (const char* activation : {"topk", "groupmax"}) {
    for (const bool subtract : {true, false}) {
      for (const bool skip : {true, false}) {
        CanonicalSae sae = random_sae(activation, kD, skip);
        sae.subtract_b_dec = subtract;
        expect_kept_bitwise(format, sae);
      }
    }
  }
}

TEST(Sparsify, ReluIsTopKOfAllLatents) {
  const test::TemporaryFolder folder;
  const CanonicalSae sae = random_sae("relu");
  format.write(trained_on(kD, kD, true), sae, folder / "sae");
  const CanonicalSae back = format.read(folder / "sae");
  EXPECT_EQ(back.k, kF);
  expect_same_outputs(back, sae);
}

TEST(Sparsify, WdecIsNotTransposed) {
  const test::TemporaryFolder folder;
  const CanonicalSae sae = random_sae("topk");
  format.write(trained_on(kD, kD, true), sae, folder / "sae");
  const auto file = SafetensorsFile::open(folder / "sae" / "sae.safetensors");
  EXPECT_TRUE(test::identical(file.tensor("W_dec"), sae.W_dec));
  EXPECT_TRUE(test::identical(file.tensor("encoder.weight"), sae.W_enc.t().contiguous()));
}

TEST(Sparsify, RefusesWhatItCannotExpress) {
  const test::TemporaryFolder folder;
  for (const CanonicalSae& sae : {random_sae("jumprelu"), random_sae("gated"),
                                  random_sae("abs_topk"), random_sae("topk", kOut)}) {
    const TrainedSae trained = trained_on(kD, sae.W_dec.size(1), false);
    EXPECT_THROW(format.write(trained, sae, folder / "sae"), Error) << sae.activation;
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Sparsify, NamesTheTensorThatDoesNotFit) {
  const test::TemporaryFolder folder;
  CanonicalSae sae = random_sae("topk");
  format.write(trained_on(kD, kD, true), sae, folder / "sae");
  write_safetensors(folder / "sae" / "sae.safetensors", {{"encoder.weight", sae.W_enc}});
  const Error error = caught([&] { (void)format.read(folder / "sae"); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("sae.safetensors"), HasSubstr("'encoder.weight'"),
                                  HasSubstr("[6, 16]"), HasSubstr("[any, 6]")));
}

}  // namespace
}  // namespace saffron::format_test
