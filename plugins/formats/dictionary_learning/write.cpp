#include "dictionary_learning.h"

#include <saffron/archives.h>
#include <saffron/dataset.h>
#include <saffron/model.h>

#include <ATen/ops/full.h>

#include <charconv>
#include <string_view>

namespace saffron::plugins {
namespace {

struct Class {
  const char* trainer;
  const char* dictionary;
};

Class class_of(const CanonicalSae& sae) {
  if (sae.W_skip.defined()) throw Error("dictionary_learning has no skip connection");
  if (sae.W_enc.size(0) != sae.W_dec.size(1)) throw Error("dictionary_learning has no transcoder");
  if (sae.activation == "gated") return {"GatedSAETrainer", "GatedAutoEncoder"};
  if (sae.activation == "topk") return {"TopKTrainer", "AutoEncoderTopK"};
  if (sae.activation == "jumprelu") return {"JumpReluTrainer", "JumpReluAutoEncoder"};
  if (sae.activation != "relu") {
    throw Error(cat("dictionary_learning has no activation '", sae.activation, "'"))
        .with_help("it has relu, topk, jumprelu and gated");
  }
  if (sae.subtract_b_dec) return {"StandardTrainer", "AutoEncoder"};
  return {"StandardTrainerAprilUpdate", "AutoEncoderNew"};
}

NamedTensors tensors_of(const CanonicalSae& canonical) {
  if (canonical.activation == "jumprelu") {
    const CanonicalSae sae = without_subtraction(canonical);
    return {{"W_enc", stored(sae.W_enc)},
            {"b_enc", stored(sae.b_enc)},
            {"W_dec", stored(sae.W_dec)},
            {"b_dec", stored(sae.b_dec)},
            {"threshold", stored(sae.threshold)}};
  }
  const bool newer = canonical.activation == "relu" && !canonical.subtract_b_dec;
  const CanonicalSae sae = newer ? canonical : with_subtraction(canonical);
  const at::Tensor encoder = stored(sae.W_enc.t()), decoder = stored(sae.W_dec.t());
  if (sae.activation == "gated") {
    return {{"decoder_bias", stored(sae.b_dec)}, {"r_mag", stored(sae.r_mag)},
            {"gate_bias", stored(sae.b_gate)},   {"mag_bias", stored(sae.b_mag)},
            {"encoder.weight", encoder},         {"decoder.weight", decoder}};
  }
  NamedTensors out = {{"encoder.weight", encoder},
                      {"encoder.bias", stored(sae.b_enc)},
                      {"decoder.weight", decoder}};
  const char* bias = newer ? "decoder.bias" : sae.activation == "relu" ? "bias" : "b_dec";
  out.emplace_back(bias, stored(sae.b_dec));
  if (sae.activation != "topk") return out;
  out.emplace_back("k", at::full({}, *sae.k, at::kInt));
  out.emplace_back("threshold", at::full({}, -1.0, at::kFloat));  // as before it is estimated
  return out;
}

// 10 of "layers.10.resid_post"; null of other names.
Value layer_of(const std::string& site) {
  constexpr std::string_view kLayers = "layers.";
  if (!site.starts_with(kLayers)) return {};
  std::int64_t layer = 0;
  const char* end = site.data() + site.size();
  const auto [at, problem] = std::from_chars(site.data() + kLayers.size(), end, layer);
  if (problem != std::errc() || at == end || *at != '.') return {};
  return Value(layer);
}

Value config_of(const TrainedSae& trained, const CanonicalSae& sae, const Class& kind) {
  auto* backed = dynamic_cast<ModelBacked*>(trained.source.get());
  const std::string site =
      backed != nullptr ? backed->site(trained.reads.at(0)) : trained.shape.reads.at(0).name;
  Value trainer = Value::table();
  trainer.set("trainer_class", kind.trainer);
  trainer.set("dict_class", kind.dictionary);
  trainer.set("activation_dim", sae.W_enc.size(0));
  trainer.set("dict_size", sae.W_dec.size(0));
  if (sae.k) trainer.set("k", *sae.k);
  trainer.set("layer", layer_of(site));
  trainer.set("lm_name", backed != nullptr ? backed->model().info().name : "");
  trainer.set("submodule_name", site);
  Value buffer = Value::table();
  buffer.set("d_submodule", sae.W_enc.size(0));
  buffer.set("ctx_len", backed != nullptr ? Value(backed->dataset().info().length) : Value());
  Value config = Value::table();
  config.set("trainer", std::move(trainer));
  config.set("buffer", std::move(buffer));
  return config;
}

}  // namespace

void DictionaryLearning::write(const TrainedSae& trained, const CanonicalSae& canonical,
                               const std::string& folder) const {
  if (trained.reads != trained.predicts) throw Error("dictionary_learning has no transcoder");
  const CanonicalSae sae = on_raw_activations(canonical);
  const Class kind = class_of(sae);
  const Value config = config_of(trained, sae, kind);
  StagedFolder staged(folder);
  write_torch(staged.path() / "ae.pt", tensors_of(sae));
  write_file_atomic(staged.path() / "config.json", to_json(config, JsonStyle::pretty) + "\n");
  staged.commit();
}

}  // namespace saffron::plugins
