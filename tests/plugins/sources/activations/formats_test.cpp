#include "tests/plugins/sources/activations/support.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

namespace saffron::source_test {
namespace {

at::Tensor in_order(Bench& bench, std::size_t stream = 0) {
  bench.options.shuffle = false;
  return bench.make()->block(0).streams[stream];
}

// Values that no coarser dtype holds: rounding is seen.
at::Tensor uneven() { return counted(0, 9, 4, at::kDouble) / 7; }

TEST(ActivationFormats, EveryPrecisionIsReadAsTheRecipesDtype) {
  for (const at::ScalarType file : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const at::ScalarType recipe : {at::kFloat, at::kDouble}) {
      Bench bench;
      bench.context.type = recipe;
      bench.write("x.safetensors", {{"x", uneven().to(file)}});
      EXPECT_TRUE(identical(in_order(bench), uneven().to(file).to(recipe))) << file << recipe;
    }
  }
}

TEST(ActivationFormats, NpyOfEveryPrecision) {
  for (const at::ScalarType file : {at::kDouble, at::kFloat, at::kHalf}) {
    Bench bench;
    write_npy(bench.folder / "resid.npy", uneven().to(file));
    EXPECT_TRUE(identical(in_order(bench), uneven().to(file).to(at::kFloat))) << file;
    EXPECT_EQ(bench.make()->streams()[0].name, "resid");
  }
}

TEST(ActivationFormats, NumberedNpyFilesArePartsOfAStream) {
  Bench bench;
  for (const std::int64_t part : {0, 1, 2}) {
    write_npy(bench.folder / cat("resid-00", part, ".npy"), counted(4 * part, 4, 3));
    write_npy(bench.folder / cat("mlp_00", part, ".npy"), counted(4 * part, 4, 2));
  }
  EXPECT_EQ(bench.make()->streams()[0].name, "mlp");
  EXPECT_TRUE(identical(in_order(bench, 1), counted(0, 12, 3)));
}

TEST(ActivationFormats, LayersAreStreamsAndNotParts) {
  Bench bench;
  write_npy(bench.folder / "layer_3.npy", counted(0, 4, 3));
  write_npy(bench.folder / "layer-10.npy", counted(0, 4, 2));
  write_npy(bench.folder / "layers.11.resid_post.npy", counted(0, 4, 2));
  const auto source = bench.make();
  ASSERT_EQ(source->streams().size(), 3u);
  EXPECT_EQ(source->streams()[0].name, "layer-10");
  EXPECT_EQ(source->streams()[2].name, "layers.11.resid_post");
}

TEST(ActivationFormats, OneNameForAllNpyFiles) {
  Bench bench;
  write_npy(bench.folder / "1.npy", counted(0, 4, 3));
  write_npy(bench.folder / "2.npy", counted(4, 5, 3));
  bench.options.stream = "resid";
  EXPECT_EQ(bench.make()->streams()[0].name, "resid");
  EXPECT_TRUE(identical(in_order(bench), counted(0, 9, 3)));
}

// np.save writes a transposed array in Fortran order.
TEST(ActivationFormats, FortranOrder) {
  Bench bench;
  const std::string header = "{'descr': '<f4', 'fortran_order': True, 'shape': (5, 3), }";
  std::string bytes("\x93NUMPY\x01\x00\x76\x00", 10);
  bytes += header + std::string(0x76 - header.size() - 1, ' ') + '\n';
  const at::Tensor columns = counted(0, 5, 3).t().contiguous();
  bytes.append(static_cast<const char*>(columns.const_data_ptr()), columns.nbytes());
  write_file_atomic(bench.folder / "x.npy", bytes);
  EXPECT_TRUE(identical(in_order(bench), counted(0, 5, 3)));
}

TEST(ActivationFormats, IntegersAndMasksArePassedOver) {
  Bench bench;
  bench.write("x.safetensors", {{"x", counted(0, 6, 2)},
                                {"input_ids", at::zeros({2, 3}, at::kLong)},
                                {"attention_mask", at::zeros({2, 3}, at::kBool)}});
  EXPECT_EQ(bench.make()->streams().size(), 1u);
}

TEST(ActivationFormats, EmptyShardsAndHiddenFilesDoNotMatter) {
  Bench bench;
  bench.write("a.safetensors", {{"x", counted(0, 0, 2)}});
  bench.write("b.safetensors", {{"x", counted(0, 3, 2)}});
  bench.write("c.safetensors", {{"x", counted(0, 0, 2)}});
  bench.write("d.safetensors", {{"x", counted(3, 3, 2)}});
  write_file_atomic(bench.folder / ".e.safetensors", "half a file");
  write_file_atomic(bench.folder / "README.txt", "about these");
  std::filesystem::create_directory(bench.folder / "sample");
  EXPECT_TRUE(identical(in_order(bench), counted(0, 6, 2)));
}

}  // namespace
}  // namespace saffron::source_test
