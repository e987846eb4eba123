#include "framework/recipe/recipe.h"

#include "framework/recipe/kinds.h"
#include "tests/framework/recipe/recipe_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace saffron::host::testing {
namespace {

constexpr const char* kSmall = R"(saffron = 1
[source.acts]
use = "planted"
[sae.student]
use = "topk"
reads = ["acts"]
width = 64
[train.all]
saes = ["student"]
rows = 1000
[score.recon]
use = "reconstruction"
sae = ["student"]
)";

TEST(Recipe, DecodesNodesInTheOrderOfTheFile) {
  const Read read = read_file(fixture("good.toml"));
  ASSERT_EQ(read.problems(), "");
  std::string order;
  for (const NodeSpec& node : read.recipe.nodes) order += node.path() + ' ';
  EXPECT_EQ(order,
            "model.lm dataset.text source.acts sae.student sae.other sae.plain train.all "
            "score.recon score.explained world.grid compare.epic ");
}

TEST(Recipe, DecodesTheKindsOwnKeys) {
  const Read read = read_file(fixture("good.toml"));
  const Recipe& recipe = read.recipe;
  EXPECT_EQ(recipe.settings.name, "good");
  EXPECT_EQ(recipe.settings.seed, 7);
  EXPECT_EQ(recipe.find("source", "acts")->source().held_out, 0.1);
  EXPECT_EQ(recipe.find("sae", "other")->sae().predicts,
            std::vector<std::string>{"acts:layers.1.resid_post"});
  EXPECT_EQ(recipe.find("sae", "plain")->sae().predicts, recipe.find("sae", "plain")->sae().reads);
  const TrainSpec& train = recipe.find("train", "all")->train();
  EXPECT_EQ(train.rows, 4000);
  EXPECT_EQ(train.batch, 100);
  EXPECT_EQ(train.optimizer.lr, 1e-3);
  EXPECT_EQ(train.optimizer.clip, 0);
  EXPECT_EQ(train.optimizer.beta2, 0.999);
  EXPECT_EQ(train.schedule.warmup, 0.1);
  EXPECT_EQ(train.schedule.shape, Schedule::Shape::cosine);
  EXPECT_EQ(train.source, "acts");
  EXPECT_EQ(train.objective.id, "org.saffron.mse::mse");
  ASSERT_EQ(train.regularizers.size(), 2u);
  EXPECT_EQ(train.regularizers[1].name, "hoyer");
  EXPECT_EQ(train.regularizers[1].component.id, "org.example.hoyer::hoyer");
  EXPECT_EQ(train.regularizers[1].keys.coef, 1e-4);
  EXPECT_EQ(train.regularizers[1].keys.warmup, 0.5);
  EXPECT_EQ(recipe.find("score", "explained")->score().split, SplitName::train);
  EXPECT_EQ(recipe.find("score", "explained")->score().rows, 1000);
  EXPECT_EQ(recipe.find("score", "recon")->score().rows, std::nullopt);
  EXPECT_EQ(recipe.find("compare", "epic")->compare().world, "grid");
}

TEST(Recipe, GivesAComponentItsOwnParametersOnly) {
  const Read read = read_file(fixture("good.toml"));
  EXPECT_EQ(to_toml(read.recipe.find("sae", "other")->component.config),
            "{ width = 64, aux = { coef = 0 } }");
  EXPECT_EQ(to_toml(read.recipe.find("score", "explained")->component.config),
            "{ sae = [\"other\"], judge = { use = \"http\", url = \"http://localhost:8080\" } }");
  EXPECT_EQ(read.recipe.find("dataset", "text")->component.hashed_files,
            (std::vector<std::string>{"data/a.txt", "data/*.md"}));
}

TEST(Recipe, KnowsWhatEachNodeRefersTo) {
  const Read read = read_file(fixture("good.toml"));
  const auto references = [&](const char* section, const char* name) {
    std::string out;
    for (const Decoded::Reference& r : read.recipe.find(section, name)->references) {
      out += cat(r.kind, ' ', r.node, ' ', r.path, "; ");
    }
    return out;
  };
  EXPECT_EQ(references("dataset", "text"), "tokenizer lm dataset.text.tokenizer; ");
  EXPECT_EQ(references("source", "acts"),
            "model lm source.acts.model; dataset text source.acts.dataset; ");
  EXPECT_EQ(references("sae", "other"),
            "source acts sae.other.reads[0]; source acts sae.other.predicts[0]; ");
  EXPECT_EQ(references("compare", "epic"), "world grid compare.epic.world; ");
  EXPECT_EQ(references("score", "recon"),
            "sae student score.recon.sae[0]; sae plain[l1=0.001] score.recon.sae[1]; "
            "sae other[student.k=8] score.recon.sae[2]; ");
}

TEST(Recipe, NestedReferencesCount) {
  const std::string text = std::string(kSmall) +
                           "[model.lm]\nuse = \"llama\"\npath = \"x\"\n"
                           "[train.all.objective]\nuse = \"kl\"\nmodel = \"lm\"\n"
                           "[train.all.regularizer.d]\nuse = \"distil\"\ncoef = 1\n"
                           "teacher = \"old\"\n"
                           "[sae.old]\nuse = \"topk\"\nreads = [\"acts\"]\nwidth = 64\n";
  const Read read = read_text(text);
  EXPECT_EQ(read.problems(), "");
  const std::vector<const NodeSpec*> untrained = read.recipe.untrained();
  ASSERT_EQ(untrained.size(), 1u);
  EXPECT_EQ(untrained[0]->name, "old");
  Recipe recipe = read.recipe;
  report_untrained(recipe, *untrained[0]);
  EXPECT_NE(recipe.problems.text({}).find("sae.old: no train node trains it"), std::string::npos);
}

TEST(Recipe, WarnsOfWhatNothingUses) {
  const Read read = read_text(std::string(kSmall) + "[model.lm]\nuse = \"llama\"\npath = \"x\"\n");
  EXPECT_TRUE(read.recipe.problems.ok());
  EXPECT_NE(read.problems().find("warning: model.lm: nothing uses this node; it will not run"),
            std::string::npos);
  const Read nothing = read_text("saffron = 1\n[source.acts]\nuse = \"planted\"\n");
  EXPECT_NE(nothing.problems().find("warning: the recipe has nothing to run"), std::string::npos);
}

TEST(Recipe, AFormerNameWorksWithAWarning) {
  std::string text = kSmall;
  text.replace(text.find("width"), 5, "latents");
  const Read read = read_text(text);
  EXPECT_TRUE(read.recipe.problems.ok());
  EXPECT_NE(read.problems().find("warning: sae.student.latents: 'latents' is now called 'width'"),
            std::string::npos);
  EXPECT_EQ(read.recipe.find("sae", "student")->resolved.at("width").as_int(), 64);
}

TEST(Recipe, TakesItsNameFromTheFile) {
  const Folder folder;
  EXPECT_EQ(read_file(folder.write("my run.v2.toml", kSmall)).recipe.settings.name, "my-run.v2");
}

TEST(Recipe, PluginPathsAreRelativeToTheFileThatNamesThem) {
  const Folder folder;
  folder.write("sub/base.toml", std::string("plugins = [\"./liba.so\", \"/opt/b\"]\n") + kSmall);
  const std::string path = folder.write("top.toml", "extends = \"sub/base.toml\"\n");
  EXPECT_EQ(read_file(path).recipe.settings.plugins,
            (std::vector<std::string>{(folder.path() / "sub/liba.so").string(), "/opt/b"}));
  const Document document = read_document(path, {"plugins=[\"c.so\"]"});
  EXPECT_EQ(decode_settings(document).plugins,
            std::vector<std::string>{(std::filesystem::current_path() / "c.so").string()});
}

TEST(Recipe, SettingsAreReadWithoutComponents) {
  const Folder folder;
  const std::string path =
      folder.write("a.toml", "saffron = 1\nthreads = 3\n[sae.x]\nuse = \"nowhere\"\n");
  EXPECT_EQ(decode_settings(read_document(path, {"seed=9"})).seed, 9);
  EXPECT_EQ(decode_settings(read_document(path, {"seed=9"})).threads, 3);
}

TEST(Recipe, TheFormatMustBeSaid) {
  EXPECT_NE(read_text("[model.lm]\nuse = \"llama\"\npath = \"x\"\n")
                .problems()
                .find("saffron: missing key"),
            std::string::npos);
}

TEST(Recipe, OneNameMayStandForNodesOfSeveralKinds) {
  std::string text = kSmall;
  text.replace(text.find("score.recon"), 11, "score.student");
  EXPECT_EQ(read_text(text).problems(), "");
}

TEST(Recipe, OwnKeysAreKnownForEverySection) {
  for (const std::string& section : section_names()) {
    const std::vector<std::string> names = own_key_names(section);
    EXPECT_NE(std::find(names.begin(), names.end(), "seed"), names.end()) << section;
  }
  for (const ParamInfo& info : own_params("train")) EXPECT_FALSE(info.doc.empty()) << info.name;
  EXPECT_EQ(own_key_names("regularizer"),
            (std::vector<std::string>{"over", "coef", "warmup", "every"}));
}

TEST(Recipe, ReadsStreamNames) {
  EXPECT_EQ(parse_stream("acts:layers.10.resid_post").source, "acts");
  EXPECT_EQ(parse_stream("acts:layers.10.resid_post").stream, "layers.10.resid_post");
  EXPECT_EQ(parse_stream("acts").stream, "");
}

}  // namespace
}  // namespace saffron::host::testing
