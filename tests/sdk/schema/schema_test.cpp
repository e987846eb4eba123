#include "tests/sdk/schema/schema_options.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace saffron::schema_test {
namespace {

TEST(Schema, AnEmptyTableGivesTheDefaults) {
  Options options;
  const Decoded decoded = decode<Options>(table({}), &options);
  ASSERT_TRUE(decoded.ok()) << said(decoded);
  EXPECT_EQ(options.k, 32);
  EXPECT_EQ(options.inner.coef, 0.25);
  EXPECT_EQ(to_toml(decoded.resolved),
            "{ k = 32, rate = 0.001, tied = false, activation = \"relu\", names = [\"a\"], "
            "inner = { coef = 0.25, steps = 5 }, several = [], weights = [], "
            "convention = \"mean\", file = \"a.txt\", saes = [], judge = { use = \"http\" }, "
            "panel = [], internal = \"x\" }");
  EXPECT_EQ(decoded.resolved.at("k").origin().source, "default");
  EXPECT_EQ(decoded.resolved.at("inner").at("steps").origin().source, "default");
  EXPECT_EQ(decoded.hashed_files, std::vector<std::string>{"a.txt"});
  ASSERT_EQ(decoded.nested.size(), 1u);
  EXPECT_EQ(decoded.nested[0].path, "judge");
}

TEST(Schema, FillsEveryTypeOfMember) {
  setenv("SAFFRON_TEST_KEY", "sesame", 1);
  Options options;
  Value inner = table({{"coef", 2}});
  const Decoded decoded = decode<Options>(table({{"k", 8},
                                                 {"rate", 1},
                                                 {"tied", true},
                                                 {"activation", "identity"},
                                                 {"names", list({"b", "c"})},
                                                 {"limit", 3},
                                                 {"extra", inner},
                                                 {"inner", inner},
                                                 {"several", list({inner, Value::table()})},
                                                 {"weights", list({0, 0.5})},
                                                 {"convention", "sum"},
                                                 {"file", "data/*.txt"},
                                                 {"model", "lm"},
                                                 {"saes", list({"a", "b[k=8]"})},
                                                 {"key", "SAFFRON_TEST_KEY"}}),
                                          &options);
  ASSERT_TRUE(decoded.ok()) << said(decoded);
  EXPECT_TRUE(decoded.problems.empty());
  EXPECT_EQ(options.k, 8);
  EXPECT_EQ(options.rate, 1.0);
  EXPECT_TRUE(options.tied);
  EXPECT_EQ(options.activation, "identity");
  EXPECT_EQ(options.names, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(options.limit, 3);
  ASSERT_TRUE(options.extra.has_value());
  EXPECT_EQ(options.extra->coef, 2.0);
  EXPECT_EQ(options.extra->steps, 10);  // the struct's own default
  EXPECT_EQ(options.inner.steps, 5);    // that of the struct it stands in
  ASSERT_EQ(options.several.size(), 2u);
  EXPECT_EQ(options.several[1].coef, 0.5);
  EXPECT_EQ(options.weights, (std::vector<double>{0, 0.5}));
  EXPECT_EQ(options.convention, Convention::sum);
  EXPECT_EQ(options.file.value, "data/*.txt");
  EXPECT_EQ(options.model.name(), "lm");
  ASSERT_EQ(options.saes.size(), 2u);
  EXPECT_EQ(options.saes[1].name(), "b[k=8]");
  EXPECT_EQ(options.key.value, "sesame");
}

TEST(Schema, WhatItResolvesIsWhatItDecodes) {
  Options options;
  const Decoded decoded =
      decode<Options>(table({{"rate", 2}, {"inner", table({{"coef", 1}})}}), &options);
  EXPECT_EQ(decoded.resolved.at("rate"), Value(2.0));
  EXPECT_EQ(to_toml(decoded.resolved.at("inner")), "{ coef = 1.0, steps = 5 }");
  EXPECT_EQ(decoded.resolved.at("inner").at("coef").origin().text(), "r.toml:1:5");
  EXPECT_EQ(Options::schema().encode(&options), decoded.resolved);
}

TEST(Schema, CollectsEveryProblem) {
  const Decoded decoded = decode<Options>(table({{"k", "8"},
                                                 {"activatoin", "relu"},
                                                 {"rate", 0},
                                                 {"activation", "gelu"},
                                                 {"inner", table({{"ceof", 1}, {"steps", 0}})}}));
  EXPECT_FALSE(decoded.ok());
  EXPECT_EQ(said(decoded),
            "r.toml:2:1 sae.s.activatoin: unknown key | did you mean 'activation'?\n"
            "r.toml:1:5 sae.s.k: expected int, got string \"8\" | write 8 without quotes\n"
            "r.toml:3:5 sae.s.rate: value 0 is outside > 0\n"
            "r.toml:4:5 sae.s.activation: value \"gelu\" is outside {relu, identity} | "
            "did you mean 'relu'?\n"
            "r.toml:1:1 sae.s.inner.ceof: unknown key | did you mean 'coef'?\n"
            "r.toml:2:5 sae.s.inner.steps: value 0 is outside >= 1\n");
}

TEST(Schema, NothingConvertsButIntToFloat) {
  const auto type = [](const char* key, Value value) {
    return said(decode<Options>(table({{key, std::move(value)}})));
  };
  EXPECT_EQ(type("k", 8.0), "r.toml:1:5 sae.s.k: expected int, got float 8.0 | write 8\n");
  EXPECT_EQ(type("k", 8.5), "r.toml:1:5 sae.s.k: expected int, got float 8.5\n");
  EXPECT_EQ(type("k", true), "r.toml:1:5 sae.s.k: expected int, got bool true\n");
  EXPECT_EQ(type("k", list({8})),
            "r.toml:1:5 sae.s.k: expected int, got list | write 8 without brackets\n");
  EXPECT_EQ(type("k", list({8, 9})),
            "r.toml:1:5 sae.s.k: expected int, got list | one value is wanted, not a list\n");
  EXPECT_EQ(type("rate", "1e-3"),
            "r.toml:1:5 sae.s.rate: expected float, got string \"1e-3\" | "
            "write 1e-3 without quotes\n");
  EXPECT_EQ(type("rate", "fast"), "r.toml:1:5 sae.s.rate: expected float, got string \"fast\"\n");
  EXPECT_EQ(type("tied", 1), "r.toml:1:5 sae.s.tied: expected bool, got int 1\n");
  EXPECT_EQ(type("activation", 1),
            "r.toml:1:5 sae.s.activation: expected string, got int 1 | write \"1\" in quotes\n");
  EXPECT_EQ(type("names", "b"),
            "r.toml:1:5 sae.s.names: expected list of strings, got string \"b\" | write [\"b\"]\n");
  EXPECT_EQ(type("model", 3),
            "r.toml:1:5 sae.s.model: expected model name, got int 3 | write \"3\" in quotes\n");
  EXPECT_EQ(type("inner", 3), "r.toml:1:5 sae.s.inner: expected table, got int 3\n");
  EXPECT_EQ(type("rate", 1), "");
}

TEST(Schema, ChecksTheItemsOfLists) {
  const Decoded decoded =
      decode<Options>(table({{"weights", list({0.5, 2, "x"})}, {"names", list({})}}));
  EXPECT_EQ(said(decoded),
            "r.toml:2:5 sae.s.names: the list is empty\n"
            " sae.s.weights[1]: value 2 is outside [0, 1]\n"
            " sae.s.weights[2]: expected float, got string \"x\"\n");
  EXPECT_EQ(decoded.resolved.find("weights"), nullptr);
}

TEST(Schema, NumbersAreFinite) {
  EXPECT_EQ(said(decode<Options>(table({{"rate", HUGE_VAL}}))),
            "r.toml:1:5 sae.s.rate: value inf is not a finite number\n");
  EXPECT_EQ(said(decode<Options>(table({{"rate", std::nan("")}}))),
            "r.toml:1:5 sae.s.rate: value nan is not a finite number\n");
}

TEST(Schema, MissingKeysAreReportedAtTheTable) {
  EXPECT_EQ(
      said(decode<Strict>(table({}))),
      "r.toml:99:1 sae.s.path: missing key | 'path' (string): where it is\n"
      "r.toml:99:1 sae.s.streams: missing key | 'streams' (list of strings): what it reads\n");
  EXPECT_EQ(said(decode<Strict>(table({{"path", ""}, {"streams", list({})}}))),
            "r.toml:1:5 sae.s.path: the string is empty\n");
  EXPECT_EQ(decode<Outer>(table({})).problems.size(), 2u);
  EXPECT_EQ(said(decode<Outer>(table({{"strict", table({{"path", "x"}})}}))),
            "r.toml:1:5 sae.s.strict.streams: missing key | 'streams' (list of strings): what it "
            "reads\n");
}

TEST(Schema, AFormerNameIsReadWithAWarning) {
  Options options;
  const Decoded decoded = decode<Options>(table({{"lr", 0.5}}), &options);
  EXPECT_TRUE(decoded.ok());
  EXPECT_EQ(said(decoded),
            "warning r.toml:1:1 sae.s.lr: 'lr' is now called 'rate' | write rate = ...\n");
  EXPECT_EQ(options.rate, 0.5);
  EXPECT_EQ(decoded.resolved.at("rate").as_real(), 0.5);
  EXPECT_EQ(said(decode<Options>(table({{"lr", 0.5}, {"rate", 0.1}}))),
            "r.toml:1:1 sae.s.lr: 'lr' is the former name of 'rate', which is given too | keep "
            "'rate' alone\n");
}

TEST(Schema, RulesAcrossParametersSeeDecodedOptions) {
  const Value config = table({{"k", 7}, {"tied", true}});
  EXPECT_EQ(said(decode<Options>(config)), "r.toml:99:1 sae.s: k = 7 cannot be tied\n");
  EXPECT_EQ(said(decode<Options>(table({{"extra", table({{"coef", 101}})}}))),
            "r.toml:1:5 sae.s.extra: coef is absurd\n");
}

TEST(Schema, CollectsReferencesWithTheirPlaces) {
  const Decoded decoded = decode<Options>(table({{"model", "lm"}, {"saes", list({"a", "b"})}}));
  ASSERT_EQ(decoded.references.size(), 3u);
  EXPECT_EQ(decoded.references[0].kind, "model");
  EXPECT_EQ(decoded.references[0].node, "lm");
  EXPECT_EQ(decoded.references[0].path, "sae.s.model");
  EXPECT_EQ(decoded.references[0].origin.text(), "r.toml:1:5");
  EXPECT_FALSE(decoded.references[0].list);
  EXPECT_EQ(decoded.references[2].path, "sae.s.saes[1]");
  EXPECT_TRUE(decoded.references[2].list);
  EXPECT_EQ(said(decode<Options>(table({{"model", ""}}))),
            "r.toml:1:5 sae.s.model: the name is empty | name a model of this recipe\n");
}

TEST(Schema, CollectsNestedComponents) {
  const Value http = table({{"use", "http"}, {"url", "x"}});
  const Decoded decoded = decode<Options>(table(
      {{"judge", "somebody"}, {"panel", list({http, http})}, {"inner", table({{"judge", http}})}}));
  ASSERT_TRUE(decoded.ok()) << said(decoded);
  std::string places;
  for (const Decoded::Nested& nested : decoded.nested) places += nested.path + ' ';
  EXPECT_EQ(places, "inner.judge judge panel[0] panel[1] ");
  EXPECT_EQ(decoded.nested[0].kind, "judge");
  EXPECT_EQ(decoded.nested[1].config.as_string(), "somebody");
  EXPECT_EQ(said(decode<Options>(table({{"judge", table({{"url", "x"}})}}))),
            "r.toml:1:5 sae.s.judge: missing key 'use' | `use` says which judge: { use = \"...\" "
            "}\n");
}

TEST(Schema, SecretsAreNamesOfVariablesAndNeverShown) {
  unsetenv("SAFFRON_TEST_ABSENT");
  const Decoded absent = decode<Options>(table({{"key", "SAFFRON_TEST_ABSENT"}}));
  EXPECT_TRUE(absent.ok());
  EXPECT_EQ(said(absent),
            "warning r.toml:1 sae.s.key: the environment variable that is named here is not set | "
            "export it before the run\n");
  for (const Value& value : {Value("sk-secret"), Value("hf_secret7719"), Value(7719),
                             list({"sk-secret"}), list({"A_SECRET_7719"})}) {
    const std::string text = said(decode<Options>(table({{"key", value}})));
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(text.find("r.toml:1:5"), std::string::npos) << "the line would be quoted: " << text;
    EXPECT_EQ(text.find("sk-"), std::string::npos) << text;
    EXPECT_EQ(text.find("7719"), std::string::npos) << text;
  }
  EXPECT_EQ(read_secret("SAFFRON_TEST_ABSENT").value, "");
}

TEST(Schema, DescribesItself) {
  const std::vector<ParamInfo> params = Options::schema().params();
  const auto info = [&](const std::string& name) {
    for (const ParamInfo& param : params) {
      if (param.name == name) return param;
    }
    return ParamInfo{};
  };
  EXPECT_EQ(info("k").range, "[1, 100]");
  EXPECT_EQ(info("k").unit, "latents");
  EXPECT_EQ(*info("k").default_value, Value(32));
  EXPECT_EQ(info("rate").range, "> 0");
  EXPECT_EQ(info("rate").alias, "lr");
  EXPECT_EQ(info("weights").range, "[0, 1]");
  EXPECT_TRUE(info("weights").list);
  EXPECT_EQ(info("activation").choices, (std::vector<std::string>{"relu", "identity"}));
  EXPECT_EQ(info("convention").choices, (std::vector<std::string>{"sum", "mean"}));
  EXPECT_EQ(*info("convention").default_value, Value("mean"));
  EXPECT_TRUE(info("limit").optional);
  EXPECT_FALSE(info("limit").default_value.has_value());
  EXPECT_EQ(info("inner").fields.size(), 3u);
  EXPECT_EQ(to_toml(*info("inner").default_value), "{ coef = 0.25, steps = 5 }");
  EXPECT_EQ(info("model").type, ParamType::reference);
  EXPECT_EQ(info("model").component_kind, "model");
  EXPECT_TRUE(info("model").optional);
  EXPECT_EQ(info("judge").component_kind, "judge");
  EXPECT_TRUE(info("file").hashed);
  EXPECT_TRUE(info("internal").hidden && info("internal").unhashed);
  EXPECT_TRUE(Strict::schema().params()[0].required);
}

TEST(Schema, HiddenKeysAreNotSuggested) {
  EXPECT_EQ(said(decode<Strict>(table({{"pth", "x"}, {"path", "y"}, {"streams", list({})}}))),
            "r.toml:1:1 sae.s.pth: unknown key | did you mean 'path'?\n");
  const std::string text = said(decode<Options>(table({{"internl", "x"}})));
  EXPECT_EQ(text.find("did you mean"), std::string::npos) << text;
}

TEST(Schema, AConfigThatIsNoTableIsAProblem) {
  EXPECT_EQ(said(decode<Options>(Value(3).with_origin({"r.toml", 1, 2}))),
            "r.toml:1:2 sae.s: expected table, got int\n");
}

}  // namespace
}  // namespace saffron::schema_test
