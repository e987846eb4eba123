#pragma once

#include <saffron/error.h>

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace saffron::test {

// A folder of the running test alone, removed at its end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "saffron-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw Error(ErrorKind::io, "cannot make a temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace saffron::test
