#include "framework/loader/search_path.h"

#include "tests/framework/loader/support.h"
#include "tests/places.h"

#include <cstdlib>
#include <fstream>

namespace saffron::host {
namespace {

using testing::fixture;
using ::testing::HasSubstr;
using testing::scan_of;
using testing::TempFolder;

// Sets a variable of the environment, and puts back what was there.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    const char* old = std::getenv(name);
    if (old != nullptr) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

std::vector<std::string> paths_of(const std::vector<SearchPlace>& places) {
  std::vector<std::string> out;
  for (const SearchPlace& place : places) out.push_back(place.path.string());
  return out;
}

TEST(SearchPath, Order) {
  const Environment path("SAFFRON_PLUGIN_PATH", "/from/variable:/also");
  const Environment data("XDG_DATA_HOME", "/data");
  SearchOptions options;
  options.recipe = {{"./libmine.so", "", false, Origin{"a.toml", 3, 12}}, {"/abs", "", false, {}}};
  options.recipe_folder = "/recipes";
  options.plugin_path = {"/given:/given2", "/given3"};
  const auto places = search_places(options);
  EXPECT_THAT(paths_of(places),
              ::testing::ElementsAre("/recipes/libmine.so", "/abs", "/given", "/given2", "/given3",
                                     "/from/variable", "/also", "/data/saffron/plugins",
                                     prefix_plugins().string()));
  EXPECT_TRUE(places[0].required);
  EXPECT_EQ(places[0].origin.line, 3);
  EXPECT_TRUE(places[2].required);
  EXPECT_FALSE(places[5].required);
}

TEST(SearchPath, UsersFolderFallsBackToHome) {
  const Environment path("SAFFRON_PLUGIN_PATH", "");
  const Environment home("HOME", "/home/ada");
  const Environment data("XDG_DATA_HOME", "relative/is/ignored");
  EXPECT_EQ(search_places({})[0].path, "/home/ada/.local/share/saffron/plugins");
}

TEST(SearchPath, PrefixIsBesideTheProgram) {
  // This program is <build>/tests/loader_test.
  EXPECT_EQ(std::filesystem::weakly_canonical(prefix_plugins()),
            std::filesystem::weakly_canonical(std::filesystem::path(kBuildDir) / "lib" / "saffron" /
                                              "plugins"));
}

TEST(Scan, OneLevelSortedAndOnlyLibraries) {
  const TempFolder folder;
  folder.copy(fixture("twin"), "b.so");
  folder.copy(fixture("good"), "c.so");
  folder.copy(fixture("failing"), "deeper/a.so");
  std::ofstream(folder.path() / "README.txt") << "not looked at";
  std::ofstream(folder.path() / "a.so") << "looked at";
  const Scan found = scan_of({folder.path()});
  ASSERT_EQ(found.plugins.size(), 2u);
  EXPECT_EQ(found.plugins[0].id, "org.example.twin");
  EXPECT_EQ(found.plugins[1].id, "org.example.good");
  ASSERT_EQ(found.rejected.size(), 1u);
  EXPECT_EQ(found.rejected[0].path, folder.path() / "a.so");
  EXPECT_FALSE(found.rejected[0].required);
  EXPECT_THAT(found.rejected[0].error.message(), HasSubstr("no ELF header"));
}

TEST(Scan, AFileReachedByTwoWaysCountsOnce) {
  const TempFolder folder;
  const auto file = folder.copy(fixture("good"), "good.so");
  std::filesystem::create_symlink(file, folder.path() / "link.so");
  EXPECT_EQ(scan_of({file, folder.path()}).plugins.size(), 1u);
}

TEST(Scan, WhatSomebodyNamedMustBeThere) {
  const TempFolder folder;
  SearchOptions options;
  options.standard_places = false;
  options.recipe_folder = folder.path();
  options.recipe = {{"gone.so", "", false, Origin{"a.toml", 3, 12}}};
  const Scan found = scan(options);
  ASSERT_EQ(found.rejected.size(), 1u);
  EXPECT_TRUE(found.rejected[0].required);
  EXPECT_EQ(std::string(found.rejected[0].error.what()),
            cat("a.toml:3:12: no such plugin file or folder: '",
                (folder.path() / "gone.so").string(), "' (the recipe's plugins)"));
}

TEST(Scan, StandardPlacesMayBeMissing) {
  const Environment path("SAFFRON_PLUGIN_PATH", "/no/such/folder");
  const Environment data("XDG_DATA_HOME", "/no/such/data");
  const Scan found = scan(SearchOptions{});
  for (const Rejected& rejected : found.rejected) EXPECT_FALSE(rejected.required);
}

TEST(Scan, ABrokenLinkIsReported) {
  const TempFolder folder;
  std::filesystem::create_symlink(folder.path() / "nothing", folder.path() / "broken.so");
  const Scan found = scan_of({folder.path()});
  ASSERT_EQ(found.rejected.size(), 1u);
  EXPECT_EQ(found.rejected[0].path.filename(), "broken.so");
}

}  // namespace
}  // namespace saffron::host
