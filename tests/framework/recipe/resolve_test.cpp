#include "framework/recipe/resolve.h"

#include "tests/framework/recipe/recipe_fixture.h"

#include <gtest/gtest.h>

namespace saffron::host::testing {
namespace {

std::string canonical(const Read& read) {
  EXPECT_EQ(read.recipe.problems.errors(), 0u) << read.problems();
  return to_json(resolved_value(read.recipe), JsonStyle::canonical);
}

std::string with(const std::vector<std::string>& sets) {
  return canonical(read_file(fixture("good.toml"), sets));
}

TEST(Resolve, ReadsBackAsTheSameRecipe) {
  const Read read = read_file(fixture("good.toml"), {"sae.student.k=6", "threads=2"});
  const Read again = read_text(resolved_text(read.recipe));
  EXPECT_EQ(again.problems(), "");
  EXPECT_EQ(canonical(again), canonical(read));
  ASSERT_EQ(again.recipe.members.size(), read.recipe.members.size());
  for (std::size_t i = 0; i < read.recipe.members.size(); ++i) {
    EXPECT_EQ(again.recipe.members[i].name, read.recipe.members[i].name);
    EXPECT_EQ(again.recipe.members[i].identity, read.recipe.members[i].identity);
  }
}

TEST(Resolve, ShowsWhereEachValueComesFrom) {
  const Folder folder;
  const std::string base = folder.write("base.toml",
                                        "saffron = 1\n[source.acts]\nuse = \"planted\"\n"
                                        "width = 16\nactive = 3\n");
  const std::string path =
      folder.write("top.toml", "extends = \"base.toml\"\n[source.acts]\nwidth = 32\n");
  const Read read = read_file(path, {"source.acts.noise=0.5"});
  EXPECT_EQ(resolved_text(read.recipe), cat("saffron = 1        # ", base, ":1\n",  //
                                            "name = \"top\"       # default\n"
                                            "seed = 0           # default\n"
                                            "device = \"auto\"    # default\n"
                                            "threads = 0        # default\n"
                                            "dtype = \"float32\"  # default\n"
                                            "plugins = []       # default\n"
                                            "runs = \"runs\"      # default\n"
                                            "cache = \"cache\"    # default\n"
                                            "\n[source.acts]\n"
                                            "use = \"planted\"  # ",
                                            base, ":3\n",  //
                                            "held_out = 0.05  # default\n"
                                            "seed = 0         # default\n"
                                            "features = 512   # default\n"
                                            "width = 32       # ",
                                            path, ":3\n",                         //
                                            "active = 3.0     # ", base, ":5\n",  //
                                            "noise = 0.5      # --set #1\n"));
}

TEST(Resolve, TheIdentityIsThatOfWhatIsComputed) {
  const std::string plain = with({});
  // Written out or left to its default, spelled as int or float, by name or by full name.
  EXPECT_EQ(with({"sae.student.activation=relu"}), plain);
  EXPECT_EQ(with({"train.all.optimizer.clip=0.0"}), plain);
  EXPECT_EQ(with({"model.lm.seed=0"}), plain);
  Read renamed = read_text([] {
    std::string text = text_of(fixture("good.toml"));
    text.replace(text.find("\"llama\""), 7, "\"org.saffron.llama::llama\"");
    return text;
  }());
  EXPECT_EQ(canonical(renamed), plain);
  // What cannot change a result.
  EXPECT_EQ(with({"threads=3", "name=other", "runs=elsewhere", "cache=\"\""}), plain);
  EXPECT_EQ(with({"model.lm.verbose=true", "train.all.checkpoint_every=10"}), plain);
  EXPECT_EQ(with({"score.explained.judge.key=PATH"}), plain);
}

TEST(Resolve, TheIdentityChangesWithEverythingElse) {
  const std::string plain = with({});
  for (const char* set :
       {"seed=8", "dtype=float64", "model.lm.path=other.gguf", "source.acts.held_out=0.2",
        "sae.other.aux.k=3", "train.all.rows=5000", "train.all.batch=50",
        "train.all.optimizer.lr=0.1", "train.all.schedule.final=0.5", "train.all.seed=1",
        "train.all.regularizer.hoyer.coef=1", "train.all.regularizer.hoyer.floor=1",
        "train.all.vary.\"student.k\"=[4,8,16]", "score.explained.rows=10",
        "score.explained.judge.url=http://x", "dataset.text.tokenizer={ use = \"bytes\" }",
        "compare.epic.samples=3", "world.grid.states=4", "score.recon.sae=[\"student\"]"}) {
    EXPECT_NE(with({set}), plain) << set;
  }
}

TEST(Resolve, WhatAGridReplacesDoesNotCount) {
  EXPECT_EQ(with({"sae.student.k=7"}), with({"sae.student.k=9"}));
}

TEST(Resolve, NestedComponentsShowTheirDefaults) {
  const Read read = read_file(fixture("good.toml"), {"dataset.text.tokenizer={ use = \"bytes\" }"});
  EXPECT_EQ(to_toml(read.recipe.find("dataset", "text")->resolved.at("tokenizer")),
            "{ use = \"bytes\" }");
  EXPECT_EQ(read.recipe.find("dataset", "text")->identity.at("tokenizer").at("use").as_string(),
            "org.saffron.bytes::bytes");
}

}  // namespace
}  // namespace saffron::host::testing
