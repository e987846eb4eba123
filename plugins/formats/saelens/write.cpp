#include "saelens.h"

#include <saffron/dataset.h>
#include <saffron/model.h>

#include <string_view>

namespace saffron::plugins {
namespace {

// The version whose layout of cfg.json this is. Without one SAELens takes a file for an older
// layout, whose metadata stood beside the other keys, and drops the table.
constexpr const char* kConfigVersion = "6.0.0";

// TransformerLens' name of a site, which is what SAELens looks for; other names stay. The input of
// the MLP has none: TransformerLens' `hook_normalized` comes before the norm's weights.
std::string hook_name(const std::string& site) {
  if (site == "embed") return "hook_embed";
  const std::string_view layers = "layers.";
  const std::size_t dot = site.rfind('.');
  if (!site.starts_with(layers) || dot <= layers.size()) return site;
  const std::string layer = site.substr(layers.size(), dot - layers.size());
  const std::string part = site.substr(dot + 1);
  for (const char* known : {"resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"}) {
    if (part == known) return cat("blocks.", layer, ".hook_", part);
  }
  return site;
}

Value metadata_of(const TrainedSae& sae) {
  auto* backed = dynamic_cast<ModelBacked*>(sae.source.get());
  const auto site = [&](std::int64_t stream, const StreamInfo& info) {
    return hook_name(backed != nullptr ? backed->site(stream) : info.name);
  };
  Value metadata = Value::table();
  metadata.set("sae_lens_version", kConfigVersion);
  metadata.set("sae_lens_training_version", Value());  // else SAELens says that it trained this
  metadata.set("exported_by", "saffron");
  metadata.set("hook_name", site(sae.reads.at(0), sae.shape.reads.at(0)));
  if (sae.predicts != sae.reads) {
    metadata.set("hook_name_out", site(sae.predicts.at(0), sae.shape.predicts.at(0)));
  }
  if (backed == nullptr) return metadata;
  metadata.set("model_name", backed->model().info().name);
  metadata.set("context_size", backed->dataset().info().length);
  Value positions = Value::list();  // slice(first_position, None)
  positions.push(backed->first_position());
  positions.push(Value());
  metadata.set("seqpos_slice", std::move(positions));
  return metadata;
}

std::string architecture_of(const CanonicalSae& sae, bool transcoder) {
  const std::string& activation = sae.activation;
  if (transcoder) {
    const std::string tail = sae.W_skip.defined() ? "skip_transcoder" : "transcoder";
    if (activation == "relu") return tail;
    if (activation == "jumprelu") return "jumprelu_" + tail;
    throw Error(cat("SAELens has no transcoder with the activation '", activation, "'"))
        .with_help("it has relu and jumprelu ones");
  }
  if (activation == "relu") return "standard";
  if (activation == "abs_topk") return "abstopk";
  if (activation == "topk" || activation == "jumprelu" || activation == "gated") return activation;
  throw Error(cat("activation '", activation, "' has no SAELens architecture"));
}

Value config_of(const TrainedSae& sae, const CanonicalSae& weights, bool transcoder) {
  Value config = Value::table();
  config.set("architecture", architecture_of(weights, transcoder));
  config.set("d_in", weights.W_enc.size(0));
  config.set("d_sae", weights.W_dec.size(0));
  if (transcoder) config.set("d_out", weights.W_dec.size(1));
  config.set("dtype", "float32");
  config.set("device", "cpu");
  config.set("apply_b_dec_to_input", weights.subtract_b_dec);
  config.set("normalize_activations", "none");
  config.set("reshape_activations", "none");
  if (weights.k) {
    config.set("k", *weights.k);
    config.set("rescale_acts_by_decoder_norm", false);
  }
  config.set("metadata", metadata_of(sae));
  return config;
}

NamedTensors tensors_of(const CanonicalSae& sae) {
  NamedTensors out;
  const auto add = [&](const char* name, const at::Tensor& tensor) {
    if (tensor.defined()) out.emplace_back(name, stored(tensor));
  };
  add("W_enc", sae.W_enc);
  add("b_enc", sae.b_enc);
  add("W_dec", sae.W_dec);
  add("b_dec", sae.b_dec);
  if (sae.activation == "jumprelu") add("threshold", sae.threshold);
  if (sae.activation == "gated") {
    add("b_gate", sae.b_gate);
    add("b_mag", sae.b_mag);
    add("r_mag", sae.r_mag);
  }
  if (sae.W_skip.defined()) add("W_skip", sae.W_skip.t());
  return out;
}

}  // namespace

void SaeLens::write(const TrainedSae& sae, const CanonicalSae& canonical,
                    const std::string& folder) const {
  if (sae.reads.size() != 1 || sae.predicts.size() != 1) {
    throw Error("SAELens' SAEs read one stream and predict one");
  }
  CanonicalSae weights = on_raw_activations(canonical);
  const bool transcoder = sae.predicts != sae.reads || weights.W_skip.defined();
  if (transcoder) weights = without_subtraction(std::move(weights));
  const Value config = config_of(sae, weights, transcoder);
  StagedFolder staged(folder);
  write_safetensors(staged.path() / kWeights, tensors_of(weights));
  write_file_atomic(staged.path() / kConfig, to_json(config, JsonStyle::pretty) + "\n");
  staged.commit();
}

}  // namespace saffron::plugins
