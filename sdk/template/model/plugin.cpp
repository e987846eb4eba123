// @NAME@: a model, activations at named sites.
//
// Change first: the formula below and run(); then sites_ and info_. A real model reads its
// weights from files, with the readers of saffron/io.h; their parameter gets hashed_file().
//
// What holds for every model (saffron/model.h):
// - run() takes tokens int64 [B, T], returns [B, T, width] for every tap in the order asked for,
//   and logits only when asked; it stops after the last site that anybody wants.
// - An edit replaces the activation at its site before anything reads it, taps included.
// - A causal model never looks ahead: row t depends on tokens 0..t alone.
// - Differentiable through the edits when grad mode is on; parameters are frozen.
// - It leaves nothing behind, neither hook nor cache: the same call gives the same bits.
// - Sites have the names of saffron/model.h ("layers.0.resid_post"); others are a
//   saffron::Error.

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/model.h>
#include <saffron/plugin.h>
#include <saffron/tokenizer.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <cmath>

namespace {

constexpr std::int64_t kVocabulary = 256;  // one token a byte

// One token a byte of UTF-8.
class @CLASS@Bytes final : public saffron::Tokenizer {
 public:
  std::int64_t vocabulary() const override { return kVocabulary; }
  std::vector<std::int32_t> encode(std::string_view text, bool) const override {
    saffron::check_utf8(text, "text");
    std::vector<std::int32_t> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string bytes(std::int32_t id) const override {
    if (id < 0 || id >= kVocabulary) {
      throw saffron::Error(saffron::cat("there is no token ", id, ": ids go from 0 to 255"));
    }
    return std::string(1, static_cast<char>(id));
  }
  std::string spelling(std::int32_t id) const override { return bytes(id); }
  std::int32_t bos() const override { return -1; }
  std::int32_t eos() const override { return -1; }
};

// Causal bag of embeddings, one layer of attention whose weights are all alike:
//
//   h_t = E[x_t]      a_t = 1/(t + 1) sum_{s <= t} h_s      y_t = h_t + a_t      logits = y E^T
//   embed             layers.0.attn_out                     layers.0.resid_post
//
// over bytes, with E [256, d] drawn from the seed: N(0, 1/d). Untrained; only its structure is a
// model's. (Mikolov et al. 2013, "Efficient estimation of word representations in vector space",
// without the look ahead)
class @CLASS@ final : public saffron::Model {
 public:
  struct Options {
    std::int64_t width = 32;
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param("width", &Options::width, "of the residual stream d",
                                            saffron::between(1, 1 << 16));
  }

  @CLASS@(const Options& options, const saffron::Context& context)
      : tokenizer_(std::make_shared<@CLASS@Bytes>()) {
    const std::int64_t d = options.width;
    E_ = context.random("embedding").normal_rows(0, kVocabulary, d, context.dtype()) /
         std::sqrt(static_cast<double>(d));
    sites_ = {{"embed", d, -1}, {"layers.0.attn_out", d, 0}, {"layers.0.resid_post", d, 0}};
    info_.name = "@NAME@";
    info_.architecture = "causal bag of embeddings";
    info_.layers = 1;
    info_.width = d;
    info_.heads = 1;
    info_.vocabulary = kVocabulary;
    info_.context = 4096;
    info_.parameters = kVocabulary * d;
    info_.weights = "drawn from the seed, untrained";
  }

  const saffron::ModelInfo& info() const override { return info_; }
  const std::vector<saffron::SiteInfo>& sites() const override { return sites_; }
  std::shared_ptr<saffron::Tokenizer> tokenizer() const override { return tokenizer_; }

  saffron::RunResult run(const at::Tensor& tokens, std::span<const std::string> taps,
                         std::span<const saffron::Edit> edits, bool logits) override {
    check(tokens);
    std::size_t last = 0;  // the last site that anybody wants
    for (const std::string& tap : taps) last = std::max(last, number(tap));
    for (const saffron::Edit& edit : edits) last = std::max(last, number(edit.site));
    if (logits) last = sites_.size() - 1;

    std::vector<at::Tensor> at_site = {edited(
        0, E_.index_select(0, tokens.reshape({-1})).view({tokens.size(0), tokens.size(1), -1}),
        edits)};
    const at::Tensor& h = at_site[0];
    if (last >= 1) {
      const at::Tensor seen =
          at::arange(1, tokens.size(1) + 1, h.options()).unsqueeze(1);  // [T, 1]
      at_site.push_back(edited(1, at::cumsum(at_site[0], 1) / seen, edits));
    }
    if (last >= 2) at_site.push_back(edited(2, at_site[0] + at_site[1], edits));

    saffron::RunResult result;
    for (const std::string& tap : taps) result.taps.push_back(at_site[number(tap)]);
    if (logits) result.logits = at::matmul(at_site[2], E_.t());
    return result;
  }

 private:
  void check(const at::Tensor& tokens) const {
    if (!tokens.defined() || tokens.dim() != 2 || tokens.scalar_type() != at::kLong) {
      throw saffron::Error("tokens are expected as int64 [sequences, positions]");
    }
    if (tokens.size(1) > info_.context) {
      throw saffron::Error(saffron::cat(tokens.size(1), " positions are more than the ",
                                        info_.context, " of @NAME@"));
    }
    if (tokens.numel() > 0 && (tokens.min().item<std::int64_t>() < 0 ||
                               tokens.max().item<std::int64_t>() >= kVocabulary)) {
      throw saffron::Error("a token id is outside the vocabulary of @NAME@, 0 to 255");
    }
  }

  std::size_t number(std::string_view site) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < sites_.size(); ++i) {
      if (sites_[i].name == site) return i;
      names.push_back(sites_[i].name);
    }
    const std::string near = saffron::nearest(site, names.data(), names.size());
    throw saffron::Error(saffron::cat("@NAME@ has no site '", site, "'"))
        .with_help(near.empty() ? "it has embed, layers.0.attn_out and layers.0.resid_post"
                                : saffron::cat("did you mean '", near, "'?"));
  }

  at::Tensor edited(std::size_t site, at::Tensor activation,
                    std::span<const saffron::Edit> edits) const {
    for (const saffron::Edit& edit : edits) {
      if (edit.site == sites_[site].name) activation = edit.apply(activation);
    }
    return activation;
  }

  at::Tensor E_;  // [256, d]
  std::vector<saffron::SiteInfo> sites_;
  saffron::ModelInfo info_;
  std::shared_ptr<saffron::Tokenizer> tokenizer_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Causal bag of byte embeddings, untrained")
                   .cite("Mikolov et al. 2013"))
