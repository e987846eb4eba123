#include "framework/loader/component.h"

#include "framework/loader/load.h"
#include "framework/loader/lone_services.h"
#include "tests/framework/loader/support.h"

#include <saffron/model.h>
#include <saffron/plugin.h>
#include <saffron/regularizer.h>

#include <c10/util/Exception.h>

#include <cmath>
#include <stdexcept>

namespace saffron::host {
namespace {

using testing::error_of;
using testing::fixture;
using ::testing::HasSubstr;
using testing::LogCapture;
using testing::scan_of;

Component load(const std::string& file, const std::string& name) {
  return Catalog(scan_of({fixture(file)})).load("regularizer", name);
}

// The Error that creating a component of the failing plugin gives, with its place.
Error failure(const std::string& name) {
  const Component component = load("failing", name);
  LoneServices services;
  const Place place =
      component.place("train.all.regularizer.mine", Origin{"recipes/a.toml", 12, 1});
  return error_of([&] { return component.create(Value::table(), services, place); });
}

TEST(ComponentOf, SaysWhatItIs) {
  const Component hoyer = load("good", "hoyer");
  EXPECT_EQ(hoyer.kind(), "regularizer");
  EXPECT_EQ(hoyer.full_name(), "org.example.good::hoyer");
  EXPECT_EQ(hoyer.revision(), 3u);
  EXPECT_TRUE(hoyer.deterministic());
  EXPECT_FALSE(load("good", "talkative").deterministic());
  EXPECT_EQ(hoyer.place("train.a.regularizer.b").label(),
            "regularizer hoyer (train.a.regularizer.b)");
}

TEST(ComponentOf, CreatesAnObjectOfItsKind) {
  const Component hoyer = load("good", "hoyer");
  LoneServices services;
  const auto object = hoyer.create_as<Regularizer>(Value::table(), services, hoyer.place());
  ASSERT_NE(object, nullptr);
  EXPECT_THAT(error_of([&] {
                return hoyer.create_as<Model>(Value::table(), services, hoyer.place());
              }).message(),
              HasSubstr("is saffron.regularizer/1, not saffron.model/1"));
}

TEST(ComponentOf, LogsUnderItsName) {
  const LogCapture log;
  const Component talkative = load("good", "talkative");
  LoneServices services;
  Value config = Value::table();
  config.set("word", Value("hello"));
  talkative.create(config, services, talkative.place("train.a.regularizer.t")).reset();
  ASSERT_EQ(log.lines.size(), 2u);
  EXPECT_EQ(log.lines[0].message, "inspect says hello");
  EXPECT_EQ(log.lines[0].component, "regularizer talkative (train.a.regularizer.t)");
  EXPECT_EQ(log.lines[1].message, "and goes");
  EXPECT_EQ(log.lines[1].component, "regularizer talkative");
  EXPECT_STREQ(ComponentScope::current(), "");
}

TEST(ComponentOf, DecodeCollectsProblemsAndResolves) {
  const Component hoyer = load("good", "hoyer");
  Value config = Value::table();
  config.set("floor", Value(-1.0).with_origin({"a.toml", 4, 9}));
  config.set("norm", Value("l3"));
  Decoded decoded;
  decoded.path = "train.all.regularizer.hoyer";
  hoyer.decode(config, decoded);
  ASSERT_EQ(decoded.problems.size(), 2u);
  EXPECT_EQ(decoded.problems[0].path, "train.all.regularizer.hoyer.floor");
  EXPECT_EQ(decoded.problems[0].origin.line, 4);
  Decoded good;
  hoyer.decode(Value::table(), good);
  EXPECT_TRUE(good.problems.empty());
  EXPECT_EQ(good.resolved.at("norm").as_string(), "l2");
}

TEST(ComponentOf, WrongConfigurationIsTheErrorOfCreate) {
  const Component hoyer = load("good", "hoyer");
  LoneServices services;
  Value config = Value::table();
  config.set("floor", Value(0.0).with_origin({"recipes/a.toml", 4, 9}));
  const Place place = hoyer.place("train.all.regularizer.hoyer", {"recipes/a.toml", 3, 1});
  const Error error = error_of([&] { return hoyer.create(config, services, place); });
  // The position of the value itself, not of the table that it stands in.
  EXPECT_EQ(std::string(error.what()),
            "regularizer hoyer (train.all.regularizer.hoyer): recipes/a.toml:4:9: floor: value 0.0 "
            "is outside > 0");
}

TEST(ExceptionsFromCreate, ErrorKeepsItsKindPlaceAndHelp) {
  const Error error = failure("error");
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(std::string(error.what()),
            "recipes/a.toml:12:1: regularizer error (train.all.regularizer.mine): table.csv: the "
            "table has 3 columns, not 4\n  help: export it again");
}

TEST(ExceptionsFromCreate, OthersBecomePluginErrors) {
  const std::string place = " (train.all.regularizer.mine): ";
  const auto text = [&](const std::string& name) {
    const Error error = failure(name);
    EXPECT_EQ(error.kind(), ErrorKind::plugin) << name;
    const std::string start = cat("recipes/a.toml:12:1: regularizer ", name, place);
    EXPECT_EQ(std::string(error.what()).substr(0, start.size()), start);
    return error.message();
  };
  EXPECT_EQ(text("runtime_error"), "threw std::runtime_error: out of luck");
  EXPECT_EQ(text("c10_error"), "threw c10::Error: expected 2 dimensions, got 3");
  EXPECT_EQ(text("int"), "threw int, which is not a std::exception");
  EXPECT_EQ(text("own_type"), "threw (anonymous namespace)::Oops, which is not a std::exception");
  EXPECT_EQ(text("own_exception"), "threw (anonymous namespace)::Peculiar: peculiar indeed");
}

TEST(ExceptionsFromCreate, LongMessagesAreCut) {
  EXPECT_EQ(failure("long_message").message(), std::string(4095, 'x'));
}

TEST(Guard, PassesResultsThrough) {
  const Place place("sae topk", "sae.student");
  int value = 1;
  int& same = guard(place, [&]() -> int& { return value; });
  EXPECT_EQ(&same, &value);
  guard(place, [&] { EXPECT_STREQ(ComponentScope::current(), "sae topk (sae.student)"); });
  EXPECT_STREQ(ComponentScope::current(), "");
}

TEST(Guard, NamesTheComponentOfEveryException) {
  const Place place("sae topk", "sae.student", {"a.toml", 7, 2});
  const auto text = [&](auto throwing) {
    return std::string(error_of([&] { guard(place, throwing); }).what());
  };
  const std::string where = "a.toml:7:2: sae topk (sae.student): ";
  EXPECT_EQ(text([] { throw std::out_of_range("index 9"); }),
            where + "threw std::out_of_range: index 9");
  EXPECT_EQ(text([] { TORCH_CHECK(false, "bad shape"); }), where + "threw c10::Error: bad shape");
  EXPECT_EQ(text([] { throw "a text"; }),
            where + "threw char const*, which is not a std::exception");
  EXPECT_EQ(text([] { throw Error(ErrorKind::cancelled, "stopped"); }), where + "stopped");
  EXPECT_EQ(
      error_of([&] { guard(place, [] { throw Error(ErrorKind::cancelled, "stopped"); }); }).kind(),
      ErrorKind::cancelled);
  EXPECT_STREQ(ComponentScope::current(), "");
}

TEST(Guard, SaysAPlaceOnce) {
  const Place place("sae topk", "sae.student", {"a.toml", 7, 2});
  const Error error =
      error_of([&] { guard(place, [&] { guard(place, [] { throw Error("wrong"); }); }); });
  EXPECT_EQ(std::string(error.what()), "a.toml:7:2: sae topk (sae.student): wrong");
}

TEST(Guard, InnermostComponentIsNamedWithin) {
  const Place outer("scorer recon", "score.recon"), inner("sae topk", "sae.student");
  const Error error = error_of([&] {
    guard(outer, [&] {
      EXPECT_STREQ(CallScope::of_main_thread(), "scorer recon (score.recon)");
      guard(inner, [] { throw std::runtime_error("wrong"); });
    });
  });
  EXPECT_EQ(std::string(error.what()),
            "scorer recon (score.recon): sae topk (sae.student): threw std::runtime_error: wrong");
  EXPECT_STREQ(CallScope::of_main_thread(), "");
}

TEST(ToError, ReadsWhatAPluginWroteWithCare) {
  saffron_error raw{};
  EXPECT_EQ(detail::to_error(raw).message(), "failed without saying why");
  std::fill(std::begin(raw.message), std::end(raw.message), 'm');  // no end
  raw.kind = 99;
  EXPECT_EQ(detail::to_error(raw).message().size(), sizeof raw.message);
  EXPECT_EQ(detail::to_error(raw).kind(), ErrorKind::plugin);
}

}  // namespace
}  // namespace saffron::host
