#include "parse.h"

#include <saffron/value.h>

#include <ATen/core/Tensor.h>

#include <map>

namespace saffron::inline sdk_v1 {
namespace {

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kSingle = "model.safetensors";

// A shard's name comes from a file of a stranger: it must stay within the folder.
void check_shard_name(const std::string& index, const std::string& tensor,
                      const std::string& shard) {
  const std::filesystem::path path(shard);
  const bool plain = !shard.empty() && shard.find('\0') == std::string::npos &&
                     path.filename() == path && shard != "." && shard != "..";
  if (!plain) {
    throw io_detail::bad(
        index, cat("weight_map: tensor ", io_detail::show(tensor), " is in the file ",
                   io_detail::show(shard), ", which is not the name of a file in this folder"));
  }
}

}  // namespace

SafetensorsFolder::SafetensorsFolder(std::string path, std::vector<TensorInfo> tensors,
                                     std::vector<SafetensorsFile> files,
                                     std::vector<std::uint32_t> file_of)
    : TensorReader(std::move(path), std::move(tensors)),
      files_(std::move(files)),
      file_of_(std::move(file_of)) {}

SafetensorsFolder SafetensorsFolder::open(const std::filesystem::path& folder) {
  const std::filesystem::path index = folder / kIndex;
  if (!std::filesystem::exists(index)) {
    if (!std::filesystem::exists(folder / kSingle)) {
      throw Error(ErrorKind::io,
                  cat("'", folder.string(), "' has neither ", kIndex, " nor ", kSingle));
    }
    std::vector<SafetensorsFile> files = {SafetensorsFile::open(folder / kSingle)};
    std::vector<TensorInfo> tensors = files.front().tensors();
    std::vector<std::uint32_t> file_of(tensors.size(), 0);
    return {folder.string(), std::move(tensors), std::move(files), std::move(file_of)};
  }

  const std::string source = index.string();
  const Value document = from_json(read_text(index), source);
  const Value* weight_map = document.is_table() ? document.find("weight_map") : nullptr;
  if (!weight_map || !weight_map->is_table()) {
    throw io_detail::bad(source, "there is no table 'weight_map'");
  }
  std::vector<TensorInfo> tensors;
  std::vector<SafetensorsFile> files;
  std::vector<std::uint32_t> file_of;
  std::map<std::string, std::uint32_t> opened;
  for (const Value::Entry& entry : weight_map->as_table()) {
    if (!entry.value.is_string()) {
      throw io_detail::bad(source, cat("weight_map: tensor ", io_detail::show(entry.key),
                                       " must name a file, found ", entry.value.type_name()));
    }
    const std::string& shard = entry.value.as_string();
    check_shard_name(source, entry.key, shard);
    const auto [place, is_new] = opened.try_emplace(shard, files.size());
    if (is_new) files.push_back(SafetensorsFile::open(folder / shard));
    tensors.push_back(files[place->second].info(entry.key));
    file_of.push_back(place->second);
  }
  return {folder.string(), std::move(tensors), std::move(files), std::move(file_of)};
}

at::Tensor SafetensorsFolder::tensor(std::string_view name) const {
  return files_[file_of_[index_of(name)]].tensor(name);
}

at::Tensor SafetensorsFolder::rows(std::string_view name, std::int64_t begin,
                                   std::int64_t count) const {
  return files_[file_of_[index_of(name)]].rows(name, begin, count);
}

}  // namespace saffron::inline sdk_v1
