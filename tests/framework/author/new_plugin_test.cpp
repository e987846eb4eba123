#include "framework/author/new_plugin.h"

#include "framework/author/folder_writer.h"
#include "framework/recipe/kinds.h"
#include "tests/framework/loader/support.h"
#include "tests/places.h"

#include <saffron/io.h>

#include <algorithm>
#include <fstream>
#include <regex>

namespace saffron::host {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using testing::error_of;
using testing::fixture;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempFolder;

const Catalog& no_plugins() {
  static const Catalog catalog{Scan()};
  return catalog;
}

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) out.push_back(fs::relative(entry.path(), folder).string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// What is said when NAME of KIND is asked for; checks that nothing was written.
std::string refusal(const std::string& name, const std::string& kind, const std::string& id = "") {
  const TempFolder folder;
  const Error error = error_of([&] {
    (void)make_plugin({.name = name, .kind = kind, .id = id, .directory = folder.path() / "p"},
                      no_plugins());
  });
  EXPECT_THAT(files_below(folder.path()), IsEmpty());
  EXPECT_FALSE(fs::exists(folder.path() / "p"));
  return error.what();
}

class EveryKind : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryKind, IsMadeWhole) {
  const TempFolder folder;
  const MadePlugin made = make_plugin({.name = "two_words",
                                       .kind = GetParam(),
                                       .id = "org.test.words",
                                       .directory = folder.path() / "new"},
                                      no_plugins());
  EXPECT_EQ(files_below(folder.path() / "new"), made.files);
  for (const char* file : {".github/workflows/ci.yml", "CMakeLists.txt", "README.md",
                           "two_words.cpp", "two_words_test.cpp"}) {
    EXPECT_THAT(made.files, Contains(file));
  }
  const bool shown = GetParam() != "explainer" && GetParam() != "judge";  // by a recipe
  EXPECT_EQ(made.recipe, shown);
  EXPECT_EQ(std::count(made.files.begin(), made.files.end(), "two_words.toml"), shown);
  EXPECT_EQ(made.note, "");

  const std::regex marker("@[A-Z_]+@");
  std::string all;
  for (const std::string& file : made.files) {
    const std::string text = read_utf8(folder.path() / "new" / file);
    EXPECT_FALSE(std::regex_search(text, marker)) << file;
    EXPECT_EQ(text.back(), '\n') << file;
    all += text;
  }
  const std::string source = read_utf8(folder.path() / "new" / "two_words.cpp");
  EXPECT_THAT(source, HasSubstr("class TwoWords final"));
  EXPECT_THAT(source, HasSubstr("\"org.test.words\", \"0.1.0\""));
  EXPECT_THAT(source, HasSubstr("(\"two_words\", "));
  EXPECT_THAT(source, HasSubstr("// Change first:"));
  EXPECT_THAT(source,
              HasSubstr("// What holds for every " + (GetParam() == "sae" ? "SAE" : GetParam())));
  EXPECT_THAT(all, HasSubstr("SAFFRON_CONFORMANCE_TESTS();"));
  EXPECT_THAT(all, HasSubstr("find_package(Saffron 0.1 REQUIRED)"));
}

TEST_P(EveryKind, LinesStayShort) {
  const TempFolder folder;
  const MadePlugin made = make_plugin(
      {.name = "sparse", .kind = GetParam(), .id = "", .directory = folder.path() / "p"},
      no_plugins());
  for (const std::string& file : made.files) {
    std::ifstream stream(folder.path() / "p" / file);
    for (std::string line; std::getline(stream, line);) {
      EXPECT_LE(line.size(), file.ends_with(".cpp") ? 100u : 120u) << file << ": " << line;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(NewPlugin, EveryKind, ::testing::ValuesIn(kind_names()),
                         [](const auto& given) { return given.param; });

TEST(NewPlugin, ClassNames) {
  EXPECT_EQ(class_name("hoyer"), "Hoyer");
  EXPECT_EQ(class_name("two_words"), "TwoWords");
  EXPECT_EQ(class_name("l1_of_2x"), "L1Of2x");
  EXPECT_EQ(class_name("a__b_"), "AB");
}

TEST(NewPlugin, RefusesNamesThatAreNoNames) {
  for (const char* name :
       {"", "Hoyer", "top-k", "2nd", "_x", "a b", "grün", "a/b", "..", "x@NAME@"}) {
    EXPECT_THAT(refusal(name, "sae"), HasSubstr("cannot be a plugin's name")) << name;
  }
  EXPECT_THAT(refusal("Top-K", "sae"), HasSubstr("for example: top_k"));
  EXPECT_THAT(refusal("gatedSAE", "sae"), HasSubstr("for example: gated_sae"));
  EXPECT_THAT(refusal("-", "sae"), HasSubstr("for example: hoyer"));
  EXPECT_THAT(refusal("class", "sae"), HasSubstr("it is a word of C++ itself"));
  EXPECT_THAT(refusal("co_yield", "sae"), HasSubstr("for example: my_co_yield"));
  EXPECT_THAT(refusal("options", "sae"), HasSubstr("its class would be named Options"));
  EXPECT_THAT(refusal("größe", "sae"), HasSubstr("for example: groesse"));
  EXPECT_THAT(refusal("Élan", "sae"), HasSubstr("for example: elan"));
}

// Macros of the headers that a source includes: EOF, E2BIG.
TEST(NewPlugin, RefusesClassesThatMayBeMacros) {
  EXPECT_THAT(refusal("e_o_f", "sae"), HasSubstr("its class would be named EOF, as macros are"));
  EXPECT_THAT(refusal("e2_b_i_g", "format"), HasSubstr("for example: my_e2_b_i_g"));
  EXPECT_THAT(refusal("max_type_index", "sae"), HasSubstr("its class would be named MaxTypeIndex"));
  const TempFolder folder;
  EXPECT_NO_THROW((void)make_plugin(
      {.name = "e_of", .kind = "sae", .id = "", .directory = folder.path() / "p"}, no_plugins()));
}

// What is suggested instead is a name that can be.
TEST(NewPlugin, SuggestsNamesThatWork) {
  for (const char* name : {"class", "Class", "class!", "e_o_f", "E-O-F", "größe", "Options",
                           "options", "", "-", "2nd", "ñ", "co_yield", "Max Type Index"}) {
    const std::string text = refusal(name, "sae");
    const std::string lead = "for example: ";
    ASSERT_THAT(text, HasSubstr(lead)) << name;
    const std::string other = text.substr(text.find(lead) + lead.size());
    const TempFolder folder;
    EXPECT_NO_THROW((void)make_plugin(
        {.name = other, .kind = "sae", .id = "", .directory = folder.path() / "p"}, no_plugins()))
        << name << " gives " << other;
  }
}

// The template's class would meet a struct or a `using` of its own name.
TEST(NewPlugin, RefusesClassesThatTheTemplateHas) {
  EXPECT_THAT(refusal("counts", "scorer"), HasSubstr("uses Counts for something else"));
  EXPECT_THAT(refusal("trained_sae", "scorer"), HasSubstr("uses TrainedSae for something else"));
  EXPECT_THAT(refusal("error", "format"), HasSubstr("choose another name"));
  EXPECT_THAT(refusal(std::string(65, 'a'), "sae"), HasSubstr("at most 64 characters"));
  EXPECT_THAT(refusal("counts", "scorer"), HasSubstr("for example: my_counts"));
}

TEST(NewPlugin, RefusesKindsAndIdsThatAreNone) {
  const std::string text = refusal("x", "regulariser");
  EXPECT_THAT(text,
              HasSubstr("'regulariser' is no kind of component (did you mean 'regularizer'?)"));
  EXPECT_THAT(text, HasSubstr("'explainer' and 'judge'"));
  EXPECT_THAT(refusal("x", "../sae"), HasSubstr("is no kind"));
  EXPECT_THAT(refusal("x", ""), HasSubstr("is no kind"));
  EXPECT_THAT(refusal("x", "sae", "a\"b"), HasSubstr("cannot be a plugin's id"));
  for (const char* id : {"", ".", "org.", ".org", "org..example"}) {
    EXPECT_THAT(error_of([&] { check_plugin_id(id); }).what(),
                HasSubstr("cannot be a plugin's id"));
  }
  EXPECT_NO_THROW(check_plugin_id("org.example.my-plugin_2"));
}

TEST(NewPlugin, LeavesWhatIsThereAlone) {
  const TempFolder folder;
  fs::create_directories(folder.path() / "full");
  std::ofstream(folder.path() / "full" / "mine.txt") << "precious";
  std::ofstream(folder.path() / "file") << "precious";
  for (const char* name : {"full", "file"}) {
    const Error error = error_of([&] {
      (void)make_plugin({.name = "x", .kind = "sae", .id = "", .directory = folder.path() / name},
                        no_plugins());
    });
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_THAT(error.help(), HasSubstr("--directory DIR")) << name;
  }
  EXPECT_EQ(files_below(folder.path()), (std::vector<std::string>{"file", "full/mine.txt"}));
}

TEST(NewPlugin, TakesAnEmptyFolderAndMakesThoseAbove) {
  const TempFolder folder;
  fs::create_directories(folder.path() / "empty");
  for (const char* name : {"empty/", "a/b/c", "a/b/d/../e/."}) {
    const MadePlugin made = make_plugin(
        {.name = "x", .kind = "sae", .id = "", .directory = folder.path() / name}, no_plugins());
    EXPECT_EQ(files_below((folder.path() / name).lexically_normal()), made.files) << name;
  }
  EXPECT_FALSE(fs::exists(folder.path() / "a" / "b" / "d"));
}

// A template's own recipe compares with Saffron's topk.
TEST(NewPlugin, NamesANamesakeInFullToo) {
  const TempFolder folder;
  const Catalog catalog(testing::scan_of({fs::path(kBuildDir) / "lib/saffron/plugins/libtopk.so"}));
  static_cast<void>(make_plugin(
      {.name = "topk", .kind = "sae", .id = "", .directory = folder.path() / "p"}, catalog));
  const std::string recipe = read_utf8(folder.path() / "p" / "topk.toml");
  EXPECT_THAT(recipe, HasSubstr("use   = \"org.example.topk::topk\""));
  EXPECT_THAT(recipe, HasSubstr("use   = \"org.saffron.topk::topk\""));
  EXPECT_THAT(recipe, ::testing::Not(HasSubstr("use   = \"topk\"")));
}

TEST(NewPlugin, NotesANamesakeAndNamesItselfInFull) {
  const TempFolder folder;
  const Catalog catalog(testing::scan_of({fixture("good")}));
  const MadePlugin made = make_plugin(
      {.name = "hoyer", .kind = "regularizer", .id = "", .directory = folder.path() / "p"},
      catalog);
  EXPECT_EQ(made.use, "org.example.hoyer::hoyer");
  EXPECT_THAT(made.note,
              HasSubstr("there is a regularizer 'hoyer' already, of 'org.example.good'"));
  EXPECT_THAT(read_utf8(folder.path() / "p" / "hoyer.toml"),
              HasSubstr("use = \"org.example.hoyer::hoyer\""));
  // One's own plugin, built earlier, is no namesake.
  EXPECT_EQ(make_plugin({.name = "hoyer",
                         .kind = "regularizer",
                         .id = "org.example.good",
                         .directory = folder.path() / "own"},
                        catalog)
                .note,
            "");
}

TEST(FolderWriter, LeavesNothingWithoutCommit) {
  const TempFolder folder;
  fs::create_directories(folder.path() / "empty");
  for (const char* name : {"above/new", "empty"}) {
    FolderWriter writer(folder.path() / name);
    writer.write("a.txt", "a");
    writer.write("deep/b.txt", "b");
    EXPECT_THROW(writer.write("a.txt/c.txt", "c"), std::exception);
  }
  EXPECT_THAT(files_below(folder.path()), IsEmpty());
  EXPECT_FALSE(fs::exists(folder.path() / "above"));
  EXPECT_TRUE(fs::is_empty(folder.path() / "empty"));
}

TEST(FolderWriter, KeepsWhatCameBetween) {
  const TempFolder folder;
  {
    FolderWriter writer(folder.path() / "above" / "new");
    writer.write("a.txt", "a");
    std::ofstream(folder.path() / "above" / "theirs.txt") << "precious";
  }
  EXPECT_EQ(files_below(folder.path()), std::vector<std::string>{"above/theirs.txt"});
}

TEST(ShellWord, QuotesWhatAShellWouldRead) {
  EXPECT_EQ(shell_word("/opt/saffron-0.1"), "/opt/saffron-0.1");
  EXPECT_EQ(shell_word("my plugins"), "'my plugins'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace saffron::host
