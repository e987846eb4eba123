#include "tests/framework/recipe/recipe_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

// tests/fixtures/recipes/bad: each NAME.toml is wrong in its own way, and NAME.expected is the
// whole message that a user sees. Lines "# --set PATH=VALUE" of a recipe are its command line.

namespace saffron::host::testing {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_in(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> sets_in(const std::string& text) {
  const std::string mark = "# --set ";
  std::vector<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(mark)) out.push_back(line.substr(mark.size()));
  }
  return out;
}

// Messages as if the program had been started in the corpus' folder.
std::string without(std::string text, const std::string& prefix) {
  for (std::size_t at = 0; (at = text.find(prefix)) != std::string::npos;) {
    text.erase(at, prefix.size());
  }
  return text;
}

std::size_t entries_below(const fs::path& folder) {
  const fs::recursive_directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// The working directory for the length of a test.
class WorkingIn {
 public:
  explicit WorkingIn(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  ~WorkingIn() { fs::current_path(before_); }

 private:
  fs::path before_;
};

TEST(BadRecipes, EachHasItsMessageAndLeavesNothingOnDisk) {
  const fs::path corpus = fixture("bad");
  const std::vector<fs::path> recipes = files_in(corpus, ".toml");
  ASSERT_GE(recipes.size(), 40u);
  const Folder empty;
  const WorkingIn working(empty.path());
  const std::size_t before = entries_below(corpus);
  for (const fs::path& path : recipes) {
    SCOPED_TRACE(path.filename().string());
    const Read read = read_file(path.string(), sets_in(text_of(path)));
    EXPECT_FALSE(read.recipe.problems.ok());
    const fs::path expected = fs::path(path).replace_extension(".expected");
    EXPECT_EQ(without(read.problems(), corpus.string() + "/"), text_of(expected));
  }
  EXPECT_TRUE(fs::is_empty(empty.path()));
  EXPECT_EQ(entries_below(corpus), before);
}

TEST(BadRecipes, EveryExpectationHasItsRecipe) {
  for (const fs::path& path : files_in(fixture("bad"), ".expected")) {
    EXPECT_TRUE(fs::exists(fs::path(path).replace_extension(".toml"))) << path;
  }
}

TEST(BadRecipes, AreCorrectButForWhatTheySay) {
  EXPECT_EQ(read_file(fixture("bad/parts/base.toml")).problems(), "");
  EXPECT_EQ(read_file(fixture("good.toml")).problems(), "");
}

TEST(BadRecipes, ASecretIsNeverQuoted) {
  const Read read = read_file(fixture("bad/secret_in_recipe.toml"));
  EXPECT_EQ(read.problems().find("sk-12"), std::string::npos);
  EXPECT_FALSE(read.recipe.problems.ok());
  const Read set = read_file(fixture("good.toml"), {"score.explained.judge.key=\"sk-12 34\""});
  EXPECT_EQ(set.problems().find("sk-12"), std::string::npos) << set.problems();
  EXPECT_FALSE(set.recipe.problems.ok());
}

TEST(BadRecipes, ASecretThatIsNotSetIsAWarning) {
  const Read read =
      read_file(fixture("good.toml"), {"score.explained.judge.key=SAFFRON_TEST_NOT_SET"});
  EXPECT_TRUE(read.recipe.problems.ok()) << read.problems();
  EXPECT_NE(read.problems().find("warning: score.explained.judge.key: the environment variable "
                                 "that is named here is not set"),
            std::string::npos)
      << read.problems();
}

}  // namespace
}  // namespace saffron::host::testing
