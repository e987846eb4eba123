#pragma once

#include "parse.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace saffron::io_detail {

// An open file descriptor, closed at the end of the scope.
class Descriptor {
 public:
  // Opens for reading; throws Error (io).
  explicit Descriptor(const std::filesystem::path& path)
      : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (value_ < 0) throw os_error("open", path.string(), errno);
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int value() const { return value_; }

 private:
  int value_;
};

// Calls `use(span<const byte>)` for the whole file, piece by piece, until its end rather than its
// size: pipes and /proc files have none, and a file may shrink or grow meanwhile.
template <class Use>
void read_chunks(const std::filesystem::path& path, const Use& use) {
  const Descriptor file(path);
  std::vector<std::byte> chunk(1 << 18);
  for (;;) {
    const ssize_t got = ::read(file.value(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw os_error("read", path.string(), errno);
    if (got == 0) return;
    use(std::span<const std::byte>(chunk.data(), static_cast<std::size_t>(got)));
  }
}

}  // namespace saffron::io_detail
