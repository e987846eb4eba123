#include "io_testing.h"

#include <ATen/ops/narrow.h>
#include <gmock/gmock.h>

namespace saffron::io_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string text(const std::string& value) { return raw(std::uint64_t{value.size()}) + value; }

std::string entry(const std::string& key, std::uint32_t type, const std::string& value) {
  return text(key) + raw(type) + value;
}

std::string tensor(const std::string& name, const std::vector<std::uint64_t>& dims,
                   std::uint32_t type, std::uint64_t offset) {
  std::string out = text(name) + raw(static_cast<std::uint32_t>(dims.size()));
  for (const std::uint64_t size : dims) out += raw(size);
  return out + raw(type) + raw(offset);
}

std::string gguf(std::uint64_t tensors, std::uint64_t entries, const std::string& body,
                 std::size_t data_bytes = 0, std::uint32_t version = 3) {
  std::string out = "GGUF" + raw(version) + raw(tensors) + raw(entries) + body;
  out.append((32 - out.size() % 32) % 32, '\0');
  return out + std::string(data_bytes, '\0');
}

std::string error_of(const std::string& bytes) {
  const Error error = caught([&] { (void)parse_gguf(bytes_of(bytes), "x.gguf"); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(error.where(), "x.gguf");
  return error.message();
}

TEST(Gguf, DequantisesToTheLastBitOfTheReference) {
  const auto file = GgufFile::open(fixture("types.gguf"));
  const auto reference = SafetensorsFile::open(fixture("gguf_reference.safetensors"));
  ASSERT_EQ(reference.tensors().size(), 14U);
  for (const TensorInfo& info : reference.tensors()) {
    const at::Tensor expected = reference.tensor(info.name);
    EXPECT_TRUE(identical(file.tensor(info.name), expected)) << info.name;
    EXPECT_EQ(file.info(info.name).shape, info.shape);
    const std::int64_t last = expected.size(0) - 1;
    EXPECT_TRUE(identical(file.rows(info.name, 1, last), expected.narrow(0, 1, last))) << info.name;
  }
}

TEST(Gguf, ReadsMetadataOfEveryType) {
  const auto file = GgufFile::open(fixture("types.gguf"));
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.text("general.architecture"), "saffron-test");
  EXPECT_EQ(file.text("test.text"), "κόσμε");
  EXPECT_EQ(file.integer("test.u8"), 200);
  EXPECT_EQ(file.integer("test.i8"), -100);
  EXPECT_EQ(file.integer("test.u16"), 60000);
  EXPECT_EQ(file.integer("test.i16"), -30000);
  EXPECT_EQ(file.integer("test.u32"), 4000000000);
  EXPECT_EQ(file.integer("test.i32"), -2000000000);
  EXPECT_EQ(file.integer("test.i64"), -(std::int64_t{1} << 62));
  EXPECT_EQ(file.real("test.f32"), static_cast<double>(0.1F));
  EXPECT_EQ(file.real("test.f64"), 0.1);
  EXPECT_EQ(file.real("test.i8"), -100.0);
  EXPECT_TRUE(file.flag("test.bool"));
  EXPECT_THAT(file.texts("test.texts"), ElementsAre("", "Ġthe", "名前"));
  EXPECT_THAT(file.integers("test.integers"), ElementsAre(1, -2, 3));
  EXPECT_THAT(file.reals("test.reals"), ElementsAre(0.5, -1.5));
}

TEST(Gguf, AbsentAndWrongMetadataIsNamed) {
  const auto file = GgufFile::open(fixture("types.gguf"));
  EXPECT_EQ(file.integer("absent", 7), 7);
  EXPECT_EQ(file.text("absent", "x"), "x");
  EXPECT_EQ(file.real("absent", 0.5), 0.5);
  EXPECT_TRUE(file.flag("absent", true));
  EXPECT_FALSE(file.has("absent"));
  const auto message = [](const auto& action) { return std::string(caught(action).what()); };
  EXPECT_THAT(message([&] { (void)file.integer("test.u9"); }),
              HasSubstr("did you mean 'test.u8'?"));
  EXPECT_THAT(message([&] { (void)file.integer("test.text", 7); }),
              HasSubstr("'test.text' must be an integer, found string"));
  EXPECT_THAT(message([&] { (void)file.integer("test.u64"); }), HasSubstr("9223372036854775808"));
  EXPECT_THAT(message([&] { (void)file.integer("test.f32"); }), HasSubstr("found f32"));
  EXPECT_THAT(message([&] { (void)file.integer("test.integers"); }),
              HasSubstr("must be one value, found an array of i32"));
  EXPECT_THAT(message([&] { (void)file.texts("test.integers"); }), HasSubstr("a string"));
  EXPECT_THAT(message([&] { (void)file.texts("test.text"); }), HasSubstr("must be an array"));
  EXPECT_THAT(message([&] { (void)file.flag("test.u8"); }), HasSubstr("must be a bool"));
  EXPECT_THAT(message([&] { (void)file.real("test.bool"); }), HasSubstr("must be a number"));
}

TEST(Gguf, UnsupportedTypesAreListedButNotRead) {
  const auto file = GgufFile::open(fixture("types.gguf"));
  EXPECT_EQ(file.info("Q2_K").dtype, "Q2_K");
  const Error error = caught([&] { (void)file.tensor("Q2_K"); });
  EXPECT_THAT(error.what(), HasSubstr("tensor 'Q2_K' has the type Q2_K"));
  EXPECT_THAT(error.help(), HasSubstr("Q4_K Q5_K Q6_K"));
}

TEST(Gguf, ReadsVersionTwoAndBytesWithoutOwner) {
  std::string bytes = read_text(fixture("types.gguf"));
  bytes[4] = 2;
  const auto file = GgufFile::parse(view_of(bytes), "v2");
  const auto reference = SafetensorsFile::open(fixture("gguf_reference.safetensors"));
  EXPECT_EQ(file.version(), 2U);
  EXPECT_TRUE(identical(file.tensor("F32"), reference.tensor("F32")));
  EXPECT_TRUE(identical(file.rows("cube", 1, 1), reference.rows("cube", 1, 1)));
}

TEST(Gguf, AlignmentMayBeSet) {
  const std::string body = entry("general.alignment", 4, raw(std::uint32_t{64})) +
                           tensor("a", {2}, 0, 0) + tensor("b", {1}, 0, 64);
  std::string bytes =
      "GGUF" + raw(std::uint32_t{3}) + raw(std::uint64_t{2}) + raw(std::uint64_t{1}) + body;
  bytes.append((64 - bytes.size() % 64) % 64, '\0');
  bytes += raw(1.0F) + raw(2.0F) + std::string(56, '\0') + raw(3.0F);
  const auto file = GgufFile::parse(view_of(bytes), "x");
  EXPECT_EQ(file.tensor("b").item<float>(), 3.0F);
}

TEST(Gguf, HostileHeadersAreNamed) {
  const std::uint64_t huge = ~std::uint64_t{0};
  EXPECT_THAT(error_of("GGU"), HasSubstr("the magic at byte 0 needs 4 bytes"));
  EXPECT_THAT(error_of("GGML" + std::string(40, '\0')), HasSubstr("not a GGUF file"));
  EXPECT_THAT(error_of(gguf(0, 0, "", 0, 1)), HasSubstr("version 1 is not 2 or 3"));
  EXPECT_THAT(error_of(gguf(0, 0, "", 0, 3U << 24)), HasSubstr("big-endian"));
  EXPECT_THAT(error_of(gguf(huge, 0, "")), HasSubstr("the tensor list at byte 24 needs"));
  EXPECT_THAT(error_of(gguf(0, huge, "")), HasSubstr("the metadata at byte 24 needs"));
  EXPECT_THAT(error_of(gguf(0, 1, raw(huge) + std::string(32, 'x'))),
              HasSubstr("metadata key 0 at byte 32 needs 18446744073709551615 bytes"));
  EXPECT_THAT(error_of(gguf(0, 1, entry("k", 13, raw(huge)))), HasSubstr("unknown value type 13"));
  EXPECT_THAT(error_of(gguf(0, 1, entry("k", 9, raw(std::uint32_t{10}) + raw(huge)))),
              HasSubstr("metadata 'k' at byte"));
  EXPECT_THAT(error_of(gguf(0, 1, entry("k", 9, raw(std::uint32_t{8}) + raw(huge)))),
              HasSubstr("metadata 'k' at byte"));
  const std::string twice = entry("k", 0, "1") + entry("k", 0, "2");
  EXPECT_THAT(error_of(gguf(0, 2, twice)), HasSubstr("metadata 'k' occurs twice"));
  std::string nested;
  for (int i = 0; i < 5; ++i) nested += raw(std::uint32_t{9}) + raw(std::uint64_t{1});
  EXPECT_THAT(error_of(gguf(0, 1, entry("k", 9, nested + std::string(20, '\0')))),
              HasSubstr("nests arrays deeper than 4"));
  for (const std::uint32_t alignment : {0U, 24U}) {
    EXPECT_THAT(error_of(gguf(0, 1, entry("general.alignment", 4, raw(alignment)))),
                HasSubstr("not a power of two"));
  }
  EXPECT_THAT(error_of(gguf(0, 1, entry("general.alignment", 10, raw(huge)))),
              HasSubstr("not a u32"));
}

TEST(Gguf, HostileTensorsAreNamed) {
  const std::uint64_t big = std::uint64_t{1} << 62;
  const auto one = [&](const std::vector<std::uint64_t>& dims, std::uint32_t type,
                       std::uint64_t offset) {
    return error_of(gguf(1, 0, tensor("t", dims, type, offset), 64));
  };
  EXPECT_THAT(one({1, 1, 1, 1, 1}, 0, 0), HasSubstr("5 dimensions, more than 4"));
  EXPECT_THAT(one({big * 2}, 0, 0), HasSubstr("dimension of size 9223372036854775808"));
  EXPECT_THAT(one({big, 4}, 0, 0), HasSubstr("too large"));
  EXPECT_THAT(one({big}, 28, 0), HasSubstr("too large"));
  EXPECT_THAT(one({0, big, 4}, 0, 0), HasSubstr("too large"));
  EXPECT_THAT(one({1}, 77, 0), HasSubstr("unknown element type 77"));
  EXPECT_THAT(one({33}, 8, 0), HasSubstr("not whole blocks of Q8_0"));
  EXPECT_THAT(one({1}, 0, 4), HasSubstr("offset 4 is not a multiple of 32"));
  EXPECT_THAT(one({17}, 0, 0), HasSubstr("truncated or corrupt"));
  EXPECT_THAT(one({1}, 0, 64), HasSubstr("truncated or corrupt"));
  EXPECT_THAT(one({1}, 0, ~std::uint64_t{31}), HasSubstr("truncated or corrupt"));
  const std::string same = tensor("t", {1}, 0, 0) + tensor("t", {1}, 0, 32);
  EXPECT_THAT(error_of(gguf(2, 0, same, 64)), HasSubstr("tensor 't' occurs twice"));
  const std::string overlap = tensor("a", {9}, 0, 0) + tensor("b", {1}, 0, 32);
  EXPECT_THAT(error_of(gguf(2, 0, overlap, 64)), HasSubstr("tensors 'a' and 'b' overlap"));
}

}  // namespace
}  // namespace saffron::io_test
