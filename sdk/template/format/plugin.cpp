// @NAME@: a format, another library's files for a trained SAE.
//
// Change first: the names below, write() and read(); then what the format cannot express, which
// is an Error and never left out silently.
//
// What holds for every format (saffron/format.h):
// - CanonicalSae (saffron/sae.h) is the one form to translate from and to: its tensors, shapes
//   and what each activation computes. Weights on raw activations: on_raw_activations().
// - write() is atomic: a folder that exists is whole. It refuses one that exists already.
// - read(write(sae)) is the SAE again, every tensor and setting of it.
// - Error (data), with file and tensor, for content that does not fit; Error (invalid) for an
//   SAE that the format cannot express; Error (io) when the system refuses.
// - recognises() looks at a folder without reading weights, and throws nothing.
// - Const and thread-safe.

#include <saffron/error.h>
#include <saffron/format.h>
#include <saffron/io.h>
#include <saffron/plugin.h>

#include <ATen/core/Tensor.h>

#include <charconv>
#include <filesystem>

namespace {

namespace fs = std::filesystem;
using saffron::cat;
using saffron::Error;
using saffron::ErrorKind;

constexpr const char* kFile = "sae.safetensors";
constexpr const char* kFormat = "@NAME@";

// A folder with one file, sae.safetensors: the tensors of the canonical form under their own names,
// and in its metadata format, activation, subtract_b_dec and, where there is one, k.
class @CLASS@ final : public saffron::Format {
 public:
  struct Options {};
  static saffron::Schema<Options> schema() { return {}; }
  explicit @CLASS@(const Options&) {}

  bool recognises(const std::string& folder) const override {
    try {
      const fs::path file = fs::path(folder) / kFile;
      if (!fs::exists(file)) return false;
      const std::string* format = saffron::SafetensorsFile::open(file).metadata("format");
      return format != nullptr && *format == kFormat;
    } catch (const std::exception&) {
      return false;  // what cannot be opened is not ours
    }
  }

  saffron::CanonicalSae read(const std::string& folder) const override {
    const fs::path path = fs::path(folder) / kFile;
    const auto file = saffron::SafetensorsFile::open(path);
    if (text(file, "format") != kFormat) {
      throw Error(ErrorKind::data, cat("its format is '", text(file, "format"), "', not ", kFormat))
          .within(path.string());
    }
    saffron::CanonicalSae sae;
    for (const auto& [name, member] : kTensors) {
      if (file.find(name) != nullptr) sae.*member = file.tensor(name).clone();
    }
    sae.activation = text(file, "activation");
    sae.subtract_b_dec = text(file, "subtract_b_dec") == "true";
    if (file.metadata("k") != nullptr) sae.k = number(text(file, "k"), path);
    check(sae, path);
    return sae;
  }

  void write(const saffron::TrainedSae& trained, const saffron::CanonicalSae& sae,
             const std::string& folder) const override {
    if (!sae.extra.as_table().empty()) {
      throw Error(cat("SAE '", trained.name, "' has '", sae.extra.as_table().front().key,
                      "', which ", kFormat, " folders cannot express"));
    }
    saffron::NamedTensors tensors;
    for (const auto& [name, member] : kTensors) {
      if ((sae.*member).defined()) tensors.emplace_back(name, sae.*member);
    }
    saffron::Metadata metadata = {{"format", kFormat},
                                  {"activation", sae.activation},
                                  {"subtract_b_dec", sae.subtract_b_dec ? "true" : "false"}};
    if (sae.k) metadata.emplace_back("k", std::to_string(*sae.k));

    saffron::StagedFolder staged(folder);
    saffron::write_safetensors(staged.path() / kFile, tensors, metadata);
    staged.commit();
  }

 private:
  struct Field {
    const char* name;
    at::Tensor saffron::CanonicalSae::* member;
  };
  static constexpr Field kTensors[] = {{"W_enc", &saffron::CanonicalSae::W_enc},
                                       {"b_enc", &saffron::CanonicalSae::b_enc},
                                       {"W_dec", &saffron::CanonicalSae::W_dec},
                                       {"b_dec", &saffron::CanonicalSae::b_dec},
                                       {"threshold", &saffron::CanonicalSae::threshold},
                                       {"W_skip", &saffron::CanonicalSae::W_skip},
                                       {"b_gate", &saffron::CanonicalSae::b_gate},
                                       {"b_mag", &saffron::CanonicalSae::b_mag},
                                       {"r_mag", &saffron::CanonicalSae::r_mag},
                                       {"input_mean", &saffron::CanonicalSae::input_mean},
                                       {"input_scale", &saffron::CanonicalSae::input_scale},
                                       {"output_mean", &saffron::CanonicalSae::output_mean},
                                       {"output_scale", &saffron::CanonicalSae::output_scale}};

  static std::string text(const saffron::SafetensorsFile& file, const char* key) {
    const std::string* value = file.metadata(key);
    if (value != nullptr) return *value;
    throw Error(ErrorKind::data, cat("its metadata has no '", key, "'")).within(file.path());
  }

  static std::int64_t number(const std::string& text, const fs::path& path) {
    std::int64_t k = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), k);
    if (problem == std::errc() && end == text.data() + text.size() && k > 0) return k;
    throw Error(ErrorKind::data, cat("k = '", text, "' is no number of latents"))
        .within(path.string());
  }

  static void check(const saffron::CanonicalSae& sae, const fs::path& path) {
    const auto fail = [&](const std::string& what) {
      throw Error(ErrorKind::data, what).within(path.string());
    };
    if (!sae.W_enc.defined() || !sae.W_dec.defined()) fail("W_enc or W_dec is missing");
    if (sae.W_dec.dim() != 2 || sae.W_enc.sizes() != sae.W_dec.t().sizes()) {
      fail(cat("W_enc ", sae.W_enc.sizes(), " is not W_dec ", sae.W_dec.sizes(), " transposed"));
    }
  }
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Folders with one safetensors file"))
