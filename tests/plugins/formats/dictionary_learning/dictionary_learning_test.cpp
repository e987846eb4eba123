#include "plugins/formats/dictionary_learning/dictionary_learning.h"

#include "tests/plugins/formats/formats_testing.h"

#include <saffron/archives.h>

namespace saffron::format_test {
namespace {

using test::caught;
using ::testing::HasSubstr;

const plugins::DictionaryLearning format{{}};

TEST(DictionaryLearning, ReadsWhatItRecorded) {
  for (const fs::path& folder : recorded_folders("dictionary_learning")) {
    expect_recorded_outputs(format, folder);
  }
}

TEST(DictionaryLearning, NamesTellTheClassButForTwo) {
  for (const fs::path& folder : recorded_folders("dictionary_learning")) {
    SCOPED_TRACE(folder.string());
    const test::TemporaryFolder alone;
    fs::copy(folder / "ae.pt", alone / "ae_1000.pt");
    const std::string name = folder.filename();
    if (name == "topk" || name == "batch_topk") {
      const Error error = caught([&] { (void)format.read(alone / "ae_1000.pt"); });
      EXPECT_THAT(error.what(), HasSubstr("dict_class"));
      continue;
    }
    EXPECT_TRUE(format.recognises(alone / "ae_1000.pt"));
    expect_identical(format.read(alone / "ae_1000.pt"), format.read(folder.string()));
  }
}

TEST(DictionaryLearning, ACheckpointFindsTheConfigurationOfItsTrainer) {
  const test::TemporaryFolder trainer;
  for (const fs::path& folder : recorded_folders("dictionary_learning")) {
    if (folder.filename() != "topk") continue;
    fs::create_directory(trainer / "checkpoints");
    fs::copy(folder / "ae.pt", trainer / "checkpoints" / "ae_1000.pt");
    fs::copy(folder / "config.json", trainer / "config.json");
    EXPECT_EQ(format.read(trainer / "checkpoints" / "ae_1000.pt").activation, "topk");
  }
}

TEST(DictionaryLearning, KeepsWeightsBitwise) {
  for (const char* activation : {"relu", "topk", "gated"}) {
    expect_kept_bitwise(format, random_sae(activation));
  }
  CanonicalSae sae = random_sae("jumprelu");
  sae.subtract_b_dec = false;
  const test::TemporaryFolder folder;
  format.write(trained_on(kD, kD, true), sae, folder / "sae");
  expect_identical(format.read(folder / "sae"), sae);
}

TEST(DictionaryLearning, EitherKindOfBiasIsExpressed) {
  for (const char* activation : {"relu", "topk", "jumprelu", "gated"}) {
    for (const bool subtract : {true, false}) {
      const test::TemporaryFolder folder;
      CanonicalSae sae = random_sae(activation);
      sae.subtract_b_dec = subtract;
      format.write(trained_on(kD, kD, true), sae, folder / "sae");
      expect_same_outputs(format.read(folder / "sae"), sae);
    }
  }
}

TEST(DictionaryLearning, RefusesWhatItCannotExpress) {
  const test::TemporaryFolder folder;
  for (const CanonicalSae& sae :
       {random_sae("abs_topk"), random_sae("groupmax"), random_sae("relu", kD, true)}) {
    EXPECT_THROW(format.write(trained_on(kD, kD, true), sae, folder / "sae"), Error);
  }
  EXPECT_THROW(format.write(trained_on(kD, kOut, false), random_sae("relu", kOut), folder / "sae"),
               Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(DictionaryLearning, NamesTheTensorThatDoesNotFit) {
  const test::TemporaryFolder folder;
  const CanonicalSae sae = random_sae("jumprelu");
  write_torch(folder / "ae.pt", {{"W_enc", sae.W_enc}, {"b_enc", sae.b_dec}});
  const Error error = caught([&] { (void)format.read(folder.path().string()); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("ae.pt"), HasSubstr("'b_enc'"), HasSubstr("[6]"), HasSubstr("[16]")));
}

}  // namespace
}  // namespace saffron::format_test
