#include "shard.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <ATen/Parallel.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kChunk = 1 << 20;  // ids checked as one piece of parallel work

at::Tensor read_safetensors(const std::string& path, const std::string& name) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  if (!name.empty()) return file.tensor(name);
  if (file.tensors().size() == 1) return file.tensor(file.tensors()[0].name);
  std::string names;
  for (const TensorInfo& info : file.tensors()) names += (names.empty() ? "" : ", ") + info.name;
  throw Error(ErrorKind::data, cat("the file has ", file.tensors().size(), " tensors: ", names))
      .within(path)
      .with_help("say which one: tensor = 'input_ids'");
}

at::Tensor read(const std::string& path, const std::string& tensor) {
  const std::string extension = std::filesystem::path(path).extension();
  if (extension == ".safetensors") return read_safetensors(path, tensor);
  if (extension == ".npy") return read_npy(path);
  throw Error(cat("'", path, "' is neither a .npy nor a .safetensors file"));
}

}  // namespace

Shard::Shard(std::string path, const std::string& tensor) : path_(std::move(path)) {
  const at::Tensor read_ids = read(path_, tensor);
  const at::ScalarType type = read_ids.scalar_type();
  if (type != at::kInt && type != at::kLong && type != at::kUInt16) {
    throw Error(ErrorKind::data, cat("token ids are int32, int64 or uint16, not ", type))
        .within(path_);
  }
  if (read_ids.dim() != 1 && read_ids.dim() != 2) {
    throw Error(ErrorKind::data,
                cat("token ids have one dimension or two, not the shape ", read_ids.sizes()))
        .within(path_);
  }
  ids_ = read_ids.contiguous();
}

template <class F>
decltype(auto) Shard::with_ids(F&& f) const {
  switch (ids_.scalar_type()) {
    case at::kInt: return f(ids_.const_data_ptr<std::int32_t>());
    case at::kLong: return f(ids_.const_data_ptr<std::int64_t>());
    default: return f(ids_.const_data_ptr<std::uint16_t>());
  }
}

void Shard::copy(std::int64_t begin, std::int64_t length, std::int64_t* to) const {
  with_ids([&](const auto* ids) { std::copy_n(ids + begin, length, to); });
}

std::int64_t Shard::check(std::int64_t vocabulary) const {
  const std::int64_t chunks = (count() + kChunk - 1) / kChunk;
  std::vector<std::int64_t> largest(static_cast<std::size_t>(chunks), -1);
  std::vector<std::int64_t> wrong(static_cast<std::size_t>(chunks),
                                  -1);  // the first one's position
  with_ids([&](const auto* ids) {
    at::parallel_for(0, chunks, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t chunk = first; chunk < last; ++chunk) {
        const auto* begin = ids + chunk * kChunk;
        const auto* end = ids + std::min(count(), (chunk + 1) * kChunk);
        const auto [low, high] = std::minmax_element(begin, end);
        const auto at = static_cast<std::size_t>(chunk);
        largest[at] = static_cast<std::int64_t>(*high);
        const auto is_wrong = [&](std::int64_t id) {
          return id < 0 || (vocabulary >= 0 && id >= vocabulary);
        };
        if (is_wrong(static_cast<std::int64_t>(*low)) || is_wrong(largest[at])) {
          wrong[at] = std::find_if(begin, end, is_wrong) - ids;
        }
      }
    });
  });
  const auto found =
      std::find_if(wrong.begin(), wrong.end(), [](std::int64_t position) { return position >= 0; });
  if (found != wrong.end()) {
    std::int64_t id = 0;
    copy(*found, 1, &id);
    const std::string bound = vocabulary < 0 ? "negative" : cat("not in [0, ", vocabulary, ")");
    throw Error(ErrorKind::data, cat("the id ", id, " is ", bound))
        .within(cat(path_, ", ", place(*found)));
  }
  return largest.empty() ? -1 : *std::max_element(largest.begin(), largest.end());
}

std::string Shard::place(std::int64_t position) const {
  if (!is_matrix()) return cat("token ", position);
  return cat("row ", position / columns(), ", column ", position % columns());
}

}  // namespace saffron::plugins
