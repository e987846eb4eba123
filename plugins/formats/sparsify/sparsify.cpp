#include "sparsify.h"

namespace saffron::plugins {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "cfg.json";
constexpr const char* kWeights = "sae.safetensors";

bool flag(const Value& config, const char* key) {
  const Value* value = config.find(key);
  return value != nullptr && !value->is_null() && value->as_bool();
}

std::string activation_of(const Value& config, const fs::path& file) {
  const Value* value = config.find("activation");
  const std::string word = value == nullptr ? "topk" : value->as_string();
  if ((word != "topk" && word != "groupmax") || flag(config, "signed")) {
    throw Error(ErrorKind::data, cat("activation \"", word, "\"",
                                     flag(config, "signed") ? ", signed," : "", " is not read"))
        .within(file.string())
        .with_help("topk and groupmax are");
  }
  return word;
}

CanonicalSae read_raw(const SafetensorsFile& file, const Value& config, const fs::path& cfg) {
  CanonicalSae sae;
  sae.activation = activation_of(config, cfg);
  sae.k = config.at("k").as_int();
  sae.subtract_b_dec = !flag(config, "transcode");
  const std::int64_t d_in = config.at("d_in").as_int();
  sae.W_enc = read_transposed(file, "encoder.weight", {d_in, -1});
  const std::int64_t F = sae.W_enc.size(1);
  sae.b_enc = read_weights(file, "encoder.bias", {F});
  sae.W_dec = read_weights(file, "W_dec", {F, sae.subtract_b_dec ? d_in : -1});
  const std::int64_t d_out = sae.W_dec.size(1);
  sae.b_dec = read_weights(file, "b_dec", {d_out});
  if (flag(config, "skip_connection")) {
    sae.W_skip = read_transposed(file, "W_skip", {d_in, d_out});
  }
  return sae;
}

// The same SAE in an activation that sparsify has.
CanonicalSae expressible(CanonicalSae sae) {
  if (sae.activation == "relu") {
    sae.activation = "topk";
    sae.k = sae.W_dec.size(0);
  }
  if (sae.activation != "topk" && sae.activation != "groupmax") {
    throw Error(cat("sparsify has no activation '", sae.activation, "'"))
        .with_help("it has topk, and so relu, and groupmax");
  }
  if (sae.W_enc.size(0) != sae.W_dec.size(1)) {
    throw Error(cat("sparsify has no transcoder from rows of width ", sae.W_enc.size(0),
                    " to rows of width ", sae.W_dec.size(1)));
  }
  return sae;
}

Value config_of(const CanonicalSae& sae) {
  const std::int64_t d = sae.W_enc.size(0), F = sae.W_dec.size(0);
  Value config = Value::table();
  config.set("activation", sae.activation);
  config.set("expansion_factor", std::max<std::int64_t>(F / d, 1));  // num_latents goes before it
  config.set("normalize_decoder", false);
  config.set("num_latents", F);
  config.set("k", *sae.k);
  config.set("multi_topk", false);
  config.set("skip_connection", sae.W_skip.defined());
  config.set("transcode", !sae.subtract_b_dec);
  config.set("d_in", d);
  return config;
}

}  // namespace

bool Sparsify::recognises(const std::string& path) const {
  const fs::path weights = weights_file(path, kWeights);
  std::error_code unreadable;  // is none of ours
  return fs::is_regular_file(weights, unreadable) &&
         fs::is_regular_file(weights.parent_path() / kConfig, unreadable);
}

CanonicalSae Sparsify::read(const std::string& path) const {
  const fs::path weights = weights_file(path, kWeights), config = weights.parent_path() / kConfig;
  return read_checked(weights.parent_path(), [&] {
    const Value json = from_json(read_text(config), config.string());
    return read_raw(SafetensorsFile::open(weights), json, config);
  });
}

void Sparsify::write(const TrainedSae&, const CanonicalSae& canonical,
                     const std::string& folder) const {
  const CanonicalSae sae = expressible(on_raw_activations(canonical));
  NamedTensors tensors = {{"encoder.weight", stored(sae.W_enc.t())},
                          {"encoder.bias", stored(sae.b_enc)},
                          {"W_dec", stored(sae.W_dec)},
                          {"b_dec", stored(sae.b_dec)}};
  if (sae.W_skip.defined()) tensors.emplace_back("W_skip", stored(sae.W_skip.t()));
  StagedFolder staged(folder);
  write_safetensors(staged.path() / kWeights, tensors);
  write_file_atomic(staged.path() / kConfig, to_json(config_of(sae), JsonStyle::pretty) + "\n");
  staged.commit();
}

}  // namespace saffron::plugins
