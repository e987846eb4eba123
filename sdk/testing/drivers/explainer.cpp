#include "testing/drivers/kinds.h"
#include "testing/drivers/toy_examples.h"
#include "testing/made.h"

#include <saffron/random.h>
#include <saffron/testing/toys.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

namespace saffron::testing {
namespace {

constexpr std::uint64_t kLetters = 8;
constexpr std::int64_t kLength = 16, kNewRows = 5, kNewLength = 12;

// Explains a latent from some contexts, and predicts it on others.
class ExplainerDriver final : public DriverOf<Explainer> {
 public:
  using DriverOf::DriverOf;

  [[nodiscard]] Observed use(Inputs& inputs) override {
    const Variant& variant = inputs.variant();
    LatentExamples examples;
    examples.name = "toy latent 3";
    examples.tokens = inputs.give("tokens", toy_contexts(variant.data, variant.rows, kLength));
    const at::Tensor strengths = toy_strengths(examples.tokens);
    examples.strengths = inputs.give("strengths", strengths);
    examples.tokenizer = &tokenizer_;
    const auto explanation = explain(*component_, examples);
    const at::Tensor others =
        inputs.give("new tokens", toy_contexts(variant.data + 100, kNewRows, kNewLength));
    Observed out;
    out.add("text", explanation->text());
    out.add("prediction", explanation->predict(others));
    return out;
  }

 private:
  ToyTokenizer tokenizer_;
};

}  // namespace

at::Tensor toy_contexts(std::uint64_t data, std::int64_t rows, std::int64_t length) {
  const Random random = Random(data).fork("toy contexts");
  at::Tensor out = at::empty({rows, length}, at::kLong);
  auto* p = out.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    p[i] = 'a' + static_cast<std::int64_t>(random.below(kLetters, static_cast<std::uint64_t>(i)));
  }
  return out;
}

at::Tensor toy_strengths(const at::Tensor& contexts) {
  const at::Tensor more =
      Random(1).fork("strengths").uniform_rows(0, contexts.size(0), contexts.size(1)) * 0.5;
  return (contexts == kFiringToken).to(at::kFloat) * (1 + more);
}

std::unique_ptr<Explainer::Explanation> explain(Explainer& explainer,
                                                const LatentExamples& examples) {
  auto explanation = explainer.explain(examples);
  if (explanation == nullptr) fail("explain returns nothing");
  return explanation;
}

const KindDriver kExplainerDriver{
    Explainer::kKind, {.rows = true, .strided = true}, drive_or_skip<ExplainerDriver>};

}  // namespace saffron::testing
