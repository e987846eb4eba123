#include "framework/recipe/resolve.h"
#include "tests/framework/recipe/fake_catalog.h"
#include "tests/fuzz/fuzz.h"

// A recipe, and after each NUL a `--set` argument. Whatever is wrong must be among the problems; a
// recipe without one must resolve to a text that reads back as the same recipe.

namespace {

using namespace saffron;

host::Recipe read(const host::Document& document) {
  host::testing::FakeCatalog catalog;
  return host::decode_recipe(document, catalog);
}

std::string identity(const host::Recipe& recipe) {
  return to_json(host::resolved_value(recipe), JsonStyle::canonical);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parts = fuzz::parts_of(fuzz::text_of(data, size));
  const std::vector<std::string> sets(parts.begin() + 1, parts.end());
  const auto path = fuzz::write("recipe.toml", parts.front());
  const host::Document document = host::read_document(path.string(), sets);
  const host::Recipe recipe = read(document);
  const std::string problems = recipe.problems.text(document.sources);
  fuzz::require(problems.empty() == recipe.problems.list().empty(), "a problem has a text");
  if (!recipe.problems.ok()) return 0;
  const auto resolved = fuzz::write("resolved.toml", host::resolved_text(recipe));
  const host::Document again = host::read_document(resolved.string(), {});
  const host::Recipe twin = read(again);
  if (!twin.problems.ok()) std::cerr << twin.problems.text(again.sources) << "\n";
  fuzz::require(twin.problems.ok(), "the resolved recipe is a recipe");
  fuzz::require(identity(twin) == identity(recipe), "the resolved recipe is the same recipe");
  return 0;
}
