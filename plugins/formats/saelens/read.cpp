#include "saelens.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include <array>
#include <cmath>
#include <string_view>

namespace saffron::plugins {
namespace fs = std::filesystem;
namespace {

struct Architecture {
  std::string_view name;        // SAELens'
  std::string_view activation;  // ours
  bool transcoder = false, skip = false;
};

constexpr std::array<Architecture, 11> kArchitectures = {{
    {"standard", "relu"},
    {"topk", "topk"},
    {"abstopk", "abs_topk"},
    {"jumprelu", "jumprelu"},
    {"batchtopk", "jumprelu"},
    {"matryoshka_batchtopk", "jumprelu"},
    {"gated", "gated"},
    {"transcoder", "relu", true},
    {"skip_transcoder", "relu", true, true},
    {"jumprelu_transcoder", "jumprelu", true},
    {"jumprelu_skip_transcoder", "jumprelu", true, true},
}};

// cfg.json, whichever version wrote it.
class Config {
 public:
  explicit Config(const fs::path& file)
      : file_(file.string()), json_(from_json(read_text(file), file_)) {}

  [[nodiscard]] Architecture architecture() const {
    std::string name = text("architecture", "standard");
    if (name == "standard" && activation() == "topk") name = "topk";
    for (const Architecture& known : kArchitectures) {
      if (known.name == name) return known;
    }
    std::string names;
    for (const Architecture& known : kArchitectures) {
      names += cat(names.empty() ? "" : ", ", known.name);
    }
    throw refusal(cat("architecture \"", name, "\" is not read"), cat("read are: ", names));
  }

  [[nodiscard]] std::int64_t k() const {
    if (json_.find("k") != nullptr) return json_.at("k").as_int();
    return json_.at("activation_fn_kwargs").at("k").as_int();
  }
  [[nodiscard]] std::int64_t size(const char* key) const { return json_.at(key).as_int(); }
  [[nodiscard]] bool flag(const char* key, bool otherwise) const {
    const Value* value = json_.find(key);
    return value == nullptr || value->is_null() ? otherwise : value->as_bool();
  }
  // Whether rows are scaled by one number, which stands elsewhere.
  [[nodiscard]] bool scales_rows() const {
    const Value* value = json_.find("normalize_activations");
    if (value == nullptr || value->is_null()) return false;
    if (value->is_bool()) return value->as_bool();
    const std::string& word = value->as_string();
    if (word == "none") return false;
    if (word == "expected_average_only_in") return true;
    throw refusal(cat("normalize_activations = \"", word, "\" is not read"),
                  "\"none\" and \"expected_average_only_in\" are");
  }
  // An activation beside the architecture's own changes the forward pass.
  void check_activation(const Architecture& architecture) const {
    const std::string word = activation();
    const bool topk = architecture.activation == "topk";
    if (word.empty() || word == (topk ? "topk" : "relu")) return;
    if (topk && word == "relu" && json_.find("k") != nullptr) return;
    throw refusal(cat("activation function \"", word, "\" is not read with the architecture \"",
                      architecture.name, "\""),
                  "relu is, and topk with the architecture topk");
  }

  [[nodiscard]] Error refusal(const std::string& message, const std::string& help) const {
    return Error(ErrorKind::data, message).within(file_).with_help(help);
  }

 private:
  [[nodiscard]] std::string text(const char* key, const char* otherwise) const {
    const Value* value = json_.find(key);
    return value == nullptr || value->is_null() ? otherwise : value->as_string();
  }
  [[nodiscard]] std::string activation() const {
    return text("activation_fn_str", text("activation_fn", "").c_str());
  }

  std::string file_;
  Value json_;
};

// Where a training run left the one number that scales its rows.
double scaling_factor(const fs::path& folder, const Config& config) {
  const fs::path file = folder / "activation_scaler.json";
  if (!fs::exists(file)) {
    throw config.refusal("normalize_activations = \"expected_average_only_in\" without the scale",
                         "the folder of a training checkpoint has it in activation_scaler.json; "
                         "a saved SAE has it folded in, and \"none\"");
  }
  const Value json = from_json(read_text(file), file.string());
  const Value& factor = json.at("scaling_factor");
  const double scale = factor.is_null() ? 1 : factor.as_real();
  if (std::isfinite(scale) && scale > 0) return scale;
  throw Error(ErrorKind::data, cat("scaling_factor = ", scale)).within(file.string());
}

at::Tensor read_threshold(const SafetensorsFile& file, std::int64_t F) {
  if (file.find("log_threshold") != nullptr) return read_weights(file, "log_threshold", {F}).exp();
  if (file.find("topk_threshold") == nullptr) return read_weights(file, "threshold", {F});
  return at::full({F}, read_weights(file, "topk_threshold", {}).item<double>(), at::kFloat);
}

// f = act(n a) decoded as (f / n) W_dec.
// Only topk and what is trained as it has the setting.
void fold_decoder_norms(CanonicalSae& sae) {
  const at::Tensor n = sae.W_dec.square().sum(1).sqrt().clamp_min(1e-8);  // as SAELens clamps
  sae.W_enc = sae.W_enc * n;
  if (sae.b_enc.defined()) sae.b_enc = sae.b_enc * n;
  sae.W_dec = sae.W_dec / n.unsqueeze(1);
}

// f is scaled before it is decoded.
void fold_finetuning(CanonicalSae& sae, const SafetensorsFile& file, const Config& config) {
  for (const char* name : {"scaling_factor", "finetuning_scaling_factor"}) {
    if (file.find(name) == nullptr) continue;
    const at::Tensor factor = read_weights(file, name, {sae.W_dec.size(0)});
    if ((factor - 1).abs().max().item<double>() <= 1e-5) return;  // what numpy calls close to one
    if (!config.flag("finetuning_scaling_factor", false)) {
      throw config.refusal(
          cat("finetuning_scaling_factor is false, and tensor '", name, "' is not one everywhere"),
          "say which holds");
    }
    sae.W_dec = sae.W_dec * factor.unsqueeze(1);
    return;
  }
}

CanonicalSae read_raw(const SafetensorsFile& file, const Config& config) {
  const Architecture architecture = config.architecture();
  config.check_activation(architecture);
  const std::int64_t d_in = config.size("d_in"), F = config.size("d_sae");
  const std::int64_t d_out = architecture.transcoder ? config.size("d_out") : d_in;
  CanonicalSae sae;
  sae.activation = architecture.activation;
  sae.W_enc = read_weights(file, "W_enc", {d_in, F});
  sae.W_dec = read_weights(file, "W_dec", {F, d_out});
  sae.b_dec = read_weights(file, "b_dec", {d_out});
  sae.subtract_b_dec = !architecture.transcoder && config.flag("apply_b_dec_to_input", true);
  if (architecture.skip) sae.W_skip = read_transposed(file, "W_skip", {d_in, d_out});
  if (sae.activation == "gated") {
    sae.b_gate = read_weights(file, "b_gate", {F});
    sae.b_mag = read_weights(file, "b_mag", {F});
    sae.r_mag = read_weights(file, "r_mag", {F});
  } else {
    sae.b_enc = read_weights(file, "b_enc", {F});
  }
  if (sae.activation == "jumprelu") sae.threshold = read_threshold(file, F);
  if (sae.activation == "topk" || sae.activation == "abs_topk") sae.k = config.k();
  if (config.flag("rescale_acts_by_decoder_norm", false)) fold_decoder_norms(sae);
  fold_finetuning(sae, file, config);
  return sae;
}

}  // namespace

bool SaeLens::recognises(const std::string& path) const {
  const fs::path weights = weights_file(path, kWeights);
  std::error_code unreadable;  // is none of ours
  return fs::is_regular_file(weights, unreadable) &&
         fs::is_regular_file(weights.parent_path() / kConfig, unreadable);
}

CanonicalSae SaeLens::read(const std::string& path) const {
  const fs::path weights = weights_file(path, kWeights), folder = weights.parent_path();
  return read_checked(folder, [&] {
    const Config config(folder / kConfig);
    const SafetensorsFile file = SafetensorsFile::open(weights);
    CanonicalSae sae = read_raw(file, config);
    if (config.scales_rows()) {
      const double scale = scaling_factor(folder, config);
      sae.input_scale = at::full({sae.W_enc.size(0)}, scale, at::kDouble);
    }
    return sae;
  });
}

}  // namespace saffron::plugins
