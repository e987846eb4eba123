#include "framework/loader/catalog.h"

#include "framework/loader/load.h"
#include "framework/loader/plugin_catalog.h"
#include "tests/framework/loader/support.h"

#include <saffron/io.h>

#include <algorithm>
#include <fstream>

namespace saffron::host {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::fixture;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::scan_of;
using testing::TempFolder;

// A copy of the good plugin with an id of its own: the section's text is changed in place.
void write_clone(const std::filesystem::path& path, const std::string& original, int number) {
  std::string bytes = original;
  std::string id = std::to_string(number);
  id = "org.example.g" + std::string(3 - id.size(), '0') + id;  // as long as org.example.good
  const std::string before = "\nid=org.example.good\n";
  const std::size_t at = bytes.find(before);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, before.size(), "\nid=" + id + "\n");
  std::ofstream(path, std::ios::binary) << bytes;
}

bool is_mapped(const std::filesystem::path& folder) {
  return read_text("/proc/self/maps").find(folder.string()) != std::string::npos;
}

TEST(Catalog, AScanOfAHundredPluginsLoadsNone) {
  const TempFolder folder;
  const std::string original = read_text(fixture("good"));
  for (int i = 0; i < 100; ++i) {
    write_clone(folder.path() / cat("lib", i, ".so"), original, i);
  }
  const std::size_t before = loaded_count();
  const Catalog catalog(scan_of({folder.path()}));
  EXPECT_EQ(catalog.plugins().size(), 100u);
  EXPECT_EQ(catalog.find("regularizer", "org.example.g042::hoyer").file->id, "org.example.g042");
  EXPECT_EQ(catalog.list("regularizer").size(), 300u);
  EXPECT_EQ(loaded_count(), before);
  EXPECT_FALSE(is_mapped(folder.path()));
}

TEST(Catalog, OnlyWhatIsAskedForIsLoaded) {
  const TempFolder folder;
  folder.copy(fixture("good"), "good.so");
  folder.copy(fixture("twin"), "twin.so");
  const Catalog catalog(scan_of({folder.path()}));
  const std::size_t before = loaded_count();
  const Component lonely = catalog.load("regularizer", "lonely");
  EXPECT_EQ(lonely.full_name(), "org.example.twin::lonely");
  EXPECT_EQ(loaded_count(), before + 1);
  EXPECT_TRUE(is_mapped(folder.path() / "twin.so"));
  EXPECT_FALSE(is_mapped(folder.path() / "good.so"));
  const Component again = catalog.load("regularizer", "org.example.twin::lonely");
  EXPECT_EQ(loaded_count(), before + 1);
  EXPECT_EQ(&again.row(), &lonely.row());
}

TEST(Catalog, TwoPluginsWithOneComponentAreAQuestion) {
  const Catalog catalog(scan_of({fixture("good"), fixture("twin")}));
  const Error error = error_of([&] { return catalog.find("regularizer", "hoyer"); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_EQ(error.message(), cat("several plugins have a regularizer named 'hoyer':\n  ",
                                 fixture("good").string(), "  (org.example.good 0.1.0)\n  ",
                                 fixture("twin").string(), "  (org.example.twin 0.3.0)"));
  EXPECT_EQ(error.help(),
            "say which: use = \"org.example.good::hoyer\" or "
            "use = \"org.example.twin::hoyer\"");
  EXPECT_EQ(catalog.find("regularizer", "org.example.twin::hoyer").file->path, fixture("twin"));
}

TEST(Catalog, UnknownNamesGetHelp) {
  const TempFolder folder;
  std::ofstream(folder.path() / "notes.so") << "text";
  const Catalog catalog(scan_of({fixture("good"), folder.path()}));
  const Error error = error_of([&] { return catalog.find("regularizer", "hoyr"); });
  EXPECT_EQ(error.message(), "no regularizer is named 'hoyr'");
  EXPECT_EQ(error.help(), cat("did you mean 'hoyer'?\n"
                              "        regularizer names found: hoyer, referring, talkative\n"
                              "        searched   ",
                              fixture("good").string(),
                              "  (--plugin-path)\n"
                              "        searched   ",
                              folder.path().string(),
                              "  (--plugin-path)\n"
                              "        not taken  ",
                              (folder.path() / "notes.so").string(),
                              ": not a shared library: the file has no ELF header"));
}

TEST(Catalog, UnknownKindsPluginsAndMixedUpKinds) {
  const Catalog catalog(scan_of({fixture("good")}));
  const auto text = [&](const char* kind, const char* use) {
    return std::string(error_of([&] { return catalog.find(kind, use); }).what());
  };
  EXPECT_THAT(
      text("regulariser", "hoyer"),
      HasSubstr("there is no kind of component 'regulariser' (did you mean 'regularizer'?)"));
  EXPECT_THAT(text("sae", "hoyer"), HasSubstr("'hoyer' is a regularizer of plugin "
                                              "'org.example.good', not an sae"));
  EXPECT_THAT(text("sae", "hoyer"), HasSubstr("no sae was found at all"));
  EXPECT_THAT(text("regularizer", "org.example.god::hoyer"),
              HasSubstr("no regularizer is named 'hoyer' in plugin 'org.example.god'\n  help: no "
                        "plugin with id 'org.example.god' was found; did you mean "
                        "'org.example.good'?"));
}

TEST(Catalog, ThePluginFoundFirstWinsWithANote) {
  const TempFolder folder;
  const auto first = folder.copy(fixture("good"), "first/good.so");
  const auto second = folder.copy(fixture("good"), "second/good.so");
  const Catalog catalog(scan_of({first, second}));
  EXPECT_EQ(catalog.plugins().size(), 1u);
  EXPECT_EQ(catalog.find("regularizer", "hoyer").file->path, first);
  EXPECT_THAT(catalog.notes(),
              ElementsAre(cat("plugin 'org.example.good' was found twice: ", first.string(),
                              " (0.1.0) is used, because it comes first in the search order; ",
                              second.string(), " (0.1.0) is not")));
}

TEST(Catalog, APluginThatDoesNotFitIsNotPassedOver) {
  const std::size_t before = loaded_count();
  const Catalog catalog(scan_of({fixture("other_torch"), fixture("good")}));
  const Error error = error_of([&] { return catalog.find("regularizer", "idle"); });
  EXPECT_EQ(error.kind(), ErrorKind::plugin);
  EXPECT_THAT(error.message(),
              HasSubstr("plugin 'org.example.other_torch' was built for a different LibTorch"));
  EXPECT_EQ(catalog.find("regularizer", "hoyer").file->id, "org.example.good");
  EXPECT_EQ(loaded_count(), before);
}

TEST(Catalog, ProblemsAreThoseOfWhatWasNamed) {
  const TempFolder folder;
  std::ofstream(folder.path() / "notes.so") << "text";
  EXPECT_TRUE(Catalog(scan_of({folder.path()})).problems().empty());
  const auto problems = Catalog(scan_of({folder.path() / "notes.so"})).problems();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0].message(), HasSubstr("no ELF header"));
}

TEST(PluginCatalogOf, AnswersForRecipes) {
  const Catalog catalog(scan_of({fixture("good"), fixture("twin")}));
  PluginCatalog recipes(catalog);
  EXPECT_THAT(recipes.resolve("regularizer", "hoyer"),
              ElementsAre("org.example.good::hoyer", "org.example.twin::hoyer"));
  EXPECT_THAT(recipes.resolve("regularizer", "org.example.twin::hoyer"),
              ElementsAre("org.example.twin::hoyer"));
  EXPECT_TRUE(recipes.resolve("sae", "hoyer").empty());
  EXPECT_THAT(recipes.plugin_ids(), ElementsAre("org.example.good", "org.example.twin"));
  EXPECT_THAT(recipes.names("regularizer"), ::testing::Contains("talkative"));

  const std::vector<ParamInfo> params = recipes.params("regularizer", "org.example.good::hoyer");
  ASSERT_EQ(params.size(), 6u);
  EXPECT_EQ(params[0].name, "floor");
  EXPECT_EQ(params[0].range, "> 0");
  EXPECT_EQ(*params[0].default_value, Value(1e-8));
  EXPECT_EQ(params[1].unit, "steps");
  EXPECT_THAT(params[2].choices, ElementsAre("l2", "linf"));
  EXPECT_TRUE(params[4].list);
  EXPECT_TRUE(params[4].unhashed);
  ASSERT_EQ(params[5].fields.size(), 1u);
  EXPECT_EQ(params[5].fields[0].name, "share");

  Value config = Value::table();
  config.set("flor", Value(1.0));
  Decoded decoded;
  decoded.path = "train.all.regularizer.hoyer";
  recipes.decode("regularizer", "org.example.good::hoyer", config, decoded);
  ASSERT_EQ(decoded.problems.size(), 1u);
  EXPECT_THAT(decoded.problems[0].help, HasSubstr("did you mean 'floor'?"));
}

}  // namespace
}  // namespace saffron::host
