#include "support.h"

#include <plugins/datasets/tokens/tokens.h>

#include <saffron/io.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <memory>

namespace saffron::datasets_test {
namespace {

using plugins::Tokens;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

at::Tensor counting(std::int64_t count, at::ScalarType type) {
  return at::arange(count, at::kLong).to(type);
}

class TokensDataset : public FolderTest {
 protected:
  [[nodiscard]] std::string npy(const std::string& name, const at::Tensor& ids) const {
    write_npy(path(name), ids);
    return path(name);
  }
  [[nodiscard]] static Tokens::Options options(const std::vector<std::string>& files) {
    Tokens::Options options;
    for (const std::string& file : files) options.files.push_back({file});
    return options;
  }
  [[nodiscard]] std::unique_ptr<Tokens> make(const Tokens::Options& options) const {
    return std::make_unique<Tokens>(options, context_);
  }
};

TEST_F(TokensDataset, CutsAVectorOfEachTypeIntoRows) {
  for (const at::ScalarType type : {at::kInt, at::kLong, at::kUInt16}) {
    Tokens::Options chosen = options({npy("ids.npy", counting(11, type))});
    chosen.context = 4;
    const auto tokens = make(chosen);
    EXPECT_EQ(tokens->info().rows, 2);
    EXPECT_EQ(tokens->info().length, 4);
    EXPECT_EQ(tokens->info().vocabulary, 11);
    EXPECT_EQ(tokens->info().description, "1 file, 11 tokens");
    EXPECT_THAT(row(*tokens, 1), ElementsAre(4, 5, 6, 7));
    EXPECT_EQ(tokens->where(1), "ids.npy, token 4");
  }
}

TEST_F(TokensDataset, ReadsLargeUnsignedIds) {
  const auto tokens =
      make(options({npy("ids.npy", at::full({1, 3}, 65535, at::kLong).to(at::kUInt16))}));
  EXPECT_THAT(row(*tokens, 0), ElementsAre(65535, 65535, 65535));
}

TEST_F(TokensDataset, TakesTheRowsOfAMatrixOrCutsEachByItself) {
  Tokens::Options chosen = options({npy("ids.npy", counting(15, at::kInt).view({3, 5}))});
  EXPECT_THAT(row(*make(chosen), 2), ElementsAre(10, 11, 12, 13, 14));
  chosen.context = 2;
  const auto tokens = make(chosen);
  EXPECT_EQ(tokens->info().rows, 6);
  EXPECT_THAT(row(*tokens, 3), ElementsAre(7, 8));
  EXPECT_EQ(tokens->where(3), "ids.npy, row 1, column 2");
}

TEST_F(TokensDataset, ReadsAMatrixInFortranOrder) {
  // As numpy.asfortranarray(numpy.arange(6, dtype="<i4").reshape(2, 3)) is saved.
  std::string header = "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }";
  header.resize(128 - 10 - 1, ' ');
  std::string file =
      std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(118) + '\0' + header + '\n';
  for (const char id : {0, 3, 1, 4, 2, 5}) file += std::string{id, 0, 0, 0};
  EXPECT_THAT(row(*make(options({write("ids.npy", file)})), 1), ElementsAre(3, 4, 5));
}

TEST_F(TokensDataset, ReadsSafetensorsAndSeveralFiles) {
  write_safetensors(path("a.safetensors"), {{"input_ids", counting(4, at::kLong).view({2, 2})},
                                            {"mask", counting(4, at::kLong)}});
  Tokens::Options chosen = options({path("a.safetensors"), npy("b.npy", counting(7, at::kInt))});
  EXPECT_THAT(message_of([&] { (void)make(chosen); }, ErrorKind::data),
              AllOf(HasSubstr("a.safetensors"), HasSubstr("2 tensors: input_ids, mask")));
  chosen.tensor = "input_ids";
  chosen.context = 2;
  const auto tokens = make(chosen);
  EXPECT_EQ(tokens->info().rows, 5);
  EXPECT_THAT(row(*tokens, 1), ElementsAre(2, 3));
  EXPECT_THAT(row(*tokens, 2), ElementsAre(0, 1));
  EXPECT_THAT(row(*tokens, 4), ElementsAre(4, 5));
  EXPECT_EQ(tokens->where(4), "b.npy, token 4");
}

TEST_F(TokensDataset, PassesOverEmptyFiles) {
  Tokens::Options chosen =
      options({npy("a.npy", at::empty({0}, at::kInt)), npy("b.npy", counting(2, at::kInt)),
               npy("c.npy", at::empty({0}, at::kInt)), npy("d.npy", counting(2, at::kInt))});
  chosen.context = 2;
  EXPECT_EQ(make(chosen)->info().rows, 2);
  EXPECT_EQ(make(chosen)->where(0), "b.npy, token 0");
  EXPECT_EQ(make(chosen)->where(1), "d.npy, token 0");
  chosen.files = {{path("a.npy")}};
  EXPECT_THAT(message_of([&] { (void)make(chosen); }, ErrorKind::data), HasSubstr("no tokens"));
}

TEST_F(TokensDataset, ChecksEveryIdBeforeItHandsAnyOut) {
  at::Tensor ids = counting(12, at::kInt).view({3, 4}).clone();
  ids.mutable_data_ptr<std::int32_t>()[9] = -2;
  Tokens::Options chosen = options({npy("ids.npy", ids)});
  EXPECT_THAT(message_of([&] { (void)row(*make(chosen), 0); }, ErrorKind::data),
              HasSubstr("ids.npy, row 2, column 1: the id -2 is negative"));
  ids.mutable_data_ptr<std::int32_t>()[9] = 9;
  chosen = options({npy("ids.npy", ids)});
  chosen.vocabulary = 11;
  EXPECT_THAT(message_of([&] { (void)make(chosen)->info(); }, ErrorKind::data),
              HasSubstr("ids.npy, row 2, column 3: the id 11 is not in [0, 11)"));
  chosen.vocabulary = 12;
  EXPECT_EQ(make(chosen)->info().vocabulary, 12);
}

TEST_F(TokensDataset, TakesTheVocabularyOfItsTokenizer) {
  Tokens::Options chosen = options({npy("ids.npy", at::full({1, 3}, 258, at::kInt))});
  EXPECT_THAT(message_of([&] { (void)make(chosen)->tokenizer(); }, ErrorKind::invalid),
              AllOf(HasSubstr("without a tokenizer"), HasSubstr("set the dataset's `tokenizer`")));
  chosen.tokenizer = Child<Tokenizer>(std::make_shared<ByteTokenizer>());
  EXPECT_EQ(make(chosen)->info().vocabulary, 259);
  EXPECT_EQ(make(chosen)->tokenizer().eos(), 256);
  chosen.files = {{npy("more.npy", at::full({1, 3}, 259, at::kInt))}};
  EXPECT_THAT(message_of([&] { (void)make(chosen)->info(); }, ErrorKind::data),
              HasSubstr("the id 259 is not in [0, 259)"));
}

TEST_F(TokensDataset, RefusesFilesThatCannotBeTokens) {
  const auto message = [&](const std::string& file, ErrorKind kind) {
    return message_of([&] { (void)make(options({file})); }, kind);
  };
  EXPECT_THAT(message(npy("f.npy", at::full({4}, 1.0, at::kFloat)), ErrorKind::data),
              HasSubstr("int32, int64 or uint16, not Float"));
  EXPECT_THAT(message(npy("cube.npy", at::full({2, 2, 2}, 1, at::kInt)), ErrorKind::data),
              HasSubstr("not the shape [2, 2, 2]"));
  EXPECT_THAT(message(npy("short.npy", counting(100, at::kInt)), ErrorKind::data),
              HasSubstr("a vector of 100 tokens, fewer than the context of 128"));
  EXPECT_THAT(message(write("ids.txt", "1 2 3"), ErrorKind::invalid), HasSubstr("neither a .npy"));
  EXPECT_THAT(message(write("bad.npy", "1 2 3"), ErrorKind::data), HasSubstr("bad.npy"));
}

TEST_F(TokensDataset, WantsOneContextForAllFiles) {
  Tokens::Options chosen = options({npy("a.npy", counting(4, at::kInt).view({2, 2})),
                                    npy("b.npy", counting(6, at::kInt).view({2, 3}))});
  EXPECT_THAT(message_of([&] { (void)make(chosen); }, ErrorKind::data),
              AllOf(HasSubstr("b.npy"), HasSubstr("rows of 3 tokens, but 2 in")));
  chosen.context = 2;
  EXPECT_EQ(make(chosen)->info().rows, 4);
}

TEST(TokensSchema, RefusesSizesThatCannotBe) {
  for (const char* name : {"context", "vocabulary"}) {
    for (const std::int64_t size : {std::int64_t{0}, std::int64_t{1} << 31}) {
      Value config = Value::table();
      config.set("files", Value(Value::List{"ids.npy"}));
      config.set(name, size);
      Tokens::Options options;
      Decoded decoded;
      Tokens::schema().decode(config, &options, decoded);
      EXPECT_EQ(decoded.problems.size(), 1u) << name << " = " << size;
    }
  }
}

TEST_F(TokensDataset, RefusesRowsThatAreNotThere) {
  const auto tokens = make(options({npy("ids.npy", counting(4, at::kInt).view({2, 2}))}));
  for (const std::int64_t index : {-1, 2}) {
    EXPECT_THAT(message_of([&] { (void)row(*tokens, index); }, ErrorKind::invalid),
                HasSubstr("rows go from 0 to 1"));
    EXPECT_THAT(message_of([&] { (void)tokens->where(index); }, ErrorKind::invalid),
                HasSubstr("rows go from 0 to 1"));
  }
}

}  // namespace
}  // namespace saffron::datasets_test
