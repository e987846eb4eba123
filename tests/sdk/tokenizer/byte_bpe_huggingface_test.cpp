#include "fixtures.h"

#include <gmock/gmock.h>

#include <unistd.h>
#include <functional>
#include <random>

namespace saffron::tokenizer_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

// The small tokenizer's folder, copied to a place of its own and changed there.
class ByteBpeFromHuggingface : public testing::Test {
 protected:
  ByteBpeFromHuggingface()
      : folder_(fs::temp_directory_path() / cat("saffron-tokenizer-", ::getpid())) {
    fs::create_directories(folder_);
  }
  ~ByteBpeFromHuggingface() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  void write(const std::function<void(Value& root)>& change) const {
    Value root = read_fixture("small/tokenizer.json");
    change(root);
    write("tokenizer.json", to_json(root));
  }
  [[nodiscard]] std::shared_ptr<Tokenizer> read() const {
    return byte_bpe_from_huggingface(folder_);
  }
  [[nodiscard]] std::string message(const std::function<void(Value& root)>& change) const {
    write(change);
    return message_of([&] { (void)read(); });
  }

  fs::path folder_;
};

Value parsed(const char* json) { return from_json(json, "test"); }

TEST_F(ByteBpeFromHuggingface, GivesTheIdsOfHuggingFaceTokenizers) {
  const auto tokenizer = byte_bpe_from_huggingface(kFixtures / "small");
  expect_ids(*tokenizer, read_fixture("small.json"), "smollm", false);
  EXPECT_EQ(tokenizer->spelling(0), "<|end|>");
}

TEST_F(ByteBpeFromHuggingface, ReadsTheOlderFormOfMerges) {
  write([](Value& root) {
    for (Value& merge : root.find("model")->find("merges")->as_list()) {
      merge = Value(merge.as_list()[0].as_string() + " " + merge.as_list()[1].as_string());
    }
  });
  expect_ids(*read(), read_fixture("small.json"), "smollm", false);
}

TEST_F(ByteBpeFromHuggingface, KnowsThePreTokenizersByTheirRegularExpressions) {
  const auto split = [](const char* regex) {
    Value step = parsed(R"({"type": "Split", "behavior": "Isolated", "invert": false})");
    step.set("pattern", Value::table()).set("Regex", regex);
    Value sequence = parsed(R"({"type": "Sequence"})");
    Value bytes = parsed(R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})");
    sequence.set("pretokenizers", Value(Value::List{step, bytes}));
    return sequence;
  };
  const char* const llama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                             R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  write([&](Value& root) { root.set("pre_tokenizer", split(llama3)); });
  expect_ids(*read(), read_fixture("small.json"), "llama-bpe", false);

  write([&](Value& root) {
    root.set("pre_tokenizer", parsed(R"({"type": "ByteLevel", "add_prefix_space": false})"));
  });
  expect_ids(*read(), read_fixture("small.json"), "gpt-2", false);

  EXPECT_THAT(message([&](Value& root) { root.set("pre_tokenizer", split("\\w+|\\s+")); }),
              AllOf(HasSubstr("tokenizer.json"), HasSubstr("\\\\w+|\\\\s+"),
                    HasSubstr("is not supported")));
}

TEST_F(ByteBpeFromHuggingface, ReadsBosAndEosFromEitherConfiguration) {
  write([](Value&) {});
  write("config.json", R"({"bos_token_id": 1, "eos_token_id": [0, 2]})");
  EXPECT_EQ(read()->bos(), 1);
  EXPECT_EQ(read()->eos(), 0);
  write("tokenizer_config.json",
        R"({"bos_token": {"content": "<|beginning|>"}, "eos_token": null})");
  EXPECT_EQ(read()->bos(), 2);
  EXPECT_EQ(read()->eos(), 0);
  write("tokenizer_config.json", R"({"bos_token": "<none>"})");
  EXPECT_THAT(message_of([&] { (void)read(); }),
              HasSubstr("bos_token '<none>' is not in the vocabulary"));
  fs::remove(folder_ / "tokenizer_config.json");
  write("config.json", R"({"bos_token_id": 900})");
  EXPECT_THAT(message_of([&] { (void)read(); }), HasSubstr("has the id 900"));
}

TEST_F(ByteBpeFromHuggingface, ExpectsABosWhereTheTemplateBeginsWithIt) {
  const auto expects_bos = [&] { return dynamic_cast<ExpectsBos&>(*read()).expects_bos(); };
  write([](Value& root) {
    root.set("post_processor", parsed(R"({"type": "Sequence", "processors": [
        {"type": "ByteLevel"},
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|begin|>"}},
                                                  {"Sequence": {"id": "A"}}]}]})"));
  });
  write("config.json", R"({"bos_token_id": 1})");
  EXPECT_TRUE(expects_bos());
  write("config.json", R"({"bos_token_id": 2})");
  EXPECT_FALSE(expects_bos());
  write("tokenizer_config.json", R"({"add_bos_token": true})");
  EXPECT_TRUE(expects_bos());
}

TEST_F(ByteBpeFromHuggingface, NamesWhatIsNotSupported) {
  const auto model = [&](const char* key, Value value) {
    return message([&](Value& root) { root.find("model")->set(key, std::move(value)); });
  };
  EXPECT_THAT(model("type", "WordPiece"),
              HasSubstr("a model of the type 'WordPiece' is not supported"));
  EXPECT_THAT(model("end_of_word_suffix", "</w>"), HasSubstr("end_of_word_suffix = '</w>'"));
  EXPECT_THAT(model("byte_fallback", true), HasSubstr("model.byte_fallback"));
  EXPECT_THAT(model("dropout", 0.1), HasSubstr("model.dropout = 0.1"));
  const auto top = [&](const char* key, const char* json) {
    return message([&](Value& root) { root.set(key, parsed(json)); });
  };
  EXPECT_THAT(top("normalizer", R"({"type": "NFC"})"), HasSubstr("the normalizer 'NFC'"));
  EXPECT_THAT(top("pre_tokenizer", R"({"type": "ByteLevel", "add_prefix_space": true})"),
              HasSubstr("add_prefix_space"));
  EXPECT_THAT(top("pre_tokenizer", R"({"type": "Whitespace"})"), HasSubstr("Whitespace"));
  EXPECT_THAT(top("pre_tokenizer", "null"), HasSubstr("without a pre-tokenizer"));
  EXPECT_THAT(top("added_tokens", R"([{"id": 0, "content": "x", "single_word": true}])"),
              HasSubstr("single_word of the added token 'x'"));
}

TEST_F(ByteBpeFromHuggingface, RefusesWrongFilesInWords) {
  EXPECT_THAT(message_of([&] { (void)read(); }, ErrorKind::io), HasSubstr("tokenizer.json"));
  write("tokenizer.json", "{\"model\": ");
  EXPECT_THAT(message_of([&] { (void)read(); }), HasSubstr("tokenizer.json:1:"));
  EXPECT_THAT(message([](Value& root) { root.set("model", Value(1)); }),
              HasSubstr("tokenizer.json"));
  EXPECT_THAT(message([](Value& root) { root.erase("model"); }), HasSubstr("model"));
  EXPECT_THAT(message([](Value& root) { root.find("model")->find("vocab")->set("a", -1); }),
              HasSubstr("a token has the id -1"));
  EXPECT_THAT(message([](Value& root) {
                root.find("model")->find("vocab")->set("a", Value(std::int64_t{1} << 40));
              }),
              HasSubstr("a token has the id 1099511627776"));
  EXPECT_THAT(message([](Value& root) { root.find("model")->find("merges")->push("a b c"); }),
              HasSubstr("a merge is \"a b c\", not a pair of tokens"));
  EXPECT_THAT(message([](Value& root) { root.find("model")->set("unk_token", "<unk>"); }),
              HasSubstr("model.unk_token '<unk>' is not in the vocabulary"));
}

// Files with some bytes changed are read or refused with an Error: nothing else happens.
TEST_F(ByteBpeFromHuggingface, SurvivesDamagedFiles) {
  const std::string whole = read_text(kFixtures / "small" / "tokenizer.json");
  std::mt19937 draw(7);
  const std::string replacements = "0123456789-eE.\"\\{}[]:,abcnulltrefs \xC3\xFF";
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string text = whole;
    // Half of them near the front, where the structure is.
    const std::size_t range = round % 2 == 0 ? 1500 : text.size();
    for (int change = 0; change < 3; ++change) {
      text[draw() % range] = replacements[draw() % replacements.size()];
    }
    if (round % 5 == 0) text.resize(draw() % text.size());
    write("tokenizer.json", text);
    try {
      (void)read()->encode("It is 12 o'clock. <|end|>", true);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace saffron::tokenizer_test
