#include "npy_write.h"
#include "tensor_view.h"
#include "zip.h"

#include <saffron/archives.h>

#include <zip.h>

#include <unistd.h>

namespace saffron::inline sdk_v1 {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSuffix = ".npy";

// An archive being written to a file; nothing stays of it without finish().
class Writer {
 public:
  explicit Writer(fs::path path) : path_(std::move(path)) {
    int code = 0;
    zip_ = zip_open(path_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (zip_ != nullptr) return;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw refused(why);
  }
  ~Writer() {
    if (zip_ != nullptr) zip_discard(zip_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // `bytes` must live until finish().
  void add(const std::string& name, const std::string& bytes) {
    zip_source_t* source = zip_source_buffer(zip_, bytes.data(), bytes.size(), 0);
    if (source == nullptr) throw refused(zip_strerror(zip_));
    const zip_int64_t index = zip_file_add(zip_, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      throw refused(zip_strerror(zip_));
    }
    const auto entry = static_cast<zip_uint64_t>(index);
    // 1 January 1980, the first moment that zip knows: the same bytes whenever it is written.
    constexpr zip_uint16_t kNoTime = 0, kFirstDay = (1 << 5) | 1;
    if (zip_set_file_compression(zip_, entry, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip_, entry, kNoTime, kFirstDay, 0) != 0) {
      throw refused(zip_strerror(zip_));
    }
  }
  void finish() {
    if (zip_close(zip_) != 0) throw refused(zip_strerror(zip_));
    zip_ = nullptr;
  }

 private:
  [[nodiscard]] Error refused(const std::string& why) const {
    return Error(ErrorKind::io, cat("cannot write: ", why)).within(path_.string());
  }

  fs::path path_;
  zip_t* zip_ = nullptr;
};

}  // namespace

NpzFile::NpzFile(std::string source, std::vector<TensorInfo> tensors, std::vector<ByteView> arrays)
    : TensorReader(std::move(source), std::move(tensors)), arrays_(std::move(arrays)) {}

NpzFile NpzFile::open(const fs::path& path) {
  const auto mapped = MappedFile::open(path);
  return parse({mapped->bytes(), mapped}, path.string());
}

NpzFile NpzFile::parse(const ByteView& file, std::string source) {
  std::vector<TensorInfo> tensors;
  std::vector<ByteView> arrays;
  for (const io_detail::ZipEntry& entry : io_detail::zip_entries(file.bytes, source)) {
    if (!std::string_view(entry.name).ends_with(kSuffix)) {
      throw io_detail::bad(source, cat("entry ", io_detail::show(entry.name),
                                       " of the archive is no .npy: this is no npz file"));
    }
    arrays.push_back(io_detail::zip_read(file.bytes, source, entry));
    TensorInfo info = parse_npy(arrays.back().bytes, cat(source, ": ", entry.name)).array;
    info.name = entry.name.substr(0, entry.name.size() - kSuffix.size());
    tensors.push_back(std::move(info));
  }
  std::vector<std::string_view> names;
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  io_detail::check_unique(source, "tensor", std::move(names));
  return {std::move(source), std::move(tensors), std::move(arrays)};
}

at::Tensor NpzFile::tensor(std::string_view name) const {
  return read_npy(arrays_[index_of(name)], cat(path(), ": ", name));
}

at::Tensor NpzFile::rows(std::string_view name, std::int64_t begin, std::int64_t count) const {
  io_detail::check_rows(path(), info(name), begin, count);
  return tensor(name).narrow(0, begin, count);
}

std::unique_ptr<TensorReader> open_tensors(const fs::path& path) {
  if (path.extension() == ".npz") return std::make_unique<NpzFile>(NpzFile::open(path));
  if (path.extension() == ".safetensors") {
    return std::make_unique<SafetensorsFile>(SafetensorsFile::open(path));
  }
  throw Error(cat("'", path.string(), "' is neither a .safetensors nor a .npz file"))
      .with_help(
          "numpy.savez(path, **arrays) or safetensors.numpy.save_file(arrays, path) writes one");
}

std::string element_name(std::string_view tensor_name, const at::Tensor& values,
                         std::int64_t position) {
  std::string indices;
  for (std::int64_t d = values.dim(); d-- > 0; position /= values.size(d)) {
    indices = cat("[", position % values.size(d), "]") + indices;
  }
  return std::string(tensor_name) + indices;
}

void write_npz(const fs::path& path, const NamedTensors& tensors) {
  std::vector<std::string_view> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  io_detail::check_unique(path.string(), "tensor", std::move(names));
  std::vector<std::string> arrays;
  arrays.reserve(tensors.size());  // the writer looks at them until the end
  Writer writer(path);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor data = io_detail::plain(tensor, cat("tensor ", io_detail::show(name)));
    const auto bytes = io_detail::bytes_of(data);
    std::string& array = arrays.emplace_back(io_detail::npy_header(data));
    array.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    writer.add(cat(name, kSuffix), array);
  }
  writer.finish();
}

}  // namespace saffron::inline sdk_v1
