#include <saffron/testing/stdout_capture.h>

#include <saffron/error.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace saffron::testing {
namespace {

constexpr off_t kMost = 1 << 20;

void flush() {
  std::fflush(stdout);
  std::cout.flush();
}

}  // namespace

StdoutCapture::StdoutCapture()
    : file_(::memfd_create("stdout", MFD_CLOEXEC | MFD_ALLOW_SEALING)), kept_(::dup(1)) {
  // The file is memory that no process seems to hold: it must not grow.
  if (file_ < 0 || kept_ < 0 || ::ftruncate(file_, kMost) != 0 ||
      ::fcntl(file_, F_ADD_SEALS, F_SEAL_GROW) != 0)
    throw Error(ErrorKind::io, "cannot capture standard output");
  flush();
  ::dup2(file_, 1);
}

StdoutCapture::~StdoutCapture() {
  flush();
  ::dup2(kept_, 1);
  ::close(kept_);
  ::close(file_);
}

std::string StdoutCapture::text(std::size_t most) const {
  flush();
  const off_t written = ::lseek(file_, 0, SEEK_CUR);
  std::string out(std::min(most, static_cast<std::size_t>(std::max<off_t>(0, written))), '\0');
  const ssize_t n = ::pread(file_, out.data(), out.size(), 0);
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

}  // namespace saffron::testing
