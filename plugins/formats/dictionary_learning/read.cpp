#include "dictionary_learning.h"

#include <saffron/archives.h>

#include <ATen/ops/full.h>

#include <optional>
#include <string_view>

namespace saffron::plugins {
namespace fs = std::filesystem;
namespace {

constexpr const char* kWeights = "ae.pt";
constexpr const char* kConfig = "config.json";

// "ae.pt" of a folder, or the path itself where it is such a file: checkpoints/ae_1000.pt.
fs::path file_of(const std::string& path) {
  const fs::path given = path;
  std::error_code unreadable;
  return given.extension() == ".pt" && !fs::is_directory(given, unreadable) ? given
                                                                            : given / kWeights;
}

// config.json beside the file, or beside its folder of checkpoints.
std::optional<fs::path> config_of(const fs::path& file) {
  const fs::path folder = file.parent_path();
  for (const fs::path& config : {folder / kConfig, folder.parent_path() / kConfig}) {
    if (fs::is_regular_file(config)) return config;
  }
  return {};
}

// The class that the names of the tensors tell.
std::string class_of(const TensorReader& file) {
  const auto has = [&](const char* name) { return file.find(name) != nullptr; };
  if (has("gate_bias")) return "GatedAutoEncoder";
  if (has("W_enc")) return has("k") ? "MatryoshkaBatchTopKSAE" : "JumpReluAutoEncoder";
  if (has("bias")) return "AutoEncoder";
  if (has("decoder.bias")) return "AutoEncoderNew";
  throw Error(ErrorKind::data, "may be an AutoEncoderTopK or a BatchTopKSAE")
      .within(file.path())
      .with_help("its config.json, beside it, says which: trainer.dict_class");
}

std::string class_of(const TensorReader& file, const fs::path& path) {
  const std::optional<fs::path> config = config_of(path);
  if (!config) return class_of(file);
  return from_json(read_text(*config), config->string()).at("trainer").at("dict_class").as_string();
}

std::int64_t read_k(const TensorReader& file) {
  const at::Tensor k = file.tensor("k");
  if (k.numel() == 1 && c10::isIntegralType(k.scalar_type(), false)) return k.item<std::int64_t>();
  throw Error(ErrorKind::data, "tensor 'k' is no integer").within(file.path());
}

// nn.Linear's weights are [out, in].
void read_linears(const TensorReader& file, CanonicalSae& sae) {
  sae.W_enc = read_transposed(file, "encoder.weight", {-1, -1});
  const std::int64_t d = sae.W_enc.size(0), F = sae.W_enc.size(1);
  sae.W_dec = read_transposed(file, "decoder.weight", {F, d});
}

void read_matrices(const TensorReader& file, CanonicalSae& sae) {
  sae.W_enc = read_weights(file, "W_enc", {-1, -1});
  const std::int64_t d = sae.W_enc.size(0), F = sae.W_enc.size(1);
  sae.b_enc = read_weights(file, "b_enc", {F});
  sae.W_dec = read_weights(file, "W_dec", {F, d});
  sae.b_dec = read_weights(file, "b_dec", {d});
}

CanonicalSae read_gated(const TensorReader& file) {
  CanonicalSae sae;
  sae.activation = "gated";
  read_linears(file, sae);
  const std::int64_t d = sae.W_enc.size(0), F = sae.W_enc.size(1);
  sae.b_dec = read_weights(file, "decoder_bias", {d});
  sae.b_gate = read_weights(file, "gate_bias", {F});
  sae.b_mag = read_weights(file, "mag_bias", {F});
  sae.r_mag = read_weights(file, "r_mag", {F});
  return sae;
}

CanonicalSae read_linear_kind(const TensorReader& file, const std::string& kind) {
  CanonicalSae sae;
  read_linears(file, sae);
  const std::int64_t d = sae.W_enc.size(0), F = sae.W_enc.size(1);
  sae.b_enc = read_weights(file, "encoder.bias", {F});
  const bool plain = kind == "AutoEncoder", newer = kind == "AutoEncoderNew";
  sae.b_dec = read_weights(file, plain ? "bias" : newer ? "decoder.bias" : "b_dec", {d});
  sae.subtract_b_dec = !newer;
  sae.activation = plain || newer ? "relu" : kind == "AutoEncoderTopK" ? "topk" : "jumprelu";
  if (sae.activation == "topk") sae.k = read_k(file);
  if (sae.activation == "jumprelu") {
    sae.threshold = at::full({F}, read_weights(file, "threshold", {}).item<double>(), at::kFloat);
  }
  return sae;
}

CanonicalSae read_matrix_kind(const TensorReader& file, bool matryoshka) {
  CanonicalSae sae;
  sae.activation = "jumprelu";
  sae.subtract_b_dec = matryoshka;
  read_matrices(file, sae);
  const std::int64_t F = sae.W_enc.size(1);
  sae.threshold =
      matryoshka ? at::full({F}, read_weights(file, "threshold", {}).item<double>(), at::kFloat)
                 : read_weights(file, "threshold", {F});
  return sae;
}

CanonicalSae read_raw(const TensorReader& file, const fs::path& path) {
  const std::string kind = class_of(file, path);
  if (kind == "GatedAutoEncoder") return read_gated(file);
  if (kind == "JumpReluAutoEncoder") return read_matrix_kind(file, false);
  if (kind == "MatryoshkaBatchTopKSAE") return read_matrix_kind(file, true);
  for (const char* linear : {"AutoEncoder", "AutoEncoderNew", "AutoEncoderTopK", "BatchTopKSAE"}) {
    if (kind == linear) return read_linear_kind(file, kind);
  }
  throw Error(ErrorKind::data, cat("dict_class \"", kind, "\" is not read"))
      .within(path.string())
      .with_help(
          "AutoEncoder, AutoEncoderNew, GatedAutoEncoder, AutoEncoderTopK, BatchTopKSAE, "
          "MatryoshkaBatchTopKSAE and JumpReluAutoEncoder are");
}

}  // namespace

bool DictionaryLearning::recognises(const std::string& path) const {
  std::error_code unreadable;  // is none of ours
  return fs::is_regular_file(file_of(path), unreadable);
}

CanonicalSae DictionaryLearning::read(const std::string& path) const {
  const fs::path file = file_of(path);
  return read_checked(file, [&] { return read_raw(TorchFile::open(file), file); });
}

}  // namespace saffron::plugins
