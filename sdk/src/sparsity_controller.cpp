#include <saffron/error.h>
#include <saffron/sparsity_controller.h>

#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace saffron::inline sdk_v1 {
namespace {

constexpr const char* kBuffer = "sparsity_control";
constexpr std::int64_t kStateSize = 4;
enum : std::int64_t { kLogMultiplier, kSmoothed, kRate, kSeen };

}  // namespace

Schema<SparsityControlOptions> SparsityControlOptions::schema() {
  using O = SparsityControlOptions;
  return Schema<O>{}
      .param("target_l0", &O::target_l0,
             "active latents a row that the coefficient is steered to; 0: it is not steered",
             non_negative())
      .param("control_start", &O::control_start,
             "target_l0: share of the steps before it is steered", fraction())
      .param("l0_smoothing", &O::l0_smoothing, "target_l0: what the running L0 keeps each step",
             below_one())
      .param("rate_smoothing", &O::rate_smoothing,
             "target_l0: what the running change of that L0 keeps each step", below_one())
      .param("control_gain", &O::control_gain,
             "target_l0: largest relative change of the coefficient in a step", positive(),
             below_one())
      .param("control_scale", &O::control_scale,
             "target_l0: how soon a relative error of L0 uses all of control_gain", positive())
      .param("convergence_gain", &O::convergence_gain,
             "target_l0: factor of control_gain while L0 moves towards the target", fraction())
      .param("multiplier_min", &O::multiplier_min, "target_l0: smallest factor of the coefficient",
             positive(), at_most(1))
      .param("multiplier_max", &O::multiplier_max, "target_l0: largest factor of the coefficient",
             at_least(1));
}

SparsityController::SparsityController(const SparsityControlOptions& options)
    : options_(options), state_(at::zeros({kStateSize}, at::kDouble)) {}

double SparsityController::multiplier() const {
  return active() ? std::exp(state_[kLogMultiplier].item<double>()) : 1.0;
}

double SparsityController::smoothed_l0() const { return state_[kSmoothed].item<double>(); }

std::vector<std::pair<std::string, double>> SparsityController::readings() const {
  if (!active()) return {};
  return {{"multiplier", multiplier()}, {"smoothed_l0", smoothed_l0()}};
}

void SparsityController::observe(double l0, std::int64_t step, std::int64_t steps) {
  if (!active()) return;
  const at::Tensor host = state_.cpu();
  auto at = host.accessor<double, 1>();
  const double before = at[kSmoothed], keep = options_.l0_smoothing,
               of_rate = options_.rate_smoothing;
  const bool first = at[kSeen] == 0;
  at[kSmoothed] = first ? l0 : keep * before + (1 - keep) * l0;
  at[kRate] = first ? 0 : of_rate * at[kRate] + (1 - of_rate) * (at[kSmoothed] - before);
  at[kSeen] += 1;
  if (static_cast<double>(step) >= options_.control_start * static_cast<double>(steps)) {
    const double error = at[kSmoothed] - options_.target_l0;
    const double gain =
        options_.control_gain * (error * at[kRate] < 0 ? options_.convergence_gain : 1.0);
    const double change = gain * std::tanh(options_.control_scale * error / options_.target_l0);
    at[kLogMultiplier] =
        std::clamp(at[kLogMultiplier] + std::log1p(change), std::log(options_.multiplier_min),
                   std::log(options_.multiplier_max));
  }
  state_.copy_(host);
}

void SparsityController::set_state(const at::Tensor& state) {
  if (state.scalar_type() != at::kDouble || state.dim() != 1 || state.size(0) != kStateSize) {
    throw Error(ErrorKind::data, cat("the state of a sparsity controller is float64 [4], not ",
                                     state.scalar_type(), " ", state.sizes()));
  }
  state_.copy_(state);
}

void SparsityController::declare(SaeSpec& spec) const {
  if (!active()) return;
  spec.buffers.push_back(
      {.name = kBuffer, .shape = {kStateSize}, .dtype = at::kDouble, .merge = Merge::mean});
}

void SparsityController::bind(const Tensors& buffers) {
  if (active()) state_ = buffers[kBuffer];
}

void SparsityController::show(Forward& forward) const {
  for (const auto& [name, value] : readings()) {
    forward.terms.push_back({name, at::scalar_tensor(value, at::kDouble), 0});
  }
}

std::string target_problem(const SparsityControlOptions& options, std::int64_t latents) {
  if (options.target_l0 < static_cast<double>(latents)) return {};
  return cat("target_l0 = ", options.target_l0, " is not below the number of latents, ", latents);
}

}  // namespace saffron::inline sdk_v1
