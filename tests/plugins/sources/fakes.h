#pragma once

#include "tests/caught.h"
#include "tests/identical.h"
#include "tests/temporary_folder.h"

#include <saffron/context.h>
#include <saffron/dataset.h>
#include <saffron/error.h>
#include <saffron/log.h>
#include <saffron/model.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

// A context, a dataset and a model whose every value is known in advance, for tests of sources.

namespace saffron::source_test {

class FakeContext final : public Context {
 public:
  Random random(std::string_view purpose) const override { return Random(key).fork(purpose); }
  at::Device device() const override { return at::kCPU; }
  at::ScalarType dtype() const override { return type; }
  std::string node() const override { return "source.test"; }
  std::string artifacts() const override { return ""; }
  bool cancelled() const override { return cancel_after >= 0 && reports >= cancel_after; }
  void progress(std::string_view what, std::int64_t done, std::int64_t total) const override {
    ++reports;
    last = cat(what, ' ', done, '/', total);
  }

  std::uint64_t key = 7;
  at::ScalarType type = at::kFloat;
  std::int64_t cancel_after = -1;  // reports of progress; -1: never
  mutable std::int64_t reports = 0;
  mutable std::string last;
};

// Row i has the tokens 13 i + 7 t + 1 (mod 97); masks[i] says which are text, where given.
class FakeDataset final : public Dataset {
 public:
  FakeDataset(std::int64_t rows, std::int64_t length) {
    info_.rows = rows;
    info_.length = length;
    info_.vocabulary = 97;
    info_.description = "counted tokens";
  }
  const DatasetInfo& info() const override {
    ++info_calls;
    return info_;
  }
  DataRows rows(std::span<const std::int64_t> indices) const override {
    const auto count = static_cast<std::int64_t>(indices.size());
    DataRows out{at::empty({count, info_.length}, at::kLong), {}, {}};
    if (!masks.empty()) out.mask = at::empty({count, info_.length}, at::kBool);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = indices[static_cast<std::size_t>(i)];
      if (row < 0 || row >= info_.rows) throw Error(cat("there is no row ", row));
      for (std::int64_t t = 0; t < info_.length; ++t) {
        out.values[i][t] = token(row, t);
        if (!masks.empty()) {
          out.mask[i][t] = masks[static_cast<std::size_t>(row)][static_cast<std::size_t>(t)] == '1';
        }
      }
    }
    return out;
  }
  std::string where(std::int64_t row) const override { return cat("line ", row + 1); }

  std::int64_t token(std::int64_t row, std::int64_t position) const {
    return (13 * row + 7 * position + 1 + shift + (row == changed_row ? 1 : 0)) % 97;
  }

  std::vector<std::string> masks;  // "1110" a row; none: no padding
  std::int64_t shift = 0;          // of all tokens
  std::int64_t changed_row = -1;   // one whose tokens are others
  DatasetInfo info_;
  mutable std::int64_t info_calls = 0;
};

// Activation j at a site = gain (100 token + position + j / 8) + the site's number, so that a row
// at the wrong place is seen.
class FakeModel final : public Model {
 public:
  FakeModel() {
    info_.name = "Fake (exact)";
    info_.context = 64;
    info_.vocabulary = 97;
    sites_ = {{"embed", 4, -1}, {"layers.0.resid_post", 4, 0}, {"layers.1.mlp_out", 6, 1}};
  }
  const ModelInfo& info() const override { return info_; }
  const std::vector<SiteInfo>& sites() const override { return sites_; }
  RunResult run(const at::Tensor& tokens, std::span<const std::string> taps, std::span<const Edit>,
                bool) override {
    ++runs;
    contexts += tokens.size(0);
    largest_batch = std::max(largest_batch, tokens.size(0));
    RunResult out;
    for (const std::string& tap : taps) {
      const auto site = std::find_if(sites_.begin(), sites_.end(),
                                     [&](const SiteInfo& s) { return s.name == tap; });
      if (site == sites_.end()) throw Error(cat("unknown site ", tap));
      at::Tensor values = at::empty({tokens.size(0), tokens.size(1), site->width}, dtype);
      for (std::int64_t b = 0; b < tokens.size(0); ++b) {
        for (std::int64_t t = 0; t < tokens.size(1); ++t) {
          for (std::int64_t j = 0; j < site->width; ++j) {
            values[b][t][j] = value(tokens[b][t].item<std::int64_t>(), t, j, site - sites_.begin());
          }
        }
      }
      out.taps.push_back(values);
    }
    return out;
  }
  std::shared_ptr<Tokenizer> tokenizer() const override { return nullptr; }

  double value(std::int64_t token, std::int64_t position, std::int64_t column,
               std::int64_t site) const {
    if (token == poison) return std::numeric_limits<double>::quiet_NaN();
    return gain * (100.0 * static_cast<double>(token) + static_cast<double>(position) +
                   static_cast<double>(column) / 8) +
           static_cast<double>(site);
  }

  double gain = 1;
  std::int64_t poison = -1;  // a token whose activations are not a number
  at::ScalarType dtype = at::kFloat;
  ModelInfo info_;
  std::vector<SiteInfo> sites_;
  std::int64_t runs = 0, contexts = 0, largest_batch = 0;
};

// Keeps what is logged while it lives.
class LogRecord final : public LogSink {
 public:
  LogRecord() { set_log_sink(this); }
  ~LogRecord() override { set_log_sink(nullptr); }
  void write(LogLevel level, std::string_view, std::string_view message) override {
    lines[level].emplace_back(message);
  }
  std::map<LogLevel, std::vector<std::string>> lines;
};

using test::caught;
using test::identical;
using test::TemporaryFolder;

}  // namespace saffron::source_test
