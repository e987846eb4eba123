#include <saffron/error.h>
#include <saffron/testing/conformance.h>
#include <saffron/tokenizer.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every tokenizer promises, one case each

namespace {

std::shared_ptr<saffron::Tokenizer> tokenizer() {
  return saffron::testing::component("tokenizer", "@NAME@").make<saffron::Tokenizer>();
}

// "é" is C3 A9 in UTF-8.
TEST(@CLASS@, IsTheBytes) {
  EXPECT_EQ(tokenizer()->encode("aé", false), (std::vector<std::int32_t>{0x61, 0xC3, 0xA9}));
}

TEST(@CLASS@, ReadsTheSpecialTokenWhenAskedTo) {
  EXPECT_EQ(tokenizer()->encode("a<|end|>", true), (std::vector<std::int32_t>{0x61, 256}));
  EXPECT_EQ(tokenizer()->encode("a<|end|>", false).size(), 8u);
}

TEST(@CLASS@, RefusesWhatIsNotUtf8) {
  EXPECT_THROW((void)tokenizer()->encode("a\xC3", false), saffron::Error);
}

}  // namespace
