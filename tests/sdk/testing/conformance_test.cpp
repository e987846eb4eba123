#include <saffron/regularizer.h>
#include <saffron/testing/conformance.h>

// The kit as an author's test program has it: this one is linked with the sources of the plugin `l1`.

SAFFRON_CONFORMANCE_TESTS(.options = {{"regularizer/l1",
                                       saffron::from_json(R"({"weighted": true})", "options")}},
                          .off = {{"regularizer/l1 bfloat16", "a reason"}}, .strictness = 10);

namespace saffron::testing {
namespace {

TEST(ConformanceHeader, ComponentsByName) {
  EXPECT_CONFORMS(component("regularizer", "l1"));
  EXPECT_NE(component("regularizer", "l1").make<Regularizer>(), nullptr);
  EXPECT_THROW(static_cast<void>(component("regularizer", "l2")), Error);
}

TEST(ConformanceHeader, NamesThatThereAreNot) {
  const auto words = [](const Settings& settings) -> std::string {
    try {
      static_cast<void>(conformance_cases(settings));
    } catch (const Error& error) {
      return error.message();
    }
    return {};
  };
  EXPECT_EQ(words({}), "");
  EXPECT_EQ(words({.off = {{"bfloat17", "x"}}}),
            "SAFFRON_CONFORMANCE_TESTS:\n  there is no check 'bfloat17': did you mean 'bfloat16'? "
            "saffron test-plugin --list FILE has them all");
  EXPECT_NE(words({.off = {{"float64", ""}}}).find("'float64' is switched off without a reason"),
            std::string::npos);
  EXPECT_NE(words({.options = {{"regularizer/l2", Value::table()}}})
                .find("there is no component 'regularizer/l2': did you mean 'regularizer/l1'?"),
            std::string::npos);
  EXPECT_NE(words({.off = {{"regularizer/l1 shapes", "x"}}}).find("'shapes' of regularizer/l1"),
            std::string::npos);
}

// Nothing could be asked: nothing is known.
TEST(ConformanceHeader, WhatLacksOptionsDoesNotConform) {
  saffron_param lacking{};
  lacking.size = sizeof lacking;
  lacking.type = SAFFRON_TYPE_STRING;
  lacking.flags = SAFFRON_PARAM_REQUIRED;
  lacking.name = "files";
  saffron_component row = component("regularizer", "l1").row();
  row.params = &lacking;
  row.param_count = 1;
  const auto result = conforms(Subject(row, Value::table()));
  EXPECT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("kind-tried"), std::string::npos);
}

// What its checks say decides whether any of them could be tried.
TEST(KindTried, IsDecidedByTheOthers) {
  const auto of = [](const char* id, const char* group) {
    return Check{id, group, "", 1, nullptr};
  };
  const Check early = of("float64", "component"), own = of("scale-degree", "regularizer");
  KindTried tried;
  tried.add(early, "regularizer", {});
  EXPECT_FALSE(tried.settled());
  tried.add(own, "regularizer", {Outcome::skipped, "takes no step"});
  EXPECT_EQ(tried.verdict().outcome, Outcome::failed);
  EXPECT_NE(tried.verdict().message.find("could run: takes no step"), std::string::npos);
  EXPECT_EQ(tried.verdict("hangs").message, "not after hangs");
  tried.add(own, "regularizer", {});
  EXPECT_TRUE(tried.settled());
  EXPECT_EQ(tried.verdict().outcome, Outcome::passed);
  tried.add(own, "regularizer", {Outcome::skipped, "see float64"});
  EXPECT_FALSE(tried.settled());
  EXPECT_EQ(tried.verdict().message,
            "scale-degree leaves what it found to float64, which finds nothing");
}

TEST(Silence, IsACaseOfThePlugin) {
  const auto cases = conformance_cases({.off = {{"library silent-stdout", "a reason"}}});
  ASSERT_FALSE(cases.empty());
  EXPECT_EQ(case_name(cases.back()), "library_silent_stdout");
  EXPECT_EQ(cases.back().off_reason(), "a reason");
}

// What was found is said, where the check that it was left to finds nothing.
TEST(KindTried, SaysWhatWasLeft) {
  const Check own{"scale-degree", "regularizer", "", 1, nullptr};
  const Check other{"float64", "component", "", 1, nullptr};
  KindTried tried;
  tried.add(own, "regularizer", {Outcome::skipped, "see float64: R is 3 and 2"});
  tried.add(other, "regularizer", {});
  EXPECT_EQ(tried.verdict().message,
            "scale-degree: R is 3 and 2 (left to float64, which finds nothing)");
}

TEST(KindTried, IsACaseOfEachComponent) {
  const auto cases = conformance_cases({});
  ASSERT_FALSE(cases.empty());
  const ConformanceCase& tried = cases.at(cases.size() - 2);
  EXPECT_EQ(case_name(tried), "regularizer_l1_kind_tried");
  EXPECT_EQ(kind_tried(*tried.row, {}).outcome, Outcome::passed);
  Settings off;
  for (const Check* check : checks_for("regularizer")) off.off.push_back({check->id, "no time"});
  EXPECT_EQ(kind_tried(*tried.row, off).message, "the checks of its kind are switched off");
}

}  // namespace
}  // namespace saffron::testing
