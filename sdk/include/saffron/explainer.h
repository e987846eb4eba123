#pragma once

#include <saffron/report.h>
#include <saffron/value.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

class Tokenizer;

// Contexts with one latent's activations: tokens int64 [N, T], strengths float32 [N, T] (0 = inactive).
struct LatentExamples {
  std::string name;
  at::Tensor tokens, strengths;
  const Tokenizer* tokenizer = nullptr;
};

// Says when a latent fires, from examples, and predicts it on contexts that it has not seen. Predictions
// rank tokens: higher means more likely active. An explanation outlives the examples and their
// tokenizer. Deterministic explainers need no judge.
class SAFFRON_EXPORT Explainer {
 public:
  static constexpr const char* kKind = "explainer";
  static constexpr const char* kInterface = "saffron.explainer/1";
  using Interface = Explainer;

  class SAFFRON_EXPORT Explanation {
   public:
    virtual ~Explanation();
    [[nodiscard]] virtual std::string text() const = 0;
    [[nodiscard]] virtual at::Tensor predict(const at::Tensor& tokens) const = 0;  // [N, T]
  };

  Explainer() = default;
  Explainer(const Explainer&) = delete;
  Explainer& operator=(const Explainer&) = delete;
  virtual ~Explainer();

  [[nodiscard]] virtual std::unique_ptr<Explanation> explain(const LatentExamples& examples) = 0;
};

}  // namespace saffron::inline sdk_v1
