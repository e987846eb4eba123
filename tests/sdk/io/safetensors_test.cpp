#include "io_testing.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

namespace saffron::io_test {
namespace {

using ::testing::HasSubstr;

// The formula of make_fixtures.py: (i - 3) / 2, i - 3, i + 1, or whether i is a multiple of 3.
at::Tensor expected(at::ScalarType type) {
  const at::Tensor i = at::arange(6, at::kLong);
  const bool is_unsigned =
      type == at::kByte || type == at::kUInt16 || type == at::kUInt32 || type == at::kUInt64;
  at::Tensor values = i - 3;
  if (type == at::kBool) values = i.remainder(3).eq(0);
  if (is_unsigned) values = i + 1;
  if (c10::isFloatingType(type)) values = values.to(at::kDouble) * 0.5;
  return values.to(type).reshape({2, 3});
}

std::string file_with(const std::string& json, std::size_t data_bytes) {
  return raw(std::uint64_t{json.size()}) + json + std::string(data_bytes, '\0');
}

std::string error_of(const std::string& bytes) {
  const Error error = caught([&] { (void)parse_safetensors(bytes_of(bytes), "x.safetensors"); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(error.where(), "x.safetensors");
  return error.message();
}

TEST(Safetensors, ReadsEveryDtypeOfTheReferenceLibrary) {
  const auto file = SafetensorsFile::open(fixture("all_dtypes.safetensors"));
  const std::pair<const char*, at::ScalarType> types[] = {
      {"float64", at::kDouble},   {"float32", at::kFloat}, {"float16", at::kHalf},
      {"int64", at::kLong},       {"int32", at::kInt},     {"int16", at::kShort},
      {"int8", at::kChar},        {"uint64", at::kUInt64}, {"uint32", at::kUInt32},
      {"uint16", at::kUInt16},    {"uint8", at::kByte},    {"bool", at::kBool},
      {"bfloat16", at::kBFloat16}};
  for (const auto& [name, type] : types) {
    EXPECT_TRUE(identical(file.tensor(name), expected(type))) << name;
    EXPECT_TRUE(identical(file.rows(name, 1, 1), expected(type).narrow(0, 1, 1))) << name;
  }
  const at::Tensor e4m3 = at::tensor({0.5, 1.0, -2.0, 448.0, 0x1p-9}, at::kFloat);
  const at::Tensor e5m2 = at::tensor({0.5, 1.0, -2.0, 57344.0, 0x1p-16}, at::kFloat);
  EXPECT_TRUE(identical(file.tensor("float8_e4m3fn").to(at::kFloat), e4m3));
  EXPECT_TRUE(identical(file.tensor("float8_e5m2").to(at::kFloat), e5m2));
}

TEST(Safetensors, ReadsScalarsEmptyTensorsUnicodeNamesAndMetadata) {
  const auto file = SafetensorsFile::open(fixture("all_dtypes.safetensors"));
  EXPECT_EQ(file.tensor("scalar").dim(), 0);
  EXPECT_EQ(file.tensor("scalar").item<float>(), 2.5F);
  EXPECT_EQ(file.tensor("empty").sizes(), at::IntArrayRef({0, 3}));
  EXPECT_EQ(file.rows("empty", 0, 0).sizes(), at::IntArrayRef({0, 3}));
  EXPECT_EQ(file.tensor("κόσμε/名前 \"q\"").item<float>(), 7.0F);
  ASSERT_NE(file.metadata("format"), nullptr);
  EXPECT_EQ(*file.metadata("format"), "pt");
  EXPECT_EQ(file.metadata("absent"), nullptr);
  EXPECT_EQ(file.tensors().size(), 18U);
  EXPECT_EQ(file.info("float16").dtype, "F16");
  EXPECT_EQ(file.find("float17"), nullptr);
  EXPECT_THAT(caught([&] { (void)file.tensor("float17"); }).what(),
              HasSubstr("did you mean 'float16'?"));
}

TEST(Safetensors, WritesTheReferenceLibrarysBytes) {
  const TemporaryFolder folder;
  const auto file = SafetensorsFile::open(fixture("all_dtypes.safetensors"));
  NamedTensors tensors;
  for (const TensorInfo& info : file.tensors())
    tensors.emplace_back(info.name, file.tensor(info.name));
  write_safetensors(folder / "a", tensors, file.metadata());
  EXPECT_EQ(read_text(folder / "a"), read_text(fixture("all_dtypes.safetensors")));
}

TEST(Safetensors, TensorsViewTheMapAndKeepItAlive) {
  at::Tensor first, second;
  {
    const auto file = SafetensorsFile::open(fixture("all_dtypes.safetensors"));
    first = file.tensor("float32");
    second = file.tensor("float32");
  }
  EXPECT_EQ(first.const_data_ptr(), second.const_data_ptr());
  EXPECT_TRUE(identical(first, expected(at::kFloat)));
}

TEST(Safetensors, WriterAlignsMixedWidthsAndTakesAnyStrides) {
  const TemporaryFolder folder;
  const at::Tensor odd = at::arange(3, at::kByte);
  const at::Tensor wide = at::arange(6, at::kDouble).reshape({2, 3}).t();
  const at::Tensor empty = at::empty({0, 4}, at::kFloat);
  const at::Tensor scalar = at::scalar_tensor(1.5, at::kHalf);
  write_safetensors(folder / "a",
                    {{"odd", odd}, {"wide", wide}, {"empty", empty}, {"scalar", scalar}});
  const auto file = SafetensorsFile::open(folder / "a");
  EXPECT_TRUE(identical(file.tensor("odd"), odd));
  EXPECT_TRUE(identical(file.tensor("wide"), wide));
  EXPECT_TRUE(identical(file.tensor("empty"), empty));
  EXPECT_TRUE(identical(file.tensor("scalar"), scalar));
  for (const TensorInfo& info : file.tensors()) {
    EXPECT_EQ(info.offset % static_cast<std::uint64_t>(file.tensor(info.name).element_size()), 0U);
  }
  EXPECT_EQ(file.tensors().front().name, "wide");
  EXPECT_EQ(file.tensors().front().offset % 8, 0U);
}

TEST(Safetensors, WriterRefusesWhatItCannotWriteAndLeavesNoFile) {
  const TemporaryFolder folder;
  const at::Tensor one = at::full({1}, 1.0F);
  const auto write = [&](const NamedTensors& tensors) {
    return std::string(caught([&] { write_safetensors(folder / "a", tensors); }).what());
  };
  EXPECT_THAT(write({{"x", one}, {"x", one}}), HasSubstr("tensor 'x' occurs twice"));
  EXPECT_THAT(write({{"x", at::Tensor()}}), HasSubstr("undefined"));
  EXPECT_THAT(write({{"x", one.to(at::kComplexFloat)}}), HasSubstr("no dtype ComplexFloat"));
  EXPECT_THAT(write({{"x", one.to_sparse()}}), HasSubstr("sparse"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, UnalignedDataIsCopied) {
  const std::string json = R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                           R"("f":{"dtype":"F32","shape":[2,1],"data_offsets":[1,9]}})";
  std::string bytes = raw(std::uint64_t{json.size()}) + json + "\x05" + raw(1.5F) + raw(-2.0F);
  const auto owner = std::make_shared<std::string>(bytes);
  const auto file = SafetensorsFile::parse({bytes_of(*owner), owner}, "x");
  EXPECT_TRUE(identical(file.tensor("f"), at::tensor({1.5F, -2.0F}).reshape({2, 1})));
  EXPECT_TRUE(identical(file.rows("f", 1, 1), at::tensor({-2.0F}).reshape({1, 1})));
}

TEST(Safetensors, RowsOutOfRangeAreRefused) {
  const auto file = SafetensorsFile::open(fixture("all_dtypes.safetensors"));
  const std::pair<std::int64_t, std::int64_t> wrong[] = {
      {-1, 1}, {0, 3}, {2, 1}, {0, -1}, {3, 0}, {1, INT64_MAX}, {INT64_MAX, INT64_MAX}};
  for (const auto& [begin, count] : wrong) {
    const Error error = caught([&, b = begin, c = count] { (void)file.rows("int8", b, c); });
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
  }
  EXPECT_THAT(caught([&] { (void)file.rows("scalar", 0, 1); }).what(), HasSubstr("shape []"));
  EXPECT_EQ(file.rows("int8", 2, 0).size(0), 0);
}

TEST(Safetensors, UnknownDtypesAreListedButNotRead) {
  const std::string json =
      R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]},)"
      R"("b":{"dtype":"Q9","shape":[4],"data_offsets":[2,5],"note":{"x":[1,{}]}}})";
  const std::string bytes = file_with(json, 5);
  const auto file = SafetensorsFile::parse(view_of(bytes), "x");
  EXPECT_EQ(file.info("a").dtype, "F4");
  EXPECT_THAT(caught([&] { (void)file.tensor("a"); }).what(), HasSubstr("supported are F64 F32"));
  EXPECT_THAT(caught([&] { (void)file.rows("b", 0, 1); }).what(), HasSubstr("dtype 'Q9'"));
}

TEST(Safetensors, BoolsMustBeZeroOrOne) {
  const std::string bytes =
      file_with(R"({"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", 0) + "\x01\x02";
  const auto file = SafetensorsFile::parse(view_of(bytes), "x");
  EXPECT_THAT(caught([&] { (void)file.tensor("a"); }).what(), HasSubstr("element 1 is 2"));
}

TEST(Safetensors, HostileHeadersAreNamed) {
  const auto entry = [](const std::string& name, const std::string& shape,
                        const std::string& range) {
    return cat("\"", name, R"(":{"dtype":"F32","shape":)", shape, R"(,"data_offsets":)", range,
               "}");
  };
  const auto one = [&](const std::string& shape, const std::string& range, std::size_t bytes) {
    return error_of(file_with("{" + entry("t", shape, range) + "}", bytes));
  };
  EXPECT_THAT(error_of(""), HasSubstr("the header's length at byte 0 needs 8 bytes"));
  EXPECT_THAT(error_of(raw(~std::uint64_t{0}) + "{}"), HasSubstr("not a safetensors file"));
  EXPECT_THAT(error_of(raw(std::uint64_t{50}) + "{}"), HasSubstr("only 2 are left"));
  EXPECT_THAT(error_of(file_with("[]", 0)), HasSubstr("does not start with '{'"));
  EXPECT_THAT(error_of(file_with("{\"t\":", 0)), HasSubstr("malformed at byte"));
  EXPECT_THAT(one("[1]", "[0,4]", 3), HasSubstr("ends at byte 4, but the file has only 3"));
  EXPECT_THAT(one("[1]", "[0,4]", 5), HasSubstr("cover 4 bytes of data, but the file has 5"));
  EXPECT_THAT(one("[1]", "[4,8]", 8), HasSubstr("leaves a gap"));
  EXPECT_THAT(one("[1]", "[4,0]", 8), HasSubstr("end (0) before they begin (4)"));
  EXPECT_THAT(one("[2]", "[0,4]", 4), HasSubstr("4 bytes do not hold [2] elements of 'F32'"));
  EXPECT_THAT(one("[-1]", "[0,4]", 4), HasSubstr("found the integer -1"));
  EXPECT_THAT(one("[1.0]", "[0,4]", 4), HasSubstr("found a float"));
  EXPECT_THAT(one("[18446744073709551615]", "[0,4]", 4), HasSubstr("18446744073709551615"));
  EXPECT_THAT(one("[4611686018427387904,4]", "[0,0]", 0), HasSubstr("too large"));
  EXPECT_THAT(one("[0,4611686018427387904,4]", "[0,0]", 0), HasSubstr("too large"));
  EXPECT_THAT(one("[1]", "[0,4,8]", 4), HasSubstr("more than two numbers"));
  EXPECT_THAT(one("[1]", "[0]", 4), HasSubstr("no data_offsets of two numbers"));
  EXPECT_THAT(one("[[1]]", "[0,4]", 4), HasSubstr("found a list"));
  EXPECT_THAT(one("1", "[0,4]", 4), HasSubstr("shape must be a list"));
  EXPECT_THAT(error_of(file_with(
                  "{" + entry("t", "[1]", "[0,4]") + "," + entry("t", "[1]", "[4,8]") + "}", 8)),
              HasSubstr("tensor 't' occurs twice"));
  EXPECT_THAT(error_of(file_with(
                  "{" + entry("a", "[2]", "[0,8]") + "," + entry("b", "[1]", "[4,8]") + "}", 8)),
              HasSubstr("'b': data at byte 4 overlaps the one before it"));
  EXPECT_THAT(error_of(file_with(R"({"t":{"dtype":"F32","dtype":"F32"}})", 0)),
              HasSubstr("dtype occurs twice"));
  EXPECT_THAT(error_of(file_with(R"({"t":{"dtype":"F32"}})", 0)), HasSubstr("no data_offsets"));
  EXPECT_THAT(error_of(file_with(R"({"t":7})", 0)), HasSubstr("must be a table"));
  EXPECT_THAT(error_of(file_with(R"({"__metadata__":{"a":1}})", 0)),
              HasSubstr("metadata 'a' must be a string"));
  EXPECT_THAT(error_of(file_with(R"({"__metadata__":{"a":"1","a":"2"}})", 0)),
              HasSubstr("metadata 'a' occurs twice"));
  EXPECT_THAT(error_of(file_with("{\"\\u001b[2J\":1}", 0)), HasSubstr("'\\x1b[2J'"));
}

TEST(SafetensorsFolder, ReadsShardsAndSingleFiles) {
  const auto folder = SafetensorsFolder::open(fixture("sharded"));
  EXPECT_EQ(folder.files().size(), 2U);
  ASSERT_EQ(folder.tensors().size(), 3U);
  EXPECT_EQ(folder.tensors()[2].name, "layer.1.weight");
  EXPECT_TRUE(identical(folder.tensor("layer.0.weight"), at::full({2, 2}, 11.0F)));
  EXPECT_TRUE(identical(folder.rows("layer.1.weight", 1, 1), at::full({1, 2}, 20.0F)));

  const TemporaryFolder single;
  EXPECT_EQ(caught([&] { (void)SafetensorsFolder::open(single.path()); }).kind(), ErrorKind::io);
  write_safetensors(single / "model.safetensors", {{"x", at::full({2}, 1.0F)}});
  EXPECT_EQ(SafetensorsFolder::open(single.path()).tensor("x").numel(), 2);
}

TEST(SafetensorsFolder, IndexMayNotLieOrLeaveTheFolder) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", {{"x", at::full({2}, 1.0F)}});
  const auto error = [&](const std::string& index) {
    write_file_atomic(folder / "model.safetensors.index.json", index);
    return std::string(caught([&] { (void)SafetensorsFolder::open(folder.path()); }).what());
  };
  EXPECT_THAT(error(R"({"weight_map": {"x": "../a.safetensors"}})"), HasSubstr("not the name of"));
  EXPECT_THAT(error(R"({"weight_map": {"x": "/etc/passwd"}})"), HasSubstr("not the name of"));
  EXPECT_THAT(error(R"({"weight_map": {"x": ".."}})"), HasSubstr("not the name of"));
  EXPECT_THAT(error(R"({"weight_map": {"y": "a.safetensors"}})"), HasSubstr("no tensor 'y'"));
  EXPECT_THAT(error(R"({"weight_map": {"x": 1}})"), HasSubstr("must name a file"));
  EXPECT_THAT(error(R"({"weight_map": {"x": "b.safetensors"}})"), HasSubstr("No such file"));
  EXPECT_THAT(error("[]"), HasSubstr("no table 'weight_map'"));
  EXPECT_THAT(error("{"), HasSubstr("index.json:1:2: malformed JSON"));
}

}  // namespace
}  // namespace saffron::io_test
