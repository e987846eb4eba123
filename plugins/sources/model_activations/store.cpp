#include "store.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/log.h>

#include <ATen/ops/equal.h>

namespace saffron::plugins {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "saffron-activations/1";

std::string digest(const NamedTensors& tensors) {
  Sha256 hash;
  for (const auto& [name, tensor] : tensors) {
    hash.update(name);
    hash.update({static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
  }
  return hash.hex();
}

Error unusable(const std::string& what) { return Error(ErrorKind::data, what); }

void make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) {
    throw Error(ErrorKind::io,
                cat("cannot make the folder '", folder.string(), "': ", failed.message()));
  }
}

}  // namespace

ActivationStore::ActivationStore(fs::path folder, std::vector<StreamInfo> streams,
                                 at::ScalarType dtype, Value about)
    : folder_(std::move(folder)),
      streams_(std::move(streams)),
      dtype_(dtype),
      about_(std::move(about)) {
  about_.set("format", kFormat);
}

std::vector<at::Tensor> ActivationStore::load(const fs::path& file,
                                              const Contexts& contexts) const {
  const SafetensorsFile held = SafetensorsFile::open(file, Access::sequential);
  NamedTensors tensors;
  for (const StreamInfo& stream : streams_) {
    at::Tensor rows = held.tensor(stream.name);
    if (rows.scalar_type() != dtype_ || rows.dim() != 2 || rows.size(0) != contexts.kept() ||
        rows.size(1) != stream.width) {
      throw unusable(cat("tensor '", stream.name, "' is ", rows.scalar_type(), ' ', rows.sizes()));
    }
    tensors.emplace_back(stream.name, std::move(rows));
  }
  tensors.emplace_back("origin", held.tensor("origin"));
  tensors.emplace_back("tokens", held.tensor("tokens"));
  const auto same = [](const at::Tensor& a, const at::Tensor& b) {
    return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && at::equal(a, b);
  };
  if (!same(tensors.back().second, contexts.tokens()) ||
      !same(tensors[streams_.size()].second, contexts.origin())) {
    throw unusable("it is of other tokens");
  }
  const std::string* recorded = held.metadata("sha256");
  if (recorded == nullptr || *recorded != digest(tensors)) {
    throw unusable("its content does not have the digest that it was written with");
  }
  std::vector<at::Tensor> out;
  for (std::size_t i = 0; i < streams_.size(); ++i) out.push_back(tensors[i].second.clone());
  return out;
}

std::optional<std::vector<at::Tensor>> ActivationStore::read(const std::string& name,
                                                             const Contexts& contexts) const {
  const fs::path file = folder_ / name;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  try {
    return load(file, contexts);
  } catch (const Error& error) {
    logging::warning(cat("making ", file.string(), " anew: ", error.message()));
    return std::nullopt;
  }
}

void ActivationStore::save(const fs::path& file, const Contexts& contexts,
                           const std::vector<at::Tensor>& streams) const {
  make_folder(file.parent_path());
  const fs::path index = folder_ / "index.json";
  if (!fs::exists(index)) write_file_atomic(index, to_json(about_, JsonStyle::pretty) + "\n");
  NamedTensors tensors;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    tensors.emplace_back(streams_[i].name, streams[i].contiguous());
  }
  tensors.emplace_back("origin", contexts.origin());
  tensors.emplace_back("tokens", contexts.tokens());
  write_safetensors(file, tensors, {{"format", kFormat}, {"sha256", digest(tensors)}});
}

void ActivationStore::write(const std::string& name, const Contexts& contexts,
                            const std::vector<at::Tensor>& streams) {
  if (!writes_) return;
  try {
    save(folder_ / name, contexts, streams);
  } catch (const std::exception& failure) {
    writes_ = false;
    logging::warning(cat("activations are no longer kept: ", failure.what()));
  }
}

}  // namespace saffron::plugins
