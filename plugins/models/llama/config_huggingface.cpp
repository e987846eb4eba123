#include "config.h"

#include "rope.h"

#include <saffron/error.h>
#include <saffron/value.h>

#include <optional>
#include <utility>

namespace llama {
namespace {

using saffron::cat;
using saffron::Error;
using saffron::ErrorKind;
using saffron::Value;

// nullptr when the key is absent or null.
const Value* find(const Value& table, const char* key) {
  const Value* value = table.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

// table[key] by one of Value's accessors, or `otherwise`; a wrong type is an error at the key.
template <class T, class R>
T read(const Value& table, const char* key, R (Value::*as)() const, std::optional<T> otherwise) {
  const Value* value = find(table, key);
  try {
    if (value != nullptr) return (value->*as)();
  } catch (Error& error) {
    throw error.within(key);
  }
  if (!otherwise) throw Error(ErrorKind::data, cat("'", key, "' is missing"));
  return *std::move(otherwise);
}

std::int64_t integer(const Value& table, const char* key,
                     std::optional<std::int64_t> otherwise = {}) {
  return read(table, key, &Value::as_int, otherwise);
}

double real(const Value& table, const char* key, double otherwise) {
  return read<double>(table, key, &Value::as_real, otherwise);
}

bool flag(const Value& table, const char* key, bool otherwise) {
  return read<bool>(table, key, &Value::as_bool, otherwise);
}

std::string text(const Value& table, const char* key, std::string otherwise) {
  using Read = const std::string& (Value::*)() const;
  return read<std::string>(table, key, static_cast<Read>(&Value::as_string), std::move(otherwise));
}

// Frequencies from rope_parameters (transformers 5) or rope_theta and rope_scaling (before).
std::vector<float> frequencies(const Value& json, const Config& config) {
  const Value empty = Value::table();
  const Value* found = find(json, "rope_parameters");
  if (found == nullptr) found = find(json, "rope_scaling");
  const Value& rope = found == nullptr ? empty : *found;
  const double theta = real(rope, "rope_theta", real(json, "rope_theta", 10000.0));
  const double partial =
      real(rope, "partial_rotary_factor", real(json, "partial_rotary_factor", 1.0));
  if (partial != 1.0) {
    throw Error(ErrorKind::data, cat("partial_rotary_factor ", partial, " is not supported"));
  }
  RopeScaling scaling;
  scaling.type = text(rope, "rope_type", text(rope, "type", "default"));
  scaling.factor = real(rope, "factor", 1.0);
  scaling.low = real(rope, "low_freq_factor", scaling.low);
  scaling.high = real(rope, "high_freq_factor", scaling.high);
  scaling.original_context =
      real(rope, "original_max_position_embeddings", scaling.original_context);
  return inverse_frequencies(config.head_width, theta, scaling);
}

void check_supported(const Value& json, const Config& config) {
  const std::string& type = config.architecture;
  if (type != "llama" && type != "mistral" && type != "qwen2") {
    throw Error(ErrorKind::data, cat("the model_type '", type, "' is not a Llama decoder"))
        .with_help("this plugin runs llama, mistral and qwen2 folders");
  }
  const std::string activation = text(json, "hidden_act", "silu");
  if (activation != "silu") {
    throw Error(ErrorKind::data, cat("hidden_act '", activation, "' is not silu"));
  }
  // Qwen2 names a window that it uses only where use_sliding_window says so.
  const bool windowed = flag(json, "use_sliding_window", type == "mistral");
  if (windowed && integer(json, "sliding_window", config.context) < config.context) {
    throw Error(ErrorKind::data, cat("sliding_window ", integer(json, "sliding_window"),
                                     " is shorter than the context ", config.context,
                                     "; sliding-window attention is not supported"));
  }
  if (find(json, "quantization_config") != nullptr) {
    throw Error(ErrorKind::data, "the weights are quantised (quantization_config)")
        .with_help("use the unquantised checkpoint, or a GGUF file");
  }
}

std::string folder_name(const std::filesystem::path& folder) {
  const std::filesystem::path absolute = std::filesystem::absolute(folder).lexically_normal();
  const std::filesystem::path last =
      absolute.has_filename() ? absolute.filename() : absolute.parent_path().filename();
  return last.string();
}

}  // namespace

Config read_huggingface_config(const std::filesystem::path& folder) {
  const std::string path = (folder / "config.json").string();
  const Value json = saffron::from_json(saffron::read_utf8(path), path);
  try {
    Config config;
    config.architecture = text(json, "model_type", "");
    config.name = folder_name(folder);
    config.layers = integer(json, "num_hidden_layers");
    config.width = integer(json, "hidden_size");
    config.hidden = integer(json, "intermediate_size");
    config.heads = integer(json, "num_attention_heads");
    config.kv_heads = integer(json, "num_key_value_heads", config.heads);
    const std::int64_t even_share = config.heads > 0 ? config.width / config.heads : 0;
    config.head_width = integer(json, "head_dim", even_share);
    config.vocabulary = integer(json, "vocab_size");
    config.context = integer(json, "max_position_embeddings");
    config.norm_epsilon = real(json, "rms_norm_eps", 1e-6);
    config.tied = flag(json, "tie_word_embeddings", false);
    check_supported(json, config);
    check_config(config);
    config.inverse_frequency = frequencies(json, config);
    return config;
  } catch (Error& error) {
    throw error.within(path);
  }
}

}  // namespace llama
