#pragma once

#include <saffron/batch_topk.h>
#include <saffron/dead_latents.h>
#include <saffron/jump_threshold.h>
#include <saffron/properties.h>
#include <saffron/sae.h>
#include <saffron/weighted_penalty.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// Cross-layer transcoder (CLT): latents of layer i read what goes into layer i and write to what comes out
// of it and of every later layer. Streams read and predicted are those of layers 0 .. L-1, in order.
// (Ameisen et al. 2025, "Circuit Tracing"; OpenMOSS/Language-Model-SAEs for the choices of the largest)
//
//   a_i = x_i W_enc.i^T + b_enc.i        yhat_j = sum_{i <= j} f_i W_dec.i[:, j]  + b_dec[j]
//
//   W_enc.i [F, d_i], W_dec.i [F, e_i + ... + e_{L-1}]: the columns of target j stand behind those of the
//   targets from i to j - 1; b_dec [e_0 + ... + e_{L-1}]. One code space a layer.
//
//   loss = objective + coef sum_i mean_b sum_n phi(n_in f_ibn)      weighted_penalty.h has phi, n, coef's rise;
//                                                                   n_in is of a latent's whole row W_dec.i[n]
//   activation = relu        f = ReLU(a)
//                jumprelu    f = a H(a - theta) (jump_threshold.h; Ameisen et al. have theta = 0.03 at the
//                            start and eps = 1: with such a wide kernel nearly all a are entries of a step)
//                topk        the k largest n ReLU(a) of each row
//                batch_topk  the k B largest n ReLU(a) of a batch of B rows (batch_topk.h)
//   across_layers            k counts the latents of all layers together, else of each
//
// Dead latents (dead_latents.h): those of each layer alone explain the errors of that layer and later ones,
// and compete as its codes do: by n a under topk and batch_topk.
class CrossLayerTranscoder final : public Sae, public Exportable, public PseudoGradients {
 public:
  enum class Activation : std::uint8_t { relu, topk, batch_topk, jumprelu };
  struct Options {
    std::int64_t width = 4096;
    std::string b_dec_init = "zero";
    Activation activation = Activation::relu;
    bool across_layers = true;
    WeightedPenaltyOptions penalty{.penalty = WeightedPenaltyOptions::Penalty::tanh,
                                   .coef = 1e-3,
                                   .warmup = 1,
                                   .norm = DecoderNorm::concatenated};
    BatchTopKOptions selection;
    JumpOptions jump{.threshold_init = 0.03, .bandwidth = 1};
    DeadLatentOptions dead = {};
  };
  static Schema<Options> schema();

  explicit CrossLayerTranscoder(const Options& options)
      : options_(options), shared_(options.selection) {}

  SaeSpec declare(const SaeShape& shape) override;
  void bind(const Tensors& parameters, const Tensors& buffers) override;
  void initialise(const InitInput& init) override;
  [[nodiscard]] std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const override;
  [[nodiscard]] std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const override;
  [[nodiscard]] Forward forward(const SaeInput& input) override;
  void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                Gradients& gradients) override;
  void after_step(const SaeInput& input, const Forward& forward) override;
  [[nodiscard]] CanonicalSae canonical() const override;
  [[nodiscard]] std::vector<std::string> pseudo_gradients() const override;

 private:
  struct Layer {
    Layer(const Options& options, std::size_t number, std::vector<std::int64_t> targets,
          std::int64_t first_column);

    [[nodiscard]] DeadLatents::Weights weights() const;
    // The columns of this layer's targets, of those of all.
    [[nodiscard]] at::Tensor own_columns(const at::Tensor& of_all) const;

    std::string suffix;                // ".3"
    std::vector<std::int64_t> widths;  // of its targets
    std::int64_t column, columns;      // the first one, how many
    at::Tensor W_enc, b_enc, W_dec;
    WeightedPenalty penalty;
    BatchTopKSelection selection;
    JumpThreshold jump;
    DeadLatents dead;
  };

  // One threshold for all layers.
  [[nodiscard]] bool shares_budget() const {
    return options_.activation == Activation::batch_topk && options_.across_layers;
  }
  void declare_layer(const Layer& layer, std::int64_t d, SaeSpec& spec) const;
  void declare_selection(SaeSpec& spec) const;
  [[nodiscard]] bool selects() const {
    return options_.activation == Activation::topk || options_.activation == Activation::batch_topk;
  }
  [[nodiscard]] at::Tensor scale(const Layer& layer) const;
  [[nodiscard]] std::vector<Codes> largest(const std::vector<at::Tensor>& inputs,
                                           std::int64_t k) const;
  [[nodiscard]] std::vector<Codes> step_codes(const SaeInput& input);
  [[nodiscard]] at::Tensor decoded(const std::vector<Codes>& codes) const;

  Options options_;
  BatchTopKSelection shared_;  // of all layers
  std::vector<Layer> layers_;
  std::vector<std::int64_t> target_widths_;
  at::Tensor b_dec_;
};

}  // namespace saffron::plugins
