#include "support.h"

#include <plugins/datasets/text/text.h>

#include <gmock/gmock.h>

#include <memory>
#include <thread>

namespace saffron::datasets_test {
namespace {

using plugins::Text;
using plugins::Unit;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class TextDataset : public FolderTest {
 protected:
  [[nodiscard]] static Text::Options options(const std::vector<std::string>& files) {
    Text::Options options;
    for (const std::string& file : files) options.files.push_back({file});
    options.tokenizer = Child<Tokenizer>(std::make_shared<ByteTokenizer>());
    options.context = 4;
    return options;
  }
  [[nodiscard]] std::unique_ptr<Text> make(const Text::Options& options) const {
    return std::make_unique<Text>(options, context_);
  }
};

TEST_F(TextDataset, CutsTheStreamIntoRowsWithSeparatorsBetweenFiles) {
  const auto text = make(options({write("one.txt", "abcde"), write("two.txt", "fgh")}));
  EXPECT_EQ(text->info().type, DataType::tokens);
  EXPECT_EQ(text->info().rows, 2);  // abcd, e<eos>fg; h is left over
  EXPECT_EQ(text->info().length, 4);
  EXPECT_EQ(text->info().vocabulary, 259);
  EXPECT_EQ(text->info().description, "2 files, 0.0 MB, 9 tokens");
  EXPECT_THAT(row(*text, 0), ElementsAre('a', 'b', 'c', 'd'));
  EXPECT_THAT(row(*text, 1), ElementsAre('e', 256, 'f', 'g'));
  const DataRows rows = text->rows(std::vector<std::int64_t>{1, 0, 1});
  EXPECT_EQ(rows.values.sizes(), (at::IntArrayRef{3, 4}));
  EXPECT_FALSE(rows.mask.defined());
  EXPECT_EQ(rows.values.const_data_ptr<std::int64_t>()[4], 'a');
}

TEST_F(TextDataset, BeginsRowsWithTheBosWhereAsked) {
  Text::Options chosen = options({write("one.txt", "abcdefg")});
  chosen.prepend_bos = true;
  const auto text = make(chosen);
  EXPECT_EQ(text->info().rows, 2);
  EXPECT_THAT(row(*text, 0), ElementsAre(257, 'a', 'b', 'c'));
  EXPECT_THAT(row(*text, 1), ElementsAre(257, 'd', 'e', 'f'));
}

TEST_F(TextDataset, TakesAnySeparator) {
  Text::Options chosen = options({write("one.txt", "ab\ncd\n")});
  chosen.document = Unit::line;
  const auto ids = [&](const char* separator) {
    chosen.separator = separator;
    return row(*make(chosen), 0);
  };
  EXPECT_THAT(ids("none"), ElementsAre('a', 'b', 'c', 'd'));
  EXPECT_THAT(ids("bos"), ElementsAre('a', 'b', 257, 'c'));
  EXPECT_THAT(ids("eos"), ElementsAre('a', 'b', 256, 'c'));
  EXPECT_THAT(ids("<sep>"), ElementsAre('a', 'b', 258, 'c'));
  chosen.separator = "ab";
  EXPECT_THAT(message_of([&] { (void)make(chosen); }, ErrorKind::invalid),
              HasSubstr("separator = 'ab' is 2 tokens, not one"));
}

TEST_F(TextDataset, DoesWithoutEdgesWhereTheTokenizerHasNone) {
  Text::Options chosen = options({write("one.txt", "ab\ncd\n")});
  chosen.document = Unit::line;
  chosen.tokenizer = Child<Tokenizer>(std::make_shared<ByteTokenizer>(false));
  EXPECT_THAT(row(*make(chosen), 0), ElementsAre('a', 'b', 'c', 'd'));
  chosen.separator = "eos";
  EXPECT_THAT(message_of([&] { (void)make(chosen); }, ErrorKind::invalid),
              HasSubstr("the tokenizer has no such token"));
  chosen.separator.reset();
  chosen.prepend_bos = true;
  EXPECT_THAT(message_of([&] { (void)make(chosen); }, ErrorKind::invalid),
              HasSubstr("prepend_bos"));
}

TEST_F(TextDataset, ReadsSpecialTokensWhereAsked) {
  Text::Options chosen = options({write("one.txt", "a<sep>bcd")});
  EXPECT_THAT(row(*make(chosen), 0), ElementsAre('a', '<', 's', 'e'));
  chosen.special_tokens = true;
  EXPECT_THAT(row(*make(chosen), 0), ElementsAre('a', 258, 'b', 'c'));
}

TEST_F(TextDataset, SaysWhereARowComesFrom) {
  const auto text = make(options({write("one.txt", "ab\nc\n\ndef"), write("two.txt", "\nghijk")}));
  // ab\nc | \n\nde | f<eos>\ng | hijk
  EXPECT_EQ(text->where(0), "one.txt, line 1");
  EXPECT_EQ(text->where(1), "one.txt, line 2");
  EXPECT_EQ(text->where(2), "one.txt, line 4");
  EXPECT_EQ(text->where(3), "two.txt, line 2");
  Text::Options lines = options({write("three.txt", "ab\n\n\ncdef\nghi")});
  lines.document = Unit::line;  // ab<eos>c | def<eos>
  EXPECT_EQ(make(lines)->where(1), "three.txt, line 4");
}

TEST_F(TextDataset, TellsFilesOfOneNameApart) {
  std::filesystem::create_directories(folder_ / "other");
  const auto text = make(options({write("one.txt", "abcd"), write("other/one.txt", "efghijkl")}));
  EXPECT_EQ(text->where(1), path("other/one.txt") + ", line 1");
}

TEST_F(TextDataset, SkipsAByteOrderMarkAndEmptyFiles) {
  const auto text = make(options({write("empty.txt", ""),
                                  write("one.txt",
                                        "\xEF\xBB\xBF"
                                        "ab"),
                                  write("blank.txt", " \n"), write("two.txt", "cd")}));
  EXPECT_THAT(row(*text, 0), ElementsAre('a', 'b', 256, 'c'));
}

TEST_F(TextDataset, NamesThePlaceOfInvalidUtf8) {
  const auto text = make(options({write("latin1.txt", "first\nna\xC3\xAFve caf\xE9 au lait\n")}));
  EXPECT_THAT(
      message_of([&] { (void)text->info(); }, ErrorKind::data),
      AllOf(HasSubstr("latin1.txt:2:10"), HasSubstr("not valid UTF-8"), HasSubstr("iconv")));
}

TEST_F(TextDataset, SaysWhenThereIsTooLittleText) {
  const auto text = make(options({write("one.txt", "abc")}));
  EXPECT_THAT(message_of([&] { (void)text->info(); }, ErrorKind::data),
              AllOf(HasSubstr("one.txt"), HasSubstr("3 tokens, too few for one row of 4")));
  EXPECT_THAT(message_of([&] { (void)make(options({path("none*.txt")})); }, ErrorKind::io),
              HasSubstr("no file matches"));
}

TEST_F(TextDataset, RefusesRowsThatAreNotThere) {
  const auto text = make(options({write("one.txt", "abcdefgh")}));
  for (const std::int64_t index : {-1, 2}) {
    EXPECT_THAT(message_of([&] { (void)row(*text, index); }, ErrorKind::invalid),
                HasSubstr("rows go from 0 to 1"));
    EXPECT_THAT(message_of([&] { (void)text->where(index); }, ErrorKind::invalid),
                HasSubstr("rows go from 0 to 1"));
  }
}

TEST_F(TextDataset, TokenizesOnFirstUseAndStopsWhenAsked) {
  const auto text = make(options({write("one.txt", "abcdefgh")}));
  EXPECT_EQ(context_.calls, 0);
  context_.stop = true;
  EXPECT_THAT(message_of([&] { (void)text->info(); }, ErrorKind::cancelled), HasSubstr("stopped"));
  context_.stop = false;  // and can be asked again
  EXPECT_EQ(text->info().rows, 2);
  EXPECT_EQ(context_.calls, 1);
}

// Many batches: the same stream as one document after another.
TEST_F(TextDataset, IsTheSameFromAnyThreadAndHoweverTheWorkIsSplit) {
  std::string lines;
  std::vector<std::int64_t> stream;
  for (int i = 0; i < 40'000; ++i) {
    const std::string line = cat("line ", i);
    lines += line + '\n';
    if (i > 0) stream.push_back(256);
    stream.insert(stream.end(), line.begin(), line.end());
  }
  Text::Options chosen = options({write("lines.txt", lines)});
  chosen.document = Unit::line;
  chosen.context = 64;
  const auto text = make(chosen);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t i = t; i < text->info().rows; i += 7) {
        const std::vector<std::int64_t> ids = row(*text, i);
        if (!std::equal(ids.begin(), ids.end(), stream.begin() + i * 64)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(text->info().rows, static_cast<std::int64_t>(stream.size()) / 64);
  EXPECT_GT(context_.calls, 3);
  EXPECT_EQ(text->where(text->info().rows - 1).substr(0, 16), "lines.txt, line ");
}

TEST(TextSchema, ChecksWhatARecipeSays) {
  const auto schema = Text::schema();
  Text::Options read;
  Decoded decoded;
  Value config = Value::table();
  config.set("files", Value(Value::List{"a.txt"}));
  config.set("tokenizer", "lm");
  config.set("document", "blank_line");
  config.set("prepend_bos", false);
  schema.decode(config, &read, decoded);
  EXPECT_TRUE(decoded.ok());
  EXPECT_EQ(read.document, Unit::blank_line);
  EXPECT_EQ(read.prepend_bos, false);
  EXPECT_THAT(decoded.hashed_files, ElementsAre("a.txt"));
  Decoded bad;
  config.set("files", Value::list());
  config.set("context", 1);
  config.set("document", "page");
  config.erase("tokenizer");
  schema.decode(config, &read, bad);
  EXPECT_EQ(bad.problems.size(), 4u);
  Decoded absurd;
  config.set("context", std::int64_t{1} << 31);
  schema.decode(config, &read, absurd);
  EXPECT_EQ(absurd.problems.size(), 4u);
}

}  // namespace
}  // namespace saffron::datasets_test
