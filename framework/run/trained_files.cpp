#include "framework/run/trained_files.h"

#include "framework/run/checkpoint.h"

#include <saffron/io.h>
#include <saffron/normalise.h>
#include <saffron/state.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

// Of several streams, side by side.
void add_normalisation(const Normalised& source, const std::vector<std::int64_t>& streams,
                       const std::vector<StreamInfo>& shapes, const std::string& name,
                       NamedTensors& tensors) {
  std::vector<at::Tensor> means, scales;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const Normalisation normalisation = source.normalisation(streams[i]);
    means.push_back(normalisation.mean.defined() ? normalisation.mean.to(at::kFloat).contiguous()
                                                 : at::zeros({shapes[i].width}));
    scales.push_back(at::full({shapes[i].width}, normalisation.scale, at::kFloat));
  }
  tensors.emplace_back(name + "_mean", at::cat(means));
  tensors.emplace_back(name + "_scale", at::cat(scales));
}

// Of the streams that are read and, where they are others, of those that are predicted.
void add_normalisations(const TrainedSae& sae, NamedTensors& tensors) {
  const auto* source = dynamic_cast<const Normalised*>(sae.source.get());
  if (source == nullptr) return;
  add_normalisation(*source, sae.reads, sae.shape.reads, "input", tensors);
  if (sae.predicts == sae.reads) return;
  add_normalisation(*source, sae.predicts, sae.shape.predicts, "output", tensors);
}

}  // namespace

void write_trained(const fs::path& file, const TrainedSae& sae) {
  State state;
  for (const auto& [name, tensor] : sae.parameters) state.tensors.set("parameter/" + name, tensor);
  for (const auto& [name, tensor] : sae.buffers) state.tensors.set("buffer/" + name, tensor);
  state.values.set("rows_trained", sae.rows_trained);
  if (const auto* stateful = dynamic_cast<const Stateful*>(sae.sae.get())) {
    const State own = stateful->save();
    for (const auto& [name, tensor] : own.tensors) state.tensors.set("state/" + name, tensor);
    state.values.set("state", own.values);
  }
  write_state(file, state);
}

void read_trained(const fs::path& file, TrainedSae& sae) {
  const State state = read_state(file);
  State own;
  for (const auto& [key, tensor] : state.tensors) {
    const std::size_t slash = key.find('/');
    const std::string part = key.substr(0, slash), name = key.substr(slash + 1);
    Tensors& target = part == "buffer"  ? sae.buffers
                      : part == "state" ? own.tensors
                                        : sae.parameters;
    target.set(name, tensor.clone());
  }
  sae.sae->bind(sae.parameters, sae.buffers);
  if (auto* stateful = dynamic_cast<Stateful*>(sae.sae.get())) {
    own.values = state.values.at("state");
    stateful->load(own);
  }
  sae.rows_trained = state.values.at("rows_trained").as_int();
}

void write_weights(const fs::path& file, const Member& member, const TrainedSae& sae) {
  NamedTensors tensors(sae.parameters.begin(), sae.parameters.end());
  for (const auto& [name, buffer] : sae.buffers) tensors.emplace_back("buffer/" + name, buffer);
  add_normalisations(sae, tensors);
  write_safetensors(file, tensors,
                    {{"format", "saffron-sae/1"},
                     {"name", member.name},
                     {"architecture", member.component.id},
                     {"config", to_json(member.resolved)},
                     {"rows_trained", std::to_string(sae.rows_trained)}});
}

}  // namespace saffron::host
