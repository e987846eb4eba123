#pragma once

#include <saffron/namespace.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::inline sdk_v1 {

class Tokenizer;

// A place in a model whose activation can be read and changed: "layers.10.resid_post".
//   embed                    token embeddings entering the first layer
//   layers.L.resid_pre       residual stream before layer L
//   layers.L.attn_out        what attention adds to it
//   layers.L.resid_mid       residual stream between attention and MLP
//   layers.L.mlp_in          the exact tensor that enters the MLP's first matrix (after the norm)
//   layers.L.mlp_out         what the MLP adds
//   layers.L.resid_post      residual stream after layer L
struct SiteInfo {
  std::string name;
  std::int64_t width = 0;
  std::int64_t layer = -1;  // -1: before the first
};

struct ModelInfo {
  std::string name;  // in full: "SmolLM2-135M-Instruct (Q4_1)"
  std::string architecture;
  std::int64_t layers = 0, width = 0, heads = 0, vocabulary = 0, context = 0, parameters = 0;
  std::string weights;  // provenance: "dequantised from 4-bit Q4_1 blocks"; "" for plain weights
};

// Replaces the activation at a site. apply gets [B, T, width] and returns the same shape; it is
// called once a run and may be differentiable.
struct Edit {
  std::string site;
  std::function<at::Tensor(const at::Tensor& activation)> apply;
};

struct RunResult {
  std::vector<at::Tensor> taps;  // [B, T, width] each, in the order asked for, after edits
  at::Tensor logits;             // [B, T, vocabulary]; undefined unless asked for
};

// Runs token sequences and exposes its sites.
//
//   run(tokens, taps, edits, logits)   tokens int64 [B, T]
//   causal: taps and logits at position t depend on tokens 0..t alone; so is every Tunable model
//
// Differentiable through the edits when grad mode is on; parameters are frozen. Stops after the last
// tapped or edited site unless logits are asked for. Leaves nothing behind: no hook, no cache.
// [host thread; parallel inside through at::parallel_for]. Unknown sites are Error (invalid).
class SAFFRON_EXPORT Model {
 public:
  static constexpr const char* kKind = "model";
  static constexpr const char* kInterface = "saffron.model/1";
  using Interface = Model;

  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model();

  [[nodiscard]] virtual const ModelInfo& info() const = 0;
  [[nodiscard]] virtual const std::vector<SiteInfo>& sites() const = 0;
  [[nodiscard]] virtual RunResult run(const at::Tensor& tokens, std::span<const std::string> taps,
                                      std::span<const Edit> edits, bool logits) = 0;
  // The model's own tokenizer; shared with datasets that name this model. Null where it has none.
  [[nodiscard]] virtual std::shared_ptr<Tokenizer> tokenizer() const = 0;
};

// The map from one site to a later one inside a layer, y = f(x), without ever forming its Jacobian.
//
//   J[b, o, i] = < out_rows[out_index[b, o]],  Df(x_b) in_rows[in_index[b, i]] >
//
// For y = phi(x W_in + b) W_out this is sum_h (out_rows W_out^T)[O, h] phi'(z_bh) (in_rows W_in)[I, h];
// gated maps carry two products, skip maps add <out_row, in_row>. (Farnik et al. 2025, JSAE.)
class SAFFRON_EXPORT LayerMap {
 public:
  virtual ~LayerMap();
  [[nodiscard]] virtual std::int64_t in_width() const = 0;
  [[nodiscard]] virtual std::int64_t out_width() const = 0;
  [[nodiscard]] virtual at::Tensor apply(const at::Tensor& x) const = 0;  // [B, in] -> [B, out]
  // z [B, m], the pre-activation; gated maps give gate and value side by side [B, 2, m].
  [[nodiscard]] virtual at::Tensor hidden(const at::Tensor& x) const = 0;
  // [B, k2, k1]; in_rows [n1, in], in_index int64 [B, k1], out_rows [n2, out], out_index [B, k2].
  // Differentiable in both row matrices; x, indices and z are constants.
  [[nodiscard]] virtual at::Tensor jacobian(const at::Tensor& x, const at::Tensor& in_rows,
                                            const at::Tensor& in_index, const at::Tensor& out_rows,
                                            const at::Tensor& out_index) const = 0;
};

// Capability: a model that exposes layer maps, e.g. from "layers.3.mlp_in" to "layers.3.mlp_out".
class SAFFRON_EXPORT HasLayerMaps {
 public:
  virtual ~HasLayerMaps();
  // Error (invalid) that lists the pairs there are.
  [[nodiscard]] virtual std::unique_ptr<LayerMap> layer_map(std::string_view from,
                                                            std::string_view to) const = 0;
};

// Capability: a model whose parameters can be trained and that generates.
class SAFFRON_EXPORT Tunable {
 public:
  virtual ~Tunable();
  // Leaves with requires_grad as the tuner sets it; run() is then differentiable in them.
  [[nodiscard]] virtual Tensors parameters() = 0;
  // Continues each row of tokens [B, T] by `count`; choose maps logits [B, V] to ids [B].
  [[nodiscard]] virtual at::Tensor generate(
      const at::Tensor& tokens, std::int64_t count,
      const std::function<at::Tensor(const at::Tensor& logits)>& choose) = 0;
};

}  // namespace saffron::inline sdk_v1
