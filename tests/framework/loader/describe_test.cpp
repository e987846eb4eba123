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
  EXPECT_THAT(
      text,
      HasSubstr("\n  recipe:     [train.NODE.regularizer.NAME]  use = \"hoyer\"  coef = ...\n"));
  EXPECT_THAT(text, HasSubstr("   torch 2."));
}

TEST(Describe, RequiredParametersAreInTheExample) {
  const Catalog catalog(scan_of({fixture("good")}));
  const std::string text = component_text(describe(catalog.load("regularizer", "referring")));
  EXPECT_THAT(text, HasSubstr("model node"));
  EXPECT_THAT(text, HasSubstr("required"));
  EXPECT_THAT(text, HasSubstr("use = \"referring\"  model = ...  coef = ...\n"));
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
