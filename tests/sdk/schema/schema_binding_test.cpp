#include "tests/sdk/schema/schema_options.h"

#include <gtest/gtest.h>

namespace saffron::schema_test {
namespace {

struct Recorder final : Services {
  std::vector<std::string> asked;
  std::shared_ptr<void> reference(std::string_view kind, const std::string& node,
                                  const Origin&) override {
    asked.push_back(cat(kind, ':', node));
    return kind == "model" ? std::shared_ptr<void>(std::make_shared<Model>())
                           : std::shared_ptr<void>(std::make_shared<Sae>());
  }
  std::vector<std::string> expand(std::string_view, const std::string& node,
                                  const Origin&) override {
    return {node + "[k=4]", node + "[k=8]"};
  }
  std::shared_ptr<void> child(std::string_view kind, const Value& config) override {
    asked.push_back(cat(kind, ':', to_toml(config)));
    return std::make_shared<Judge>();
  }
  const Context& context() const override { throw Error("no context here"); }
};

TEST(Schema, BindsReferencesMembersAndNestedComponents) {
  Options options;
  ASSERT_TRUE(decode<Options>(table({{"model", "lm"}, {"saes", list({"a"})}}), &options).ok());
  Recorder services;
  Options::schema().bind(&options, services);
  EXPECT_EQ(services.asked, (std::vector<std::string>{"model:lm", "sae:a[k=4]", "sae:a[k=8]",
                                                      "judge:{ use = \"http\" }"}));
  EXPECT_TRUE(options.model);
  ASSERT_EQ(options.saes.size(), 2u);
  EXPECT_EQ(options.saes[1].name(), "a[k=8]");
  EXPECT_TRUE(options.judge);
}

struct Deep {
  struct Inner {
    Ref<Model> teacher;
    static auto schema() { return Schema<Inner>{}.param("teacher", &Inner::teacher, "a model"); }
  };
  Inner inner;
  std::vector<Inner> several;
  std::optional<Ref<Model>> maybe;
  std::vector<Child<Judge>> judges;
  static auto schema() {
    return Schema<Deep>{}
        .param("inner", &Deep::inner, "one")
        .param("several", &Deep::several, "some")
        .param("maybe", &Deep::maybe, "or none")
        .param("judges", &Deep::judges, "panel");
  }
};

TEST(Schema, BindsReferencesAtEveryDepth) {
  Deep options;
  ASSERT_TRUE(
      decode<Deep>(table({{"inner", table({{"teacher", "a"}})},
                          {"several", list({table({{"teacher", "b"}}), table({{"teacher", "c"}})})},
                          {"maybe", "d"},
                          {"judges", list({table({{"use", "http"}}), "e"})}}),
                   &options)
          .ok());
  Recorder services;
  Deep::schema().bind(&options, services);
  EXPECT_EQ(services.asked, (std::vector<std::string>{"model:a", "model:b", "model:c", "model:d",
                                                      "judge:{ use = \"http\" }", "judge:\"e\""}));
  EXPECT_TRUE(options.inner.teacher);
  EXPECT_TRUE(options.several.at(1).teacher);
  EXPECT_TRUE(*options.maybe);
  EXPECT_TRUE(options.judges.at(1));
}

TEST(Schema, AnAbsentReferenceStaysEmpty) {
  Options options;
  ASSERT_TRUE(decode<Options>(table({}), &options).ok());
  Recorder services;
  Options::schema().bind(&options, services);
  EXPECT_FALSE(options.model);
  EXPECT_TRUE(options.saes.empty());
}

}  // namespace
}  // namespace saffron::schema_test
