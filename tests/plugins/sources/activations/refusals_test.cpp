#include "tests/plugins/sources/activations/support.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <limits>

namespace saffron::source_test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

struct Refused : testing::Test {
  // The error of opening, or of reading the only block.
  Error error() const {
    return caught([&] { (void)bench.make()->block(0); });
  }
  std::string path(const std::string& name) const { return (bench.folder / name).string(); }
  Bench bench;
};

TEST_F(Refused, NoFiles) {
  Error found = error();
  EXPECT_EQ(found.kind(), ErrorKind::io);
  EXPECT_EQ(found.message(),
            cat("there is no .safetensors or .npy file in '", bench.options.path.value, "'"));
  bench.options.path.value = path("nowhere");
  EXPECT_EQ(error().message(), cat("there is no file '", path("nowhere"), "'"));
  write_file_atomic(path("x.pt"), "pickle");
  bench.options.path.value = path("x.pt");
  EXPECT_EQ(error().message(),
            cat("'", path("x.pt"), "' is neither a .safetensors nor a .npy file"));
}

TEST_F(Refused, BothFormats) {
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}});
  write_npy(path("b.npy"), counted(0, 3, 2));
  EXPECT_EQ(error().message(),
            cat("'", bench.options.path.value, "' holds 1 .npy files and 1 .safetensors files"));
  EXPECT_EQ(error().help(), cat("name one kind by a pattern: '", path("*.npy"), "'"));
}

TEST_F(Refused, OtherWidth) {
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}});
  bench.write("b.safetensors", {{"x", counted(0, 3, 4)}});
  EXPECT_EQ(error().kind(), ErrorKind::data);
  EXPECT_EQ(error().where(), path("b.safetensors") + ", tensor 'x'");
  EXPECT_EQ(error().message(), cat("the width is 4, but 2 in ", path("a.safetensors")));
}

TEST_F(Refused, OtherDtype) {
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}});
  bench.write("b.safetensors", {{"x", counted(0, 3, 2, at::kBFloat16)}});
  EXPECT_EQ(error().where(), path("b.safetensors") + ", tensor 'x'");
  EXPECT_EQ(error().message(),
            cat("the numbers are bfloat16, but float32 in ", path("a.safetensors")));
}

TEST_F(Refused, OtherTensors) {
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}});
  bench.write("b.safetensors", {{"x", counted(0, 3, 2)}, {"y", counted(0, 3, 2)}});
  EXPECT_EQ(error().where(), path("b.safetensors") + ", tensor 'y'");
  EXPECT_EQ(error().message(),
            cat("there is no such tensor in ", path("a.safetensors"), ", which has 'x'"));
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}, {"y", counted(0, 3, 2)}});
  bench.write("b.safetensors", {{"x", counted(0, 3, 2)}});
  EXPECT_EQ(error().where(), path("b.safetensors"));
  EXPECT_EQ(error().message(),
            cat("there is no tensor 'y', which ", path("a.safetensors"), " has"));
  bench.options.streams = {"x"};
  EXPECT_EQ(bench.make()->info().description, "2 files, 6 rows, 0.0 MB");
}

TEST_F(Refused, OtherRowsInOneFile) {
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}, {"y", counted(0, 4, 2)}});
  EXPECT_EQ(error().where(), path("a.safetensors") + ", tensor 'y'");
  EXPECT_EQ(error().message(), cat("4 rows, but 3 in ", path("a.safetensors"), ", tensor 'x'"));
}

TEST_F(Refused, ShapesThatAreNoStream) {
  bench.write("a.safetensors", {{"mean", at::zeros({4})}, {"x", counted(0, 3, 2)}});
  EXPECT_EQ(error().where(), path("a.safetensors") + ", tensor 'mean'");
  EXPECT_EQ(error().message(),
            "a stream has the shape [rows, width] or [contexts, positions, width], not [4]");
  EXPECT_EQ(error().help(), "choose the tensors to read: streams = [...]");
  bench.write("a.safetensors", {{"x", at::zeros({3, 0})}});
  EXPECT_THAT(error().message(), EndsWith("not [3, 0]"));
}

TEST_F(Refused, UnknownStream) {
  bench.write("a.safetensors",
              {{"resid_post", counted(0, 3, 2)}, {"input_ids", at::zeros({3, 1}, at::kLong)}});
  bench.options.streams = {"resid_pots"};
  EXPECT_EQ(error().where(), path("a.safetensors"));
  EXPECT_EQ(error().message(), "there is no tensor 'resid_pots'");
  EXPECT_EQ(error().help(), "did you mean 'resid_post'?");
  bench.options.streams = {"input_ids"};
  EXPECT_EQ(error().message(), "it holds int64, not floating-point numbers");
  bench.options.streams = {};
  bench.write("a.safetensors", {{"input_ids", at::zeros({3, 1}, at::kLong)}});
  EXPECT_EQ(error().message(), "there is no tensor of floating-point numbers");
}

TEST_F(Refused, ValuesThatAreNotFinite) {
  at::Tensor x = counted(0, 6, 3);
  x[4][1] = std::numeric_limits<float>::quiet_NaN();
  bench.write("a.safetensors", {{"x", x}});
  EXPECT_NO_THROW((void)bench.make());
  EXPECT_EQ(error().kind(), ErrorKind::data);
  EXPECT_EQ(error().where(), path("a.safetensors") + ", tensor 'x'");
  EXPECT_EQ(error().message(), "row 4, column 1 is nan; activations must be finite");
  bench.write("a.safetensors", {{"x", x.view({2, 3, 3})}});
  EXPECT_EQ(error().message(),
            "context 1, position 1, column 1 is nan; activations must be finite");
  x[4][1] = -std::numeric_limits<float>::infinity();
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    bench.write("a.safetensors", {{"x", x.to(type)}});
    EXPECT_EQ(error().message(), "row 4, column 1 is -inf; activations must be finite") << type;
  }
}

TEST_F(Refused, Float64ThatFloat32CannotHold) {
  at::Tensor x = counted(0, 6, 3, at::kDouble);
  x[2][0] = 1e300;
  bench.write("a.safetensors", {{"x", x}});
  EXPECT_EQ(error().message(), "row 2, column 0 is 1e+300, too large for float32");
  EXPECT_EQ(error().help(), "set dtype = \"float64\" for the recipe");
  bench.context.type = at::kDouble;
  EXPECT_NO_THROW((void)bench.make()->block(0));
}

TEST_F(Refused, NpyPartsThatDoNotMatch) {
  write_npy(path("resid-000.npy"), counted(0, 4, 3));
  write_npy(path("resid-001.npy"), counted(4, 4, 3));
  write_npy(path("mlp-000.npy"), counted(0, 4, 3));
  EXPECT_EQ(error().where(), path("resid-001.npy"));
  EXPECT_EQ(error().message(),
            cat("there is no tensor 'mlp', which ", path("mlp-000.npy"), " has"));
  write_npy(path("mlp-001.npy"), counted(0, 5, 3));
  EXPECT_EQ(error().where(), path("resid-001.npy"));
  EXPECT_EQ(error().message(), cat("4 rows, but 5 in ", path("mlp-001.npy")));
  EXPECT_EQ(error().help(), "if all files are parts of one stream, name it: stream = \"...\"");
  write_npy(path("mlp_001.npy"), counted(0, 4, 3));
  EXPECT_THAT(error().message(), HasSubstr("it holds 'mlp', as "));
}

TEST_F(Refused, StreamNameForSafetensors) {
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}});
  bench.options.stream = "resid";
  EXPECT_EQ(error().message(),
            "`stream` names what .npy files hold; tensors of safetensors files have names");
}

TEST_F(Refused, OriginThatDoesNotFit) {
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}, {"origin", at::zeros({3}, at::kLong)}});
  EXPECT_EQ(error().where(), path("a.safetensors") + ", tensor 'origin'");
  EXPECT_EQ(error().message(), "the origin of 3 rows is int64 [3, 2], not int64 [3]");
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}});
  bench.write("b.safetensors", {{"x", counted(0, 3, 2)}, {"origin", at::zeros({3, 2}, at::kLong)}});
  EXPECT_EQ(error().where(), path("b.safetensors"));
  EXPECT_EQ(error().message(),
            cat("where rows come from is told in another way than in ", path("a.safetensors")));
  bench.write("b.safetensors", {{"x", counted(0, 4, 2).view({2, 2, 2})}});
  EXPECT_THAT(error().message(), HasSubstr("where rows come from is told in another way"));
  bench.write("a.safetensors",
              {{"x", counted(0, 6, 2).view({2, 3, 2})}, {"y", counted(0, 6, 2).view({3, 2, 2})}});
  EXPECT_EQ(error().message(), "2 positions, but 3 in another stream of the same file");
}

TEST_F(Refused, IndexThatDoesNotFit) {
  bench.write("a.safetensors", {{"x", counted(0, 3, 2)}});
  const auto index = [&](const std::string& text) {
    write_file_atomic(path("index.json"), text);
    EXPECT_EQ(error().where().substr(0, path("index.json").size()), path("index.json"));
    return error().message();
  };
  EXPECT_EQ(index(R"({"format": "saffron-activations/2", "files": []})"),
            "the format is 'saffron-activations/2', and this version reads "
            "'saffron-activations/1'");
  EXPECT_EQ(index(R"({"format": "saffron-activations/1", "files": ["b.safetensors"]})"),
            "the file 'b.safetensors' is missing");
  EXPECT_EQ(index(R"({"format": "saffron-activations/1", "files": ["../a.safetensors"]})"),
            "'../a.safetensors' is not the name of a file beside it");
  EXPECT_EQ(index(R"({"format": "saffron-activations/1", "files": ["a.safetensors"], "rows": 4})"),
            "the index says 4 rows, the files have 3");
  EXPECT_THAT(index(R"({"format": "saffron-activations/1", "files": 3})"), HasSubstr("list"));
  EXPECT_FALSE(index("{").empty());
}

TEST_F(Refused, NoRows) {
  bench.write("a.safetensors", {{"x", counted(0, 0, 2)}});
  EXPECT_EQ(error().where(), path("a.safetensors"));
  EXPECT_EQ(error().message(), "there are no rows");
}

TEST_F(Refused, BrokenFiles) {
  bench.write("a.safetensors", {{"x", counted(0, 30, 2)}});
  std::filesystem::resize_file(path("a.safetensors"), 100);
  EXPECT_EQ(error().kind(), ErrorKind::data);
  EXPECT_THAT(error().where(), HasSubstr("a.safetensors"));
}

}  // namespace
}  // namespace saffron::source_test
