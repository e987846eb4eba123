#include "framework/author/inventory.h"

#include "framework/author/reference_pages.h"
#include "framework/loader/describe_rows.h"
#include "framework/loader/inspect.h"
#include "framework/recipe/kinds.h"
#include "tests/framework/loader/support.h"
#include "tests/places.h"

namespace saffron::host {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::child_program;
using testing::fixture;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::scan_of;
using ::testing::StartsWith;

Value inventory(const std::vector<fs::path>& files) {
  const Catalog catalog(scan_of(files));
  return inventory_of(describe_loaded(catalog, child_program()));
}

const Value& good() {
  static const Value made = inventory({fixture("good"), fixture("crash_on_load")});
  return made;
}

TEST(Kinds, EachHasItsHeader) {
  for (const std::string& kind : kind_names()) {
    const fs::path header = fs::path(kSourceDir) / "sdk/include" / header_of(kind);
    EXPECT_TRUE(fs::exists(header)) << header;
  }
}

TEST(Inventory, ListsEveryKindAndCounts) {
  const std::string text = inventory_text(good());
  EXPECT_THAT(text, HasSubstr("regularizer: a term of the training loss\n"
                              "  hoyer      org.example.good 0.1.0  Hoyer sparsity of the codes\n"
                              "  referring  org.example.good 0.1.0  Refers to a model\n"
                              "  talkative  org.example.good 0.1.0  Says a word\n\n"));
  EXPECT_THAT(text, HasSubstr("judge: answers to questions about text\n  (none)\n"));
  EXPECT_THAT(text, HasSubstr("\n3 components of 13 kinds in 1 plugin\nnot used: "));
  EXPECT_THAT(text, HasSubstr("/libfixture_crash_on_load.so  plugin 'org.example.crash_on_load' "
                              "crashed with SIGABRT while it was loaded\n"));
}

TEST(Inventory, AKindWithComponents) {
  const std::string text = kind_text(kind_in(good(), "regularizer"));
  EXPECT_THAT(text, StartsWith("regularizer  (kind)   saffron.regularizer/1   "
                               "<saffron/regularizer.h>\n  a term of the training loss\n\n"));
  EXPECT_THAT(text, HasSubstr("  component  plugin                  summary\n"
                              "  hoyer      org.example.good 0.1.0  Hoyer sparsity"));
  EXPECT_THAT(text, HasSubstr("\n  coef    float             required"));
  EXPECT_THAT(text, HasSubstr("  recipe:     [train.NODE.regularizer.NAME]\n"
                              "              use  = \"COMPONENT\"\n"
                              "              coef = 1.0\n"));
  EXPECT_THAT(text, ::testing::EndsWith("\n3 components; saffron inspect regularizer NAME shows "
                                        "one with its parameters\n"));
}

Value param(const char* name, const char* type, const char* kind) {
  Value out = Value::table();
  out.set("name", Value(name));
  out.set("type", Value(type));
  out.set("kind", Value(kind));
  return out;
}

// A listing of one plugin, made by hand.
Value listing_of(Value component) {
  Value plugin = Value::table();
  plugin.set("id", Value("org.example.text"));
  plugin.set("version", Value("0.1.0"));
  plugin.set("components", Value(Value::List{std::move(component)}));
  Value out = Value::table();
  out.set("plugins", Value(Value::List{std::move(plugin)}));
  return out;
}

TEST(Inventory, AKindThatIsOnlyNestedSaysWhereItComesFrom) {
  Value text = Value::table();
  text.set("kind", Value("dataset"));
  text.set("name", Value("text"));
  text.set("params", Value(Value::List{param("tokenizer", "tokenizer", "tokenizer")}));
  const Value made = inventory_of(listing_of(std::move(text)));
  EXPECT_THAT(kind_text(kind_in(made, "tokenizer")),
              AllOf(HasSubstr("\n  no plugin that was found offers a tokenizer\n"),
                    HasSubstr("nested in:  tokenizer = { use = \"NAME\" }   of dataset text\n"),
                    HasSubstr("provided:   by nodes [model.NAME]: tokenizer = \"NAME\""),
                    HasSubstr("\n0 components\n")));
  EXPECT_THAT(kind_text(kind_in(made, "objective")),
              HasSubstr("nested in:  objective = { use = \"NAME\" }   of [train.NAME]\n"));
  EXPECT_THAT(kind_text(kind_in(made, "format")),
              HasSubstr("command:    saffron export --format NAME\n"));
  EXPECT_THAT(kind_text(kind_in(made, "judge")), HasSubstr("nested in:  no component that was"));
}

TEST(Inventory, ANameThatTwoPluginsHaveIsWrittenInFull) {
  const Value made = inventory({fixture("good"), fixture("twin")});
  const Value::List& components = kind_in(made, "regularizer").at("components").as_list();
  std::vector<std::string> uses;
  for (const Value& component : components) uses.push_back(component.at("use").as_string());
  EXPECT_THAT(uses, ::testing::Contains("org.example.good::hoyer"));
  EXPECT_THAT(uses, ::testing::Contains("referring"));
  EXPECT_THAT(uses, Not(::testing::Contains("hoyer")));
}

TEST(Snippet, HoldsWhatIsRequiredAndIsAllowed) {
  Value description = Value::table();
  description.set("use", Value("it"));
  description.set("table", Value("[score.NAME]"));
  Value params = Value::list();
  const auto add = [&](const char* name, const char* type, const char* range, const char* kind) {
    Value each = param(name, type, kind);
    each.set("range", Value(range));
    each.set("required", Value(true));
    params.push(std::move(each));
  };
  add("sae", "list of sae node", "", "sae");
  add("share", "float", "(0, 1)", "");
  add("rows", "int", ">= 8", "");
  add("judge", "judge", "", "judge");
  add("tokenizer", "tokenizer", "", "tokenizer");
  add("files", "list of path", "", "");
  add("key", "secret", "", "");
  params.push(param("optional", "int", ""));
  description.set("params", std::move(params));
  EXPECT_THAT(snippet(description),
              ::testing::ElementsAre("[score.NAME]", "use       = \"it\"", "sae       = [\"SAE\"]",
                                     "share     = 0.5", "rows      = 8",
                                     "judge     = { use = \"NAME\" }", "tokenizer = \"MODEL\"",
                                     "files     = [\"PATH\"]", "key       = \"VARIABLE\""));
}

TEST(ReferencePages, HaveEveryComponentAndNoPath) {
  const auto pages = reference_pages(good());
  EXPECT_EQ(pages.size(), kind_names().size() + 3);  // and the index, recipe, train
  const std::string& page = pages.at("regularizer.md");
  EXPECT_THAT(page, StartsWith("# regularizer\n\n"));
  EXPECT_THAT(page, HasSubstr("\n## hoyer\n\nHoyer sparsity of the codes. 1 means one active "
                              "latent a row.\n\n*Hoyer 2004, "));
  EXPECT_THAT(page, HasSubstr("\n| `floor` | float | `1e-08` | > 0 | smallest denominator |\n"));
  EXPECT_THAT(page, HasSubstr("\n| `norm` | string | `\"l2\"` | l2 \\| linf |"));
  EXPECT_THAT(page, HasSubstr("\n| `tail.share` | float | `0.25` | [0, 1] |"));
  EXPECT_THAT(page, HasSubstr("| [model](model.md) node | required |"));
  EXPECT_THAT(page, HasSubstr("```toml\n[train.NODE.regularizer.NAME]\nuse  = \"hoyer\"\n"
                              "coef = 1.0\n```\n"));
  EXPECT_THAT(pages.at("README.md"),
              HasSubstr("| [regularizer](regularizer.md) | a term of the training loss | "
                        "[hoyer](regularizer.md#hoyer), "));
  EXPECT_THAT(pages.at("judge.md"), HasSubstr("No component of this kind comes with Saffron."));
  EXPECT_THAT(pages.at("train.md"), HasSubstr("| `optimizer.lr` | float | `0.001` | > 0 |"));
  EXPECT_THAT(pages.at("recipe.md"), HasSubstr("| `extends` | path | - |"));
  for (const auto& [name, text] : pages) {
    EXPECT_THAT(text, Not(HasSubstr("fixture"))) << name;
    EXPECT_THAT(text, Not(HasSubstr("sha256"))) << name;
    EXPECT_TRUE(text.ends_with("\n") && !text.ends_with("\n\n")) << name;
  }
}

}  // namespace
}  // namespace saffron::host
