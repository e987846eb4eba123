// @NAME@: a tokenizer.
//
// Change first: encode() and bytes(), which are each other's inverse; then vocabulary() and the
// special tokens; then Options and schema(): a vocabulary's file is a parameter with
// saffron::hashed_file(). A component beside it, @NAME@_bags, lets the recipe run before there
// is a model for these tokens: delete it, and its lines at the end, when there is one.
//
// What holds for every tokenizer (saffron/tokenizer.h):
// - decode(encode(text)) = text for every valid UTF-8 text, where decode joins the bytes() of
//   the ids.
// - encode() adds no special token; it reads one's spelling as plain text unless `special` is
//   true.
// - Text that is not UTF-8 is a saffron::Error (data) with the byte's position: check_utf8()
//   says it.
// - bytes() of a token may be a part of a character; display_tokens() puts characters together.
// - bos() and eos() are -1 where the vocabulary has none.
// - Pure and thread-safe: no cache without a lock, no locale.

#include <saffron/dataset.h>
#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/plugin.h>
#include <saffron/source.h>
#include <saffron/tokenizer.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace {

// One token a byte, and one that ends a text: ids 0 to 255 are the bytes, 256 is `end`.
// (Xue et al. 2022, "ByT5: towards a token-free future with pre-trained byte-to-byte models")
class @CLASS@ final : public saffron::Tokenizer {
 public:
  struct Options {
    std::string end = "<|end|>";
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param(
        "end", &Options::end, "spelling of the token that ends a text", saffron::not_empty());
  }
  explicit @CLASS@(const Options& options) : end_(options.end) {}

  std::int64_t vocabulary() const override { return kEnd + 1; }

  std::vector<std::int32_t> encode(std::string_view text, bool special) const override {
    saffron::check_utf8(text, "text");
    std::vector<std::int32_t> ids;
    while (!text.empty()) {
      if (special && text.starts_with(end_)) {
        ids.push_back(kEnd);
        text.remove_prefix(end_.size());
      } else {
        ids.push_back(static_cast<unsigned char>(text[0]));
        text.remove_prefix(1);
      }
    }
    return ids;
  }

  std::string bytes(std::int32_t id) const override {
    if (id < 0 || id > kEnd) {
      throw saffron::Error(saffron::cat("there is no token ", id, ": ids go from 0 to ", kEnd));
    }
    return id == kEnd ? end_ : std::string(1, static_cast<char>(id));
  }
  std::string spelling(std::int32_t id) const override { return bytes(id); }
  std::int32_t bos() const override { return -1; }
  std::int32_t eos() const override { return kEnd; }

 private:
  static constexpr std::int32_t kEnd = 256;
  std::string end_;
};

// What the recipe trains on: rows of a dataset as bags of their tokens,
//
//   x[r, v] = how often token v is in row r / sqrt(T)
//
// (Harris 1954, "Distributional structure"). Delete it when there is a model for the tokens.
class @CLASS@Bags final : public saffron::Source {
 public:
  struct Options {
    saffron::Ref<saffron::Dataset> dataset;
    std::int64_t block_rows = 32;
  };
  static auto schema() {
    return saffron::Schema<Options>{}
        .param("dataset", &Options::dataset, "the tokens", saffron::required())
        .param("block_rows", &Options::block_rows, "rows of a block", saffron::between(1, 1 << 20));
  }

  @CLASS@Bags(const Options& options, const saffron::Context& context)
      : options_(options), dtype_(context.dtype()) {
    const saffron::DatasetInfo& data = options.dataset->info();
    if (data.type != saffron::DataType::tokens) throw saffron::Error("the dataset holds no tokens");
    streams_ = {{"bag", data.vocabulary}};
    info_.block_rows = std::min(options.block_rows, data.rows);
    info_.blocks = (data.rows + options.block_rows - 1) / options.block_rows;
    info_.description = saffron::cat("bags of tokens of '", options.dataset.name(), "'");
  }

  const std::vector<saffron::StreamInfo>& streams() const override { return streams_; }
  const saffron::SourceInfo& info() override { return info_; }
  std::int64_t rows_of(std::int64_t index) override {
    return std::min(options_.block_rows,
                    options_.dataset->info().rows - index * options_.block_rows);
  }

  saffron::ActivationRows block(std::int64_t index) override {
    if (index < 0 || index >= info_.blocks) {
      throw saffron::Error(
          saffron::cat("there is no block ", index, ": they go from 0 to ", info_.blocks - 1));
    }
    std::vector<std::int64_t> indices(static_cast<std::size_t>(rows_of(index)));
    std::iota(indices.begin(), indices.end(), index * options_.block_rows);
    const saffron::DataRows data = options_.dataset->rows(indices);
    at::Tensor counted = at::ones_like(data.values, at::dtype(dtype_));
    if (data.mask.defined()) counted = counted * data.mask;
    const double T = static_cast<double>(data.values.size(1));
    at::Tensor bags = at::zeros({rows_of(index), streams_[0].width}, at::dtype(dtype_));
    saffron::ActivationRows rows;
    rows.streams = {bags.scatter_add_(1, data.values, counted) / std::sqrt(T)};
    return rows;
  }

 private:
  Options options_;
  at::ScalarType dtype_;
  std::vector<saffron::StreamInfo> streams_;
  saffron::SourceInfo info_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "One token a byte").cite("Xue et al. 2022"),
               saffron::component<@CLASS@Bags>("@NAME@_bags", "Bags of a dataset's tokens")
                   .cite("Harris 1954"))
