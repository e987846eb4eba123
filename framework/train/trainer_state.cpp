#include "framework/train/trainer.h"

#include <saffron/error.h>

#include <algorithm>

namespace saffron::host {
namespace {

void put(State& state, const std::string& prefix, const Tensors& tensors) {
  for (const auto& [name, tensor] : tensors) state.tensors.set(prefix + name, tensor.clone());
}

void take(const State& state, const std::string& prefix, const Tensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& held = state.tensors[prefix + name];
    if (held.sizes() != tensor.sizes()) {
      throw Error(ErrorKind::data, cat("the checkpoint's ", prefix, name, " is ", held.sizes(),
                                       ", the SAE needs ", tensor.sizes()));
    }
    at::Tensor target = tensor;
    target.copy_(held);
  }
}

void put_component(State& state, const std::string& prefix, const Stateful* component) {
  if (component == nullptr) return;
  const State own = component->save();
  put(state, prefix, own.tensors);
  state.values.set(prefix, own.values);
}

void take_component(const State& state, const std::string& prefix, Stateful* component) {
  if (component == nullptr) return;
  State own;
  for (const auto& [name, tensor] : state.tensors) {
    if (name.rfind(prefix, 0) == 0) own.tensors.set(name.substr(prefix.size()), tensor);
  }
  own.values = state.values.at(prefix);
  component->load(own);
}

Value value_of(const FitProgress& fit) {
  Value out = Value::table();
  out.set("final", fit.final);
  out.set("passes", fit.passes);
  out.set("rows", fit.rows);
  return out;
}

void take_fit(const Value& value, FitProgress& fit) {
  fit.final = value.at("final").as_bool();
  fit.passes = value.at("passes").as_int();
  fit.rows = value.at("rows").as_int();
}

std::string sae_prefix(const TrainMember& member) { return "sae/" + member.trained->name + "/"; }

}  // namespace

// Members tell the penalties of a grid's points apart, which share a name.
std::string Trainer::penalty_prefix(const TrainPenalty& penalty) const {
  return cat("penalty/", members_[penalty.over.front()].trained->name, "/", penalty.name, "/");
}

State Trainer::save() const {
  State state;
  state.values.set("step", step_);
  state.values.set("window", window_);
  state.values.set("window_before", window_before_);
  Value counters = Value::table(), redrawn = Value::table(), fits = Value::table();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::string prefix = sae_prefix(members_[i]);
    const ParameterStore::Member& member = store_.member(i);
    put(state, prefix + "parameter/", member.parameters);
    put(state, prefix + "buffer/", member.buffers);
    put(state, prefix + "first/", member.first);
    put(state, prefix + "second/", member.second);
    state.tensors.set(prefix + "fired", fired_[i].clone());
    state.tensors.set(prefix + "fired_before", fired_before_[i].clone());
    counters.set(members_[i].trained->name, moment_steps_[i]);
    redrawn.set(members_[i].trained->name, redrawn_[i]);
    if (fitted(i)) fits.set(members_[i].trained->name, value_of(fits_[i]));
    put_component(state, prefix + "state/",
                  dynamic_cast<const Stateful*>(members_[i].trained->sae.get()));
    put_component(state, prefix + "objective/",
                  dynamic_cast<const Stateful*>(members_[i].objective.get()));
  }
  state.values.set("moment_steps", std::move(counters));
  state.values.set("redrawn", std::move(redrawn));
  state.values.set("fits", std::move(fits));
  for (const TrainPenalty& penalty : penalties_) {
    put_component(state, penalty_prefix(penalty),
                  dynamic_cast<const Stateful*>(penalty.regularizer.get()));
  }
  return state;
}

void Trainer::load(const State& state) {
  const Value& counters = state.values.at("moment_steps");
  const Value& redrawn = state.values.at("redrawn");
  step_ = state.values.at("step").as_int();
  window_ = state.values.at("window").as_int();
  window_before_ = state.values.at("window_before").as_int();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::string prefix = sae_prefix(members_[i]);
    const ParameterStore::Member& member = store_.member(i);
    take(state, prefix + "parameter/", member.parameters);
    take(state, prefix + "buffer/", member.buffers);
    take(state, prefix + "first/", member.first);
    take(state, prefix + "second/", member.second);
    fired_[i].copy_(state.tensors[prefix + "fired"]);
    fired_before_[i].copy_(state.tensors[prefix + "fired_before"]);
    moment_steps_[i] = counters.at(members_[i].trained->name).as_int();
    redrawn_[i] = redrawn.at(members_[i].trained->name).as_int();
    if (fitted(i)) take_fit(state.values.at("fits").at(members_[i].trained->name), fits_[i]);
    take_component(state, prefix + "state/",
                   dynamic_cast<Stateful*>(members_[i].trained->sae.get()));
    take_component(state, prefix + "objective/",
                   dynamic_cast<Stateful*>(members_[i].objective.get()));
  }
  for (const TrainPenalty& penalty : penalties_) {
    take_component(state, penalty_prefix(penalty),
                   dynamic_cast<Stateful*>(penalty.regularizer.get()));
  }
  reader_.seek(std::min(step_, steps_) * options_.batch);
}

}  // namespace saffron::host
