#include "framework/recipe/vary.h"

#include "tests/framework/recipe/recipe_fixture.h"

#include <gtest/gtest.h>

namespace saffron::host::testing {
namespace {

constexpr const char* kTwo = R"(saffron = 1
[source.acts]
use = "planted"
[sae.a]
use = "topk"
reads = ["acts"]
width = 64
k = 4
[sae.b]
use = "relu"
reads = ["acts"]
width = 32
[train.all]
saes = ["a", "b"]
rows = 1000
[score.recon]
use = "reconstruction"
sae = ["a", "b"]
)";

std::string names(const std::vector<const Member*>& members) {
  std::string out;
  for (const Member* member : members) out += (out.empty() ? "" : " ") + member->name;
  return out;
}

Read grid(const std::string& vary, const std::string& more = {}) {
  Read read = read_text(std::string(kTwo) + more + "[train.all.vary]\n" + vary);
  EXPECT_EQ(read.problems(), "") << vary;
  return read;
}

TEST(Grid, WithoutVaryEverySaeIsItsOnlyMember) {
  const Read read = read_text(kTwo);
  EXPECT_EQ(names(read.recipe.expand("a")), "a");
  const TrainSpec& train = read.recipe.find("train", "all")->train();
  ASSERT_EQ(train.groups.size(), 2u);
  EXPECT_EQ(read.recipe.members[train.groups[1].members[0]].name, "b");
  EXPECT_EQ(read.recipe.members[0].train, "all");
}

TEST(Grid, MembersAreTheCrossProductOfTheKeysThatConcernThem) {
  const Read read = grid("\"a.k\" = [4, 8]\n\"a.width\" = [64, 128]\n\"b.l1\" = [1e-3, 0.0001]\n");
  EXPECT_EQ(names(read.recipe.expand("a")),
            "a[k=4,width=64] a[k=4,width=128] a[k=8,width=64] a[k=8,width=128]");
  EXPECT_EQ(names(read.recipe.expand("b")), "b[l1=0.001] b[l1=1e-4]");
  EXPECT_EQ(read.recipe.find("train", "all")->train().groups.size(), 6u);
}

TEST(Grid, AMemberCarriesItsValues) {
  const Read read = grid("\"a.k\" = [4, 8]\n\"a.aux.coef\" = [0, 0.5]\n");
  const Member& member = *read.recipe.expand("a[k=8,aux.coef=0.5]").at(0);
  EXPECT_EQ(member.component.config.at("k").as_int(), 8);
  EXPECT_EQ(member.component.config.at("aux").at("coef").as_real(), 0.5);
  EXPECT_EQ(member.component.resolved.at("aux").at("k").as_int(), 512);
  EXPECT_EQ(member.coordinates, (Coordinates{{"k", "8"}, {"aux.coef", "0.5"}}));
}

TEST(Grid, AMemberEqualsTheSameSaeWrittenAlone) {
  const Read together = grid("\"a.k\" = [4, 8]\n\"seed\" = [1, 2]\n");
  std::string alone = kTwo;
  alone.replace(alone.find("k = 4"), 5, "k = 8\nseed = 2");
  const Read single = read_text(alone);
  const Member& member = *together.recipe.expand("a[k=8,seed=2]").at(0);
  EXPECT_EQ(member.identity, single.recipe.expand("a").at(0)->identity);
  EXPECT_EQ(member.keys.seed, 2);
  EXPECT_FALSE(member.identity == together.recipe.expand("a[k=8,seed=1]").at(0)->identity);
}

TEST(Grid, SeedConcernsEverySae) {
  const Read read = grid("\"seed\" = [1, 2]\n");
  EXPECT_EQ(names(read.recipe.expand("a")), "a[seed=1] a[seed=2]");
  EXPECT_EQ(names(read.recipe.expand("b")), "b[seed=1] b[seed=2]");
}

TEST(Grid, ARegularizerOverSeveralSaesMovesThemTogether) {
  const Read read = grid("\"a.k\" = [4, 8]\n\"regularizer.pair.coef\" = [0.1, 1]\n",
                         "[train.all.regularizer.pair]\nuse = \"mutual_features\"\n"
                         "over = [\"b\", \"a\"]\ncoef = 3\n");
  EXPECT_EQ(names(read.recipe.expand("b")),
            "b[a.k=4,pair.coef=0.1] b[a.k=4,pair.coef=1] b[a.k=8,pair.coef=0.1] "
            "b[a.k=8,pair.coef=1]");
  const TrainSpec& train = read.recipe.find("train", "all")->train();
  ASSERT_EQ(train.groups.size(), 4u);
  const TrainGroup& group = train.groups[3];
  ASSERT_EQ(group.members.size(), 2u);
  EXPECT_EQ(read.recipe.members[group.members[0]].name, "a[k=8,pair.coef=1]");
  ASSERT_EQ(group.regularizers.size(), 1u);
  EXPECT_EQ(group.regularizers[0].keys.coef, 1);
  EXPECT_EQ(group.regularizers[0].keys.over, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(group.coordinates, (Coordinates{{"a.k", "8"}, {"regularizer.pair.coef", "1"}}));
}

TEST(Grid, ARegularizerOverOneSaeMovesThatOneAlone) {
  const Read read = grid("\"regularizer.h.coef\" = [0.1, 1]\n\"regularizer.h.floor\" = [1e-8]\n",
                         "[train.all.regularizer.h]\nuse = \"hoyer\"\nover = [\"b\"]\n");
  EXPECT_EQ(names(read.recipe.expand("a")), "a");
  EXPECT_EQ(names(read.recipe.expand("b")), "b[h.coef=0.1,h.floor=1e-8] b[h.coef=1,h.floor=1e-8]");
}

TEST(Grid, OverIsUnderstoodWhenThereIsOneSae) {
  std::string text = kTwo;
  text.replace(text.find("saes = [\"a\", \"b\"]"), 17, "saes = [\"a\"]");
  const Read read = read_text(text +
                              "[train.all.regularizer.h]\nuse = \"hoyer\"\ncoef = 1\n"
                              "[train.b]\nsaes = [\"b\"]\nrows = 5\n");
  ASSERT_EQ(read.problems(), "");
  EXPECT_EQ(read.recipe.find("train", "all")->train().groups[0].regularizers[0].keys.over,
            std::vector<std::string>{"a"});
}

TEST(Grid, ReferencesPickMembers) {
  const Read read = grid("\"a.k\" = [4, 8]\n\"seed\" = [1, 2]\n\"b.l1\" = [1e-4]\n");
  EXPECT_EQ(names(read.recipe.expand("a[k=8]")), "a[k=8,seed=1] a[k=8,seed=2]");
  EXPECT_EQ(names(read.recipe.expand("a[ seed = 2, k = 4 ]")), "a[k=4,seed=2]");
  EXPECT_EQ(names(read.recipe.expand("b[l1=0.0001,seed=1]")), "b[seed=1,l1=1e-4]");
  EXPECT_EQ(names(read.recipe.expand("a[k=16]")), "");
  EXPECT_EQ(names(read.recipe.expand("a[k")), "");
  EXPECT_EQ(names(read.recipe.expand("c")), "");
}

TEST(Grid, ARequiredParameterMayComeFromTheGridAlone) {
  std::string text = kTwo;
  text.erase(text.find("width = 32\n"), 11);
  const Read read = read_text(text + "[train.all.vary]\n\"b.width\" = [8, 16]\n");
  EXPECT_EQ(read.problems(), "");
  EXPECT_EQ(names(read.recipe.expand("b")), "b[width=8] b[width=16]");
  EXPECT_EQ(read.recipe.find("sae", "b")->resolved.find("width"), nullptr);
}

TEST(Grid, StreamsMayVary) {
  const Read read = grid("\"b.reads\" = [[\"acts\"], [\"acts:x\"]]\n");
  ASSERT_EQ(read.recipe.expand("b").size(), 2u);
  EXPECT_EQ(read.recipe.expand("b")[1]->keys.predicts, std::vector<std::string>{"acts:x"});
}

// The warnings of a recipe that extends kTwo with a grid, changed by `child` and `sets`.
std::string warned(const std::string& child, const std::vector<std::string>& sets) {
  const Folder folder;
  folder.write("base.toml", std::string(kTwo) +
                                "[train.all.regularizer.h]\nuse = \"hoyer\"\nover = [\"b\"]\n"
                                "coef = 1\n[train.all.vary]\n\"a.k\" = [5, 10]\n"
                                "\"regularizer.h.coef\" = [0.1]\n\"seed\" = [1, 2]\n");
  const std::string path = folder.write("child.toml", "extends = \"base.toml\"\n" + child);
  const Read read = read_file(path, sets);
  EXPECT_TRUE(read.recipe.problems.ok()) << read.problems();
  std::string out;
  for (const Problem& problem : read.recipe.problems.list()) {
    out += cat(problem.path, ": ", problem.message, "; ", problem.help, '\n');
  }
  return out;
}

TEST(Grid, AValueThatALaterLayerGivesInVainIsAWarning) {
  EXPECT_EQ(warned("", {"sae.a.k=7"}),
            "sae.a.k: value 7 has no effect: train.all.vary gives 5, 10; "
            "--set 'train.all.vary={ \"a.k\" = [7] }' changes it, "
            "--set 'train.all.vary={}' leaves the grid out\n");
  EXPECT_EQ(warned("[train.all.regularizer.h]\ncoef = 2.5\n", {}),
            "train.all.regularizer.h.coef: value 2.5 has no effect: train.all.vary gives 0.1; "
            "under [train.all], vary = { \"regularizer.h.coef\" = [2.5] } changes it, "
            "vary = {} leaves the grid out\n");
}

TEST(Grid, AValueBelowItsGridIsNoWarning) {
  EXPECT_EQ(warned("", {}), "");
  EXPECT_EQ(warned("", {"train.all.vary.\"a.width\"=[16]"}), "");
  EXPECT_EQ(warned("[sae.a]\nk = 7\n[train.all.vary]\n\"a.k\" = [1, 2]\n", {}), "");
  EXPECT_EQ(warned("", {"sae.a.k=7", "train.all.vary={ \"a.k\" = [7] }"}), "");
  EXPECT_EQ(warned("", {"train.all.vary={}", "sae.a.k=7"}), "");
  EXPECT_EQ(warned("", {"sae.a.width=32", "sae.b.l1=1"}), "");
  EXPECT_EQ(warned("", {"sae.a.seed=3"}), "");  // the grid's seeds are added to it
}

TEST(Grid, AnEmptyGridLeavesThatOfTheParentOut) {
  const Folder folder;
  folder.write("base.toml", std::string(kTwo) + "[train.all.vary]\n\"a.k\" = [5, 10]\n");
  const std::string path = folder.write(
      "child.toml", "extends = \"base.toml\"\n[sae.a]\nk = 7\n[train.all]\nvary = {}\n");
  const Read read = read_file(path);
  EXPECT_EQ(read.problems(), "");
  ASSERT_EQ(names(read.recipe.expand("a")), "a");
  EXPECT_EQ(read.recipe.expand("a")[0]->component.config.at("k").as_int(), 7);
}

TEST(Grid, NamesShowValuesShortly) {
  EXPECT_EQ(coordinate_text(Value(8)), "8");
  EXPECT_EQ(coordinate_text(Value(1e-4)), "1e-4");
  EXPECT_EQ(coordinate_text(Value(1.5e+20)), "1.5e20");
  EXPECT_EQ(coordinate_text(Value(2.0)), "2");
  EXPECT_EQ(coordinate_text(Value(0.25)), "0.25");
  EXPECT_EQ(coordinate_text(Value("relu")), "relu");
  EXPECT_EQ(coordinate_text(Value("a, b")), "\"a, b\"");
  EXPECT_EQ(coordinate_text(Value(true)), "true");
}

}  // namespace
}  // namespace saffron::host::testing
