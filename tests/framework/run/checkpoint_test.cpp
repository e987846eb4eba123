#include "framework/run/checkpoint.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include <gtest/gtest.h>

#include <unistd.h>

namespace fs = std::filesystem;
using namespace saffron;
using namespace saffron::host;

namespace {

State state_of(std::int64_t step) {
  State state;
  state.tensors.set("w", at::arange(step, step + 5, at::kDouble));
  state.values.set("step", step);
  return state;
}

class CheckpointsTest : public testing::Test {
 protected:
  void SetUp() override {
    root = fs::temp_directory_path() / cat("saffron-checkpoint-", ::getpid());
    fs::remove_all(root);
  }
  void TearDown() override { fs::remove_all(root); }
  fs::path root;
};

TEST_F(CheckpointsTest, KeepTheLastTwo) {
  const Checkpoints checkpoints(root, "all");
  EXPECT_FALSE(checkpoints.latest());
  for (std::int64_t step : {5, 90, 100}) checkpoints.write(step, state_of(step));
  EXPECT_FALSE(fs::exists(root / "all-5.safetensors"));
  EXPECT_TRUE(fs::exists(root / "all-90.safetensors"));
  const auto latest = checkpoints.latest();
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->values.at("step").as_int(), 100);
  EXPECT_TRUE(at::equal(latest->tensors["w"], at::arange(100, 105, at::kDouble)));
}

TEST_F(CheckpointsTest, PassOverADamagedOne) {
  const Checkpoints checkpoints(root, "all");
  checkpoints.write(1, state_of(1));
  checkpoints.write(2, state_of(2));
  fs::resize_file(root / "all-2.safetensors", 50);
  ASSERT_TRUE(checkpoints.latest());
  EXPECT_EQ(checkpoints.latest()->values.at("step").as_int(), 1);
}

TEST_F(CheckpointsTest, PassOverAFlippedBit) {
  const Checkpoints checkpoints(root, "all");
  checkpoints.write(1, state_of(1));
  checkpoints.write(2, state_of(2));
  const fs::path file = root / "all-2.safetensors";
  std::string bytes = read_text(file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);  // in the last number of the tensor
  write_file_atomic(file, bytes);
  EXPECT_THROW((void)read_state(file), Error);
  ASSERT_TRUE(checkpoints.latest());
  EXPECT_EQ(checkpoints.latest()->values.at("step").as_int(), 1);
}

TEST_F(CheckpointsTest, OfTwoNodesDoNotMix) {
  Checkpoints(root, "a").write(1, state_of(1));
  EXPECT_FALSE(Checkpoints(root, "b").latest());
  EXPECT_FALSE(Checkpoints(root, "a-1").latest());
}

TEST_F(CheckpointsTest, AForeignFileIsRefusedByName) {
  fs::create_directories(root);
  write_safetensors(root / "x.safetensors", {{"w", at::arange(3)}}, {});
  EXPECT_THROW((void)read_state(root / "x.safetensors"), Error);
}

}  // namespace
