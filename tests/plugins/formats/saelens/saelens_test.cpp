#include "plugins/formats/saelens/saelens.h"

#include "tests/plugins/formats/formats_testing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

namespace saffron::format_test {
namespace {

using plugins::SaeLens;
using test::caught;
using ::testing::HasSubstr;

class SaeLensTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder / "sae"; }
  void write(const CanonicalSae& sae, bool same = true) const {
    format.write(trained_on(sae.W_enc.size(0), sae.W_dec.size(1), same), sae, path());
  }
  [[nodiscard]] Value config() const { return from_json(read_text(file()), "cfg.json"); }
  void set(const char* key, const Value& value) const {
    Value changed = config();
    changed.set(key, value);
    write_file_atomic(file(), to_json(changed));
  }
  [[nodiscard]] fs::path file() const { return fs::path(path()) / "cfg.json"; }
  [[nodiscard]] std::string refusal() const {
    const Error error = caught([&] { (void)format.read(path()); });
    EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
    return error.what();
  }

  test::TemporaryFolder folder;
  SaeLens format{{}};
};

TEST_F(SaeLensTest, ReadsWhatSaeLensRecorded) {
  for (const fs::path& recorded : recorded_folders("saelens")) {
    expect_recorded_outputs(format, recorded);
  }
}

TEST_F(SaeLensTest, KeepsWeightsBitwise) {
  for (const char* activation : {"relu", "topk", "abs_topk", "jumprelu", "gated"}) {
    SCOPED_TRACE(activation);
    const CanonicalSae sae = random_sae(activation);
    expect_kept_bitwise(format, sae);
    write(sae);
    expect_identical(format.read(path()), sae);
    fs::remove_all(path());
  }
  for (const char* activation : {"relu", "jumprelu"}) {
    for (const bool skip : {false, true}) {
      expect_kept_bitwise(format, random_sae(activation, kOut, skip));
    }
  }
}

// f and the raw reconstruction must not change when centring and scaling are folded in.
TEST_F(SaeLensTest, FoldsTheNormalisationOfTheRows) {
  for (const char* activation : {"relu", "topk", "jumprelu", "gated"}) {
    for (const bool subtract : {true, false}) {
      CanonicalSae sae = random_sae(activation);
      sae.subtract_b_dec = subtract;
      sae.input_mean = Random(4).normal_rows(0, 1, kD).squeeze(0) * 3;
      sae.input_scale = Random(6).uniform_rows(0, 1, kD).squeeze(0) + 0.5;
      write(sae);
      const CanonicalSae raw = format.read(path());
      EXPECT_FALSE(raw.input_mean.defined());
      expect_same_outputs(raw, sae);
      fs::remove_all(path());
    }
  }
}

TEST_F(SaeLensTest, FoldsTheNormalisationOfBothStreamsOfATranscoder) {
  CanonicalSae sae = random_sae("jumprelu", kOut, true);
  sae.input_mean = Random(4).normal_rows(0, 1, kD).squeeze(0) * 3;
  sae.input_scale = at::full({kD}, 0.25F);
  sae.output_mean = Random(5).normal_rows(0, 1, kOut).squeeze(0) * 2;
  sae.output_scale = at::full({kOut}, 1.5F);
  write(sae, false);
  const CanonicalSae raw = format.read(path());
  EXPECT_EQ(config().at("architecture").as_string(), "jumprelu_skip_transcoder");
  expect_same_outputs(raw, sae);
}

TEST_F(SaeLensTest, RefusesWhatItCannotExpress) {
  EXPECT_THROW(write(random_sae("groupmax")), Error);
  EXPECT_THROW(write(random_sae("topk", kOut), false), Error);
  EXPECT_THROW(write(random_sae("gated", kD, true)), Error);
  CanonicalSae lacking = random_sae("jumprelu");
  lacking.threshold.reset();
  EXPECT_THROW(write(lacking), Error);
  CanonicalSae unknown = random_sae("relu", kOut);  // whose output's normalisation is not known
  unknown.input_scale = at::full({kD}, 2.F);
  EXPECT_THROW(write(unknown, false), Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST_F(SaeLensTest, OverwritesNothing) {
  write(random_sae("relu"));
  EXPECT_THROW(write(random_sae("relu")), Error);
}

TEST_F(SaeLensTest, NamesTheTensorThatDoesNotFit) {
  write(random_sae("relu"));
  set("d_sae", 99);
  EXPECT_THAT(refusal(), AllOf(HasSubstr("sae_weights.safetensors"), HasSubstr("'W_enc'"),
                               HasSubstr("[6, 16]"), HasSubstr("[6, 99]")));
  set("d_sae", kF);
  set("architecture", "gated");
  EXPECT_THAT(refusal(), HasSubstr("'b_gate'"));
  set("architecture", "matching_pursuit");
  EXPECT_THAT(refusal(), HasSubstr("matching_pursuit"));
  set("d_in", "six");
  set("architecture", "standard");
  EXPECT_THAT(refusal(), HasSubstr("cfg.json"));
}

TEST_F(SaeLensTest, RefusesSettingsThatChangeTheForwardPass) {
  write(random_sae("relu"));
  for (const auto& [key, value, plain] : std::vector<std::tuple<const char*, Value, Value>>{
           {"normalize_activations", "layer_norm", "none"},
           {"normalize_activations", "covariance_whitening", "none"},
           {"normalize_activations", "expected_average_only_in", Value()},
           {"activation_fn_str", "tanh-relu", "relu"}}) {
    set(key, value);
    EXPECT_THAT(refusal(), HasSubstr("cfg.json")) << key;
    set(key, plain);
    EXPECT_NO_THROW((void)format.read(path())) << key;
  }
}

TEST_F(SaeLensTest, NamesSitesAsTransformerLensDoes) {
  TrainedSae trained = trained_on(kD, kD, true);
  for (const auto& [site, hook] : std::vector<std::pair<std::string, std::string>>{
           {"layers.10.resid_post", "blocks.10.hook_resid_post"},
           {"layers.0.mlp_out", "blocks.0.hook_mlp_out"},
           {"embed", "hook_embed"},
           {"layers.3.mlp_in", "layers.3.mlp_in"},
           {"layers.resid_post", "layers.resid_post"},
           {"resid", "resid"}}) {
    trained.shape.reads[0].name = site;
    format.write(trained, random_sae("relu"), path());
    EXPECT_EQ(config().at("metadata").at("hook_name").as_string(), hook);
    fs::remove_all(path());
  }
}

}  // namespace
}  // namespace saffron::format_test
