#include "framework/recipe/layers.h"

#include "tests/framework/recipe/recipe_fixture.h"

#include <gtest/gtest.h>

namespace saffron::host::testing {
namespace {

constexpr const char* kBase = R"(
saffron = 1
seed = 1
[sae.student]
use = "topk"
reads = ["acts"]
width = 64
k = 4
[sae.student.aux]
coef = 0.5
[dataset.text]
use = "text"
files = ["a.txt", "b.txt"]
tokenizer = { use = "bytes", special = 3 }
[train.all.regularizer.r]
use = "hoyer"
coef = 0.1
floor = 0.2
)";

struct Layers {
  Folder folder;
  std::string child(const std::string& text) const {
    folder.write("base.toml", kBase);
    return folder.write("child.toml", "extends = \"base.toml\"\n" + text);
  }
};

std::string said(const Document& document) { return document.problems.text(document.sources); }

TEST(Layers, TablesMergeByKeyAndListsReplaceWhole) {
  const Layers layers;
  const Document document = read_document(
      layers.child("seed = 2\n[sae.student]\nk = 8\naux.k = 7\n[dataset.text]\nfiles = [\"c\"]\n"),
      {});
  ASSERT_EQ(said(document), "");
  const Value& student = document.root.at("sae").at("student");
  EXPECT_EQ(document.root.at("seed").as_int(), 2);
  EXPECT_EQ(student.at("k").as_int(), 8);
  EXPECT_EQ(student.at("width").as_int(), 64);
  EXPECT_EQ(student.at("aux").at("coef").as_real(), 0.5);
  EXPECT_EQ(student.at("aux").at("k").as_int(), 7);
  EXPECT_EQ(document.root.at("dataset").at("text").at("files").as_list().size(), 1u);
  EXPECT_EQ(document.root.find("extends"), nullptr);
}

TEST(Layers, ValuesKeepTheFileThatTheyCameFrom) {
  const Layers layers;
  const std::string path = layers.child("[sae.student]\nk = 8\n");
  const Document document = read_document(path, {"sae.student.width=32"});
  const Value& student = document.root.at("sae").at("student");
  const std::string base = (layers.folder.path() / "base.toml").string();
  EXPECT_EQ(student.at("k").origin().text(), path + ":3:5");
  EXPECT_EQ(student.find_entry("k")->key_origin.text(), path + ":3:1");
  EXPECT_EQ(student.at("reads").origin().text(), base + ":6:9");
  EXPECT_EQ(student.at("width").origin().text(), "--set #1");
  EXPECT_EQ(document.files, (std::vector<std::string>{path, base}));
}

TEST(Layers, AnotherUseReplacesTheComponentAndKeepsTheKindsOwnKeys) {
  const Layers layers;
  const std::string path = layers.child(
      "[sae.student]\nuse = \"relu\"\nl1 = 1\n"
      "[dataset.text]\ntokenizer = { use = \"other\" }\n"
      "[train.all.regularizer.r]\nuse = \"l1\"\n");
  const Document document = read_document(path, {});
  const Value& student = document.root.at("sae").at("student");
  EXPECT_EQ(student.find("width"), nullptr);
  EXPECT_EQ(student.find("aux"), nullptr);
  EXPECT_EQ(student.at("reads").as_list().size(), 1u);
  EXPECT_EQ(student.at("l1").as_int(), 1);
  EXPECT_EQ(document.root.at("dataset").at("text").at("tokenizer").find("special"), nullptr);
  EXPECT_EQ(document.root.at("dataset").at("text").at("files").as_list().size(), 2u);
  const Value& regularizer = document.root.at("train").at("all").at("regularizer").at("r");
  EXPECT_EQ(regularizer.find("floor"), nullptr);
  EXPECT_EQ(regularizer.at("coef").as_real(), 0.1);
}

TEST(Layers, TheSameUseReplacesNothing) {
  const Layers layers;
  const Document document =
      read_document(layers.child("[sae.student]\nuse = \"topk\"\n"), {"sae.student.use=topk"});
  EXPECT_EQ(document.root.at("sae").at("student").at("width").as_int(), 64);
}

TEST(Layers, ExtendsIsRelativeToItsFileAndChains) {
  const Folder folder;
  folder.write("a/base.toml", "x = 1\ny = 1\nz = 1\n");
  folder.write("a/b/middle.toml", "extends = \"../base.toml\"\ny = 2\nz = 2\n");
  const std::string path = folder.write("c/top.toml", "extends = \"../a/b/middle.toml\"\nz = 3\n");
  const Document document = read_document(path, {});
  ASSERT_EQ(said(document), "");
  EXPECT_EQ(document.root.at("x").as_int(), 1);
  EXPECT_EQ(document.root.at("y").as_int(), 2);
  EXPECT_EQ(document.root.at("z").as_int(), 3);
  EXPECT_EQ(document.files.size(), 3u);
}

TEST(Layers, ChainsHaveALimit) {
  const Folder folder;
  for (int i = 0; i < 20; ++i) {
    folder.write(cat(i, ".toml"), cat("extends = \"", i + 1, ".toml\"\n"));
  }
  const Document document = read_document((folder.path() / "0.toml").string(), {});
  EXPECT_NE(said(document).find("more than 16 files extend one another"), std::string::npos);
}

TEST(Layers, ALoopThroughAnotherNameIsFound) {
  const Folder folder;
  folder.write("sub/x", "");
  const std::string path = folder.write("a.toml", "extends = \"sub/../b.toml\"\n");
  folder.write("b.toml", "extends = \"./sub/../a.toml\"\n");
  EXPECT_NE(said(read_document(path, {})).find("the files extend one another"), std::string::npos);
}

Value set(const std::string& argument, const std::string& section, const std::string& key) {
  const Layers layers;
  const Document document = read_document(layers.child(""), {argument});
  EXPECT_EQ(said(document), "") << argument;
  return document.root.at(section).at(key);
}

TEST(Layers, SetReadsToml) {
  EXPECT_EQ(set("a.b=8", "a", "b"), Value(8));
  EXPECT_EQ(set("a.b = 8 # eight", "a", "b"), Value(8));
  EXPECT_EQ(set("a.b=1e-3", "a", "b"), Value(1e-3));
  EXPECT_EQ(set("a.b=true", "a", "b"), Value(true));
  EXPECT_EQ(set("a.b=\"8\"", "a", "b"), Value("8"));
  EXPECT_EQ(to_toml(set("a.b=[1, 'x']", "a", "b")), "[1, \"x\"]");
  EXPECT_EQ(to_toml(set("a.b={ c = 1 }", "a", "b")), "{ c = 1 }");
  EXPECT_EQ(set("a.\"b.c\"=8", "a", "b.c"), Value(8));
  EXPECT_EQ(set("a.'b=c'=8", "a", "b=c"), Value(8));
}

TEST(Layers, SetTakesABareWordAsAString) {
  EXPECT_EQ(set("a.b=relu", "a", "b"), Value("relu"));
  EXPECT_EQ(set("a.b=org.example.hoyer::hoyer", "a", "b"), Value("org.example.hoyer::hoyer"));
  EXPECT_EQ(set("a.b= data/my text.txt ", "a", "b"), Value("data/my text.txt"));
  EXPECT_EQ(set("a.b=8k", "a", "b"), Value("8k"));
  EXPECT_EQ(set("a.b=x=y", "a", "b"), Value("x=y"));
}

TEST(Layers, SetsApplyInOrderOverTheFiles) {
  const Layers layers;
  const Document document = read_document(layers.child("seed = 5\n"),
                                          {"seed=6", "sae.student.use=relu", "sae.student.width=16",
                                           "sae.student={ use = \"relu\", l1 = 2 }", "seed=7"});
  ASSERT_EQ(said(document), "");
  EXPECT_EQ(document.root.at("seed").as_int(), 7);
  EXPECT_EQ(document.root.at("seed").origin().text(), "--set #5");
  const Value& student = document.root.at("sae").at("student");
  EXPECT_EQ(student.at("width").as_int(), 16);
  EXPECT_EQ(student.find("k"), nullptr);
  EXPECT_EQ(student.at("l1").as_int(), 2);
}

TEST(Layers, AnEmptyGridReplacesTheOneBelowAndOtherGridsMerge) {
  const Layers layers;
  const std::string set = "train.all.vary={ \"student.k\" = [1], seed = [2] }";
  const auto grid = [&](const std::string& text, const std::vector<std::string>& sets) {
    const Document document = read_document(layers.child("[train.all]\n" + text), sets);
    EXPECT_EQ(said(document), "");
    return to_toml(document.root.at("train").at("all").at("vary"));
  };
  EXPECT_EQ(grid("vary = { seed = [1] }", {"train.all.vary={}"}), "{}");
  EXPECT_EQ(grid("vary = { seed = [1] }", {"train.all.vary.\"student.k\"=[3]"}),
            "{ seed = [1], \"student.k\" = [3] }");
  EXPECT_EQ(grid("vary = { seed = [1] }", {"train.all.vary={}", set}),
            "{ \"student.k\" = [1], seed = [2] }");
  EXPECT_EQ(grid("[train.all.vary]", {set}), "{ \"student.k\" = [1], seed = [2] }");
  const std::string parent = layers.child("[train.all.vary]\nseed = [1]");
  const std::string path =
      layers.folder.write("grandchild.toml", "extends = \"child.toml\"\n[train.all.vary]\n");
  EXPECT_EQ(to_toml(read_document(parent, {}).root.at("train").at("all").at("vary")),
            "{ seed = [1] }");
  EXPECT_EQ(to_toml(read_document(path, {}).root.at("train").at("all").at("vary")), "{}");
}

TEST(Layers, OtherEmptyTablesTakeNothingAway) {
  const Layers layers;
  const Document document = read_document(layers.child(""), {"sae.student.aux={}", "sae={}"});
  EXPECT_EQ(document.root.at("sae").at("student").at("aux").at("coef").as_real(), 0.5);
}

TEST(Layers, AnUnreadableFileIsAProblemAndNotAnException) {
  const Document document = read_document("/no/such/recipe.toml", {});
  EXPECT_FALSE(document.complete);
  EXPECT_EQ(said(document),
            "error: cannot read '/no/such/recipe.toml': No such file or directory\n1 error\n");
}

TEST(Layers, WhatIsFarTooLargeForARecipeIsNotRead) {
  const Folder folder;
  const std::string path = folder.write("a.toml", std::string(2u << 20, '#'));
  EXPECT_NE(said(read_document(path, {})).find("larger than 1 MB"), std::string::npos);
}

TEST(Layers, ManyKeysAndProblemsTakeNoTime) {
  std::string text = "saffron = 1\n";
  for (int i = 0; i < 20000; ++i) text += cat("k", i, " = 1\n");
  const Read read = read_text(text);
  EXPECT_EQ(read.recipe.problems.errors(), 20000u);
}

}  // namespace
}  // namespace saffron::host::testing
