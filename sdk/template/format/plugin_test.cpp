#include <saffron/error.h>
#include <saffron/format.h>
#include <saffron/io.h>
#include <saffron/testing/conformance.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

SAFFRON_CONFORMANCE_TESTS();  // what every format promises, one case each

namespace {

namespace fs = std::filesystem;

class @CLASS@ : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    sae_.W_enc = at::tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}).view({2, 3});  // d = 2, F = 3
    sae_.W_dec = sae_.W_enc.t();                                           // not contiguous
    sae_.b_enc = at::tensor({-1.f, 0.f, 1.f});
    sae_.activation = "topk";
    sae_.k = 2;
    sae_.subtract_b_dec = false;
    trained_.name = "student";
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string inside(const char* name) const { return (folder_ / name).string(); }

  const std::shared_ptr<saffron::Format> format_ =
      saffron::testing::component("format", "@NAME@").make<saffron::Format>();
  const fs::path folder_ = fs::temp_directory_path() / saffron::cat("@NAME@-test-", ::getpid());
  saffron::CanonicalSae sae_;
  saffron::TrainedSae trained_;
};

TEST_F(@CLASS@, ReadsWhatItWrites) {
  format_->write(trained_, sae_, inside("sae"));
  EXPECT_TRUE(format_->recognises(inside("sae")));
  const saffron::CanonicalSae back = format_->read(inside("sae"));
  EXPECT_TRUE(at::equal(back.W_enc, sae_.W_enc));
  EXPECT_TRUE(at::equal(back.W_dec, sae_.W_dec));
  EXPECT_TRUE(at::equal(back.b_enc, sae_.b_enc));
  EXPECT_FALSE(back.b_dec.defined());
  EXPECT_EQ(back.activation, "topk");
  EXPECT_EQ(back.k, 2);
  EXPECT_FALSE(back.subtract_b_dec);
}

TEST_F(@CLASS@, LeavesAFolderThatExistsAlone) {
  format_->write(trained_, sae_, inside("sae"));
  EXPECT_THROW(format_->write(trained_, sae_, inside("sae")), saffron::Error);
}

TEST_F(@CLASS@, NamesAFileThatIsNotItsOwn) {
  saffron::write_safetensors(folder_ / "sae.safetensors", {{"W_enc", sae_.W_enc}},
                             {{"format", "another"}});
  EXPECT_FALSE(format_->recognises(folder_.string()));
  EXPECT_THROW((void)format_->read(folder_.string()), saffron::Error);
}

}  // namespace
