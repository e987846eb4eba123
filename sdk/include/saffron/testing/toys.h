#pragma once

#include <saffron/comparator.h>
#include <saffron/dataset.h>
#include <saffron/model.h>
#include <saffron/random.h>
#include <saffron/sae.h>
#include <saffron/source.h>
#include <saffron/tokenizer.h>
#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// A small world with known truth, for tests of components: text of letters, of which three in four
// are the one after the last, a causal model that predicts it, whose token embeddings are sparse sums of planted features, its activations as a source, an SAE
// that has found the features, and environments with rewards to compare. Everything is a function
// of the seed, cheap, and float32 unless said otherwise.

namespace saffron::testing {

// One token a byte; ids 256 and 257 begin and end a text.
class SAFFRON_EXPORT ToyTokenizer final : public Tokenizer {
 public:
  [[nodiscard]] std::int64_t vocabulary() const override { return 258; }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text,
                                                 bool special) const override;
  [[nodiscard]] std::string bytes(std::int32_t id) const override;
  [[nodiscard]] std::string spelling(std::int32_t id) const override;
  [[nodiscard]] std::int32_t bos() const override { return 256; }
  [[nodiscard]] std::int32_t eos() const override { return 257; }
};

// 64 rows of 16 lower-case letters.
class SAFFRON_EXPORT ToyDataset final : public Dataset, public HasTokenizer {
 public:
  explicit ToyDataset(std::uint64_t seed = 1);
  [[nodiscard]] const DatasetInfo& info() const override { return info_; }
  [[nodiscard]] DataRows rows(std::span<const std::int64_t> indices) const override;
  [[nodiscard]] std::string where(std::int64_t row) const override;
  [[nodiscard]] const Tokenizer& tokenizer() const override { return tokenizer_; }

 private:
  Random random_;
  DatasetInfo info_;
  ToyTokenizer tokenizer_;
};

// Sites "embed" (h0 = E[token]), "layers.0.mlp_in" (m = mean of h0 up to here),
// "layers.0.mlp_out" (tanh(m A)) and "layers.0.resid_post" (h1 = h0 + mlp_out); logits = h1 U, with
// U = 2 E^T moved on by one letter.
//   E [258, 12] = C F, with 16 planted features F (unit rows) and three coefficients in [0.5, 1.5] a token.
class SAFFRON_EXPORT ToyModel final : public Model, public HasLayerMaps {
 public:
  static constexpr std::int64_t kWidth = 12, kFeatures = 16;

  explicit ToyModel(std::uint64_t seed = 1, at::ScalarType dtype = at::kFloat);
  [[nodiscard]] const ModelInfo& info() const override { return info_; }
  [[nodiscard]] const std::vector<SiteInfo>& sites() const override { return sites_; }
  [[nodiscard]] RunResult run(const at::Tensor& tokens, std::span<const std::string> taps,
                              std::span<const Edit> edits, bool logits) override;
  [[nodiscard]] std::shared_ptr<Tokenizer> tokenizer() const override { return tokenizer_; }
  // From "layers.0.mlp_in" to "layers.0.mlp_out".
  [[nodiscard]] std::unique_ptr<LayerMap> layer_map(std::string_view from,
                                                    std::string_view to) const override;

  [[nodiscard]] const at::Tensor& features() const { return features_; }          // F [16, 12]
  [[nodiscard]] const at::Tensor& coefficients() const { return coefficients_; }  // C [258, 16]

 private:
  at::Tensor features_, coefficients_, embedding_, mix_, unembedding_;
  ModelInfo info_;
  std::vector<SiteInfo> sites_;
  std::shared_ptr<Tokenizer> tokenizer_;
};

// 16 blocks of 4 contexts of the toy text: 64 rows each, in order, with origins.
//   stream 0 "embed", whose rows are exactly coefficients * features; stream 1 "layers.0.resid_post"
class SAFFRON_EXPORT ToySource final : public Source, public ModelBacked, public Planted {
 public:
  explicit ToySource(std::uint64_t seed = 1, at::ScalarType dtype = at::kFloat);
  [[nodiscard]] const std::vector<StreamInfo>& streams() const override { return streams_; }
  [[nodiscard]] const SourceInfo& info() override { return info_; }
  [[nodiscard]] ActivationRows block(std::int64_t index) override;

  [[nodiscard]] Model& model() override { return model_; }
  [[nodiscard]] const Dataset& dataset() const override { return dataset_; }
  [[nodiscard]] std::string site(std::int64_t stream) const override;
  [[nodiscard]] std::int64_t first_position() const override { return 0; }
  [[nodiscard]] at::Tensor normalise(std::int64_t stream, const at::Tensor& raw) const override;
  [[nodiscard]] at::Tensor denormalise(std::int64_t stream, const at::Tensor& x) const override;

  [[nodiscard]] at::Tensor features(std::int64_t stream) const override;
  [[nodiscard]] at::Tensor coefficients(std::int64_t block) override;

 private:
  [[nodiscard]] at::Tensor tokens(std::int64_t block) const;  // [4, 16]

  ToyDataset dataset_;
  ToyModel model_;
  std::vector<StreamInfo> streams_;
  SourceInfo info_;
};

// f = relu(x W_enc^T + b_enc), xhat = f W_dec, over stream 0 of `source` (a ToySource of the same
// seed unless given): W_enc = W_dec = the planted features, b_enc = -0.1.
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<TrainedSae> toy_sae(
    const std::string& name = "toy", std::uint64_t seed = 1,
    std::shared_ptr<Source> source = nullptr);

// Two more over stream 0, which the toy world has under these names, and between which a measure of
// SAEs must not be in doubt: one gives every row back, by its planted features and coefficients; the
// other gives their mean, whatever the row, with as many active latents, always the same.
inline constexpr const char* kPerfectSae = "perfect";
inline constexpr const char* kNullSae = "null";
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<TrainedSae> toy_perfect_sae(
    std::uint64_t seed = 1, std::shared_ptr<Source> source = nullptr);
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<TrainedSae> toy_null_sae(
    std::uint64_t seed = 1, std::shared_ptr<Source> source = nullptr);

// What a nested component without a node of its own is: a ToyTokenizer, the objective "squared error
// summed over d and targets, averaged over rows", a format whose every path holds the toy SAE, or distances
// "2-2" between tabular rewards as they are. Null for other kinds.
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<void> toy_child(std::string_view kind);

// A random MDP of 5 states and 3 actions, gamma 0.9, and the rewards
//   r (random), r shaped (r + gamma Phi(s') - Phi(s)), r doubled, -r, other (random), zero.
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<World> toy_tabular_world(std::uint64_t seed = 1);
// 48 transitions, six episodes of eight, of an environment with states in R^3 and actions in R,
// gamma 0.9, and rewards of the same names, each a formula of (s, a, s').
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<World> toy_sampled_world(std::uint64_t seed = 1);
// 480 transitions, 40 episodes of twelve, of the tabular world by its policy: states and actions are
// numbers, which come again.
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<World> toy_numbered_world(std::uint64_t seed = 1);
// 12 prompts with four responses each, and scores of the same names; "shaped" is r and an offset a
// prompt. The labels are 1 for a prompt's best response under r, else 0.
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<World> toy_preference_world(std::uint64_t seed = 1);

}  // namespace saffron::testing
