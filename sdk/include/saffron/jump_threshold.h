#pragma once

#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

// The JumpReLU with a trained threshold, for any SAE with a linear encoder.
// (Rajamanoharan et al. 2024, "Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse
// Autoencoders")
//
//   f = a H(a - theta),  theta >= 0        rect(u) = 1 where |u| < 1/2, else 0,  u = (a - theta) / eps
//
//   Pseudo-gradients:  d f / d a = H(a - theta)    d f / d theta = -(theta / eps) rect(u)
//                      d H / d theta = -(1 / eps) rect(u)    d H / d a = 0
//
//   ste_to_input: a gets what theta loses, so that encoder and biases learn by the kernel too (Anthropic,
//   January 2025 update; SAELens' jumprelu_ste_to_input):
//                      d f / d a = H(a - theta) + (theta / eps) rect(u)    d H / d a = (1 / eps) rect(u)
//
//   log_threshold: log theta is trained, as published; else theta itself, held at or above 0. Adam moves
//   log theta by at most lr a step, so that a small theta hardly moves (a known trap).
struct JumpOptions {
  double threshold_init = 0.001;
  double bandwidth = 0.001;
  bool log_threshold = false;
  bool ste_to_input = false;

  [[nodiscard]] static SAFFRON_EXPORT Schema<JumpOptions> schema();
};

class SAFFRON_EXPORT JumpThreshold {
 public:
  // `suffix` tells the thresholds of several encoders apart: "threshold" + suffix.
  explicit JumpThreshold(const JumpOptions& options, std::string suffix = {});

  [[nodiscard]] const std::string& parameter() const {
    return name_;
  }  // or "log_threshold" + suffix
  // The parameters whose gradients are pseudo-gradients, where `encoder` are those that a depends on.
  [[nodiscard]] std::vector<std::string> pseudo_gradients(std::vector<std::string> encoder) const;
  void declare(SaeSpec& spec) const;
  void bind(const Tensors& parameters);
  void initialise(const at::Tensor& latents);  // int64 [n]; undefined: all
  [[nodiscard]] at::Tensor theta() const;

  [[nodiscard]] Codes codes_of(const at::Tensor& rows, const at::Tensor& W_enc,
                               const at::Tensor& b_enc) const;
  // Entries at or below theta, but within the kernel's reach, stay with value 0: their theta learns.
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const at::Tensor& W_enc,
                                 const at::Tensor& b_enc);
  // Entries of this step that are above theta (bool).
  [[nodiscard]] const at::Tensor& on() const { return on_; }
  // d loss / d a on the entries of codes (undefined: 0) from d loss / d f and d loss / d (sum of a row's
  // H), float64 [B], or [1] where all rows have one. The threshold's gradient takes in d loss / d theta
  // [F] from elsewhere too. Each may be undefined: 0.
  [[nodiscard]] at::Tensor backward(const Codes& codes, const at::Tensor& df,
                                    const at::Tensor& on_l0, const at::Tensor& on_theta,
                                    Gradients& gradients) const;

 private:
  JumpOptions options_;
  std::string name_;
  at::Tensor threshold_;  // theta or its logarithm [F]
  // From forward to backward of one step, by entry of the codes: a, its theta, H and rect.
  at::Tensor a_, theta_, on_, near_;
};

}  // namespace saffron::inline sdk_v1
