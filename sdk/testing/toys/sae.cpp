#include <saffron/testing/toys.h>

#include "testing/toys/comparator.h"

#include <saffron/format.h>
#include <saffron/init.h>
#include <saffron/objective.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

namespace saffron::testing {
namespace {

class ToySae : public SimpleSae, public Exportable {
 public:
  explicit ToySae(std::uint64_t seed) : model_(seed) {}

  void initialise(const InitInput&) override {
    p("W_enc").copy_(model_.features());
    p("W_dec").copy_(model_.features());
    p("b_enc").fill_(-0.1);
  }

  [[nodiscard]] CanonicalSae canonical() const override {
    CanonicalSae out;
    out.W_enc = p("W_enc").t().contiguous();
    out.b_enc = p("b_enc");
    out.W_dec = p("W_dec");
    out.b_dec = at::zeros({out.W_dec.size(1)}, out.W_dec.options());
    out.activation = "relu";
    out.subtract_b_dec = false;
    return out;
  }

 protected:
  [[nodiscard]] SaeSpec declare_simple(std::int64_t d_in, std::int64_t d_out) override {
    constexpr std::int64_t F = ToyModel::kFeatures;
    SaeSpec spec;
    spec.latents = F;
    spec.parameters = {
        {.name = "W_enc", .shape = {F, d_in}, .role = Role::encoder, .per_latent = true},
        {.name = "b_enc", .shape = {F}, .role = Role::encoder_bias, .per_latent = true},
        {.name = "W_dec",
         .shape = {F, d_out},
         .role = Role::decoder,
         .constraint = Constraint::unit_rows,
         .per_latent = true}};
    return spec;
  }
  [[nodiscard]] Codes encode_rows(const at::Tensor& x) const override {
    return Codes::dense((x.mm(p("W_enc").t()) + p("b_enc")).clamp_min(0));
  }
  [[nodiscard]] at::Tensor decode_codes(const Codes& codes) const override {
    return codes.values().mm(p("W_dec"));
  }

  ToyModel model_;
};

constexpr std::int64_t kActive = 3;  // latents, as the planted features of a token

// Codes are the planted coefficients of the token whose embedding is nearest.
class PerfectSae final : public ToySae {
 public:
  using ToySae::ToySae;

 protected:
  [[nodiscard]] Codes encode_rows(const at::Tensor& x) const override {
    const at::Tensor embedding = model_.coefficients().mm(model_.features());  // [V, d]
    const at::Tensor near = embedding.square().sum(1) - x.mm(embedding.t()) * 2;
    return Codes::dense(model_.coefficients().index_select(0, near.argmin(1)));
  }
};

// f_1 = f_2 = f_3 = ||mean|| / 3 along the mean, always; other latents never fire.
class NullSae final : public ToySae {
 public:
  using ToySae::ToySae;

  void initialise(const InitInput& input) override {
    ToySae::initialise(input);
    const at::Tensor mean = model_.coefficients().mm(model_.features()).narrow(0, 'a', 26).mean(0);
    p("W_enc").zero_();
    p("b_enc").zero_().narrow(0, 0, kActive).copy_(mean.norm() / kActive);
    p("W_dec").copy_(
        init::unit_rows(input.random, ToyModel::kFeatures, ToyModel::kWidth, at::kFloat));
    p("W_dec").narrow(0, 0, kActive).copy_(mean / mean.norm());
  }
};

class ToyObjective final : public Objective, public CanonicalObjective {
 public:
  [[nodiscard]] at::Tensor loss(const TrainStep& step) override {
    at::Tensor sum = (step.reconstruction(0) - step.target(0)).square().sum(1).mean();
    for (std::int64_t t = 1; t < targets(step.sae(0)); ++t) {
      sum = sum + (step.reconstruction(0, t) - step.target(0, t)).square().sum(1).mean();
    }
    return sum;
  }
  [[nodiscard]] std::optional<double> canonical_scale(const TrainedSae&) const override {
    return 1.0;
  }

 private:
  static std::int64_t targets(const TrainedSae& sae) {
    return static_cast<std::int64_t>(sae.shape.predicts.size());
  }
};

// Whatever the path, it holds the toy SAE.
class ToyFormat final : public Format {
 public:
  [[nodiscard]] bool recognises(const std::string&) const override { return true; }
  [[nodiscard]] CanonicalSae read(const std::string&) const override {
    return on_raw_activations(dynamic_cast<const Exportable&>(*toy_sae()->sae).canonical());
  }
  void write(const TrainedSae&, const CanonicalSae&, const std::string&) const override {
    throw Error("the toy format is only read");
  }
};

std::shared_ptr<TrainedSae> trained(const std::string& name, std::shared_ptr<Sae> sae,
                                    std::uint64_t seed, std::shared_ptr<Source> source) {
  auto out = std::make_shared<TrainedSae>();
  out->name = name;
  out->sae = std::move(sae);
  out->source = source != nullptr ? std::move(source) : std::make_shared<ToySource>(seed);
  out->source_name = "toy";
  const StreamInfo stream = out->source->streams().at(0);
  out->shape = {.reads = {stream}, .predicts = {stream}};
  out->reads = out->predicts = {0};
  out->spec = out->sae->declare(out->shape);
  for (const ParameterSpec& spec : out->spec.parameters) {
    out->parameters.set(spec.name, at::zeros(spec.shape, at::kFloat));
  }
  out->sae->bind(out->parameters, out->buffers);
  out->sae->initialise({.random = Random(seed), .sample = {}});
  return out;
}

}  // namespace

std::shared_ptr<TrainedSae> toy_sae(const std::string& name, std::uint64_t seed,
                                    std::shared_ptr<Source> source) {
  return trained(name, std::make_shared<ToySae>(seed), seed, std::move(source));
}

std::shared_ptr<TrainedSae> toy_perfect_sae(std::uint64_t seed, std::shared_ptr<Source> source) {
  return trained(kPerfectSae, std::make_shared<PerfectSae>(seed), seed, std::move(source));
}

std::shared_ptr<TrainedSae> toy_null_sae(std::uint64_t seed, std::shared_ptr<Source> source) {
  return trained(kNullSae, std::make_shared<NullSae>(seed), seed, std::move(source));
}

std::shared_ptr<void> toy_child(std::string_view kind) {
  if (kind == Tokenizer::kKind) return std::shared_ptr<Tokenizer>(std::make_shared<ToyTokenizer>());
  if (kind == Format::kKind) return std::shared_ptr<Format>(std::make_shared<ToyFormat>());
  if (kind == Objective::kKind) return std::shared_ptr<Objective>(std::make_shared<ToyObjective>());
  if (kind == Comparator::kKind) return toy_comparator();
  return nullptr;
}

}  // namespace saffron::testing
