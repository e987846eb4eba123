#pragma once

#include <saffron/dictionary_sae.h>
#include <saffron/k_schedule.h>

#include <ATen/core/Tensor.h>

#include <vector>

namespace saffron::inline sdk_v1 {

// BatchTopK (Bussmann, Leask, Nanda 2024, "BatchTopK Sparse Autoencoders"): of the B F values ReLU(a) of a
// batch the k B largest are kept, so that rows share a budget.
//
//   theta <- (1 - threshold_rate) theta + threshold_rate * (the smallest kept value)      each step;
//            the first one sets it
//
// Outside of training a row must not depend on its company: f = ReLU(a) where a > theta, a JumpReLU with
// one threshold, which is also what is exported.
struct BatchTopKOptions {
  KOptions k;
  double threshold_rate = 0.01;

  [[nodiscard]] static SAFFRON_EXPORT Schema<BatchTopKOptions> schema();
};

class SAFFRON_EXPORT BatchTopKSelection {
 public:
  explicit BatchTopKSelection(const BatchTopKOptions& options) : options_(options) {}

  void declare(SaeSpec& spec) const;  // layout, and the buffer "threshold" (float64 [1])
  void bind(const Tensors& buffers);
  // `scale` [F] > 0: values are compared, with each other and with theta, after multiplication by it.
  // The codes are not multiplied.
  [[nodiscard]] Codes codes_of(const at::Tensor& rows, const at::Tensor& W_enc,
                               const at::Tensor& b_enc, const at::Tensor& scale = {}) const;
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const at::Tensor& W_enc,
                                 const at::Tensor& b_enc, const SaeInput& input,
                                 const at::Tensor& scale = {});
  // Encoders that share one budget: the k B largest of all of them together.
  struct Encoder {
    at::Tensor rows, W_enc, b_enc, scale;
  };
  [[nodiscard]] std::vector<Codes> step_codes(const std::vector<Encoder>& encoders,
                                              const SaeInput& input);
  void after_step();
  // `scale` as in codes_of: each latent's threshold is theta / scale.
  void canonical(CanonicalSae& out, const at::Tensor& scale = {}) const;

 private:
  [[nodiscard]] double threshold() const;  // 0 before the first step
  [[nodiscard]] std::vector<Codes> candidates(const std::vector<Encoder>& encoders,
                                              std::int64_t k) const;

  BatchTopKOptions options_;
  at::Tensor threshold_;  // -1 before the first step
  double smallest_ = 0;   // kept in this step; 0 when nothing was
};

}  // namespace saffron::inline sdk_v1
