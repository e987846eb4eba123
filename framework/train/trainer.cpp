#include "framework/train/trainer.h"

#include "framework/train/measure.h"

#include <saffron/error.h>
#include <saffron/log.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

namespace saffron::host {
namespace {

constexpr std::int64_t kSampleRows =
    4096;  // at least so many rows for data-dependent initialisation

Moments moments_of(const OptimizerOptions& options, at::ScalarType dtype) {
  const bool small = options.moments == MomentsDtype::bfloat16;
  return {.dtype = small ? at::kBFloat16 : dtype, .second = options.use == OptimizerKind::adam};
}

std::vector<SaeSpec> specs_of(const std::vector<TrainMember>& members) {
  std::vector<SaeSpec> specs;
  for (const TrainMember& member : members) specs.push_back(member.trained->spec);
  return specs;
}

}  // namespace

Trainer::Trainer(std::vector<TrainMember> members, std::vector<TrainPenalty> penalties,
                 Reader reader, TrainOptions options, at::ScalarType dtype)
    : members_(std::move(members)),
      penalties_(std::move(penalties)),
      reader_(std::move(reader)),
      options_(options),
      store_(specs_of(members_), dtype, moments_of(options.optimizer, dtype)),
      fit_reader_(reader_),
      moment_steps_(members_.size(), 0),
      redrawn_(members_.size(), -1),
      steps_(options.rows / options.batch + (options.rows % options.batch != 0 ? 1 : 0)) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    TrainedSae& trained = *members_[i].trained;
    trained.parameters = store_.member(i).parameters;
    trained.buffers = store_.member(i).buffers;
    trained.sae->bind(trained.parameters, trained.buffers);
    fits_.emplace_back().sae = dynamic_cast<Fitted*>(trained.sae.get());
    stepped_.push_back(has_something_to_step(i));
    const std::int64_t latents = trained.spec.spaces * trained.spec.latents;
    fired_.push_back(at::zeros({latents}, at::kBool));
    fired_before_.push_back(at::zeros({latents}, at::kBool));
  }
  if (any_fitting()) {
    plan_ = fit_plan(options_.rows, options_.batch, options_.pass_rows, fit_reader_.epoch_rows());
  }
}

bool Trainer::has_something_to_step(std::size_t i) const {
  const SaeSpec& spec = members_[i].trained->spec;
  const auto covers = [i](const TrainPenalty& penalty) {
    return std::find(penalty.over.begin(), penalty.over.end(), i) != penalty.over.end();
  };
  if (fits_[i].sae != nullptr) return false;
  return !spec.buffers.empty() ||
         std::any_of(spec.parameters.begin(), spec.parameters.end(),
                     [](const ParameterSpec& parameter) { return !parameter.frozen; }) ||
         std::any_of(penalties_.begin(), penalties_.end(), covers);
}

void Trainer::initialise() {
  const c10::AutoGradMode no_grad(false);
  ActivationRows first, own;  // the first rows that training will see, and one member's streams
  for (TrainMember& member : members_) {
    const auto sample = [&]() -> const ActivationRows& {
      if (first.streams.empty()) {
        reader_.seek(0);
        first = reader_.next(std::max(options_.batch, kSampleRows));
        reader_.seek(0);
      }
      own.streams.clear();
      const TrainedSae& trained = *member.trained;
      for (const auto* streams : {&trained.reads, &trained.predicts}) {
        if (streams == &trained.predicts && trained.predicts == trained.reads) continue;
        for (std::int64_t s : *streams) {
          own.streams.push_back(first.streams[static_cast<std::size_t>(s)]);
        }
      }
      return own;
    };
    guard(member.place,
          [&] { member.trained->sae->initialise({.random = member.random, .sample = sample}); });
  }
  first = own = {};
  give_back_freed_memory();
}

double Trainer::learning_rate(std::size_t i) const {
  return options_.optimizer.lr * options_.schedule.factor(step_, steps_) *
         options_.schedule.again(step_, redrawn_[i], steps_);
}

bool Trainer::any_stepped() const {
  return std::find(stepped_.begin(), stepped_.end(), true) != stepped_.end();
}

std::int64_t Trainer::steps() const { return std::max(any_stepped() ? steps_ : 0, plan_.steps()); }

bool Trainer::done() const {
  const bool stepping = any_stepped() && step_ < steps_;
  return !stepping && (!any_fitting() || step_ >= plan_.steps());
}

std::int64_t Trainer::rows_seen(std::size_t i) const {
  if (fitted(i)) return fits_[i].rows;
  return stepped(i) ? std::min(step_, steps_) * options_.batch : 0;
}

SaeInput Trainer::input_of(const TrainMember& member, const ActivationRows& rows) const {
  SaeInput input;
  for (std::int64_t s : member.trained->reads) {
    input.inputs.push_back(rows.streams[static_cast<std::size_t>(s)]);
  }
  for (std::int64_t s : member.trained->predicts) {
    input.targets.push_back(rows.streams[static_cast<std::size_t>(s)]);
  }
  input.step = step_;
  input.steps = steps_;
  input.rows_seen = step_ * options_.batch;
  input.objective_scale = member.objective_scale;
  if (const auto* of_batch = dynamic_cast<const BatchScaledObjective*>(member.objective.get())) {
    input.objective_scale = guard(member.place, [&] {
      return of_batch->batch_scale(input.targets).value_or(member.objective_scale);
    });
  }
  input.random = member.random.fork("sae step").fork(static_cast<std::uint64_t>(step_));
  return input;
}

std::vector<MemberMetrics> Trainer::advance(bool measure) {
  const c10::AutoGradMode no_grad(false);
  std::vector<MemberMetrics> metrics(members_.size());
  ActivationRows rows;
  if (any_stepped() && step_ < steps_) {
    rows = reader_.next(options_.batch);
    advance_stepped(rows, measure || step_ + 1 == steps_, metrics);
  }
  if (any_fitting() && step_ < plan_.steps()) advance_fitted(rows, measure, metrics);
  ++step_;
  return metrics;
}

void Trainer::advance_stepped(const ActivationRows& rows, bool measure,
                              std::vector<MemberMetrics>& metrics) {
  std::vector<SaeInput> inputs(members_.size());
  std::vector<Forward> forwards(members_.size());
  std::vector<MemberLeaves> leaves(members_.size());

  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!stepped_[i]) continue;
    const TrainMember& member = members_[i];
    inputs[i] = input_of(member, rows);
    forwards[i] = guard(member.place, [&] { return member.trained->sae->forward(inputs[i]); });
    check_forward(i, inputs[i], forwards[i]);
    leaves[i] = MemberLeaves(inputs[i], forwards[i]);
    const c10::AutoGradMode with_grad(true);
    StepView view({{i, member.trained.get(), &leaves[i]}}, step_, steps_,
                  member.random.fork("step").fork(static_cast<std::uint64_t>(step_)));
    const at::Tensor loss = guard(member.place, [&] { return member.objective->loss(view); });
    metrics[i].objective = metrics[i].loss = loss.item<double>();
    require_finite(metrics[i].loss, cat("the loss of '", member.trained->name, "'"), step_, true);
    if (loss.requires_grad()) loss.backward();
    for (const Forward::Term& term : forwards[i].terms) {
      const double value = term.value.item<double>();
      metrics[i].loss += term.weight * value;
      metrics[i].terms.emplace_back(term.name, value);
    }
  }
  std::vector<Reinitialisation> requests;
  apply_penalties(leaves, metrics, requests, measure);

  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!stepped_[i]) continue;
    const TrainMember& member = members_[i];
    Gradients gradients;
    guard(member.place, [&] {
      member.trained->sae->backward(inputs[i], forwards[i], leaves[i].upstream(), gradients);
    });
    leaves[i].add_parameter_gradients(gradients);
    metrics[i].gradient_norm = optimise(i, gradients);
    guard(member.place, [&] { member.trained->sae->after_step(inputs[i], forwards[i]); });
    forget_resampled(i);
    std::int64_t space = 0;  // code spaces lie side by side
    for (const Codes& codes : forwards[i].codes) {
      at::Tensor fired = fired_[i].narrow(0, codes.latents() * space++, codes.latents());
      fired.logical_or_(codes.firing_counts().gt(0));
    }
    if (measure) measure_batch(inputs[i], forwards[i], member.trained->name, metrics[i]);
  }
  ++window_;
  if (measure) measure_dead(metrics);
  redraw(requests);
}

// A reconstruction of another shape would broadcast in the objective.
void Trainer::check_forward(std::size_t i, const SaeInput& input, const Forward& forward) const {
  const SaeSpec& spec = members_[i].trained->spec;
  bool fits = forward.reconstructions.size() == input.targets.size() &&
              forward.codes.size() == static_cast<std::size_t>(spec.spaces);
  for (const Codes& codes : forward.codes) fits = fits && codes.latents() == spec.latents;
  for (std::size_t t = 0; fits && t < input.targets.size(); ++t) {
    fits = forward.reconstructions[t].defined() &&
           forward.reconstructions[t].sizes() == input.targets[t].sizes();
  }
  if (fits) return;
  throw members_[i].place.locate(
      Error(ErrorKind::plugin,
            cat("forward must yield codes of ", spec.spaces, " spaces of ", spec.latents,
                " latents, and one reconstruction a target, in its shape")));
}

void Trainer::measure_dead(std::vector<MemberMetrics>& metrics) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!stepped_[i]) continue;
    const at::Tensor fired =
        window_ < window_before_ ? fired_[i].logical_or(fired_before_[i]) : fired_[i];
    metrics[i].dead = 1 - fired.to(at::kDouble).mean().item<double>();
    fired_before_[i].copy_(fired_[i]);
    fired_[i].zero_();
  }
  window_before_ = window_;
  window_ = 0;
}

void Trainer::apply_penalties(std::vector<MemberLeaves>& leaves,
                              std::vector<MemberMetrics>& metrics,
                              std::vector<Reinitialisation>& requests, bool measure) {
  const c10::AutoGradMode with_grad(true);
  for (TrainPenalty& penalty : penalties_) {
    if (step_ % penalty.every != 0) continue;
    std::vector<StepView::Part> parts;
    for (std::size_t i : penalty.over) parts.push_back({i, members_[i].trained.get(), &leaves[i]});
    StepView view(std::move(parts), step_, steps_,
                  penalty.random.fork(static_cast<std::uint64_t>(step_)));
    const at::Tensor value =
        guard(penalty.place, [&] { return penalty.regularizer->penalty(view); });
    if (!value.defined() || value.numel() != 1) {
      throw penalty.place.locate(Error(ErrorKind::plugin, "the penalty is not a scalar"));
    }
    const double number = value.item<double>();
    require_finite(number, cat("the penalty '", penalty.name, "'"), step_, true);
    SaeInput now;
    now.step = step_;
    now.steps = steps_;
    const double coef = penalty.coef * now.rise(penalty.warmup);
    if (value.requires_grad() && coef != 0) (value * coef).backward();
    const auto* shows = dynamic_cast<const ShowsReadings*>(penalty.regularizer.get());
    for (std::size_t n = 0; n < penalty.over.size(); ++n) {
      MemberMetrics& of = metrics[penalty.over[n]];
      of.loss += coef * number;
      if (!measure) continue;
      of.terms.emplace_back(penalty.name, number);
      if (shows == nullptr) continue;
      for (auto& [name, reading] :
           guard(penalty.place, [&] { return shows->readings(static_cast<std::int64_t>(n)); })) {
        of.terms.emplace_back(cat(penalty.name, ".", name), reading);
      }
    }
    for (const Reinitialisation& request : view.requests()) requests.push_back(request);
  }
}

double Trainer::optimise(std::size_t i, const Gradients& gradients) {
  ParameterStore::Member& member = store_.member(i);
  ops::SupportGroups groups;
  std::vector<std::pair<const ParameterSpec*, ops::GradientRows>> rows;
  double squared = 0;
  for (const ParameterSpec& spec : member.spec.parameters) {
    if (spec.frozen) continue;
    const Gradient* gradient = gradients.find(spec.name);
    rows.emplace_back(&spec,
                      ops::GradientRows(member.parameters[spec.name], spec.constraint,
                                        gradient != nullptr ? *gradient : Gradient{}, &groups));
    squared += rows.back().second.squared_norm();
  }
  if (rows.empty()) return 0;
  const double norm = std::sqrt(squared);
  require_finite(norm, cat("the gradient norm of '", members_[i].trained->name, "'"), step_, true);
  const double clip = options_.optimizer.clip;
  ++moment_steps_[i];
  for (auto& [spec, row] : rows) {
    update(i, *spec, row, clip > 0 && norm > clip ? clip / norm : 1);
  }
  return norm;
}

void Trainer::update(std::size_t i, const ParameterSpec& spec, ops::GradientRows& rows,
                     double gradient_scale) {
  const OptimizerOptions& options = options_.optimizer;
  ParameterStore::Member& member = store_.member(i);
  const std::uint64_t noise = members_[i]
                                  .random.fork("moments")
                                  .fork(spec.name)
                                  .fork(static_cast<std::uint64_t>(moment_steps_[i]))
                                  .key();
  at::Tensor first = member.first[spec.name];
  if (options.use == OptimizerKind::signum) {
    rows.signum(first, {.lr = learning_rate(i),
                        .beta = options.beta1,
                        .weight_decay = options.weight_decay,
                        .gradient_scale = gradient_scale,
                        .noise = noise});
    return;
  }
  at::Tensor second = member.second[spec.name];
  rows.adam(first, second,
            {.lr = learning_rate(i),
             .beta1 = options.beta1,
             .beta2 = options.beta2,
             .eps = options.eps,
             .weight_decay = options.weight_decay,
             .step = moment_steps_[i],
             .gradient_scale = gradient_scale,
             .noise = noise});
}

// The optimiser's memory of latents (all when undefined) that were drawn anew before step `at`.
void Trainer::forget(std::size_t i, const at::Tensor& latents, std::int64_t at) {
  ParameterStore::Member& store = store_.member(i);
  const bool all = !latents.defined();
  redrawn_[i] = at;
  for (const ParameterSpec& spec : store.spec.parameters) {
    if (spec.frozen || (!all && !spec.per_latent)) continue;
    for (const Tensors* moments : {&store.first, &store.second}) {
      if (!moments->contains(spec.name)) continue;
      at::Tensor moment = (*moments)[spec.name];
      if (all) {
        moment.zero_();
      } else {
        moment.index_fill_(0, latents, 0);
      }
    }
  }
  if (all) moment_steps_[i] = 0;
}

void Trainer::forget_resampled(std::size_t i) {
  auto* resampling = dynamic_cast<Resampling*>(members_[i].trained->sae.get());
  if (resampling == nullptr) return;
  const at::Tensor latents = resampling->take_resampled();
  if (latents.defined()) forget(i, latents, step_ + 1);
}

void Trainer::redraw(const std::vector<Reinitialisation>& requests) {
  std::vector<std::uint64_t> draws(members_.size(), 0);  // of this step
  for (const Reinitialisation& request : requests) {
    const TrainMember& member = members_[request.member];
    guard(member.place, [&] {
      dynamic_cast<Reinitialisable&>(*member.trained->sae)
          .reinitialise(request.latents, member.random.fork("redraw")
                                             .fork(static_cast<std::uint64_t>(step_ + 1))
                                             .fork(draws[request.member]++));
    });
    forget(request.member, request.latents, step_ + 1);
  }
}

}  // namespace saffron::host
