#include "framework/loader/describe.h"

#include "framework/loader/load.h"
#include "tests/framework/loader/support.h"

#include <fstream>

namespace saffron::host {
namespace {

using ::testing::AllOf;
using testing::fixture;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::scan_of;
using ::testing::StartsWith;
using testing::TempFolder;

Value hoyer() { return describe(Catalog(scan_of({fixture("good")})).load("regularizer", "hoyer")); }

TEST(Describe, ComponentAsData) {
  const Value description = hoyer();
  EXPECT_EQ(description.at("interface").as_string(), "saffron.regularizer/1");
  EXPECT_EQ(description.at("revision").as_int(), 3);
  EXPECT_EQ(description.at("sha256").as_string().size(), 64u);
  const Value& floor = description.at("params").as_list()[0];
  EXPECT_EQ(floor.at("type").as_string(), "float");
  EXPECT_EQ(floor.at("default").as_real(), 1e-8);
  EXPECT_EQ(floor.at("range").as_string(), "> 0");
  EXPECT_EQ(description.at("params").as_list()[4].at("type").as_string(), "list of string");
  EXPECT_EQ(description.at("table").as_string(), "[train.NODE.regularizer.NAME]");
  bool has_coef = false;
  for (const Value& key : description.at("keys").as_list()) {
    has_coef = has_coef || key.at("name").as_string() == "coef";
  }
  EXPECT_TRUE(has_coef);
  // What crosses between processes is the same.
  EXPECT_EQ(from_json(to_json(description), "test"), description);
}

TEST(Describe, ComponentAsText) {
  const std::string text = component_text(hoyer());
  EXPECT_THAT(text, StartsWith("hoyer  (regularizer)   from org.example.good 0.1.0   "
                               "saffron.regularizer/1   revision 3\n"
                               "  Hoyer sparsity of the codes   [deterministic]\n"
                               "  1 means one active latent a row.\n"
                               "  Hoyer 2004, "));
  EXPECT_THAT(text,
              HasSubstr("\n  parameter   type            default     range         meaning\n"));
  EXPECT_THAT(text, HasSubstr("\n  floor       float           1e-08       > 0           smallest "
                              "denominator\n"));
  EXPECT_THAT(text, HasSubstr("l2 | linf"));
  EXPECT_THAT(text, HasSubstr(">= 0 [steps]"));
  EXPECT_THAT(text, HasSubstr("\n  tail.share  float "));
  EXPECT_THAT(text, HasSubstr("\n  beside them, every regularizer has\n"));
  EXPECT_THAT(text, HasSubstr("\n  recipe:     [train.NODE.regularizer.NAME]\n"
                              "              use  = \"hoyer\"\n"
                              "              coef = 1.0\n"
                              "  file:       "));
  EXPECT_THAT(text, HasSubstr("   torch 2."));
}

TEST(Describe, RequiredParametersAreInTheExample) {
  const Catalog catalog(scan_of({fixture("good")}));
  const std::string text = component_text(describe(catalog.load("regularizer", "referring")));
  EXPECT_THAT(text, HasSubstr("model node"));
  EXPECT_THAT(text, HasSubstr("required"));
  EXPECT_THAT(text, HasSubstr("use   = \"referring\"\n"
                              "              model = \"MODEL\"\n"
                              "              coef  = 1.0\n"));
}

TEST(Describe, RareMarksOfAComponentAndAParameter) {
  Value description = hoyer();
  description.set("deterministic", Value(false));
  description.set("needs_cuda", Value(true));
  description.set("graph_safe", Value(true));
  ParamInfo param;
  param.name = "k";
  param.doc = "active latents";
  param.type = ParamType::integer;
  param.list = param.optional = true;
  param.unit = "latents";
  param.since = "0.2.0";
  param.alias = "active";
  ParamInfo hidden = param;
  hidden.name = "internal";
  hidden.hidden = true;
  description.set("params", Value(Value::List{describe(param), describe(hidden)}));
  const std::string text = component_text(description);
  EXPECT_THAT(text,
              HasSubstr("   [not deterministic: never cached] [cuda: needed] [graph safe]\n"));
  EXPECT_THAT(text,
              HasSubstr("\n  k          list of int  -        [latents]  active latents (since "
                        "0.2.0) (formerly 'active')\n"));
  EXPECT_THAT(text, Not(HasSubstr("internal")));
}

TEST(Describe, AFormatIsForACommand) {
  Value description = hoyer();
  description.set("command", Value("saffron export --format"));
  EXPECT_THAT(component_text(description),
              AllOf(HasSubstr("\n  command:    saffron export --format hoyer\n"),
                    Not(HasSubstr("recipe:"))));
}

TEST(Describe, TablesWithoutAComponent) {
  const std::string recipe = section_text(describe_recipe());
  EXPECT_THAT(recipe, StartsWith("recipe  (no component: keys of the recipe)\n"));
  EXPECT_THAT(recipe, HasSubstr("\n  extends  path "));
  EXPECT_THAT(recipe, HasSubstr("\n  recipe:     saffron = 1\n"));
  const std::string train = section_text(describe_train());
  EXPECT_THAT(train, HasSubstr("\n  optimizer.lr            float             0.001     > 0 "));
  EXPECT_THAT(train, HasSubstr("\n  every [train.NODE.regularizer.NAME] has beside "));
}

TEST(Describe, CatalogueSaysWhyEachFileWasOrWasNotTaken) {
  const TempFolder folder;
  folder.copy(fixture("good"), "a/good.so");
  folder.copy(fixture("good"), "b/good.so");
  folder.copy(fixture("other_torch"), "a/old.so");
  std::ofstream(folder.path() / "a" / "notes.so") << "text";
  const std::size_t before = loaded_count();
  const Catalog catalog(scan_of({folder.path() / "a", folder.path() / "b"}));
  const Value listing = describe(catalog);
  EXPECT_EQ(loaded_count(), before);
  const std::string text = catalog_text(listing);
  const std::string a = (folder.path() / "a").string();
  EXPECT_THAT(text, StartsWith("regularizer: a term of the training loss\n"
                               "  hoyer      org.example.good 0.1.0\n"
                               "  referring  org.example.good 0.1.0\n"
                               "  talkative  org.example.good 0.1.0\n"
                               "\n3 components in 2 plugins\n"));
  EXPECT_THAT(text, HasSubstr("\nsearched\n  " + a + "  (--plugin-path)\n"));
  EXPECT_THAT(text, HasSubstr("\n  taken      " + a + "/good.so  org.example.good 0.1.0\n"));
  EXPECT_THAT(text, HasSubstr("\n  refused    " + a +
                              "/old.so\n             plugin "
                              "'org.example.other_torch' was built for a different LibTorch\n"));
  EXPECT_THAT(text, HasSubstr("\n  not taken  " + a + "/notes.so  not a shared library"));
  EXPECT_THAT(text, HasSubstr("\n  note       plugin 'org.example.good' was found twice"));
}

}  // namespace
}  // namespace saffron::host
