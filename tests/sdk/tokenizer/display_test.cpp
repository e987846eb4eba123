#include "fixtures.h"

#include <gmock/gmock.h>

namespace saffron::tokenizer_test {
namespace {

using testing::ElementsAre;

constexpr const char* kReplacement = "\xEF\xBF\xBD";

// Token i is the i-th string.
class Pieces final : public Tokenizer {
 public:
  explicit Pieces(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  std::int64_t vocabulary() const override { return static_cast<std::int64_t>(pieces_.size()); }
  std::vector<std::int32_t> encode(std::string_view, bool) const override { return {}; }
  std::string bytes(std::int32_t id) const override {
    return pieces_.at(static_cast<std::size_t>(id));
  }
  std::string spelling(std::int32_t id) const override { return bytes(id); }
  std::int32_t bos() const override { return -1; }
  std::int32_t eos() const override { return -1; }

 private:
  std::vector<std::string> pieces_;
};

std::vector<std::string> shown(const std::vector<std::string>& pieces) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < pieces.size(); ++i) ids.push_back(static_cast<std::int32_t>(i));
  return display_tokens(Pieces(pieces), ids);
}

TEST(DisplayTokens, ShowsWholeCharactersAsTheyAre) {
  EXPECT_THAT(shown({"The", " caf\xC3\xA9", "\n"}), ElementsAre("The", " caf\xC3\xA9", "\n"));
  EXPECT_THAT(shown({}), ElementsAre());
}

TEST(DisplayTokens, ShowsASplitCharacterWithTheTokenThatCompletesIt) {
  EXPECT_THAT(shown({"a\xF0\x9F", "\x91",
                     "\x8D"
                     "b"}),
              ElementsAre("a", "",
                          "\xF0\x9F\x91\x8D"
                          "b"));
  EXPECT_THAT(shown({"\xE2", "\x82", "\xAC"}), ElementsAre("", "", "\xE2\x82\xAC"));
}

TEST(DisplayTokens, ReplacesWhatIsNoCharacter) {
  const std::string bad = kReplacement;
  EXPECT_THAT(shown({"a\xFF"
                     "b"}),
              ElementsAre("a" + bad + "b"));
  EXPECT_THAT(shown({"\x80"}), ElementsAre(bad));
  EXPECT_THAT(shown({"\xE2\x82", "x"}), ElementsAre("", bad + "x"));  // cut off by a letter
  EXPECT_THAT(shown({"\xE2\x82", "\xE2\x82\xAC"}), ElementsAre("", bad + "\xE2\x82\xAC"));
  EXPECT_THAT(shown({"x\xF0\x9F"}), ElementsAre("x" + bad));           // cut off by the end
  EXPECT_THAT(shown({"\xED\xA0\x80"}), ElementsAre(bad + bad + bad));  // a surrogate
  EXPECT_THAT(shown({"\xC0\xAF"}), ElementsAre(bad + bad));            // overlong
}

TEST(DisplayTokens, IsTheTextAgainForAnyText) {
  const auto tokenizer = make_byte_bpe(small_spec("smollm"));
  const Value fixture = read_fixture("small.json");
  for (const Value& text : fixture.at("texts").as_list()) {
    std::string joined;
    const auto ids = tokenizer->encode(text.as_string(), true);
    for (const std::string& token : display_tokens(*tokenizer, ids)) {
      EXPECT_NO_THROW(check_utf8(token, "token"));
      joined += token;
    }
    EXPECT_EQ(joined, text.as_string());
  }
}

}  // namespace
}  // namespace saffron::tokenizer_test
