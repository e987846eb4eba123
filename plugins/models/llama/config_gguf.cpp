#include "config.h"

#include "rope.h"

#include <saffron/error.h>

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <utility>

namespace llama {
namespace {

using saffron::cat;
using saffron::Error;
using saffron::ErrorKind;

bool is_quantised(const std::string& dtype) {
  return !dtype.empty() && (dtype[0] == 'Q' || dtype.starts_with("IQ"));
}

// "Q4_1" -> "4-bit Q4_1"
std::string with_bits(const std::string& dtype) {
  const auto digit = std::find_if(dtype.begin(), dtype.end(),
                                  [](unsigned char c) { return std::isdigit(c) != 0; });
  return digit == dtype.end() ? dtype : cat(*digit, "-bit ", dtype);
}

// Block formats by the number of values they hold, most first.
std::vector<std::pair<std::string, std::int64_t>> types_by_size(const saffron::GgufFile& file) {
  std::map<std::string, std::int64_t> sizes;
  for (const saffron::TensorInfo& tensor : file.tensors()) {
    std::int64_t count = 1;
    for (const std::int64_t n : tensor.shape) count *= n;
    sizes[tensor.dtype] += count;
  }
  std::vector<std::pair<std::string, std::int64_t>> sorted(sizes.begin(), sizes.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

std::string provenance(const saffron::GgufFile& file) {
  std::string text;
  for (const auto& [dtype, size] : types_by_size(file)) {
    if (!is_quantised(dtype)) continue;
    if (text.empty()) {
      text = cat("dequantised from ", with_bits(dtype), " blocks");
      continue;
    }
    const auto tensors = std::count_if(file.tensors().begin(), file.tensors().end(),
                                       [&](const auto& t) { return t.dtype == dtype; });
    text += cat(", ", tensors, tensors == 1 ? " tensor" : " tensors", " from ", with_bits(dtype));
  }
  return text;
}

// The quantisation's name, from llama.cpp's enum llama_ftype; a mixture has a name of its own.
std::string file_type(const saffron::GgufFile& file) {
  static const std::map<std::int64_t, const char*> names = {
      {0, "F32"},     {1, "F16"},     {2, "Q4_0"},  {3, "Q4_1"}, {7, "Q8_0"},
      {14, "Q4_K_S"}, {15, "Q4_K_M"}, {18, "Q6_K"}, {32, "BF16"}};
  const auto found = names.find(file.integer("general.file_type", -1));
  if (found != names.end()) return found->second;
  const auto sizes = types_by_size(file);
  return sizes.empty() ? "" : sizes.front().first;
}

// The file's name without its extension and quantisation; general.name often names a training run
// instead of the published model, so it serves only where the file's name says nothing.
std::string display_name(const saffron::GgufFile& file, const std::string& type) {
  std::string stem = std::filesystem::path(file.path()).stem().string();
  const auto same = [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  };
  if (stem.size() > type.size() + 1) {
    const auto tail = stem.end() - static_cast<std::ptrdiff_t>(type.size());
    const char separator = *(tail - 1);
    if ((separator == '.' || separator == '-' || separator == '_') &&
        std::equal(tail, stem.end(), type.begin(), type.end(), same)) {
      stem.erase(tail - 1, stem.end());
    }
  }
  if (stem.empty() || stem == "model" || stem == "ggml-model") {
    stem = file.text("general.name", "model");
  }
  return type.empty() ? stem : cat(stem, " (", type, ")");
}

std::vector<float> frequencies(const saffron::GgufFile& file, const Config& config,
                               const std::string& prefix) {
  RopeScaling scaling;
  const std::string type = file.text(prefix + "rope.scaling.type", "none");
  if (type != "none") scaling = {.type = type, .factor = file.real(prefix + "rope.scaling.factor")};
  auto result = inverse_frequencies(config.head_width,
                                    file.real(prefix + "rope.freq_base", 10000.0), scaling);
  if (file.find("rope_freqs.weight") != nullptr) {  // Llama 3.1's scaling, as divisors
    const at::Tensor divisors = file.tensor("rope_freqs.weight").contiguous();
    if (divisors.numel() != static_cast<std::int64_t>(result.size())) {
      throw Error(ErrorKind::data, cat(file.path(), ": rope_freqs.weight has ", divisors.numel(),
                                       " values, expected ", result.size()));
    }
    for (std::size_t i = 0; i < result.size(); ++i) {
      const float divisor = divisors.const_data_ptr<float>()[i];
      if (!(divisor > 0) || !std::isfinite(divisor)) {
        throw Error(ErrorKind::data, cat(file.path(), ": rope_freqs.weight[", i, "] is ", divisor));
      }
      result[i] /= divisor;
    }
  }
  return result;
}

}  // namespace

Config read_gguf_config(const saffron::GgufFile& file) {
  Config config;
  config.architecture = file.text("general.architecture");
  if (config.architecture != "llama" && config.architecture != "qwen2") {
    throw Error(ErrorKind::data, cat(file.path(), ": the architecture '", config.architecture,
                                     "' is not a Llama decoder"))
        .with_help("this plugin runs llama and qwen2 files");
  }
  const std::string prefix = config.architecture + ".";
  config.layers = file.integer(prefix + "block_count");
  config.width = file.integer(prefix + "embedding_length");
  config.hidden = file.integer(prefix + "feed_forward_length");
  config.heads = file.integer(prefix + "attention.head_count");
  config.kv_heads = file.integer(prefix + "attention.head_count_kv", config.heads);
  config.context = file.integer(prefix + "context_length");
  config.norm_epsilon = file.real(prefix + "attention.layer_norm_rms_epsilon");
  const std::int64_t even_share = config.heads > 0 ? config.width / config.heads : 0;
  config.head_width = file.integer(prefix + "attention.key_length", even_share);
  const std::int64_t value_width =
      file.integer(prefix + "attention.value_length", config.head_width);
  const std::int64_t rotated = file.integer(prefix + "rope.dimension_count", config.head_width);
  if (rotated != config.head_width || value_width != config.head_width) {
    throw Error(ErrorKind::data,
                cat(file.path(), ": heads have ", config.head_width, " key, ", value_width,
                    " value and ", rotated, " rotated dimensions; they must be equal"));
  }
  const std::vector<std::int64_t>& table = file.info("token_embd.weight").shape;
  config.vocabulary = table.empty() ? 0 : table.front();
  config.tied = file.find("output.weight") == nullptr;
  // llama.cpp rotates Llama's heads interleaved and stores their rows to suit; Qwen2's as they are.
  config.interleaved = config.architecture == "llama";
  const std::string type = file_type(file);
  config.name = display_name(file, type);
  config.provenance = provenance(file);
  check_config(config);
  config.inverse_frequency = frequencies(file, config, prefix);
  return config;
}

void check_config(const Config& config) {
  const auto fail = [](const std::string& text) { throw Error(ErrorKind::data, text); };
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  const std::pair<const char*, std::int64_t> sizes[] = {
      {"layers", config.layers},         {"width", config.width},
      {"MLP width", config.hidden},      {"heads", config.heads},
      {"KV heads", config.kv_heads},     {"head width", config.head_width},
      {"vocabulary", config.vocabulary}, {"context", config.context}};
  for (const auto& [what, size] : sizes) {
    if (size < 1 || size > kMost) fail(cat("the model's ", what, " is ", size));
  }
  if (config.heads % config.kv_heads != 0) {
    fail(cat(config.heads, " heads cannot share ", config.kv_heads, " KV heads evenly"));
  }
  if (config.head_width % 2 != 0) fail(cat("the head width ", config.head_width, " is odd"));
  if (!(config.norm_epsilon >= 0 && config.norm_epsilon < 1)) {
    fail(cat("the norm's epsilon is ", config.norm_epsilon));
  }
}

}  // namespace llama
