#include "plugins/saes/random/random.h"
#include "tests/caught.h"
#include "tests/plugins/saes/support/reference.h"

#include <gmock/gmock.h>

using namespace saffron;
using plugins::RandomDictionary;

namespace {

constexpr std::int64_t kD = 7;

TEST(RandomDictionary, HasTheGainOfTheLeastError) {
  RandomDictionary sae({.width = 24, .k = 4});
  SaeFixture fixture(sae, kD, 5);
  const at::Tensor x =
      Random(5).fork("sample").normal_rows(0, 64, kD, at::kDouble);  // the fixture's
  EXPECT_TRUE(at::allclose(fixture.parameters["b_dec"], x.mean(0)));
  const auto error = [&] {
    return (x - sae.decode(sae.encode({x}))[0]).square().sum().item<double>();
  };
  const double least = error();
  EXPECT_LT(least, (x - x.mean(0)).square().sum().item<double>());
  at::Tensor gain = fixture.parameters["gain"];
  for (const double factor : {0.99, 1.01 / 0.99}) {
    gain.mul_(factor);
    EXPECT_GT(error(), least) << factor;
  }
}

TEST(RandomDictionary, PredictsWhatItReads) {
  const auto refusal = [](const SaeShape& shape) {
    RandomDictionary sae({.width = 24, .k = 4});
    return test::caught([&] { (void)sae.declare(shape); });
  };
  const StreamInfo x{"x", kD};
  for (const SaeShape& shape : {SaeShape{{x}, {{"y", kD}}},
                                {{x}, {{"y", kD + 2}}},
                                {{x}, {x, {"y", kD}}},
                                {{x, {"y", kD}}, {x, {"y", kD}}}}) {
    const Error error = refusal(shape);
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    EXPECT_THAT(error.message(), testing::HasSubstr("reads one stream and predicts the same one"));
    EXPECT_THAT(error.help(), testing::HasSubstr("frozen"));
  }
}

}  // namespace
