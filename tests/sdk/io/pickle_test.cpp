#include "io_testing.h"

#include "sdk/io/pickle.h"

#include <gmock/gmock.h>

namespace saffron::io_test {
namespace {

using ::testing::HasSubstr;
using Shape = std::vector<std::int64_t>;

std::string text(const std::string& word) {
  return "X" + raw(static_cast<std::uint32_t>(word.size())) + word;
}
std::string number(std::int64_t value) { return "\x8a\x08" + raw(value); }
std::string tuple(const Shape& values) {
  std::string out = "(";
  for (const std::int64_t value : values) out += number(value);
  return out + "t";
}

// torch.save's pickle of {"w": tensor}.
std::string tensor(const Shape& sizes, const Shape& strides, std::int64_t offset,
                   std::int64_t elements) {
  return "\x80\x02}(" + text("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") +
         "ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(elements) + "tQ" +
         number(offset) + tuple(sizes) + tuple(strides) + "\x89" +
         "ccollections\nOrderedDict\n)RtRu.";
}

std::vector<io_detail::PickledTensor> parse(const std::string& pickle) {
  return io_detail::parse_state_dict(bytes_of(pickle), "x.pt");
}
std::string error_of(const std::string& pickle) {
  const Error error = caught([&] { (void)parse(pickle); });
  EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
  EXPECT_EQ(error.where(), "x.pt");
  return error.what();
}

TEST(Pickle, ReadsATensor) {
  const auto found = parse(tensor({3, 4}, {1, 3}, 2, 14));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "w");
  EXPECT_EQ(found[0].dtype, "float32");
  EXPECT_EQ(found[0].storage, "0");
  EXPECT_EQ(found[0].elements, 14);
  EXPECT_EQ(found[0].offset, 2);
  EXPECT_EQ(found[0].sizes, (Shape{3, 4}));
  EXPECT_EQ(found[0].strides, (Shape{1, 3}));
}

TEST(Pickle, NoTensorLeavesItsStorage) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  EXPECT_THAT(error_of(tensor({3, 4}, {1, 3}, 3, 14)), HasSubstr("in a storage of 14 elements"));
  EXPECT_THAT(error_of(tensor({3, 4}, {4, 1}, 0, 11)), HasSubstr("storage of 11"));
  EXPECT_THAT(error_of(tensor({kHuge, 4}, {1, 1}, 0, 14)), HasSubstr("shape"));
  EXPECT_THAT(error_of(tensor({3}, {kHuge}, 0, 14)), HasSubstr("shape"));
  EXPECT_THAT(error_of(tensor({1000}, {0}, 0, 14)), HasSubstr("[1000]"));
  EXPECT_THAT(error_of(tensor({3, 4}, {1}, 0, 14)), HasSubstr("strides [1]"));
  EXPECT_THAT(error_of(tensor({-3}, {1}, 0, 14)), HasSubstr("shape that is none"));
  EXPECT_THAT(error_of(tensor({3}, {-1}, 0, 14)), HasSubstr("shape that is none"));
  EXPECT_THAT(error_of(tensor({3}, {1}, -1, 14)), HasSubstr("offset -1"));
  EXPECT_THAT(error_of(tensor({0}, {1}, 0, -1)), HasSubstr("storage"));
  EXPECT_TRUE(parse(tensor({0, 3}, {3, 1}, 0, 0))[0].sizes == (Shape{0, 3}));
}

TEST(Pickle, CallsNothingElse) {
  EXPECT_THAT(error_of("\x80\x02"
                       "cos\nsystem\n(" +
                       text("true") + "tR."),
              HasSubstr("'os.system'"));
  EXPECT_THAT(error_of("\x80\x02"
                       "cbuiltins\neval\n."),
              HasSubstr("'builtins.eval'"));
  EXPECT_THAT(error_of("\x80\x02"
                       "ctorch\nload\n."),
              HasSubstr("'torch.load'"));
  EXPECT_THAT(error_of("\x80\x02i\n"), HasSubstr("opcode 105"));
}

TEST(Pickle, MalformedProgramsAreNamed) {
  EXPECT_THAT(error_of(""), HasSubstr("needs 1 byte"));
  EXPECT_THAT(error_of("}."), HasSubstr("protocol"));
  EXPECT_THAT(error_of("\x80\x05}."), HasSubstr("protocol 5"));
  EXPECT_THAT(error_of("\x80\x02}"), HasSubstr("next opcode"));
  EXPECT_THAT(error_of("\x80\x02."), HasSubstr("empty stack"));
  EXPECT_THAT(error_of("\x80\x02(."), HasSubstr("empty stack"));
  EXPECT_THAT(error_of("\x80\x02]."), HasSubstr("a dict of tensors"));
  EXPECT_THAT(error_of("\x80\x02}u."), HasSubstr("no mark"));
  EXPECT_THAT(error_of("\x80\x02}(Nu."), HasSubstr("without a value"));
  EXPECT_THAT(error_of("\x80\x02N(NNu."), HasSubstr("what holds none"));
  EXPECT_THAT(error_of("\x80\x02h\x07."), HasSubstr("memo 7"));
  EXPECT_THAT(error_of("\x80\x02X\xff\xff\xff\xff."), HasSubstr("a string"));
  EXPECT_THAT(error_of("\x80\x02"
                       "ctorch"),
              HasSubstr("a line of the pickle"));
  EXPECT_THAT(error_of("\x80\x02N)R."), HasSubstr("the function of a call"));
  EXPECT_THAT(error_of("\x80\x02)Q."), HasSubstr("describes a storage"));
}

// Dicts that hold one another, or themselves, neither hang nor overflow the stack.
TEST(Pickle, DictsWithinThemselvesEnd) {
  EXPECT_THAT(error_of("\x80\x02}q\x01(" + text("a") + "h\x01" + text("b") + "h\x01u."),
              HasSubstr("without end"));
}

}  // namespace
}  // namespace saffron::io_test
