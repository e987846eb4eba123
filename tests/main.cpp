#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

// The main function of every test. LibTorch seeds its global generator from the system's entropy:
// a test that draws from it would see other numbers in every process. Each test starts from one seed
// instead, whatever ran before it; SAFFRON_TEST_SEED=n looks at other numbers.

namespace {

std::uint64_t seed() {
  const char* given = std::getenv("SAFFRON_TEST_SEED");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

class Seeds final : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { at::manual_seed(seed()); }
  void OnTestEnd(const testing::TestInfo& test) override {
    if (test.result()->Failed()) std::cerr << "SAFFRON_TEST_SEED=" << seed() << "\n";
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new Seeds);
  return RUN_ALL_TESTS();
}
