#pragma once

#include <saffron/dataset.h>
#include <saffron/error.h>
#include <saffron/model.h>
#include <saffron/random.h>
#include <saffron/source.h>
#include <saffron/tokenizer.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

// A language model small enough to check by hand, text for it, and the source of its activations.

namespace saffron::testing {

inline constexpr std::int64_t kVocabulary = 11, kModelWidth = 6;

// Ids 0..10 are the letters a..k.
class Letters final : public Tokenizer {
 public:
  std::int64_t vocabulary() const override { return kVocabulary; }
  std::vector<std::int32_t> encode(std::string_view text, bool) const override {
    std::vector<std::int32_t> ids;
    for (const char c : text) ids.push_back(c - 'a');
    return ids;
  }
  std::string bytes(std::int32_t id) const override { return std::string(1, spell(id)); }
  std::string spelling(std::int32_t id) const override { return bytes(id); }
  std::int32_t bos() const override { return -1; }
  std::int32_t eos() const override { return -1; }

 private:
  static char spell(std::int32_t id) { return static_cast<char>('a' + id); }
};

// x_0 = E[token];  x_{l+1} = x_l + tanh(mean of x_l over positions 0..p) W_l;  logits = 2 x_2 E^T.
class MixingModel final : public Model {
 public:
  MixingModel() {
    info_.name = "mixing";
    info_.vocabulary = kVocabulary;
    info_.weights = "random";
    sites_ = {{"embed", kModelWidth, -1},
              {"layers.0.resid_post", kModelWidth, 0},
              {"layers.1.resid_post", kModelWidth, 1}};
    const Random random(5);
    E_ = random.fork("E").normal_rows(0, kVocabulary, kModelWidth, at::kDouble);
    for (std::uint64_t l = 0; l < 2; ++l) {
      W_.push_back(random.fork(l).normal_rows(0, kModelWidth, kModelWidth, at::kDouble));
    }
  }
  const ModelInfo& info() const override { return info_; }
  const std::vector<SiteInfo>& sites() const override { return sites_; }
  std::shared_ptr<Tokenizer> tokenizer() const override { return std::make_shared<Letters>(); }

  RunResult run(const at::Tensor& tokens, std::span<const std::string> taps,
                std::span<const Edit> edits, bool logits) override {
    ++runs;
    const std::int64_t T = tokens.size(1);
    RunResult out;
    out.taps.resize(taps.size());
    const auto reach = [&](const std::string& site, at::Tensor& x) {
      for (const Edit& edit : edits) {
        if (edit.site != site) continue;
        x = edit.apply(x);
        if (x.sizes() != tokens.sizes().vec() && x.size(2) != kModelWidth) throw Error("edit");
      }
      for (std::size_t i = 0; i < taps.size(); ++i) {
        if (taps[i] == site) out.taps[i] = x;
      }
    };
    at::Tensor x = E_.index_select(0, tokens.flatten()).view({tokens.size(0), T, kModelWidth});
    reach("embed", x);
    const at::Tensor seen = at::arange(1, T + 1, at::kDouble).view({1, T, 1});
    for (std::size_t l = 0; l < 2; ++l) {
      x = x + at::tanh(x.cumsum(1) / seen).matmul(W_[l]);
      reach(sites_[l + 1].name, x);
    }
    if (logits) out.logits = 2 * x.matmul(E_.t());
    return out;
  }

  int runs = 0;

 private:
  ModelInfo info_;
  std::vector<SiteInfo> sites_;
  at::Tensor E_;
  std::vector<at::Tensor> W_;
};

// Text that the model would write: each letter is drawn from its prediction, so that it has
// something to lose. int64 [rows, length].
inline at::Tensor write_letters(Model& model, std::int64_t rows, std::int64_t length) {
  at::Tensor tokens = at::zeros({rows, length}, at::kLong);
  const at::Tensor uniform = Random(9).uniform_rows(0, rows, length, at::kDouble);
  tokens.select(1, 0).copy_((uniform.select(1, 0) * kVocabulary).floor());
  for (std::int64_t p = 1; p < length; ++p) {
    const at::Tensor logits = model.run(tokens.slice(1, 0, p), {}, {}, true).logits;
    const at::Tensor below = logits.select(1, p - 1).softmax(-1).cumsum(-1);
    const at::Tensor drawn = below.lt(uniform.slice(1, p, p + 1)).sum(-1);
    tokens.select(1, p).copy_(drawn.clamp_max(kVocabulary - 1));
  }
  return tokens;
}

// When `ragged`, every third row ends two letters earlier.
class LetterRows final : public Dataset {
 public:
  LetterRows(at::Tensor tokens, bool ragged) : tokens_(std::move(tokens)), ragged_(ragged) {
    info_.rows = tokens_.size(0);
    info_.length = tokens_.size(1);
    info_.vocabulary = kVocabulary;
  }
  const DatasetInfo& info() const override { return info_; }
  DataRows rows(std::span<const std::int64_t> indices) const override {
    DataRows out;
    const auto n = static_cast<std::int64_t>(indices.size());
    out.values = at::zeros({n, info_.length}, at::kLong);
    if (ragged_) out.mask = at::ones({n, info_.length}, at::kBool);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t row = indices[static_cast<std::size_t>(i)], length = length_of(row);
      out.values[i].slice(0, 0, length).copy_(tokens_[row].slice(0, 0, length));
      if (ragged_) out.mask[i].slice(0, length).fill_(false);
    }
    return out;
  }
  std::string where(std::int64_t row) const override {
    return "letters, row " + std::to_string(row);
  }
  std::int64_t length_of(std::int64_t row) const {
    return info_.length - (ragged_ && row % 3 == 2 ? 2 : 0);
  }

 private:
  DatasetInfo info_;
  at::Tensor tokens_;
  bool ragged_;
};

// Streams: the sites of the model, normalised.  Blocks of 4 contexts.
class LetterActivations final : public Source, public ModelBacked {
 public:
  struct Layout {
    std::int64_t contexts = 12, length = 9, first = 1;
    bool ragged = false;
    double mean = 0, scale = 1;
  };
  explicit LetterActivations(Layout layout)
      : layout_(layout),
        dataset_(write_letters(model_, layout.contexts, layout.length), layout.ragged) {
    for (const SiteInfo& site : model_.sites()) streams_.push_back({site.name, site.width});
    info_.ordered = true;
    info_.blocks = layout.contexts / 4;
  }
  const std::vector<StreamInfo>& streams() const override { return streams_; }
  const SourceInfo& info() override { return info_; }
  ActivationRows block(std::int64_t index) override { return contexts(4 * index, 4 * index + 4); }

  // Rows of contexts [begin, end).
  ActivationRows contexts(std::int64_t begin, std::int64_t end) {
    std::vector<std::string> sites;
    for (const StreamInfo& stream : streams_) sites.push_back(stream.name);
    std::vector<std::vector<at::Tensor>> rows(sites.size());
    std::vector<at::Tensor> origins;
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t one[] = {row};
      const RunResult run = model_.run(dataset_.rows(one).values, sites, {}, false);
      const std::int64_t length = dataset_.length_of(row);
      for (std::size_t s = 0; s < sites.size(); ++s) {
        rows[s].push_back(normalise(static_cast<std::int64_t>(s),
                                    run.taps[s][0].slice(0, layout_.first, length)));
      }
      const at::Tensor position = at::arange(layout_.first, length, at::kLong);
      origins.push_back(at::stack({at::full({position.size(0)}, row, at::kLong), position}, 1));
    }
    ActivationRows out;
    for (const auto& stream : rows) out.streams.push_back(at::cat(stream));
    out.origin = at::cat(origins);
    return out;
  }

  Model& model() override { return model_; }
  const Dataset& dataset() const override { return dataset_; }
  std::string site(std::int64_t stream) const override {
    return streams_.at(static_cast<std::size_t>(stream)).name;
  }
  std::int64_t first_position() const override { return layout_.first; }
  at::Tensor normalise(std::int64_t stream, const at::Tensor& raw) const override {
    return (raw - shift(stream)) * layout_.scale;
  }
  at::Tensor denormalise(std::int64_t stream, const at::Tensor& x) const override {
    return x / layout_.scale + shift(stream);
  }

  MixingModel model_;

 private:
  double shift(std::int64_t stream) const { return layout_.mean * static_cast<double>(stream + 1); }

  Layout layout_;
  LetterRows dataset_;
  std::vector<StreamInfo> streams_;
  SourceInfo info_;
};

}  // namespace saffron::testing
