#include "plugins/formats/saelens/saelens.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/random.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>

#include <gtest/gtest.h>

#include <unistd.h>

namespace fs = std::filesystem;
using namespace saffron;
using plugins::SaeLens;

namespace {

constexpr std::int64_t kD = 6, kF = 15;

CanonicalSae sae_of(bool subtract) {
  const Random random(3);
  CanonicalSae sae;
  sae.W_enc = random.fork("e").normal_rows(0, kD, kF);
  sae.W_dec = random.fork("d").normal_rows(0, kF, kD);
  sae.b_enc = random.fork("b").normal_rows(0, 1, kF).squeeze(0);
  sae.b_dec = random.fork("c").normal_rows(0, 1, kD).squeeze(0);
  sae.activation = "relu";
  sae.subtract_b_dec = subtract;
  return sae;
}

at::Tensor encode(const CanonicalSae& s, const at::Tensor& x) {
  return at::relu(at::mm(s.subtract_b_dec ? x - s.b_dec : x, s.W_enc) + s.b_enc);
}
at::Tensor decode(const CanonicalSae& s, const at::Tensor& f) {
  return at::mm(f, s.W_dec) + s.b_dec;
}

class SaeLensTest : public testing::Test {
 protected:
  void SetUp() override {
    folder = (fs::temp_directory_path() / cat("saffron-saelens-", ::getpid())).string();
    fs::remove_all(folder);
    trained.shape = {{{"x", kD}}, {{"x", kD}}};
    trained.reads = trained.predicts = {0};
  }
  void TearDown() override { fs::remove_all(folder); }
  std::string folder;
  TrainedSae trained;
  SaeLens format{{}};
};

TEST_F(SaeLensTest, RoundTrips) {
  CanonicalSae sae = sae_of(true);
  sae.activation = "topk";
  sae.k = 4;
  format.write(trained, sae, folder);
  EXPECT_TRUE(format.recognises(folder));
  const CanonicalSae back = format.read(folder);
  EXPECT_EQ(back.activation, "topk");
  EXPECT_EQ(back.k, 4);
  EXPECT_TRUE(back.subtract_b_dec);
  EXPECT_TRUE(at::allclose(back.W_enc, sae.W_enc));
  EXPECT_TRUE(at::allclose(back.b_dec, sae.b_dec));
}

// f and the raw reconstruction must not change when centring and scaling are folded in.
TEST_F(SaeLensTest, FoldsTheNormalisationOfTheRows) {
  for (bool subtract : {true, false}) {
    CanonicalSae sae = sae_of(subtract);
    sae.input_mean = Random(4).normal_rows(0, 1, kD).squeeze(0) * 3;
    sae.input_scale = at::full({kD}, 0.25f);
    format.write(trained, sae, folder);
    const CanonicalSae raw = format.read(folder);
    const at::Tensor a = Random(5).normal_rows(0, 20, kD) * 8 + 2;
    const at::Tensor x = (a - sae.input_mean) * sae.input_scale;
    const at::Tensor f = encode(sae, x);
    EXPECT_TRUE(at::allclose(encode(raw, a), f, 1e-4, 1e-4));
    EXPECT_TRUE(at::allclose(decode(raw, f), decode(sae, f) / sae.input_scale + sae.input_mean,
                             1e-4, 1e-4));
    fs::remove_all(folder);
  }
}

TEST_F(SaeLensTest, RefusesWhatItCannotExpress) {
  CanonicalSae sae = sae_of(true);
  sae.activation = "jumprelu";
  EXPECT_THROW(format.write(trained, sae, folder), Error);
  sae = sae_of(true);
  sae.input_mean = at::full({kD}, 0.f);
  sae.input_scale = Random(6).uniform_rows(0, 1, kD).squeeze(0) + 1;
  EXPECT_THROW(format.write(trained, sae, folder), Error);
  EXPECT_FALSE(fs::exists(folder));
  trained.predicts = {1};
  EXPECT_THROW(format.write(trained, sae_of(true), folder), Error);
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(SaeLensTest, OverwritesNothing) {
  format.write(trained, sae_of(true), folder);
  EXPECT_THROW(format.write(trained, sae_of(true), folder), Error);
}

TEST_F(SaeLensTest, RefusesWeightsThatDoNotFitTheConfiguration) {
  format.write(trained, sae_of(true), folder);
  const fs::path file = fs::path(folder) / "cfg.json";
  Value config = from_json(read_text(file), "cfg.json");
  config.set("d_sae", 99);
  write_file_atomic(file, to_json(config));
  EXPECT_THROW((void)format.read(folder), Error);
  config.set("architecture", "gated");
  write_file_atomic(file, to_json(config));
  EXPECT_THROW((void)format.read(folder), Error);
}

TEST_F(SaeLensTest, RefusesSettingsThatChangeTheForwardPass) {
  format.write(trained, sae_of(true), folder);
  const fs::path file = fs::path(folder) / "cfg.json";
  const Value written = from_json(read_text(file), "cfg.json");
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, Value>>{{"normalize_activations", "layer_norm"},
                                                  {"reshape_activations", "hook_z"},
                                                  {"rescale_acts_by_decoder_norm", true},
                                                  {"finetuning_scaling_factor", true},
                                                  {"activation_fn_str", "topk"}}) {
    Value config = written;
    config.set(key, value);
    write_file_atomic(file, to_json(config));
    EXPECT_THROW((void)format.read(folder), Error) << key;
  }
  Value older = written;
  older.set("normalize_activations", Value());
  older.set("activation_fn_str", "relu");
  write_file_atomic(file, to_json(older));
  EXPECT_NO_THROW((void)format.read(folder));
}

TEST_F(SaeLensTest, NamesSitesAsTransformerLensDoes) {
  for (const auto& [site, hook] : std::vector<std::pair<std::string, std::string>>{
           {"layers.10.resid_post", "blocks.10.hook_resid_post"},
           {"layers.0.mlp_out", "blocks.0.hook_mlp_out"},
           {"embed", "hook_embed"},
           {"layers.3.mlp_in", "layers.3.mlp_in"},
           {"layers.resid_post", "layers.resid_post"},
           {"resid", "resid"}}) {
    trained.shape.reads[0].name = site;
    format.write(trained, sae_of(true), folder);
    const Value config = from_json(read_text(fs::path(folder) / "cfg.json"), "cfg.json");
    EXPECT_EQ(config.at("metadata").at("hook_name").as_string(), hook);
    fs::remove_all(folder);
  }
}

}  // namespace
