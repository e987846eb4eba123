#include "folder.h"

#include <saffron/error.h>
#include <saffron/files.h>
#include <saffron/io.h>
#include <saffron/value.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>

namespace saffron::plugins {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormats = "saffron-activations/";
constexpr std::string_view kFormat = "saffron-activations/1";

struct Listing {
  std::vector<std::string> files;
  std::optional<std::int64_t> rows;  // of all files together
};

bool is_activations(const fs::path& file) {
  return file.extension() == ".safetensors" || file.extension() == ".npy";
}

Listing from_index(const fs::path& folder, const Value& files, const Value* rows) {
  const fs::path index = folder / "index.json";
  Listing out;
  for (const Value& name : files.as_list()) {
    const fs::path file = name.as_string();
    if (file.filename() != file) {
      throw Error(ErrorKind::data, cat("'", file.string(), "' is not the name of a file beside it"))
          .within(index.string());
    }
    if (!fs::is_regular_file(folder / file)) {
      throw Error(ErrorKind::data, cat("the file '", file.string(), "' is missing"))
          .within(index.string())
          .with_help("remove the index to read the files that are there");
    }
    out.files.push_back((folder / file).string());
  }
  if (rows != nullptr) out.rows = rows->as_int();
  return out;
}

Listing list_folder(const fs::path& folder) {
  const fs::path index = folder / "index.json";
  if (fs::exists(index)) {
    const Value document = from_json(read_text(index), index.string());
    const Value* format = document.is_table() ? document.find("format") : nullptr;
    const bool ours =
        format != nullptr && format->is_string() && format->as_string().starts_with(kFormats);
    if (ours && format->as_string() != kFormat) {
      throw Error(ErrorKind::data, cat("the format is '", format->as_string(),
                                       "', and this version reads '", kFormat, "'"))
          .within(index.string());
    }
    const Value* files = ours ? document.find("files") : nullptr;
    if (files != nullptr) {
      try {
        return from_index(folder, *files, document.find("rows"));
      } catch (Error& error) {
        throw error.where().empty() ? error.within(index.string()) : error;
      }
    }
  }
  Listing out;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (!hidden && entry.is_regular_file() && is_activations(entry.path())) {
      out.files.push_back(entry.path().string());
    }
  }
  std::sort(out.files.begin(), out.files.end());
  return out;
}

Listing list(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    const std::array<std::string, 1> patterns = {path};
    Listing out{expand_files(patterns), {}};
    for (const std::string& file : out.files) {
      if (is_activations(file)) continue;
      throw Error(cat("'", file, "' is neither a .safetensors nor a .npy file"));
    }
    return out;
  }
  Listing out = list_folder(path);
  if (out.files.empty()) {
    throw Error(ErrorKind::io, cat("there is no .safetensors or .npy file in '", path, "'"));
  }
  return out;
}

Shard open_safetensors(const std::string& path, const std::vector<std::string>& streams,
                       Access access) {
  const SafetensorsFile file = SafetensorsFile::open(path, access);
  std::vector<NamedArray> arrays;
  for (const TensorInfo& info : file.tensors()) {
    const bool is_known = info.name == "origin" || info.name == "tokens";
    const bool is_wanted = std::find(streams.begin(), streams.end(), info.name) != streams.end();
    // Not a mask, which would be read whole, to check it.
    const bool is_read = is_known || is_wanted || (streams.empty() && info.dtype != "BOOL");
    arrays.push_back({info.name, cat(path, ", tensor '", info.name, "'"),
                      is_read ? file.tensor(info.name) : at::Tensor()});
  }
  return {path, std::move(arrays), streams};
}

struct NpyName {
  std::string stream;
  std::string part;  // "" when the file is all of the stream
};

NpyName npy_name(const fs::path& file, const std::string& stream) {
  const std::string stem = file.stem().string();
  if (!stream.empty()) return {stream, stem};
  constexpr std::size_t kDigits = 3;  // so that layer_3.npy and layer-10.npy are streams
  const std::size_t last = stem.find_last_not_of("0123456789");
  const bool numbered = last != stem.npos && last > 0 && stem.size() - last - 1 >= kDigits &&
                        (stem[last] == '-' || stem[last] == '_');
  if (!numbered) return {stem, ""};
  return {stem.substr(0, last), stem.substr(last + 1)};
}

std::vector<Shard> open_npy(const std::vector<std::string>& files,
                            const std::vector<std::string>& streams, const std::string& stream,
                            Access access) {
  std::map<std::string, std::vector<NamedArray>> parts;
  for (const std::string& file : files) {
    NpyName name = npy_name(file, stream);
    const auto mapped = MappedFile::open(file, access);
    parts[name.part].push_back(
        {std::move(name.stream), file, read_npy({mapped->bytes(), mapped}, file)});
  }
  std::vector<Shard> shards;
  for (auto& [part, arrays] : parts) {
    std::string path = arrays.front().place;
    try {
      shards.emplace_back(std::move(path), std::move(arrays), streams);
    } catch (Error& error) {
      if (!error.help().empty()) throw;
      throw error.with_help("if all files are parts of one stream, name it: stream = \"...\"");
    }
  }
  return shards;
}

std::int64_t count_rows(const std::vector<Shard>& shards) {
  std::int64_t rows = 0;
  for (const Shard& shard : shards) rows += shard.rows();
  return rows;
}

}  // namespace

std::vector<Shard> open_shards(const std::string& path, const std::vector<std::string>& streams,
                               const std::string& npy_stream, Access access) {
  const Listing listing = list(path);
  const auto is_npy = [](const std::string& file) { return fs::path(file).extension() == ".npy"; };
  const auto npy = std::count_if(listing.files.begin(), listing.files.end(), is_npy);
  const auto count = static_cast<std::int64_t>(listing.files.size());
  if (npy != 0 && npy != count) {
    throw Error(ErrorKind::data, cat("'", path, "' holds ", npy, " .npy files and ", count - npy,
                                     " .safetensors files"))
        .with_help(cat("name one kind by a pattern: '", (fs::path(path) / "*.npy").string(), "'"));
  }
  if (npy == 0 && !npy_stream.empty()) {
    throw Error("`stream` names what .npy files hold; tensors of safetensors files have names")
        .with_help("choose among them with streams = [...]");
  }
  std::vector<Shard> shards;
  if (npy != 0) {
    shards = open_npy(listing.files, streams, npy_stream, access);
  } else {
    for (const std::string& file : listing.files)
      shards.push_back(open_safetensors(file, streams, access));
  }
  for (const Shard& shard : shards) shard.check_like(shards.front());
  const std::int64_t rows = count_rows(shards);
  if (listing.rows && *listing.rows != rows) {
    throw Error(ErrorKind::data,
                cat("the index says ", *listing.rows, " rows, the files have ", rows))
        .within((fs::path(path) / "index.json").string());
  }
  if (rows == 0) throw Error(ErrorKind::data, "there are no rows").within(shards.front().path());
  return shards;
}

}  // namespace saffron::plugins
