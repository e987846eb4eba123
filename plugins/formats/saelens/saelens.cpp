#include "saelens.h"

#include <saffron/io.h>
#include <saffron/model.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>

#include <unistd.h>

#include <filesystem>

namespace saffron::plugins {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "cfg.json";
constexpr const char* kWeights = "sae_weights.safetensors";

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
  const double scale = sae.input_scale[0].item<double>();
  if ((sae.input_scale - scale).abs().max().item<double>() > 1e-5 * scale) {
    throw Error("the SAE's inputs were scaled by coordinate, which SAELens cannot express")
        .with_help("train with one scale for all coordinates (scale = \"sqrt_d\")");
  }
  const at::Tensor mean = sae.input_mean.to(w.W_enc.scalar_type());
  // (a - mean) s - apply b_dec, encoded: everything but a goes into the bias.
  const at::Tensor moved = mean * scale + (w.subtract_b_dec ? w.b_dec : w.b_dec * 0);
  w.b_enc = w.b_enc - at::mv(w.W_enc.t(), moved);
  w.W_enc = w.W_enc * scale;
  w.W_dec = w.W_dec / scale;
  w.b_dec = w.b_dec / scale + mean;
  w.subtract_b_dec = false;
  return w;
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
  Value metadata = Value::table();
  metadata.set("hook_name", sae.shape.reads.at(0).name);
  if (auto* backed = dynamic_cast<ModelBacked*>(sae.source.get())) {
    metadata.set("model_name", backed->model().info().name);
    metadata.set("hook_name", backed->site(sae.reads.at(0)));
  }
  metadata.set("exported_by", "saffron");
  config.set("metadata", std::move(metadata));
  return config;
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
  const fs::path target = folder;
  if (fs::exists(target)) {
    throw Error(ErrorKind::io, "exists already").within(folder).with_help("name a new folder");
  }
  const Weights w = on_raw_activations(canonical);
  fs::path staged = target;
  staged += cat(".partial-", ::getpid());
  fs::create_directories(staged);
  const auto plain = [](const at::Tensor& t) { return t.to(at::kFloat).contiguous(); };
  write_safetensors(staged / kWeights, {{"W_enc", plain(w.W_enc)},
                                        {"b_enc", plain(w.b_enc)},
                                        {"W_dec", plain(w.W_dec)},
                                        {"b_dec", plain(w.b_dec)}});
  write_file_atomic(staged / kConfig,
                    to_json(config_of(sae, canonical, w), JsonStyle::pretty) + "\n");
  fs::rename(staged, target);
}

}  // namespace saffron::plugins
