// @NAME@: a dataset of tokens.
//
// Change first: the formula below and rows(); then info_, which says how much there is; then
// Options and schema(). A component beside it, @NAME@_bags, lets the recipe run before there is
// a model for these tokens: delete it, and its lines at the end, when there is one.
//
// What holds for every dataset (saffron/dataset.h):
// - rows(i) is a pure function of i: the same row at any time, from any thread, in any order.
//   Shuffling, splits, epochs and ranks are the host's.
// - Tokens are int64 [n, T], every id below info().vocabulary; rows of differing lengths are
//   padded, with a mask. Signals and labelled rows are float32 (DataType).
// - All methods are const and thread-safe. What is read from files once, on first use, goes
//   behind a std::call_once. A parameter that names such files gets saffron::hashed_file().
// - where(i) tells people where a row comes from: "king_james_bible.txt, line 311".
// - A dataset that knows how its ids are spelled derives from saffron::HasTokenizer too.

#include <saffron/dataset.h>
#include <saffron/error.h>
#include <saffron/plugin.h>
#include <saffron/source.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace {

// A Markov chain over V tokens that mostly counts up:
//
//   x_0 ~ U{0, ..., V - 1}      x_t = x_{t-1} + 1 mod V  with probability `follow`,  else ~ U
//
// Its next token costs a perfect model  -q ln q - (V - 1) r ln r  nats,  r = (1 - follow) / V,
// q = follow + r.  (Shannon 1948, "A mathematical theory of communication")
class @CLASS@ final : public saffron::Dataset {
 public:
  struct Options {
    std::int64_t rows = 512;
    std::int64_t length = 32;
    std::int64_t vocabulary = 24;
    double follow = 0.9;
  };
  static auto schema() {
    using saffron::between, saffron::fraction;
    return saffron::Schema<Options>{}
        .param("rows", &Options::rows, "rows that there are", between(1, 1 << 30))
        .param("length", &Options::length, "tokens of a row", between(1, 1 << 20))
        .param("vocabulary", &Options::vocabulary, "tokens V", between(1, 1 << 20))
        .param("follow", &Options::follow, "probability that a token is the last one plus 1",
               fraction());
  }

  @CLASS@(const Options& options, const saffron::Context& context)
      : options_(options), jump_(context.random("jump")), fresh_(context.random("fresh")) {
    info_.rows = options.rows;
    info_.length = options.length;
    info_.vocabulary = options.vocabulary;
    info_.description = saffron::cat("Markov chain over ", options.vocabulary, " tokens");
  }

  const saffron::DatasetInfo& info() const override { return info_; }

  saffron::DataRows rows(std::span<const std::int64_t> indices) const override {
    saffron::DataRows out;
    out.values = at::empty({static_cast<std::int64_t>(indices.size()), options_.length}, at::kLong);
    auto* to = out.values.mutable_data_ptr<std::int64_t>();
    for (const std::int64_t row : indices) {
      if (row < 0 || row >= options_.rows) {
        throw saffron::Error(
            saffron::cat("there is no row ", row, ": rows go from 0 to ", options_.rows - 1));
      }
      for (std::int64_t t = 0; t < options_.length; ++t, ++to) {
        *to = t == 0 || jumps(row, t) ? fresh(row, t) : (to[-1] + 1) % options_.vocabulary;
      }
    }
    return out;
  }

  std::string where(std::int64_t row) const override { return saffron::cat("@NAME@, row ", row); }

 private:
  bool jumps(std::int64_t row, std::int64_t t) const {
    return jump_.uniform(static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(t)) >=
           options_.follow;
  }
  std::int64_t fresh(std::int64_t row, std::int64_t t) const {
    return static_cast<std::int64_t>(fresh_.below(static_cast<std::uint64_t>(options_.vocabulary),
                                                  static_cast<std::uint64_t>(row),
                                                  static_cast<std::uint64_t>(t)));
  }

  Options options_;
  saffron::Random jump_, fresh_;
  saffron::DatasetInfo info_;
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
               saffron::component<@CLASS@>("@NAME@", "Markov chain of tokens that counts up")
                   .cite("Shannon 1948"),
               saffron::component<@CLASS@Bags>("@NAME@_bags", "Bags of a dataset's tokens")
                   .cite("Harris 1954"))
