#include <saffron/error.h>
#include <saffron/files.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include <filesystem>
#include <fstream>

namespace saffron {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

class ExpandFiles : public testing::Test {
 protected:
  ExpandFiles() : folder_(fs::temp_directory_path() / cat("saffron-files-", ::getpid())) {
    fs::create_directories(folder_ / "inner.txt");  // a folder that a pattern matches too
    for (const char* name : {"b.txt", "a.txt", "Z.txt", "a.md", "[a].txt"}) {
      std::ofstream(folder_ / name) << name;
    }
  }
  ~ExpandFiles() override { fs::remove_all(folder_); }

  // Names below the folder.
  [[nodiscard]] std::vector<std::string> expand(std::vector<std::string> patterns) const {
    for (std::string& pattern : patterns) pattern = (folder_ / pattern).string();
    std::vector<std::string> names = expand_files(patterns);
    for (std::string& name : names) name = fs::path(name).lexically_relative(folder_).string();
    return names;
  }
  [[nodiscard]] std::string message(std::vector<std::string> patterns, ErrorKind kind) const {
    try {
      (void)expand(std::move(patterns));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      return error.what();
    }
    return "nothing was thrown";
  }

  fs::path folder_;
};

TEST_F(ExpandFiles, SortsTheMatchesOfAPatternByBytes) {
  EXPECT_THAT(expand({"*.txt"}), ElementsAre("Z.txt", "[a].txt", "a.txt", "b.txt"));
  EXPECT_THAT(expand({"a.{txt,md}"}), ElementsAre("a.md", "a.txt"));
}

TEST_F(ExpandFiles, KeepsTheOrderOfPatternsAndEachFileOnce) {
  EXPECT_THAT(expand({"b.txt", "[ab].txt", "./a.md", "a.*"}),
              ElementsAre("b.txt", "a.txt", "./a.md"));
  fs::create_symlink(folder_ / "a.md", folder_ / "link.md");
  EXPECT_THAT(expand({"*.md"}), ElementsAre("a.md"));
}

TEST_F(ExpandFiles, TakesAPathThatExistsAsItIs) {
  fs::remove(folder_ / "a.txt");
  EXPECT_THAT(expand({"[a].txt"}), ElementsAre("[a].txt"));
}

TEST_F(ExpandFiles, SaysWhatIsNotThere) {
  EXPECT_THAT(message({"*.csv"}, ErrorKind::io), HasSubstr("no file matches '"));
  EXPECT_THAT(message({"c.txt"}, ErrorKind::io), HasSubstr("there is no file '"));
  EXPECT_THAT(message({"inner*"}, ErrorKind::io), HasSubstr("no file matches '"));
  EXPECT_THAT(message({"inner.txt"}, ErrorKind::invalid), HasSubstr("is a folder, not a file"));
}

}  // namespace
}  // namespace saffron
