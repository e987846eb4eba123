#pragma once

#include <saffron/context.h>
#include <saffron/dataset.h>
#include <saffron/error.h>
#include <saffron/tokenizer.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace saffron::datasets_test {

class TestContext final : public Context {
 public:
  [[nodiscard]] Random random(std::string_view) const override { return Random(1); }
  [[nodiscard]] at::Device device() const override { return at::kCPU; }
  [[nodiscard]] at::ScalarType dtype() const override { return at::kFloat; }
  [[nodiscard]] std::string node() const override { return "dataset.test"; }
  [[nodiscard]] std::string artifacts() const override { return {}; }
  [[nodiscard]] bool cancelled() const override { return stop; }
  void progress(std::string_view, std::int64_t done, std::int64_t total) const override {
    ++calls;
    EXPECT_LE(done, total);
  }

  std::atomic<bool> stop = false;
  mutable std::atomic<int> calls = 0;
};

// Bytes as ids; 256 ends a text, 257 begins it, and the text "<sep>" is 258 where special tokens
// are asked for.
class ByteTokenizer final : public Tokenizer {
 public:
  explicit ByteTokenizer(bool has_edges = true) : has_edges_(has_edges) {}
  std::int64_t vocabulary() const override { return 259; }
  std::vector<std::int32_t> encode(std::string_view text, bool special) const override {
    std::vector<std::int32_t> ids;
    for (std::size_t at = 0; at < text.size(); ++at) {
      const bool separator = special && text.substr(at).starts_with("<sep>");
      ids.push_back(separator ? 258 : static_cast<unsigned char>(text[at]));
      if (separator) at += 4;
    }
    return ids;
  }
  std::string bytes(std::int32_t id) const override {
    return id < 256 ? std::string(1, static_cast<char>(id)) : spelling(id);
  }
  std::string spelling(std::int32_t id) const override { return cat("<", id, ">"); }
  std::int32_t bos() const override { return has_edges_ ? 257 : -1; }
  std::int32_t eos() const override { return has_edges_ ? 256 : -1; }

 private:
  bool has_edges_;
};

// A folder of its own, gone after the test.
class FolderTest : public testing::Test {
 protected:
  FolderTest()
      : folder_(std::filesystem::temp_directory_path() / cat("saffron-datasets-", ::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~FolderTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return path(name);
  }

  std::filesystem::path folder_;
  TestContext context_;
};

inline std::vector<std::int64_t> row(const Dataset& dataset, std::int64_t index) {
  const at::Tensor values = dataset.rows(std::vector{index}).values;
  EXPECT_EQ(values.dim(), 2);
  EXPECT_EQ(values.scalar_type(), at::kLong);
  const auto* data = values.const_data_ptr<std::int64_t>();
  return {data, data + values.numel()};
}

template <class F>
std::string message_of(F&& act, ErrorKind kind) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace saffron::datasets_test
