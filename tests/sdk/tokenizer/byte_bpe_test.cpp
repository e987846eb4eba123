#include "fixtures.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace saffron::tokenizer_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class EachPreTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(EachPreTokenizer, GivesTheIdsOfHuggingFaceTokenizers) {
  const auto tokenizer = make_byte_bpe(small_spec(GetParam()));
  expect_ids(*tokenizer, read_fixture("small.json"), GetParam(), false);
}

TEST_P(EachPreTokenizer, RoundTripsEveryText) {
  const auto tokenizer = make_byte_bpe(small_spec(GetParam()));
  const Value fixture = read_fixture("small.json");
  for (const Value& text : fixture.at("texts").as_list()) {
    for (const bool special : {false, true}) {
      const auto ids = tokenizer->encode(text.as_string(), special);
      EXPECT_EQ(concatenated(*tokenizer, ids), text.as_string());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(ByteBpe, EachPreTokenizer,
                         testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2"));

TEST(ByteBpe, ReadsSpecialTokensWhereAsked) {
  const auto tokenizer = make_byte_bpe(small_spec("qwen2"));
  expect_ids(*tokenizer, read_fixture("small.json"), "special", true);
  // Of "<|begin|>" and "<|beginning|>" the one that is there, not the first that fits.
  EXPECT_THAT(tokenizer->encode("<|beginning|><|begin|>", true), ElementsAre(2, 1));
  EXPECT_GT(tokenizer->encode("<|begin|>", false).size(), 1u);
  EXPECT_EQ(tokenizer->bytes(1), "<|begin|>");
  EXPECT_EQ(tokenizer->spelling(1), "<|begin|>");
}

// Letters as tokens; what they merge to follows.
ByteBpeSpec letters(std::vector<std::pair<std::string, std::string>> merges) {
  ByteBpeSpec spec;
  spec.source = "letters";
  for (char c = 'a'; c <= 'e'; ++c) spec.tokens.emplace_back(1, c);  // ids 0 to 4
  for (const auto& [left, right] : merges) {
    if (std::find(spec.tokens.begin(), spec.tokens.end(), left + right) == spec.tokens.end()) {
      spec.tokens.push_back(left + right);
    }
  }
  spec.merges = std::move(merges);
  return spec;
}

TEST(ByteBpe, MergesByRankAndThenFromTheLeft) {
  // "bc" comes first although "ab" is further left; then nothing joins a and bc.
  EXPECT_THAT(make_byte_bpe(letters({{"b", "c"}, {"a", "b"}}))->encode("abc", false),
              ElementsAre(0, 5));
  EXPECT_THAT(make_byte_bpe(letters({{"a", "b"}, {"b", "c"}}))->encode("abc", false),
              ElementsAre(5, 2));
  EXPECT_THAT(make_byte_bpe(letters({{"a", "a"}}))->encode("aaaaa", false), ElementsAre(5, 5, 0));
  // A merge that a merge made possible.
  EXPECT_THAT(make_byte_bpe(letters({{"a", "b"}, {"ab", "ab"}}))->encode("ababab", false),
              ElementsAre(6, 5));
}

TEST(ByteBpe, TakesWholePiecesWhereMergesAreIgnored) {
  ByteBpeSpec spec = letters({{"a", "b"}});
  spec.tokens.push_back("abc");
  EXPECT_THAT(make_byte_bpe(spec)->encode("abc", false), ElementsAre(5, 2));
  spec.ignore_merges = true;
  EXPECT_THAT(make_byte_bpe(spec)->encode("abc", false), ElementsAre(6));
  EXPECT_THAT(make_byte_bpe(spec)->encode("abcd", false), ElementsAre(5, 2, 3));
}

TEST(ByteBpe, DropsOrReplacesBytesThatAreNoToken) {
  ByteBpeSpec spec = letters({{"a", "b"}});
  EXPECT_THAT(make_byte_bpe(spec)->encode("axb", false), ElementsAre(5));  // as `tokenizers` does
  spec.unknown = 4;
  EXPECT_THAT(make_byte_bpe(spec)->encode("axb", false), ElementsAre(0, 4, 1));
  EXPECT_THAT(make_byte_bpe(spec)->encode("\xC3\xA9", false), ElementsAre(4, 4));
}

TEST(ByteBpe, FindsAddedTokensAndTheBlanksTheyTake) {
  ByteBpeSpec spec = letters({});
  spec.tokens.insert(spec.tokens.end(), {"<l>", "<r>", "aa", "<s>", "Ġ"});
  spec.added = {{.text = "<l>", .id = 5, .lstrip = true},
                {.text = "<r>", .id = 6, .rstrip = true},
                {.text = "aa", .id = 7, .special = false, .normalized = true},
                {.text = "<s>", .id = 8}};
  const auto tokenizer = make_byte_bpe(spec);
  EXPECT_THAT(tokenizer->encode("a \u3000<l> a", true), ElementsAre(0, 5, 9, 0));
  EXPECT_THAT(tokenizer->encode("a <r>\n\t a", true), ElementsAre(0, 9, 6, 0));
  EXPECT_THAT(tokenizer->encode("<r>  <l>a", true), ElementsAre(6, 5, 0));
  EXPECT_THAT(tokenizer->encode("aaa", false), ElementsAre(7, 0));
  EXPECT_THAT(tokenizer->encode("a<s>", false), ElementsAre(0));  // "<s>" is text, and no token
  // Those that are not normalized are looked for first, also where another one is further left.
  spec.tokens.push_back("a<s>");
  spec.added.push_back({.text = "a<s>", .id = 10});
  EXPECT_THAT(make_byte_bpe(spec)->encode("aa<s>", true), ElementsAre(0, 10));
}

TEST(ByteBpe, RefusesWhatIsNotUtf8) {
  const auto tokenizer = make_byte_bpe(letters({}));
  for (const char* text :
       {"ab\xFF", "ab\xC3", "ab\xC0\x80", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80"}) {
    EXPECT_THAT(message_of([&] { (void)tokenizer->encode(text, false); }),
                HasSubstr("byte offset 2"));
  }
}

TEST(ByteBpe, RefusesSpecificationsThatContradictThemselves) {
  const auto message = [](ByteBpeSpec spec) {
    return message_of([&] { (void)make_byte_bpe(std::move(spec)); });
  };
  ByteBpeSpec spec = letters({{"a", "b"}});
  spec.merges.emplace_back("a", "z");
  EXPECT_THAT(message(spec), HasSubstr("letters: merge 2 of 2 needs the token 'z'"));
  spec.merges.back() = {"a", "c"};
  EXPECT_THAT(message(spec), HasSubstr("needs the token 'ac'"));
  spec = letters({});
  spec.eos = 5;
  EXPECT_THAT(message(spec), HasSubstr("has the id 5, but there are 5 tokens"));
  spec = letters({});
  spec.added = {{.text = "x", .id = -1}};
  EXPECT_THAT(message(spec), HasSubstr("an added token has the id -1"));
  spec.added = {{.text = "\xC3", .id = 1}};
  EXPECT_THAT(message(spec), HasSubstr("not valid UTF-8"));
  spec = letters({});
  spec.pre_tokenizer = "bert";
  EXPECT_THAT(message(spec), HasSubstr("the pre-tokenizer 'bert' is not supported"));
}

TEST(ByteBpe, KnowsItsIds) {
  const auto tokenizer = make_byte_bpe(small_spec("gpt-2"));
  EXPECT_EQ(tokenizer->vocabulary(), 900);
  const auto ids = tokenizer->encode(" the\n", false);
  EXPECT_EQ(tokenizer->spelling(ids.at(0)), "Ġthe");
  EXPECT_EQ(tokenizer->bytes(ids.at(0)), " the");
  EXPECT_EQ(tokenizer->bos(), -1);
  for (const std::int32_t id : {-1, 900}) {
    EXPECT_THAT(message_of([&] { (void)tokenizer->bytes(id); }, ErrorKind::invalid),
                HasSubstr("ids go from 0 to 899"));
  }
}

TEST(ByteBpe, ServesSeveralThreads) {
  const auto tokenizer = make_byte_bpe(small_spec("llama-bpe"));
  const Value fixture = read_fixture("small.json");
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < fixture.at("texts").as_list().size(); ++i) {
        const auto ids = tokenizer->encode(fixture.at("texts").as_list()[i].as_string(), false);
        if (ids != ids_of(fixture.at("llama-bpe").as_list()[i])) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// Quadratic work on one long piece would take minutes here.
TEST(ByteBpe, EncodesALongPieceInReasonableTime) {
  const auto tokenizer = make_byte_bpe(small_spec("gpt-2"));
  std::string text;
  while (text.size() < 1'000'000) text += "thequickbrownfoxjumpsoverthelazydog";
  EXPECT_EQ(concatenated(*tokenizer, tokenizer->encode(text, false)), text);
}

}  // namespace
}  // namespace saffron::tokenizer_test
