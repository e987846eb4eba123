#include "framework/run/checkpoint.h"

#include "framework/run/run_directory.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/log.h>

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <charconv>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

constexpr const char* kValuesKey = "saffron.values";
constexpr const char* kDigestKey = "saffron.sha256";
constexpr std::size_t kKept = 2;
constexpr const char* kSuffix = ".safetensors";

// Of all that a state holds: a flipped bit in a tensor would go on training unseen.
std::string digest_of(const std::string& values, NamedTensors tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  Sha256 sum;
  sum.update(values);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor plain = tensor.cpu().contiguous();
    sum.update(cat('\n', name, ' ', plain.scalar_type(), ' ', plain.sizes(), '\n'));
    sum.update(std::span(static_cast<const std::byte*>(plain.const_data_ptr()), plain.nbytes()));
  }
  return sum.hex();
}

}  // namespace

void write_state(const fs::path& file, const State& state) {
  NamedTensors tensors(state.tensors.begin(), state.tensors.end());
  const std::string values = to_json(state.values);
  write_safetensors(file, tensors,
                    {{kValuesKey, values}, {kDigestKey, digest_of(values, tensors)}});
}

State read_state(const fs::path& file) {
  const SafetensorsFile stored = SafetensorsFile::open(file);
  const std::string* values = stored.metadata(kValuesKey);
  const std::string* digest = stored.metadata(kDigestKey);
  if (values == nullptr || digest == nullptr) {
    throw Error(ErrorKind::data, cat("is no Saffron state: its metadata lack '",
                                     values == nullptr ? kValuesKey : kDigestKey, "'"))
        .within(file.string());
  }
  NamedTensors tensors;
  for (const TensorInfo& info : stored.tensors()) {
    tensors.emplace_back(info.name, stored.tensor(info.name));
  }
  if (digest_of(*values, tensors) != *digest) {
    throw Error(ErrorKind::data,
                "is damaged: its content has another SHA-256 than when it was written")
        .within(file.string());
  }
  State state;
  state.values = from_json(*values, file.string());
  for (const auto& [name, tensor] : tensors) state.tensors.set(name, tensor);
  return state;
}

Checkpoints::Checkpoints(fs::path folder, std::string node)
    : folder_(std::move(folder)), node_(std::move(node)) {}

std::vector<std::pair<std::int64_t, fs::path>> Checkpoints::files() const {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  if (!fs::exists(folder_)) return found;
  const std::string prefix = node_ + "-";
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(prefix, 0) != 0 || entry.path().extension() != kSuffix) continue;
    const std::string digits =
        name.substr(prefix.size(), name.size() - prefix.size() - std::string(kSuffix).size());
    std::int64_t step = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
    if (code == std::errc() && end == digits.data() + digits.size()) {
      found.emplace_back(step, entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

void Checkpoints::write(std::int64_t step, const State& state) const {
  create_folder(folder_, "");
  write_state(folder_ / cat(node_, "-", step, kSuffix), state);
  auto all = files();
  for (std::size_t i = 0; i + kKept < all.size(); ++i) fs::remove(all[i].second);
}

std::optional<State> Checkpoints::latest() const {
  auto all = files();
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    try {
      return read_state(it->second);
    } catch (const Error& error) {
      logging::warning(cat("passing over a damaged checkpoint: ", error.what()));
    }
  }
  if (!all.empty())
    logging::warning(cat("no checkpoint of '", node_, "' is whole: starting it over"));
  return std::nullopt;
}

void Checkpoints::clear() const {
  for (const auto& [step, file] : files()) fs::remove(file);
}

}  // namespace saffron::host
