#include "framework/loader/version.h"

#include <gtest/gtest.h>

namespace saffron::host {
namespace {

TEST(Version, IsThreeNumbers) {
  for (const char* text : {"0.1.0", "10.20.30"}) EXPECT_TRUE(is_version(text)) << text;
  for (const char* text :
       {"", "1", "1.2", "1.2.3.4", "1.2.x", "v1.2.3", "1.2.3-rc", "-1.2.3", "1..3"}) {
    EXPECT_FALSE(is_version(text)) << text;
  }
}

TEST(Version, OrderIsOfNumbersNotOfDigits) {
  EXPECT_FALSE(is_older("0.1.0", "0.1.0"));
  EXPECT_FALSE(is_older("0.10.0", "0.9.9"));
  EXPECT_TRUE(is_older("0.9.9", "0.10.0"));
  EXPECT_TRUE(is_older("0.10.0-rc.1", "0.10.0"));
  EXPECT_FALSE(is_older("0.10.1-rc.1", "0.10.0"));
  EXPECT_FALSE(is_older("0.10.0+build.7", "0.10.0"));
}

TEST(Version, WhatIsNoneIsOlderThanAll) {
  for (const char* text : {"", "new", "1.2", "1.2.3x", "99999999999999999999.0.0"}) {
    EXPECT_TRUE(is_older(text, "0.0.0")) << text;
  }
}

}  // namespace
}  // namespace saffron::host
