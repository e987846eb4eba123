#pragma once

#include "framework/loader/component.h"
#include "framework/loader/load.h"
#include "framework/loader/lone_services.h"
#include "framework/train/trainer.h"

#include <saffron/error.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// What benchmarks/step.cpp steps.

namespace saffron::bench {

struct Shape {
  std::int64_t width, latents, k, batch;
  int threads;
};

inline at::Tensor gaussian_rows(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
  return Random(seed).normal_rows(0, rows, width, at::kFloat);
}

// One block of Gaussian rows, handed out again and again.
class Rows final : public Source {
 public:
  Rows(std::int64_t rows, std::int64_t width) : streams_{{"x", width}} {
    rows_.streams = {gaussian_rows(rows, width, 3)};
    info_.blocks = 1;
    info_.block_rows = rows;
  }
  const std::vector<StreamInfo>& streams() const override { return streams_; }
  const SourceInfo& info() override { return info_; }
  ActivationRows block(std::int64_t) override { return rows_; }

 private:
  std::vector<StreamInfo> streams_;
  SourceInfo info_;
  ActivationRows rows_;
};

// A component of a plugin of the build tree that has its name.
template <class Kind>
std::shared_ptr<Kind> create(const std::string& name, const Value& config) {
  static host::LoneServices services;
  const host::LoadedPlugin& plugin = host::load_plugin(
      host::read_plugin_file(cat(SAFFRON_BUILD_DIR "/lib/saffron/plugins/lib", name, ".so")));
  const host::Component component(plugin, plugin.descriptor->components[0]);
  return component.create_as<Kind>(config, services, component.place());
}

struct Architecture {
  std::string name, component;
  std::function<Value(const Shape&)> options;
  std::function<void(TrainedSae&)> prepare;
};

inline Value width_option(const Shape& shape) {
  Value options = Value::table();
  options.set("width", shape.latents);
  return options;
}

inline Value top_k_options(const Shape& shape) {
  Value options = width_option(shape);
  options.set("k", shape.k);
  return options;
}

inline void as_initialised(TrainedSae&) {}

// Encoders so short that these latents are never among the k largest, but active beside one another:
// what the auxiliary loss works on.
inline void every_tenth_latent_dead(TrainedSae& sae) {
  constexpr std::int64_t kLongAgo = -(std::int64_t{1} << 40);
  sae.parameters["W_enc"].slice(0, 0, {}, 10).mul_(0.1);
  sae.buffers["last_fired"].slice(0, 0, {}, 10).fill_(kLongAgo);
}

// Pre-activations of unit rows are standard normal, so 64 of F pass the (1 - 64 / F) quantile.
inline double quantile_of_64_active(const TrainedSae& sae) {
  return sae.spec.latents < 16384 ? 2.418 : 2.794;
}

inline void biased_to_64_active(TrainedSae& sae) {
  sae.parameters["b_enc"].fill_(-quantile_of_64_active(sae));
}

inline void thresholds_for_64_active(TrainedSae& sae) {
  sae.parameters["threshold"].fill_(quantile_of_64_active(sae));
}

inline void gates_for_64_active(TrainedSae& sae) {
  sae.parameters["b_enc"].fill_(-quantile_of_64_active(sae));
}

class Training {
 public:
  Training(const Architecture& architecture, const Shape& shape, std::shared_ptr<Rows> source) {
    trained_ = std::make_shared<TrainedSae>();
    objective_ = create<Objective>("mse", Value::table());
    TrainedSae& sae = *trained_;
    sae.name = architecture.name;
    sae.sae = create<Sae>(architecture.component, architecture.options(shape));
    sae.shape = {{{"x", shape.width}}, {{"x", shape.width}}};
    sae.reads = sae.predicts = {0};
    sae.spec = sae.sae->declare(sae.shape);

    rows_ = source->block(0).streams[0].slice(0, 0, shape.batch);
    host::Reader reader(std::make_shared<host::BlockCache>(source, std::int64_t{1} << 40),
                        host::BlockSplit(1, 0, Random(5)), Random(6),
                        {.order = RowOrder::contexts});
    host::TrainOptions options;
    options.rows = shape.batch << 20;
    options.batch = shape.batch;
    options.optimizer.lr = 1e-6;  // latents stay as alive as they were made
    const host::TrainMember member{
        .trained = trained_, .random = Random(4), .objective = objective_};
    trainer_ = std::make_unique<host::Trainer>(std::vector<host::TrainMember>{member},
                                               std::vector<host::TrainPenalty>{}, std::move(reader),
                                               options, at::kFloat);
    trainer_->initialise();
    architecture.prepare(sae);
  }

  void step() { trainer_->advance(false); }

  // Values and two moments a parameter.
  [[nodiscard]] double state_bytes() const {
    double bytes = 0;
    for (const auto& [name, tensor] : trained_->parameters) {
      bytes += 3.0 * static_cast<double>(tensor.nbytes());
    }
    return bytes;
  }

  [[nodiscard]] bool has_top_k_codes() const {
    return trained_->spec.layout == Codes::Layout::topk;
  }

  // The pieces of a step, each by itself on what the piece before it left.
  [[nodiscard]] std::vector<std::pair<std::string, std::function<void()>>> parts();

 private:
  void differentiate();
  [[nodiscard]] ops::GradientRows gradient_rows(const std::string& name) const;

  std::shared_ptr<TrainedSae> trained_;
  std::shared_ptr<Objective> objective_;
  std::unique_ptr<host::Trainer> trainer_;
  at::Tensor rows_, reconstruction_, upstream_, first_, second_;
  Codes codes_;
  SaeInput input_;
};

// Loss and its gradient as the trainer has them.
inline void Training::differentiate() {
  const c10::AutoGradMode with_grad(true);
  Forward forward;
  forward.codes = {codes_};
  forward.reconstructions = {reconstruction_};
  host::MemberLeaves leaves(input_, forward);
  host::StepView view({{0, trained_.get(), &leaves}}, 0, 1, Random(7));
  objective_->loss(view).backward();
  upstream_ = leaves.upstream().reconstructions[0];
}

inline ops::GradientRows Training::gradient_rows(const std::string& name) const {
  Gradient gradient;
  gradient.factored.push_back({codes_, name == "W_dec" ? upstream_ : rows_});
  return {trained_->parameters[name], name == "W_dec" ? Constraint::unit_rows : Constraint::none,
          gradient};
}

inline std::vector<std::pair<std::string, std::function<void()>>> Training::parts() {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor W_dec = trained_->parameters["W_dec"];
  input_.inputs = input_.targets = {rows_};
  first_ = at::zeros_like(W_dec);
  second_ = at::zeros_like(W_dec);
  codes_ = trained_->sae->encode({rows_})[0];
  reconstruction_ = trained_->sae->decode({codes_})[0];
  differentiate();
  auto enc = std::make_shared<ops::GradientRows>(gradient_rows("W_enc"));
  auto dec = std::make_shared<ops::GradientRows>(gradient_rows("W_dec"));
  const auto adam = [this](ops::GradientRows& rows) {
    rows.adam(first_, second_, {.lr = 0, .step = 10, .gradient_scale = 0.5});
  };
  return {
      {"encode", [this] { codes_ = trained_->sae->encode({rows_})[0]; }},
      {"decode", [this] { reconstruction_ = trained_->sae->decode({codes_})[0]; }},
      {"objective", [this] { differentiate(); }},
      {"code_gradient", [=, this] { (void)ops::code_gradient(codes_, W_dec, upstream_); }},
      {"group", [this] { (void)ops::group_by_latent(codes_); }},
      {"norm", [=] { (void)(enc->squared_norm() + dec->squared_norm()); }},
      {"optimiser", [=] { adam(*enc), adam(*dec); }},
  };
}

}  // namespace saffron::bench
