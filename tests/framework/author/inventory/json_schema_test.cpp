#include "framework/author/json_schema.h"

#include "framework/loader/describe.h"
#include "framework/recipe/kinds.h"
#include "framework/recipe/node_keys.h"
#include "framework/recipe/settings.h"
#include "tests/framework/author/inventory/fake_offers.h"

#include <saffron/range.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>

// The schema says of each parameter what its own schema does. That recipes fit it, and wrong ones
// do not, is checked with other people's validators in tests/peers/test_json_schema.py.

namespace saffron::host::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<Offer>& offers() {
  static const std::vector<Offer> all = fake_offers();
  return all;
}

const Value& schema() {
  static const Value made = json_schema(offers());
  return made;
}

const Value& definition(const std::string& name) { return schema().at("definitions").at(name); }

std::vector<std::string> words(const Value& list) {
  std::vector<std::string> out;
  for (const Value& word : list.as_list()) out.push_back(word.as_string());
  return out;
}

std::string reference(const std::string& name) { return "#/definitions/" + name; }

// The branch of a kind's if/then/else that is taken for this `use`.
const Value* branch(const Value& table, const std::string& use) {
  for (const Value* link = &table; link != nullptr; link = link->find("else")) {
    const Value* condition = link->find("if");
    if (condition == nullptr) return nullptr;
    const auto uses = words(condition->at("properties").at("use").at("enum"));
    if (std::find(uses.begin(), uses.end(), use) != uses.end()) return &link->at("then");
  }
  return nullptr;
}

void expect_bound(const Value& item, const char* closed, const char* open, double bound,
                  bool is_open) {
  const bool unbounded = std::isinf(bound);
  const Value* found = item.find(is_open ? open : closed);
  EXPECT_EQ(found == nullptr, unbounded);
  if (found != nullptr && !unbounded) {
    EXPECT_EQ(found->as_real(), bound);
  }
  EXPECT_EQ(item.find(is_open ? closed : open), nullptr);
}

std::string json_type(ParamType type) {
  switch (type) {
    case ParamType::boolean: return "boolean";
    case ParamType::integer: return "integer";
    case ParamType::real: return "number";
    case ParamType::table:
    case ParamType::component: return "object";
    default: return "string";
  }
}

void expect_like(const std::vector<ParamInfo>& params, const Value& table) {
  EXPECT_EQ(table.at("additionalProperties"), Value(false));
  for (const ParamInfo& param : params) {
    SCOPED_TRACE(param.name);
    const Value* found = table.at("properties").find(param.name);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->at("description").as_string(), StartsWith(param.doc));
    EXPECT_THAT(found->at("description").as_string(), HasSubstr(param.unit));
    const Value* standard = found->find("default");
    EXPECT_EQ(standard != nullptr, param.default_value.has_value() && !param.required);
    EXPECT_TRUE(standard == nullptr || *standard == *param.default_value);
    EXPECT_EQ(found->at("type") == Value("array"), param.list);
    const Value& item = param.list ? found->at("items") : *found;
    const Value& type = item.at("type");
    if (type.is_string()) {
      EXPECT_EQ(type.as_string(), json_type(param.type));
    } else {  // a node may provide the component
      EXPECT_THAT(words(type), ElementsAre("string", "object"));
      EXPECT_EQ(param.type, ParamType::component);
    }
    if (param.type == ParamType::integer || param.type == ParamType::real) {
      const Bounds bounds = bounds_of(param.range);
      expect_bound(item, "minimum", "exclusiveMinimum", bounds.low, bounds.low_open);
      expect_bound(item, "maximum", "exclusiveMaximum", bounds.high, bounds.high_open);
    }
    const Value* choices = item.find("enum");
    EXPECT_EQ(choices == nullptr ? std::vector<std::string>() : words(*choices), param.choices);
    if (!param.fields.empty()) expect_like(param.fields, item);
  }
}

TEST(JsonSchema, EveryComponentHasABranchWithItsParameters) {
  ASSERT_GT(offers().size(), 20u);
  for (const Offer& offer : offers()) {
    SCOPED_TRACE(offer.kind + ' ' + offer.name);
    const std::vector<std::string> uses = uses_of(offer, offers());
    const Value& kind = definition(offer.kind);
    for (const std::string& use : uses) {
      const Value* then = branch(kind, use);
      ASSERT_NE(then, nullptr) << use;
      EXPECT_EQ(then->at("$ref").as_string(), reference(offer.kind + '.' + uses[0]));
    }
    const Value& component = definition(offer.kind + '.' + uses[0]);
    expect_like(offer.params, component);
    expect_like(keys_beside(offer.kind), component);
    const auto offered = words(kind.at("properties").at("use").at("enum"));
    EXPECT_NE(std::find(offered.begin(), offered.end(), uses.back()), offered.end());
  }
}

TEST(JsonSchema, WhatIsRequiredMustBeGivenWhereNothingIsExtended) {
  EXPECT_EQ(words(schema().at("if").at("required")), std::vector<std::string>{"extends"});
  EXPECT_THAT(words(schema().at("else").at("required")), ElementsAre("saffron"));
  EXPECT_THAT(words(definition("needs.sae").at("required")), ElementsAre("use", "reads"));
  EXPECT_THAT(words(definition("needs.train").at("required")), ElementsAre("saes", "rows"));
  const Value* text = branch(definition("needs.dataset"), "text");
  ASSERT_NE(text, nullptr);
  EXPECT_THAT(words(text->at("required")), ElementsAre("files"));
  // A former name does as well.
  const Value* topk = branch(definition("needs.sae"), "topk");
  ASSERT_NE(topk, nullptr);
  const Value::List& either = topk->at("allOf").as_list()[0].at("anyOf").as_list();
  EXPECT_THAT(words(either[0].at("required")), ElementsAre("width"));
  EXPECT_THAT(words(either[1].at("required")), ElementsAre("latents"));
  // So it is in nested components.
  const Value* explain = branch(definition("needs.scorer"), "explain");
  ASSERT_NE(explain, nullptr);
  EXPECT_EQ(explain->at("properties").at("judge").at("$ref").as_string(), reference("needs.judge"));
}

TEST(JsonSchema, ANameThatTwoPluginsHaveIsWrittenInFull) {
  const Value& sae = definition("sae");
  EXPECT_EQ(branch(sae, "random"), nullptr);
  EXPECT_EQ(branch(sae, "org.first::random")->at("$ref").as_string(),
            reference("sae.org.first::random"));
  EXPECT_NE(branch(sae, "topk"), nullptr);
}

TEST(JsonSchema, NestedComponentsAreTablesOrWhereNodesBringThemNames) {
  const Value& text = definition("dataset.text").at("properties");
  EXPECT_THAT(words(text.at("tokenizer").at("type")), ElementsAre("string", "object"));
  EXPECT_EQ(text.at("tokenizer").at("then").at("$ref").as_string(), reference("tokenizer"));
  const Value& judge = definition("scorer.explain").at("properties").at("judge");
  EXPECT_EQ(judge.at("type").as_string(), "object");
  EXPECT_EQ(judge.at("allOf").as_list()[0].at("$ref").as_string(), reference("judge"));
  // Its plugins are not there: no `use` is right.
  EXPECT_TRUE(definition("explainer").at("properties").at("use").at("enum").as_list().empty());
  EXPECT_EQ(schema().at("definitions").find("format"), nullptr);
}

// A comparator among another's parameters compares in the other's world.
TEST(JsonSchema, NestedComponentsHaveNoKeysOfATable) {
  EXPECT_NE(definition("comparator").at("properties").find("world"), nullptr);
  EXPECT_THAT(words(definition("needs.comparator").at("required")), ElementsAre("use", "world"));
  EXPECT_EQ(definition("nested.comparator").at("properties").find("world"), nullptr);
  EXPECT_THAT(words(definition("needs.nested.comparator").at("required")), ElementsAre("use"));
}

TEST(JsonSchema, AFormerNameExcludesTheNewOne) {
  const Value& topk = definition("sae.topk");
  EXPECT_EQ(topk.at("properties").at("latents").at("type").as_string(), "integer");
  EXPECT_THAT(words(topk.at("dependencies").at("latents").at("not").at("required")),
              ElementsAre("width"));
}

TEST(JsonSchema, TrainNodesHoldGridsObjectivesAndRegularizers) {
  const Value& train = definition("train");
  std::vector<ParamInfo> keys = own_params("train");
  std::erase_if(keys, [](const ParamInfo& key) { return key.name == "objective"; });
  expect_like({keys.begin(), keys.end() - 2}, train);
  const Value& properties = train.at("properties");
  EXPECT_EQ(properties.at("regularizer").at("additionalProperties").at("$ref").as_string(),
            reference("regularizer"));
  EXPECT_EQ(properties.at("vary").at("additionalProperties").at("type").as_string(), "array");
  EXPECT_THAT(words(properties.at("objective").at("else").at("enum")), ::testing::Contains("mse"));
  const Value& optimizer = properties.at("optimizer");
  EXPECT_EQ(optimizer.at("additionalProperties"), Value(false));
  EXPECT_EQ(optimizer.at("properties").at("lr").at("exclusiveMinimum").as_real(), 0);
}

TEST(JsonSchema, SettingsAndSections) {
  expect_like(setting_params(), schema());
  for (const std::string& section : section_names()) {
    EXPECT_EQ(schema().at("properties").at(section).at("type").as_string(), "object") << section;
  }
  EXPECT_EQ(schema().at("properties").at("score").at("additionalProperties").at("$ref").as_string(),
            reference("scorer"));
}

TEST(JsonSchema, SecretsAreNamesOfVariables) {
  const Value& key = definition("judge.http").at("properties").at("key");
  const std::regex pattern(key.at("pattern").as_string());
  EXPECT_TRUE(std::regex_match("MY_KEY_2", pattern));
  EXPECT_FALSE(std::regex_match("sk-12", pattern));
  EXPECT_FALSE(std::regex_match("2KEY", pattern));
}

TEST(JsonSchema, PatternsSayWhatTheReaderDoes) {
  const std::regex node(kNodeNamePattern), run(kRunNamePattern), device(kDevicePattern);
  for (const std::string word :
       {"", "a", "a-b_2", "a.b", ".a", "a/b", "a b", "größe", "-", "a\n"}) {
    EXPECT_EQ(std::regex_match(word, node), is_plain_name(word, false)) << word;
    EXPECT_EQ(std::regex_match(word, run), is_plain_name(word, true)) << word;
  }
  for (const std::string word : {"auto", "cpu", "cuda", "cuda:0", "cuda:12", "cuda:1234",
                                 "cuda:", "cuda:x", "gpu", "", "autocpu"}) {
    EXPECT_EQ(std::regex_match(word, device), is_device(word)) << word;
  }
}

void expect_references_resolve(const Value& value) {
  if (value.is_list()) {
    for (const Value& item : value.as_list()) expect_references_resolve(item);
  } else if (value.is_table()) {
    for (const Value::Entry& entry : value.as_table()) {
      expect_references_resolve(entry.value);
      if (entry.key != "$ref") continue;
      const std::string name = entry.value.as_string().substr(reference("").size());
      EXPECT_NE(schema().at("definitions").find(name), nullptr) << name;
    }
  }
}

TEST(JsonSchema, EveryReferenceResolves) { expect_references_resolve(schema()); }

TEST(JsonSchema, WithoutPluginsItIsStillASchema) {
  const Value bare = json_schema({});
  EXPECT_TRUE(bare.at("definitions").at("sae").at("properties").at("use").at("enum").is_list());
  EXPECT_EQ(bare.at("definitions").at("sae").find("if"), nullptr);
}

TEST(ParamOf, ReadsWhatDescribeWrites) {
  std::vector<ParamInfo> all = setting_params();
  for (const char* section : {"", "train", "sae", "score", "regularizer"}) {
    for (ParamInfo& key : own_params(section)) all.push_back(std::move(key));
  }
  for (const Offer& offer : offers()) {
    all.insert(all.end(), offer.params.begin(), offer.params.end());
  }
  ParamInfo rare;
  rare.name = "rare";
  rare.type = ParamType::secret;
  rare.list = rare.hidden = rare.optional = true;
  rare.since = "0.2.0";
  rare.alias = "uncommon";
  all.push_back(rare);
  for (const ParamInfo& param : all) {
    const ParamInfo again = param_of(describe(param));
    EXPECT_EQ(describe(again), describe(param)) << param.name;
    EXPECT_EQ(again.type, param.type) << param.name;
    EXPECT_EQ(again.list, param.list) << param.name;
  }
}

}  // namespace
}  // namespace saffron::host::testing
