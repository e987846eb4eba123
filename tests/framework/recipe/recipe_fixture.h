#pragma once

#include "framework/recipe/recipe.h"
#include "tests/framework/recipe/fake_catalog.h"

#include <filesystem>
#include <string>
#include <vector>

namespace saffron::host::testing {

// A folder of its own, removed at the end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& text) const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Read {
  Document document;
  Recipe recipe;
  [[nodiscard]] std::string problems() const { return recipe.problems.text(document.sources); }
};

[[nodiscard]] Read read_file(const std::string& path, const std::vector<std::string>& sets = {});
// A recipe from its text, by way of a file "recipe.toml".
[[nodiscard]] Read read_text(const std::string& text, const std::vector<std::string>& sets = {});

// tests/fixtures/recipes/<name>
[[nodiscard]] std::string fixture(const std::string& name);
[[nodiscard]] std::string text_of(const std::filesystem::path& path);

}  // namespace saffron::host::testing
