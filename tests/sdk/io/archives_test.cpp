#include "io_testing.h"

#include <saffron/archives.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

namespace saffron::io_test {
namespace {

using ::testing::HasSubstr;

at::Tensor whole() { return at::arange(12, at::kFloat).reshape({3, 4}); }

Error refused(const char* name) {
  const Error error = caught([&] { (void)TorchFile::open(fixture(name)); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_THAT(error.where(), HasSubstr(name));
  return error;
}

TEST(TorchFile, ReadsEveryDtype) {
  const TorchFile file = TorchFile::open(fixture("torch/dtypes.pt"));
  const at::Tensor cube = (at::arange(24, at::kLong) - 3).reshape({2, 3, 4});
  EXPECT_EQ(file.tensors().size(), 10U);
  for (const auto& [name, type] : {std::pair{"float32", at::kFloat},
                                   {"float64", at::kDouble},
                                   {"float16", at::kHalf},
                                   {"bfloat16", at::kBFloat16},
                                   {"int64", at::kLong},
                                   {"int32", at::kInt},
                                   {"int16", at::kShort},
                                   {"int8", at::kChar},
                                   {"bool", at::kBool}}) {
    EXPECT_EQ(file.info(name).dtype, name);
    EXPECT_TRUE(identical(file.tensor(name), cube.to(type))) << name;
  }
  EXPECT_TRUE(identical(file.rows("float32", 1, 1), cube.narrow(0, 1, 1).to(at::kFloat)));
}

TEST(TorchFile, ReadsViewsParametersAndDictsWithin) {
  const TorchFile file = TorchFile::open(fixture("torch/odd.pt"));
  EXPECT_TRUE(identical(file.tensor("transposed"), whole().t()));
  EXPECT_TRUE(identical(file.tensor("column"), whole().select(1, 1)));
  EXPECT_EQ(file.tensor("scalar").item<std::int64_t>(), 5);
  EXPECT_EQ(file.tensor("empty").sizes(), at::IntArrayRef({0, 3}));
  EXPECT_TRUE(identical(file.tensor("parameter"), whole()));
  EXPECT_TRUE(identical(file.tensor("inner.weight"), whole() + 1));
  EXPECT_EQ(file.tensors().size(), 6U);
  const TorchFile module = TorchFile::open(fixture("torch/module.pt"));
  EXPECT_EQ(module.info("weight").shape, (std::vector<std::int64_t>{2, 3}));
}

TEST(TorchFile, RunsNothing) {
  EXPECT_THAT(refused("torch/calls.pt").what(), HasSubstr("posix.getcwd"));
  EXPECT_THAT(refused("torch/no_dict.pt").what(), HasSubstr("a dict of tensors"));
  EXPECT_THAT(refused("torch/legacy.pt").what(), HasSubstr("before 1.6"));
  EXPECT_THAT(refused("torch/protocol_4.pt").what(), HasSubstr("protocol 4"));
  EXPECT_THAT(refused("stored.npz").what(), HasSubstr("no data.pkl"));
  EXPECT_THAT(refused("all_dtypes.safetensors").what(), HasSubstr("no whole zip archive"));
}

TEST(TorchFile, RoundTripsWhatItWrites) {
  const TemporaryFolder folder;
  const NamedTensors tensors = {{"w", whole().t()},
                                {"k", at::full({}, 5, at::kInt)},
                                {"empty", whole().narrow(0, 0, 0)},
                                {"half", whole().to(at::kBFloat16)}};
  write_torch(folder / "a.pt", tensors);
  write_torch(folder / "b.pt", tensors);
  EXPECT_EQ(read_text(folder / "a.pt"), read_text(folder / "b.pt"));
  const TorchFile file = TorchFile::open(folder / "a.pt");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(file.tensors()[i].name, tensors[i].first);
    EXPECT_TRUE(identical(file.tensor(tensors[i].first), tensors[i].second)) << tensors[i].first;
  }
}

TEST(Npz, ReadsStoredAndCompressedArrays) {
  for (const char* name : {"stored.npz", "compressed.npz"}) {
    const NpzFile file = NpzFile::open(fixture(name));
    const at::Tensor a = at::arange(6, at::kFloat).reshape({2, 3});
    EXPECT_TRUE(identical(file.tensor("a"), a));
    EXPECT_EQ(file.tensor("b").item<double>(), 2.5);
    EXPECT_TRUE(identical(file.tensor("f"), a.to(at::kDouble)));
    EXPECT_TRUE(identical(file.rows("a", 1, 1), a.narrow(0, 1, 1)));
    EXPECT_EQ(file.tensors().size(), 3U);
  }
}

TEST(Npz, RoundTripsWhatItWrites) {
  const TemporaryFolder folder;
  const NamedTensors tensors = {{"w", whole().t()}, {"k", at::full({}, 5, at::kInt)}};
  write_npz(folder / "a.npz", tensors);
  write_npz(folder / "b.npz", tensors);
  EXPECT_EQ(read_text(folder / "a.npz"), read_text(folder / "b.npz"));
  const NpzFile file = NpzFile::open(folder / "a.npz");
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(identical(file.tensor(name), tensor));
}

TEST(Npz, DamageIsNamed) {
  const TemporaryFolder folder;
  write_npz(folder / "a.npz", {{"weights", whole()}});
  std::string bytes = read_text(folder / "a.npz");
  const std::string eleven = raw(11.F);
  const std::size_t place = bytes.find(eleven);
  ASSERT_NE(place, bytes.npos);
  bytes.replace(place, eleven.size(), raw(12.F));
  const Error error = caught([&] { (void)NpzFile::parse(view_of(bytes), "x.npz"); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("x.npz"), HasSubstr("'weights.npy'")));
  const Error other = caught([&] { (void)NpzFile::open(fixture("torch/odd.pt")); });
  EXPECT_THAT(other.what(), HasSubstr("no npz file"));
}

TEST(OpenTensors, GoesByTheExtension) {
  EXPECT_EQ(open_tensors(fixture("stored.npz"))->tensors().size(),
            NpzFile::open(fixture("stored.npz")).tensors().size());
  EXPECT_EQ(open_tensors(fixture("all_dtypes.safetensors"))->tensors().size(),
            SafetensorsFile::open(fixture("all_dtypes.safetensors")).tensors().size());
  const Error error = caught([] { (void)open_tensors("rewards.pkl"); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_EQ(error.message(), "'rewards.pkl' is neither a .safetensors nor a .npz file");
}

TEST(ElementName, HasTheIndicesOfAPosition) {
  EXPECT_EQ(element_name("tau", at::arange(24).reshape({2, 3, 4}), 17), "tau[1][1][1]");
  EXPECT_EQ(element_name("gamma", at::full({}, 1), 0), "gamma");
}

}  // namespace
}  // namespace saffron::io_test
