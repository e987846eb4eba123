#pragma once

#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

// What SAEs of m linear coefficients of both signs share (principal or independent components, the
// neurons themselves): nothing in them is stepped.
//
//   c = (x - b_dec) E^T        xhat = sum_i c_i D_i + b_dec        E, D [m, d]
//
//   signs = split      2m latents, f = [ReLU(c), ReLU(-c)], W_dec = [D; -D]
//           signed     m latents, f = c
//           rectified  m latents, f = ReLU(c): what is below 0 is lost
//   k > 0   only the k largest |c| of a row (rectified: the k largest c) are kept
//
// An SAE's latents fire one way only, so a component with two signs is two of them: without the
// split, scores of it are those of half-spaces (sparse_coding, Cunningham et al. 2023, has PCA and ICA
// both ways). Activations are centred before encoding by the mean that decoding adds.

namespace saffron::inline sdk_v1 {

struct ComponentOptions {
  enum class Signs : std::uint8_t { split, both, rectified };
  Signs signs = Signs::split;
  std::int64_t k = 0;

  [[nodiscard]] static SAFFRON_EXPORT Schema<ComponentOptions> schema();
};

class SAFFRON_EXPORT ComponentSae : public Sae, public Exportable {
 public:
  // `name` begins its messages.
  ComponentSae(std::string name, const ComponentOptions& options);
  ~ComponentSae() override;

  SaeSpec declare(const SaeShape& shape) final;
  void bind(const Tensors& parameters, const Tensors& buffers) final;
  void initialise(const InitInput& init) final;
  [[nodiscard]] std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const final;
  [[nodiscard]] std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const final;
  [[nodiscard]] Forward forward(const SaeInput& input) final;
  void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                Gradients& gradients) final;
  [[nodiscard]] CanonicalSae canonical() const final;

 protected:
  // m of rows of width d; Error (invalid) where there cannot be so many.
  [[nodiscard]] virtual std::int64_t components(std::int64_t d) const = 0;
  // Everything starts at 0 but b_dec, the mean of the first rows.
  virtual void initialise_own(const InitInput& init);

  [[nodiscard]] std::int64_t width() const { return d_; }
  [[nodiscard]] std::int64_t components() const { return m_; }
  // E and D [m, d], b_dec [d], of any dtype.
  void set(const at::Tensor& encoder, const at::Tensor& decoder, const at::Tensor& centre);

 private:
  [[nodiscard]] bool split() const { return options_.signs == ComponentOptions::Signs::split; }

  std::string name_;
  ComponentOptions options_;
  std::int64_t d_ = 0, m_ = 0;
  at::Tensor W_enc_, W_dec_, b_dec_;
};

}  // namespace saffron::inline sdk_v1
