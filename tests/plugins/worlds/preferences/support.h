#pragma once

#include "plugins/worlds/preferences/preferences.h"
#include "tests/temporary_folder.h"

#include <saffron/io.h>

#include <string>

namespace saffron::testing {

// A file of this test's own with that text, and the options that read it.
class ScoresFile {
 public:
  explicit ScoresFile(std::string_view text, const std::string& name = "s.csv")
      : path_(folder_ / name) {
    write_file_atomic(path_, text);
    options.path.value = path_.string();
  }
  [[nodiscard]] std::string path() const { return path_.string(); }

  plugins::Preferences::Options options;

 private:
  test::TemporaryFolder folder_;
  std::filesystem::path path_;
};

}  // namespace saffron::testing
