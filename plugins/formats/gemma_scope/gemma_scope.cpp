#include "gemma_scope.h"

#include <saffron/archives.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <utility>

namespace saffron::plugins {
namespace fs = std::filesystem;
namespace {

constexpr const char* kNpz = "params.npz";
constexpr const char* kSafetensors = "params.safetensors";

// The file of weights that a path means, whether it is there or not.
fs::path file_of(const std::string& path) {
  const fs::path given = path;
  std::error_code unreadable;
  if ((given.extension() == ".npz" || given.filename() == kSafetensors) &&
      !fs::is_directory(given, unreadable)) {
    return given;
  }
  const bool second =
      !fs::exists(given / kNpz, unreadable) && fs::exists(given / kSafetensors, unreadable);
  return given / (second ? kSafetensors : kNpz);
}

CanonicalSae read_raw(const TensorReader& file) {
  const auto named = [&](const char* upper, const char* lower) {
    return file.find(lower) != nullptr && file.find(upper) == nullptr ? lower : upper;
  };
  CanonicalSae sae;
  sae.activation = "jumprelu";
  sae.subtract_b_dec = false;
  sae.W_enc = read_weights(file, named("W_enc", "w_enc"), {-1, -1});
  const std::int64_t d_in = sae.W_enc.size(0), F = sae.W_enc.size(1);
  sae.W_dec = read_weights(file, named("W_dec", "w_dec"), {F, -1});
  const std::int64_t d_out = sae.W_dec.size(1);
  sae.b_enc = read_weights(file, "b_enc", {F});
  sae.b_dec = read_weights(file, "b_dec", {d_out});
  sae.threshold = read_weights(file, "threshold", {F});
  if (file.find("scaling_factor") != nullptr) {
    sae.W_dec = sae.W_dec * read_weights(file, "scaling_factor", {F}).unsqueeze(1);
  }
  if (file.find("affine_skip_connection") != nullptr) {
    sae.W_skip = read_weights(file, "affine_skip_connection", {d_in, d_out});
  }
  return sae;
}

// The same SAE as a jumprelu one that does not subtract b_dec.
CanonicalSae expressible(const CanonicalSae& canonical) {
  CanonicalSae sae = without_subtraction(on_raw_activations(canonical));
  if (sae.activation == "relu") {
    sae.activation = "jumprelu";
    sae.threshold = at::zeros_like(sae.b_enc);
  }
  if (sae.activation != "jumprelu") {
    throw Error(cat("Gemma Scope has no activation '", sae.activation, "'"))
        .with_help("it has jumprelu, and so relu");
  }
  if (sae.W_skip.defined()) throw Error("params.npz has no skip connection");
  return sae;
}

// Between the rows of an embedding SAE and those that are read: the encoder divided by sqrt(d), the
// decoder times it, or `back`.
void scale_embedding(CanonicalSae& sae, bool back) {
  const double root = std::sqrt(static_cast<double>(sae.W_enc.size(0)));
  sae.W_enc = back ? sae.W_enc * root : sae.W_enc / root;
  sae.W_dec = back ? sae.W_dec / root : sae.W_dec * root;
}

}  // namespace

Schema<GemmaScope::Options> GemmaScope::schema() {
  return Schema<Options>{}.param("embedding", &Options::embedding,
                                 "the folder is of an embedding SAE, whose encoder is for rows "
                                 "divided by sqrt(d) and whose decoder is to be multiplied by it");
}

bool GemmaScope::recognises(const std::string& path) const {
  std::error_code unreadable;  // is none of ours
  return fs::is_regular_file(file_of(path), unreadable);
}

CanonicalSae GemmaScope::read(const std::string& path) const {
  const fs::path file = file_of(path);
  return read_checked(file, [&] {
    CanonicalSae sae = file.extension() == ".npz" ? read_raw(NpzFile::open(file))
                                                  : read_raw(SafetensorsFile::open(file));
    if (options_.embedding) scale_embedding(sae, false);
    return sae;
  });
}

void GemmaScope::write(const TrainedSae&, const CanonicalSae& canonical,
                       const std::string& folder) const {
  CanonicalSae sae = expressible(canonical);
  if (options_.embedding) scale_embedding(sae, true);
  StagedFolder staged(folder);
  write_npz(staged.path() / kNpz, {{"W_enc", stored(sae.W_enc)},
                                   {"W_dec", stored(sae.W_dec)},
                                   {"b_enc", stored(sae.b_enc)},
                                   {"b_dec", stored(sae.b_dec)},
                                   {"threshold", stored(sae.threshold)}});
  staged.commit();
}

}  // namespace saffron::plugins
