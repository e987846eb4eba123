#include "framework/train/schedule.h"

#include <gtest/gtest.h>

using saffron::host::Schedule;

TEST(Schedule, RisesHoldsAndFalls) {
  const Schedule s{.warmup = 0.1, .decay = 0.2, .final = 0.5, .shape = Schedule::Shape::linear};
  EXPECT_DOUBLE_EQ(s.factor(0, 100), 0.1);
  EXPECT_DOUBLE_EQ(s.factor(4, 100), 0.5);
  EXPECT_DOUBLE_EQ(s.factor(9, 100), 1);
  EXPECT_DOUBLE_EQ(s.factor(79, 100), 1);
  EXPECT_DOUBLE_EQ(s.factor(80, 100), 1);
  EXPECT_DOUBLE_EQ(s.factor(90, 100), 0.75);
  EXPECT_NEAR(s.factor(99, 100), 0.525, 1e-12);
}

TEST(Schedule, IsConstantByDefault) {
  for (std::int64_t step : {0, 1, 50, 99}) EXPECT_DOUBLE_EQ(Schedule{}.factor(step, 100), 1);
}

TEST(Schedule, CosineIsHalfWayInTheMiddle) {
  const Schedule s{.warmup = 0, .decay = 1, .final = 0, .shape = Schedule::Shape::cosine};
  EXPECT_DOUBLE_EQ(s.factor(0, 100), 1);
  EXPECT_NEAR(s.factor(50, 100), 0.5, 1e-12);
}

TEST(Schedule, RisesAgainAfterLatentsWereDrawnAnew) {
  const Schedule s{.warmup = 0.1, .rewarm = 0.04};
  EXPECT_DOUBLE_EQ(s.again(50, -1, 100), 1);
  EXPECT_DOUBLE_EQ(s.again(50, 50, 100), 0.25);
  EXPECT_DOUBLE_EQ(s.again(52, 50, 100), 0.75);
  EXPECT_DOUBLE_EQ(s.again(53, 50, 100), 1);
  EXPECT_DOUBLE_EQ(s.again(90, 50, 100), 1);
  EXPECT_DOUBLE_EQ(Schedule{}.again(50, 50, 100), 1);
}
