#include "framework/train/trainer.h"

#include <saffron/error.h>

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

}  // namespace

State Trainer::save() const {
  State state;
  state.values.set("step", step_);
  Value counters = Value::list();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::string prefix = members_[i].trained->name + "/";
    const ParameterStore::Member& member = store_.member(i);
    put(state, prefix + "parameter/", member.parameters);
    put(state, prefix + "buffer/", member.buffers);
    put(state, prefix + "first/", member.first);
    put(state, prefix + "second/", member.second);
    state.tensors.set(prefix + "fired", fired_[i].clone());
    counters.push(moment_steps_[i]);
    put_component(state, prefix + "state/",
                  dynamic_cast<const Stateful*>(members_[i].trained->sae.get()));
  }
  state.values.set("moment_steps", std::move(counters));
  for (const TrainPenalty& penalty : penalties_) {
    put_component(state, "penalty/" + penalty.name + "/",
                  dynamic_cast<const Stateful*>(penalty.regularizer.get()));
  }
  return state;
}

void Trainer::load(const State& state) {
  const Value::List& counters = state.values.at("moment_steps").as_list();
  if (counters.size() != members_.size()) {
    throw Error(ErrorKind::data, cat("the checkpoint holds ", counters.size(), " SAEs, the recipe ",
                                     members_.size()));
  }
  step_ = state.values.at("step").as_int();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::string prefix = members_[i].trained->name + "/";
    const ParameterStore::Member& member = store_.member(i);
    take(state, prefix + "parameter/", member.parameters);
    take(state, prefix + "buffer/", member.buffers);
    take(state, prefix + "first/", member.first);
    take(state, prefix + "second/", member.second);
    fired_[i].copy_(state.tensors[prefix + "fired"]);
    moment_steps_[i] = counters[i].as_int();
    take_component(state, prefix + "state/",
                   dynamic_cast<Stateful*>(members_[i].trained->sae.get()));
  }
  for (const TrainPenalty& penalty : penalties_) {
    take_component(state, "penalty/" + penalty.name + "/",
                   dynamic_cast<Stateful*>(penalty.regularizer.get()));
  }
  reader_.seek(step_ * options_.batch);
}

}  // namespace saffron::host
