#include "forward.h"

#include "graph_engine.h"
#include "tile_engine.h"

#include <saffron/error.h>

#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace llama {

using saffron::cat;
using saffron::Error;

SiteTable::SiteTable(const Config& config, std::string model) : model_(std::move(model)) {
  static constexpr std::array<const char*, kPoints> points = {
      "resid_pre", "attn_out", "resid_mid", "mlp_in", "mlp_out", "resid_post"};
  sites_.push_back({"embed", config.width, -1});
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    for (const char* point : points) {
      sites_.push_back({cat("layers.", layer, '.', point), config.width, layer});
    }
  }
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    positions_[sites_[i].name] = static_cast<std::int64_t>(i);
  }
}

std::int64_t SiteTable::find(const std::string& name) const {
  const auto found = positions_.find(name);
  if (found != positions_.end()) return found->second;
  std::vector<std::string> names;
  for (const saffron::SiteInfo& site : sites_) names.push_back(site.name);
  const std::string near = saffron::nearest(name, names.data(), names.size());
  throw Error(cat("the model ", model_, " has no site '", name, "'"))
      .with_help(
          cat(near.empty() ? "" : cat("did you mean '", near, "'? "), "sites are embed and ",
              "layers.L.{resid_pre, attn_out, resid_mid, mlp_in, mlp_out, resid_post}, L = 0 "
              "to ",
              sites_.back().layer));
}

namespace {

class Pass {
 public:
  Pass(const Config& config, const SiteTable& table, Weights& weights, const at::Tensor& tokens,
       std::span<const std::string> taps, std::span<const saffron::Edit> edits, bool logits)
      : config_(config), weights_(weights), tokens_(tokens), edits_(edits), logits_(logits) {
    for (const std::string& tap : taps) tap_sites_.push_back(table.find(tap));
    for (const saffron::Edit& edit : edits) edit_sites_.push_back(table.find(edit.site));
    for (const std::int64_t site : tap_sites_) last_ = std::max(last_, site);
    for (const std::int64_t site : edit_sites_) last_ = std::max(last_, site);
    if (logits) last_ = static_cast<std::int64_t>(table.sites().size());
    result_.taps.resize(taps.size());
  }

  saffron::RunResult run();

 private:
  [[nodiscard]] std::int64_t layers_needed() const {
    if (last_ < 1) return 0;
    return std::min(config_.layers, (last_ - 1) / SiteTable::kPoints + 1);
  }
  // Whether the pass goes on beyond this site, after its edits and taps.
  bool reach(std::int64_t site, at::Tensor& value);
  void edit(const saffron::Edit& edit, at::Tensor& value);
  bool run_layer(std::int64_t index);
  void part_aliased_taps();

  const Config& config_;
  Weights& weights_;
  const at::Tensor& tokens_;
  std::span<const saffron::Edit> edits_;
  bool logits_;
  std::vector<std::int64_t> tap_sites_, edit_sites_;
  std::int64_t last_ = -1;
  std::unique_ptr<Engine> engine_;
  bool graph_ = false;
  Stream stream_;
  saffron::RunResult result_;
};

void Pass::edit(const saffron::Edit& edit, at::Tensor& value) {
  const at::Tensor given = value.view({tokens_.size(0), tokens_.size(1), value.size(1)});
  at::Tensor made = edit.apply(given);
  if (!made.defined() || made.sizes() != given.sizes() ||
      made.scalar_type() != given.scalar_type() || made.device() != given.device()) {
    Error error(made.defined()
                    ? cat("the edit at ", edit.site, " returned ", made.scalar_type(), " ",
                          made.sizes(), " on ", made.device(), ", expected ", given.scalar_type(),
                          " ", given.sizes(), " on ", given.device())
                    : cat("the edit at ", edit.site, " returned no tensor"));
    throw error.with_help("an edit returns the shape, dtype and device that it is given");
  }
  if (!c10::GradMode::is_enabled()) made = made.detach();
  value = made.reshape({tokens_.numel(), value.size(1)}).contiguous();
}

bool Pass::reach(std::int64_t site, at::Tensor& value) {
  for (std::size_t i = 0; i < edits_.size(); ++i) {
    if (edit_sites_[i] != site) continue;
    engine_->finish();
    engine_->release(value);
    edit(edits_[i], value);
    if (value.requires_grad() && !graph_) {
      graph_ = true;
      engine_ = std::make_unique<GraphEngine>(config_, weights_, tokens_);
    }
  }
  for (std::size_t i = 0; i < tap_sites_.size(); ++i) {
    if (tap_sites_[i] != site) continue;
    engine_->release(value);
    result_.taps[i] = value.view({tokens_.size(0), tokens_.size(1), value.size(1)});
  }
  return site < last_;
}

bool Pass::run_layer(std::int64_t index) {
  if (!reach(SiteTable::at(index, SiteTable::kResidPre), stream_.residual)) return false;
  engine_->attend(index, stream_);
  if (!reach(SiteTable::at(index, SiteTable::kAttnOut), stream_.attn_out)) return false;
  engine_->add_attention(stream_);
  if (!reach(SiteTable::at(index, SiteTable::kResidMid), stream_.residual)) return false;
  engine_->norm_mlp(index, stream_);
  if (!reach(SiteTable::at(index, SiteTable::kMlpIn), stream_.mlp_in)) return false;
  engine_->run_mlp(index, stream_);
  if (!reach(SiteTable::at(index, SiteTable::kMlpOut), stream_.mlp_out)) return false;
  engine_->add_mlp(stream_);
  return reach(SiteTable::at(index, SiteTable::kResidPost), stream_.residual);
}

// The residual after a layer is the one before the next: taps of both get memory of their own.
void Pass::part_aliased_taps() {
  for (std::size_t i = 0; i < result_.taps.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (result_.taps[i].const_data_ptr() != result_.taps[j].const_data_ptr()) continue;
      result_.taps[i] = result_.taps[i].clone();
      break;
    }
  }
}

saffron::RunResult Pass::run() {
  if (last_ < 0) return std::move(result_);
  weights_.require(layers_needed(), logits_);
  if (tokens_.device().is_cpu()) {
    engine_ = std::make_unique<TileEngine>(config_, weights_, tokens_);
  } else {
    graph_ = true;
    engine_ = std::make_unique<GraphEngine>(config_, weights_, tokens_);
  }
  engine_->embed(stream_);
  bool on = reach(0, stream_.residual);
  for (std::int64_t i = 0; on && i < config_.layers; ++i) on = run_layer(i);
  if (logits_) {
    result_.logits =
        engine_->logits(stream_).view({tokens_.size(0), tokens_.size(1), config_.vocabulary});
  }
  engine_->finish();
  part_aliased_taps();
  return std::move(result_);
}

}  // namespace

saffron::RunResult forward(const Config& config, const SiteTable& table, Weights& weights,
                           const at::Tensor& tokens, std::span<const std::string> taps,
                           std::span<const saffron::Edit> edits, bool logits) {
  return Pass(config, table, weights, tokens, taps, edits, logits).run();
}

}  // namespace llama
