#include "zip.h"

#include <zip.h>

#include <algorithm>

namespace saffron::io_detail {
namespace {

// The most that deflate can expand: a length code of 258 bytes in two bits, and a little for the ends.
constexpr std::uint64_t kMostExpansion = 1032, kEnds = 1024;

class Archive {
 public:
  Archive(std::span<const std::byte> file, std::string_view source) : source_(source) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* bytes = zip_source_buffer_create(file.data(), file.size(), 0, &error);
    if (bytes != nullptr) zip_ = zip_open_from_source(bytes, ZIP_RDONLY, &error);
    if (zip_ != nullptr) return;
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    if (bytes != nullptr) zip_source_free(bytes);
    throw bad(source, cat("is no whole zip archive: ", why));
  }
  ~Archive() { zip_discard(zip_); }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  [[nodiscard]] zip_t* get() const { return zip_; }
  [[nodiscard]] zip_stat_t stat(std::uint64_t index) const {
    zip_stat_t out;
    constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    if (zip_stat_index(zip_, index, 0, &out) != 0 || (out.valid & kNeeded) != kNeeded) {
      throw bad(source_,
                cat("entry ", index, " of the zip archive is damaged: ", zip_strerror(zip_)));
    }
    return out;
  }

 private:
  std::string_view source_;
  zip_t* zip_ = nullptr;
};

struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

std::vector<ZipEntry> zip_entries(std::span<const std::byte> file, std::string_view source) {
  const Archive archive(file, source);
  std::vector<ZipEntry> out;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    const zip_stat_t stat = archive.stat(index);
    out.push_back({stat.name, index, stat.size});
  }
  return out;
}

ByteView zip_read(std::span<const std::byte> file, std::string_view source, const ZipEntry& entry) {
  const Archive archive(file, source);
  const auto damaged = [&](std::string_view why) {
    return bad(source, cat("entry ", show(entry.name), " of the zip archive is damaged: ", why));
  };
  const zip_stat_t stat = archive.stat(entry.index);
  if (stat.comp_size > file.size() ||
      entry.bytes > kMostExpansion * std::min<std::uint64_t>(stat.comp_size, file.size()) + kEnds) {
    throw damaged(cat(stat.comp_size, " bytes cannot hold ", entry.bytes));
  }
  const std::unique_ptr<zip_file_t, CloseFile> opened(
      zip_fopen_index(archive.get(), entry.index, 0));
  if (opened == nullptr) throw damaged(zip_strerror(archive.get()));
  const auto size = static_cast<std::size_t>(entry.bytes);
  const std::shared_ptr<std::byte[]> bytes(new std::byte[size]);
  std::size_t done = 0;
  while (done < size) {
    const zip_int64_t got = zip_fread(opened.get(), bytes.get() + done, size - done);
    if (got < 0) throw damaged(zip_file_strerror(opened.get()));
    if (got == 0) throw damaged(cat("it ends after ", done, " of ", size, " bytes"));
    done += static_cast<std::size_t>(got);
  }
  // libzip compares the checksum when it meets the end.
  std::byte beyond{};
  const zip_int64_t after = zip_fread(opened.get(), &beyond, 1);
  if (after != 0) throw damaged(after < 0 ? zip_file_strerror(opened.get()) : "it goes on");
  return {{bytes.get(), size}, bytes};
}

}  // namespace saffron::io_detail
