#include <saffron/testing/toys.h>

#include <saffron/error.h>
#include <saffron/init.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <utility>

namespace saffron::testing {
namespace {

constexpr std::int64_t kActive = 3;  // features of a token

// Logits of the letter after the last one are highest: U = 2 E^T, moved on by one letter.
at::Tensor predict_next_letter(const at::Tensor& embedding) {
  constexpr std::int64_t kFirst = 'a', kLetters = 26;
  at::Tensor out = at::zeros_like(embedding);
  out.narrow(0, kFirst, kLetters).copy_(embedding.narrow(0, kFirst, kLetters).roll(1, 0) * 2);
  return out.t().contiguous();
}

// Each token has three features of its own choice.
at::Tensor draw_coefficients(const Random& random, std::int64_t tokens, at::ScalarType dtype) {
  const at::Tensor which = random.fork("which")
                               .uniform_rows(0, tokens, ToyModel::kFeatures)
                               .argsort(/*stable=*/true, 1)
                               .narrow(1, 0, kActive);
  const at::Tensor strengths =
      random.fork("strength").uniform_rows(0, tokens, kActive, dtype) + 0.5;
  return at::zeros({tokens, ToyModel::kFeatures}, dtype).scatter(1, which, strengths);
}

// y = tanh(x A):  J = in_rows A diag(1 - y^2) out_rows^T.
class ToyMap final : public LayerMap {
 public:
  explicit ToyMap(at::Tensor A) : A_(std::move(A)) {}
  [[nodiscard]] std::int64_t in_width() const override { return A_.size(0); }
  [[nodiscard]] std::int64_t out_width() const override { return A_.size(1); }
  [[nodiscard]] at::Tensor apply(const at::Tensor& x) const override { return hidden(x).tanh(); }
  [[nodiscard]] at::Tensor hidden(const at::Tensor& x) const override {
    return x.matmul(A_.to(x.scalar_type()));
  }
  [[nodiscard]] at::Tensor jacobian(const at::Tensor& x, const at::Tensor& in_rows,
                                    const at::Tensor& in_index, const at::Tensor& out_rows,
                                    const at::Tensor& out_index) const override {
    const auto gathered = [](const at::Tensor& rows, const at::Tensor& index) {
      return rows.index_select(0, index.reshape(-1)).view({index.size(0), index.size(1), -1});
    };
    const at::Tensor slope = 1 - apply(x).detach().square();    // [B, h]
    const at::Tensor in = gathered(hidden(in_rows), in_index);  // [B, k1, h]
    const at::Tensor out = gathered(out_rows, out_index);       // [B, k2, h]
    return (out * slope.unsqueeze(1)).bmm(in.transpose(1, 2));
  }

 private:
  at::Tensor A_;
};

}  // namespace

ToyModel::ToyModel(std::uint64_t seed, at::ScalarType dtype)
    : tokenizer_(std::make_shared<ToyTokenizer>()) {
  const Random random = Random(seed).fork("toy model");
  const std::int64_t tokens = tokenizer_->vocabulary();
  features_ = init::unit_rows(random.fork("features"), kFeatures, kWidth, dtype);
  coefficients_ = draw_coefficients(random, tokens, dtype);
  embedding_ = coefficients_.mm(features_);
  mix_ = random.fork("mix").normal_rows(0, kWidth, kWidth, dtype) * 0.5;
  unembedding_ = predict_next_letter(embedding_);
  info_ = {.name = "toy",
           .architecture = "toy",
           .layers = 1,
           .width = kWidth,
           .heads = 1,
           .vocabulary = tokens,
           .context = 64,
           .parameters = embedding_.numel() + mix_.numel() + unembedding_.numel(),
           .weights = ""};
  sites_ = {{"embed", kWidth, -1},
            {"layers.0.mlp_in", kWidth, 0},
            {"layers.0.mlp_out", kWidth, 0},
            {"layers.0.resid_post", kWidth, 0}};
}

std::unique_ptr<LayerMap> ToyModel::layer_map(std::string_view from, std::string_view to) const {
  if (from == "layers.0.mlp_in" && to == "layers.0.mlp_out") return std::make_unique<ToyMap>(mix_);
  throw Error(cat("the toy model has no map from '", from, "' to '", to,
                  "'; it has one from 'layers.0.mlp_in' to 'layers.0.mlp_out'"));
}

RunResult ToyModel::run(const at::Tensor& tokens, std::span<const std::string> taps,
                        std::span<const Edit> edits, bool logits) {
  const auto known = [&](const std::string& name) {
    return std::any_of(sites_.begin(), sites_.end(), [&](const auto& s) { return s.name == name; });
  };
  for (const std::string& tap : taps) {
    if (!known(tap)) throw Error(cat("the toy model has no site '", tap, "'"));
  }
  for (const Edit& edit : edits) {
    if (!known(edit.site)) throw Error(cat("the toy model has no site '", edit.site, "'"));
  }
  RunResult out;
  out.taps.resize(taps.size());
  const auto visit = [&](const char* name, at::Tensor x) {
    for (const Edit& edit : edits) {
      if (edit.site == name) x = edit.apply(x);
    }
    for (std::size_t i = 0; i < taps.size(); ++i) {
      if (taps[i] == name) out.taps[i] = x;
    }
    return x;
  };
  const at::Tensor embedded = visit("embed", embedding_.index_select(0, tokens.reshape(-1))
                                                 .view({tokens.size(0), tokens.size(1), kWidth}));
  const at::Tensor counts = at::arange(1, tokens.size(1) + 1, embedded.options()).view({1, -1, 1});
  const at::Tensor mean = visit("layers.0.mlp_in", embedded.cumsum(1) / counts);
  const at::Tensor added = visit("layers.0.mlp_out", mean.matmul(mix_).tanh());
  const at::Tensor last = visit("layers.0.resid_post", embedded + added);
  if (logits) out.logits = last.matmul(unembedding_);
  return out;
}

}  // namespace saffron::testing
