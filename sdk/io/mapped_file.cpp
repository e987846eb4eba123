#include "descriptor.h"

#include <sys/mman.h>
#include <sys/stat.h>

namespace saffron::inline sdk_v1 {

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path,
                                                   Access access) {
  const std::string name = path.string();
  const io_detail::Descriptor file(path);
  struct stat about{};
  if (::fstat(file.value(), &about) != 0 || !S_ISREG(about.st_mode)) {
    throw Error(ErrorKind::io, cat("cannot map '", name, "': it is not a regular file"));
  }
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  mapped->path_ = name;
  const auto size = static_cast<std::size_t>(about.st_size);
  if (size == 0) return mapped;  // mmap refuses a length of 0
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.value(), 0);
  if (start == MAP_FAILED) throw io_detail::os_error("map", name, errno);
  mapped->data_ = static_cast<const std::byte*>(start);
  mapped->size_ = size;
  // A hint: nothing depends on its success.
  if (access == Access::sequential) ::madvise(start, size, MADV_SEQUENTIAL);
  if (access == Access::random) ::madvise(start, size, MADV_RANDOM);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace saffron::inline sdk_v1
