#include "tests/fuzz/fuzz.h"

#include <unistd.h>

#include <fstream>

namespace saffron::fuzz {
namespace fs = std::filesystem;
namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("saffron-fuzz-" + std::to_string(::getpid()));
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
};

}  // namespace

std::vector<std::string_view> parts_of(std::string_view input) {
  std::vector<std::string_view> parts;
  for (std::size_t end = input.find('\0'); end != input.npos; end = input.find('\0')) {
    parts.push_back(input.substr(0, end));
    input.remove_prefix(end + 1);
  }
  parts.push_back(input);
  return parts;
}

const fs::path& folder() {
  static const Folder own;
  return own.path;
}

fs::path write(const char* name, std::string_view content) {
  const fs::path path = folder() / name;
  std::ofstream(path, std::ios::binary)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
  return path;
}

}  // namespace saffron::fuzz
