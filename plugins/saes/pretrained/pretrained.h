#pragma once

#include <saffron/format.h>
#include <saffron/sae.h>

namespace saffron::plugins {

// A trained SAE from the files of a library that has a format here, frozen. Codes and
// reconstructions are those of CanonicalSae (sae.h): relu, topk, abs_topk, groupmax, jumprelu or gated;
// a transcoder where it predicts another stream, with a linear skip connection where it has one.
//
// Parameters, latents first: W_enc [F, d_in], b_enc [F], W_dec [F, d_out], b_dec [d_out], and what its
// activation has of threshold, b_gate, b_mag, r_mag [F], and W_skip [d_out, d_in]. The files are read
// when the SAE is declared; weights from a checkpoint replace theirs.
class Pretrained final : public Sae, public Exportable {
 public:
  struct Options {
    Path path;
    std::optional<Child<Format>> format;
    std::vector<Child<Format>> formats = common_formats();
  };
  static Schema<Options> schema();

  explicit Pretrained(const Options& options) : options_(options) {}

  SaeSpec declare(const SaeShape& shape) override;
  void bind(const Tensors& parameters, const Tensors& buffers) override;
  void initialise(const InitInput& init) override;
  [[nodiscard]] std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const override;
  [[nodiscard]] std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const override;
  [[nodiscard]] Forward forward(const SaeInput& input) override;
  void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                Gradients& gradients) override;
  [[nodiscard]] CanonicalSae canonical() const override;

 private:
  static std::vector<Child<Format>> common_formats();
  [[nodiscard]] CanonicalSae read() const;
  [[nodiscard]] const at::Tensor& p(std::string_view name) const { return parameters_[name]; }
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const;

  Options options_;
  // As read: tensors only until initialise has copied them.
  CanonicalSae file_;
  Tensors parameters_;
};

}  // namespace saffron::plugins
