#include "io_testing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

namespace saffron::io_test {
namespace {

using ::testing::HasSubstr;

const std::pair<const char*, at::ScalarType> kTypes[] = {
    {"f2", at::kHalf},   {"f4", at::kFloat},  {"f8", at::kDouble}, {"i1", at::kChar},
    {"i2", at::kShort},  {"i4", at::kInt},    {"i8", at::kLong},   {"u1", at::kByte},
    {"u2", at::kUInt16}, {"u4", at::kUInt32}, {"u8", at::kUInt64}, {"b1", at::kBool}};

// The formula of make_fixtures.py.
at::Tensor expected(char kind, at::ScalarType type) {
  const at::Tensor i = at::arange(6, at::kLong);
  at::Tensor values = i - 3;
  if (kind == 'b') values = i.remainder(3).eq(0);
  if (kind == 'u') values = i + 1;
  if (kind == 'f') values = values.to(at::kDouble) * 0.5;
  return values.to(type).reshape({2, 3});
}

at::Tensor cube() {
  return ((at::arange(24, at::kLong) - 3).to(at::kFloat) * 0.5).reshape({2, 3, 4});
}

std::string npy(const std::string& dict, const std::string& data = "") {
  return "\x93NUMPY\x01" + std::string(1, '\0') + raw(static_cast<std::uint16_t>(dict.size())) +
         dict + data;
}

std::string error_of(const std::string& bytes) {
  const Error error = caught([&] { (void)parse_npy(bytes_of(bytes), "x.npy"); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(error.where(), "x.npy");
  return error.what();
}

TEST(Npy, ReadsEveryDtypeAndWritesNumpysBytes) {
  const TemporaryFolder folder;
  for (const auto& [name, type] : kTypes) {
    const auto path = fixture(cat("npy/", name, ".npy"));
    const at::Tensor tensor = read_npy(path);
    EXPECT_TRUE(identical(tensor, expected(name[0], type))) << name;
    write_npy(folder / name, tensor);
    EXPECT_EQ(read_text(folder / name), read_text(path)) << name;
  }
}

TEST(Npy, ReadsScalarsEmptyArraysFortranOrderAndLaterVersions) {
  EXPECT_EQ(read_npy(fixture("npy/scalar.npy")).dim(), 0);
  EXPECT_EQ(read_npy(fixture("npy/scalar.npy")).item<float>(), 2.5F);
  EXPECT_EQ(read_npy(fixture("npy/empty.npy")).sizes(), at::IntArrayRef({0, 3}));
  const at::Tensor fortran = read_npy(fixture("npy/fortran.npy"));
  EXPECT_EQ(fortran.strides(), at::IntArrayRef({1, 2, 6}));
  EXPECT_TRUE(identical(fortran, cube()));
  EXPECT_TRUE(identical(read_npy(fixture("npy/version2.npy")), cube()));
  EXPECT_TRUE(identical(read_npy(fixture("npy/version3.npy")), cube()));
}

TEST(Npy, RoundTripsStridesScalarsAndEmptyTensors) {
  const TemporaryFolder folder;
  for (const at::Tensor& tensor :
       {cube().transpose(0, 2), cube().select(0, 1).select(0, 1).select(0, 1),
        cube().narrow(1, 0, 0), cube().flatten()}) {
    write_npy(folder / "a.npy", tensor);
    EXPECT_TRUE(identical(read_npy(folder / "a.npy"), tensor));
  }
  EXPECT_THAT(caught([&] { write_npy(folder / "b", cube().to(at::kBFloat16)); }).what(),
              HasSubstr("no dtype for BFloat16"));
}

TEST(Npy, UnalignedAndUnownedBytesAreCopied) {
  const std::string bytes =
      npy("{'descr':'<f8','fortran_order':True,'shape':(1,2)}  ", raw(1.5) + raw(-2.0));
  const at::Tensor copy = read_npy(view_of(bytes), "x");
  EXPECT_EQ(copy.select(1, 1).item<double>(), -2.0);
  const auto owner = std::make_shared<std::string>("#" + bytes);
  const auto shifted = bytes_of(*owner).subspan(1);
  EXPECT_EQ(read_npy({shifted, owner}, "x").select(1, 0).item<double>(), 1.5);
}

TEST(Npy, UnsupportedArraysAreNamed) {
  const auto error = [](const char* name) {
    return std::string(caught([&] { (void)read_npy(fixture(cat("npy/", name))); }).what());
  };
  EXPECT_THAT(error("big_endian.npy"), HasSubstr("big-endian ('>f4')"));
  EXPECT_THAT(error("structured.npy"), HasSubstr("structured array"));
  EXPECT_THAT(error("complex.npy"), HasSubstr("dtype '<c8' is not supported"));
}

TEST(Npy, HostileHeadersAreNamed) {
  const auto dict = [](const std::string& descr, const std::string& order,
                       const std::string& shape) {
    return npy(cat("{'descr': ", descr, ", 'fortran_order': ", order, ", 'shape': ", shape, "}"));
  };
  EXPECT_THAT(error_of(""), HasSubstr("the magic at byte 0 needs 6 bytes"));
  EXPECT_THAT(error_of("PK\x03\x04    "), HasSubstr("not an npy file"));
  EXPECT_THAT(error_of("\x93NUMPY\x04" + std::string(9, '\0')), HasSubstr("version 4.0"));
  EXPECT_THAT(error_of("\x93NUMPY\x02" + std::string(1, '\0') + raw(~0U)), HasSubstr("4294967295"));
  EXPECT_THAT(error_of(npy("{'descr': '<f4'}").substr(0, 20)), HasSubstr("the header at byte 10"));
  EXPECT_THAT(error_of(npy("")), HasSubstr("no '{'"));
  EXPECT_THAT(error_of(npy("{'descr': '<f4'}")), HasSubstr("lacks one of the keys"));
  EXPECT_THAT(error_of(npy("{'x': '<f4'}")), HasSubstr("unknown key 'x'"));
  EXPECT_THAT(error_of(npy("{'descr': '<f4', 'descr': '<f4'}")), HasSubstr("'descr' twice"));
  EXPECT_THAT(error_of(npy("{'descr: ")), HasSubstr("a string has no end"));
  EXPECT_THAT(error_of(dict("'<f4'", "false", "()")), HasSubstr("neither True nor False"));
  EXPECT_THAT(error_of(dict("'<f4'", "True", "(2,)")), HasSubstr("has 8 bytes, but 0 follow"));
  EXPECT_THAT(error_of(dict("'<f4'", "True", "(0,)") + "1234"), HasSubstr("several arrays"));
  EXPECT_THAT(error_of(dict("'<f4'", "True", "(-2,)")), HasSubstr("no natural number"));
  EXPECT_THAT(error_of(dict("'<f4'", "True", "(2, ")), HasSubstr("no natural number"));
  EXPECT_THAT(error_of(dict("'<f4'", "True", "(99999999999999999999,)")), HasSubstr("63 bits"));
  EXPECT_THAT(error_of(dict("'<f4'", "True", "(4611686018427387904, 4)")), HasSubstr("too large"));
  EXPECT_THAT(error_of(dict("'<f8'", "True", "(4611686018427387904,)")), HasSubstr("too large"));
  EXPECT_THAT(error_of(dict("'f4'", "True", "()")), HasSubstr("dtype 'f4' is not supported"));
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1,";
  EXPECT_THAT(error_of(dict("'<f4'", "True", many + ")")), HasSubstr("more than 64 dimensions"));
}

}  // namespace
}  // namespace saffron::io_test
