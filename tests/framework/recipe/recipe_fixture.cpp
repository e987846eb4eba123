#include "tests/framework/recipe/recipe_fixture.h"
#include "tests/places.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace saffron::host::testing {
namespace fs = std::filesystem;

Folder::Folder() {
  std::string name = (fs::temp_directory_path() / "saffron-recipe-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw Error(ErrorKind::io, "no temporary folder");
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Folder::write(const std::string& name, const std::string& text) const {
  const fs::path file = path_ / name;
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
  return file.string();
}

Read read_file(const std::string& path, const std::vector<std::string>& sets) {
  FakeCatalog catalog;
  Read out{read_document(path, sets), {}};
  out.recipe = decode_recipe(out.document, catalog);
  return out;
}

Read read_text(const std::string& text, const std::vector<std::string>& sets) {
  const Folder folder;
  return read_file(folder.write("recipe.toml", text), sets);
}

std::string fixture(const std::string& name) {
  return cat(kSourceDir, "/tests/fixtures/recipes/", name);
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorKind::io, "cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

}  // namespace saffron::host::testing
