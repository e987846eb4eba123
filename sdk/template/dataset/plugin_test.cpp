#include <saffron/dataset.h>
#include <saffron/error.h>
#include <saffron/testing/conformance.h>

#include <gtest/gtest.h>

#include <array>

SAFFRON_CONFORMANCE_TESTS();  // what every dataset promises, one case each

namespace {

std::shared_ptr<saffron::Dataset> dataset(double follow) {
  saffron::Value options = saffron::Value::table();
  options.set("rows", 4);
  options.set("length", 400);
  options.set("vocabulary", 5);
  options.set("follow", follow);
  return saffron::testing::component("dataset", "@NAME@").make_with<saffron::Dataset>(options);
}

// The share of tokens that are their predecessor plus 1.
double share_that_follows(const saffron::Dataset& data) {
  const std::array<std::int64_t, 4> all = {0, 1, 2, 3};
  const at::Tensor x = data.rows(all).values;
  const at::Tensor next = x.slice(1, 1), before = x.slice(1, 0, x.size(1) - 1);
  return next.eq(before.add(1).remainder(5)).to(at::kDouble).mean().item<double>();
}

TEST(@CLASS@, CountsUpWhenItAlwaysFollows) { EXPECT_EQ(share_that_follows(*dataset(1)), 1); }

// A token follows by intent (1/2) or by chance (1/2 * 1/5): 0.6. Of 4 * 399 tokens the share has
// standard deviation 0.012.
TEST(@CLASS@, FollowsAsOftenAsItSays) { EXPECT_NEAR(share_that_follows(*dataset(0.5)), 0.6, 0.06); }

TEST(@CLASS@, RefusesRowsThatItHasNot) {
  const std::array<std::int64_t, 1> beyond = {4};
  EXPECT_THROW((void)dataset(1)->rows(beyond), saffron::Error);
}

}  // namespace
