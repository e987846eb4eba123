#include "fixtures.h"

#include <gmock/gmock.h>

#include <cstring>
#include <span>

namespace saffron::tokenizer_test {
namespace {

using testing::HasSubstr;

// A GGUF file of metadata alone.
class GgufWriter {
 public:
  void text(const std::string& key, const std::string& value) {
    begin(key, GgufType::string);
    put_string(value);
  }
  void integer(const std::string& key, std::int32_t value) {
    begin(key, GgufType::i32);
    put(value);
  }
  void flag(const std::string& key, bool value) {
    begin(key, GgufType::boolean);
    put(static_cast<std::uint8_t>(value));
  }
  void texts(const std::string& key, const std::vector<std::string>& values) {
    begin(key, GgufType::array);
    put(static_cast<std::uint32_t>(GgufType::string));
    put(static_cast<std::uint64_t>(values.size()));
    for (const std::string& value : values) put_string(value);
  }
  void integers(const std::string& key, const std::vector<std::int32_t>& values) {
    begin(key, GgufType::array);
    put(static_cast<std::uint32_t>(GgufType::i32));
    put(static_cast<std::uint64_t>(values.size()));
    for (const std::int32_t value : values) put(value);
  }

  [[nodiscard]] std::shared_ptr<Tokenizer> tokenizer() const {
    std::string file = "GGUF";
    append(file, std::uint32_t{3});
    append(file, std::uint64_t{0});
    append(file, entries_);
    file += body_;
    file.append((32 - file.size() % 32) % 32, '\0');
    return byte_bpe_from_gguf(GgufFile::parse({std::as_bytes(std::span(file)), nullptr}, "m.gguf"));
  }

 private:
  template <class T>
  static void append(std::string& to, T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    to.append(bytes, sizeof value);
  }
  template <class T>
  void put(T value) {
    append(body_, value);
  }
  void put_string(const std::string& value) {
    put(static_cast<std::uint64_t>(value.size()));
    body_ += value;
  }
  void begin(const std::string& key, GgufType type) {
    ++entries_;
    put_string(key);
    put(static_cast<std::uint32_t>(type));
  }

  std::string body_;
  std::uint64_t entries_ = 0;
};

struct Parts {
  std::string model = "gpt2", pre = "gpt-2";
  std::vector<std::string> tokens = {"a", "b", "ab", "<s>", "<user>"};
  std::vector<std::string> merges = {"a b"};
  std::vector<std::int32_t> types = {1, 1, 1, 3, 4};
  std::int32_t bos = 3;

  [[nodiscard]] GgufWriter writer() const {
    GgufWriter writer;
    writer.text("tokenizer.ggml.model", model);
    writer.text("tokenizer.ggml.pre", pre);
    writer.texts("tokenizer.ggml.tokens", tokens);
    writer.texts("tokenizer.ggml.merges", merges);
    writer.integers("tokenizer.ggml.token_type", types);
    writer.integer("tokenizer.ggml.bos_token_id", bos);
    return writer;
  }
  [[nodiscard]] std::shared_ptr<Tokenizer> tokenizer() const { return writer().tokenizer(); }
};

TEST(ByteBpeFromGguf, ReadsTokensTypesAndEdges) {
  const auto tokenizer = Parts{}.tokenizer();
  EXPECT_EQ(tokenizer->vocabulary(), 5);
  EXPECT_EQ(tokenizer->bos(), 3);
  EXPECT_EQ(tokenizer->eos(), -1);
  // A user's token is found in any text, a control token only where it is asked for.
  EXPECT_THAT(tokenizer->encode("ab<user><s>", false), testing::ElementsAre(2, 4));
  EXPECT_THAT(tokenizer->encode("ab<user><s>", true), testing::ElementsAre(2, 4, 3));
}

TEST(ByteBpeFromGguf, KnowsWhetherTheModelExpectsABos) {
  const auto expects_bos = [](const Tokenizer& tokenizer) {
    return dynamic_cast<const ExpectsBos&>(tokenizer).expects_bos();
  };
  EXPECT_FALSE(expects_bos(*Parts{}.tokenizer()));
  EXPECT_TRUE(expects_bos(*Parts{.pre = "llama-bpe"}.tokenizer()));
  GgufWriter told = Parts{}.writer();
  told.flag("tokenizer.ggml.add_bos_token", true);
  EXPECT_TRUE(expects_bos(*told.tokenizer()));
}

TEST(ByteBpeFromGguf, RefusesWhatItCannotReadRight) {
  const auto message = [](const Parts& parts) {
    return message_of([&] { (void)parts.tokenizer(); });
  };
  EXPECT_THAT(message({.model = "llama"}),
              HasSubstr("m.gguf: the tokenizer is of the kind 'llama'"));
  EXPECT_THAT(message({.pre = "tekken"}), HasSubstr("the pre-tokenizer 'tekken' is not supported"));
  for (const char* line : {"ab", " b", "a ", "a b c", ""}) {
    EXPECT_THAT(message({.merges = {"a b", line}}), HasSubstr(cat("merges[1] is '", line, "'")));
  }
  EXPECT_THAT(message({.merges = {"a x"}}), HasSubstr("needs the token 'x'"));
  EXPECT_THAT(message({.types = {1, 1}}), HasSubstr("has 2 entries, but there are 5 tokens"));
  EXPECT_THAT(message({.bos = 5}), HasSubstr("bos_token_id is 5, but there are 5 tokens"));
}

class SmolLm2 : public testing::Test {
 protected:
  static void SetUpTestSuite() { tokenizer_ = byte_bpe_from_gguf(GgufFile::open(kSmolLm2)); }
  static void TearDownTestSuite() { tokenizer_.reset(); }
  static std::shared_ptr<Tokenizer> tokenizer_;
};
std::shared_ptr<Tokenizer> SmolLm2::tokenizer_;

TEST_F(SmolLm2, GivesTheIdsOfHuggingFaceTokenizers) {
  const Value fixture = read_fixture("smollm2.json");
  expect_ids(*tokenizer_, fixture, "plain", false);
  expect_ids(*tokenizer_, fixture, "special", true);
}

TEST_F(SmolLm2, KnowsItsSpecialTokens) {
  EXPECT_EQ(tokenizer_->vocabulary(), 49152);
  EXPECT_EQ(tokenizer_->spelling(tokenizer_->bos()), "<|im_start|>");
  EXPECT_EQ(tokenizer_->spelling(tokenizer_->eos()), "<|im_end|>");
  EXPECT_FALSE(dynamic_cast<const ExpectsBos&>(*tokenizer_).expects_bos());
}

}  // namespace
}  // namespace saffron::tokenizer_test
