#include "saelens.h"

#include <saffron/dataset.h>
#include <saffron/io.h>
#include <saffron/model.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>

#include <unistd.h>

#include <filesystem>
#include <string_view>
#include <system_error>

namespace saffron::plugins {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "cfg.json";
constexpr const char* kWeights = "sae_weights.safetensors";
// The version whose layout of cfg.json this is. Without one SAELens takes a file for an older
// layout, whose metadata stood beside the other keys, and drops the table.
constexpr const char* kConfigVersion = "6.0.0";

struct Weights {
  at::Tensor W_enc, b_enc, W_dec, b_dec;
  bool subtract_b_dec;
};

// Weights that read and write raw activations.
Weights on_raw_activations(const CanonicalSae& sae) {
  const std::int64_t d = sae.W_dec.size(1), F = sae.W_dec.size(0);
  Weights w{sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec, sae.subtract_b_dec};
  if (!w.b_enc.defined()) w.b_enc = at::zeros({F}, sae.W_dec.options());
  if (!w.b_dec.defined()) w.b_dec = at::zeros({d}, sae.W_dec.options());
  if (!sae.input_mean.defined()) return w;
  const double scale = sae.input_scale.median().item<double>();
  // Recorded scales carry the rounding of float32 beside a mean that may be 1e4 times larger.
  if ((sae.input_scale - scale).abs().max().item<double>() > 1e-2 * scale) {
    throw Error("the SAE's inputs were scaled by coordinate, which SAELens cannot express")
        .with_help("train with one scale for all coordinates (scale = \"sqrt_d\")");
  }
  if (!w.subtract_b_dec) w.b_enc = w.b_enc + at::mv(w.W_enc.t(), w.b_dec);
  w.W_enc = w.W_enc * scale;
  w.W_dec = w.W_dec / scale;
  w.b_dec = w.b_dec / scale + sae.input_mean.to(w.b_dec.scalar_type());
  w.subtract_b_dec = true;
  return w;
}

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
  Value metadata = Value::table();
  metadata.set("sae_lens_version", kConfigVersion);
  metadata.set("sae_lens_training_version", Value());  // else SAELens says that it trained this
  metadata.set("exported_by", "saffron");
  metadata.set("hook_name", hook_name(sae.shape.reads.at(0).name));
  auto* backed = dynamic_cast<ModelBacked*>(sae.source.get());
  if (backed == nullptr) return metadata;
  metadata.set("hook_name", hook_name(backed->site(sae.reads.at(0))));
  metadata.set("model_name", backed->model().info().name);
  metadata.set("context_size", backed->dataset().info().length);
  Value positions = Value::list();  // slice(first_position, None)
  positions.push(backed->first_position());
  positions.push(Value());
  metadata.set("seqpos_slice", std::move(positions));
  return metadata;
}

Value config_of(const TrainedSae& sae, const CanonicalSae& canonical, const Weights& weights) {
  Value config = Value::table();
  config.set("architecture", canonical.activation == "topk" ? "topk" : "standard");
  config.set("d_in", weights.W_dec.size(1));
  config.set("d_sae", weights.W_dec.size(0));
  config.set("dtype", "float32");
  config.set("device", "cpu");
  config.set("apply_b_dec_to_input", weights.subtract_b_dec);
  config.set("normalize_activations", "none");
  config.set("reshape_activations", "none");
  if (canonical.k) {
    config.set("k", *canonical.k);
    config.set("rescale_acts_by_decoder_norm", false);
  }
  config.set("metadata", metadata_of(sae));
  return config;
}

// What changes the forward pass and is not read: a setting of `config` other than `plain`.
void require_plain(const Value& config, const char* key, const Value& plain,
                   const std::string& file) {
  const Value* value = config.find(key);
  if (value == nullptr || value->is_null() || *value == plain) return;
  throw Error(ErrorKind::data, cat(key, " = ", to_json(*value), " is not read"))
      .within(file)
      .with_help(cat("only ", to_json(plain), " is"));
}

Error cannot_write(const std::string& folder, const std::error_code& problem) {
  return Error(ErrorKind::io, cat("cannot write the folder: ", problem.message()))
      .within(folder)
      .with_help("name a folder in a place that you may write to");
}

}  // namespace

bool SaeLens::recognises(const std::string& folder) const {
  return fs::exists(fs::path(folder) / kConfig) && fs::exists(fs::path(folder) / kWeights);
}

CanonicalSae SaeLens::read(const std::string& folder) const {
  const fs::path path = folder;
  const std::string file = (path / kConfig).string();
  const Value config = from_json(read_text(file), file);
  const std::string& architecture = config.at("architecture").as_string();
  if (architecture != "standard" && architecture != "topk") {
    throw Error(ErrorKind::data, cat("architecture \"", architecture, "\" is not read"))
        .within(file)
        .with_help("standard and topk are");
  }
  require_plain(config, "normalize_activations", "none", file);
  require_plain(config, "reshape_activations", "none", file);
  require_plain(config, "rescale_acts_by_decoder_norm", false, file);
  require_plain(config, "finetuning_scaling_factor", false, file);
  require_plain(config, "activation_fn_str", architecture == "topk" ? "topk" : "relu", file);
  const SafetensorsFile weights = SafetensorsFile::open(path / kWeights);
  CanonicalSae sae;
  sae.W_enc = weights.tensor("W_enc").to(at::kFloat).clone();
  sae.b_enc = weights.tensor("b_enc").to(at::kFloat).clone();
  sae.W_dec = weights.tensor("W_dec").to(at::kFloat).clone();
  sae.b_dec = weights.tensor("b_dec").to(at::kFloat).clone();
  const std::int64_t d = config.at("d_in").as_int(), F = config.at("d_sae").as_int();
  if (sae.W_enc.sizes() != at::IntArrayRef({d, F}) ||
      sae.W_dec.sizes() != at::IntArrayRef({F, d})) {
    throw Error(ErrorKind::data, cat("W_enc ", sae.W_enc.sizes(), " and W_dec ", sae.W_dec.sizes(),
                                     " do not fit d_in ", d, " and d_sae ", F))
        .within((path / kWeights).string());
  }
  sae.activation = architecture == "topk" ? "topk" : "relu";
  if (architecture == "topk") sae.k = config.at("k").as_int();
  const Value* apply = config.find("apply_b_dec_to_input");
  sae.subtract_b_dec = apply == nullptr || apply->as_bool();
  return sae;
}

void SaeLens::write(const TrainedSae& sae, const CanonicalSae& canonical,
                    const std::string& folder) const {
  if (canonical.activation != "relu" && canonical.activation != "topk") {
    throw Error(cat("activation '", canonical.activation, "' has no SAELens architecture here"));
  }
  if (sae.reads != sae.predicts) {
    throw Error("the SAE reads one stream and predicts another, which is not written here")
        .with_help("leave `predicts` out to train an SAE that SAELens reads");
  }
  const fs::path target = folder;
  if (fs::exists(target)) {
    throw Error(ErrorKind::io, "exists already").within(folder).with_help("name a new folder");
  }
  const Weights w = on_raw_activations(canonical);
  fs::path staged = target;
  staged += cat(".partial-", ::getpid());
  const auto plain = [](const at::Tensor& t) { return t.to(at::kFloat).contiguous(); };
  try {
    std::error_code problem;
    fs::create_directories(staged, problem);
    if (problem) throw cannot_write(folder, problem);
    write_safetensors(staged / kWeights, {{"W_enc", plain(w.W_enc)},
                                          {"b_enc", plain(w.b_enc)},
                                          {"W_dec", plain(w.W_dec)},
                                          {"b_dec", plain(w.b_dec)}});
    write_file_atomic(staged / kConfig,
                      to_json(config_of(sae, canonical, w), JsonStyle::pretty) + "\n");
    fs::rename(staged, target, problem);
    if (problem) throw cannot_write(folder, problem);
  } catch (...) {
    std::error_code ignored;  // a full disk must get its room back, whatever else fails
    fs::remove_all(staged, ignored);
    throw;
  }
}

}  // namespace saffron::plugins
