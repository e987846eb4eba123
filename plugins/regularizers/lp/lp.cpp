#include "lp.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace saffron::plugins {
namespace {

constexpr double kRounding = 1e-9;  // of shares of the steps

double smallest_normal(at::ScalarType dtype) {
  return dtype == at::kDouble ? std::numeric_limits<double>::min()
                              : static_cast<double>(std::numeric_limits<float>::min());
}

std::string name_of(const char* what, std::size_t i) { return cat(what, "/", i); }

}  // namespace

Schema<Lp::Options> Lp::schema() {
  return Schema<Options>{}
      .include(&Options::scale, CodePenaltyOptions::schema())
      .choice("spelling", &Options::spelling,
              "a row's penalty: the sum of |f|^p, or that to the power of 1 / p",
              {{"power", Spelling::power}, {"norm", Spelling::norm}})
      .param("p_start", &Options::p_start, "p at the start", positive())
      .param("p_end", &Options::p_end,
             "p that is annealed to; not reached with anneal_end = 1; p_start: no annealing",
             non_negative())
      .param("anneal_start", &Options::anneal_start, "share of the steps before p is annealed",
             fraction())
      .param("anneal_end", &Options::anneal_end, "share of the steps after which p is p_end",
             fraction())
      .param("n_sparsity_updates", &Options::n_sparsity_updates,
             "values that p takes from p_start to p_end", at_least(2))
      .param("sparsity_queue_length", &Options::sparsity_queue_length,
             "steps before a change of p from which the coefficient's own change is measured",
             at_least(1))
      .include(&Options::control, SparsityControlOptions::schema())
      .check([](const Options& o) -> std::string {
        if (o.p_end == o.p_start) return {};
        if (o.anneal_end <= o.anneal_start) return "anneal_end is not after anneal_start";
        if (o.p_end == 0 && o.anneal_end < 1) {
          return "p_end = 0 has no gradient and is reached before the end with anneal_end below 1";
        }
        return {};
      });
}

double Lp::p_of(std::int64_t change) const {
  const double way =
      static_cast<double>(change) / static_cast<double>(options_.n_sparsity_updates - 1);
  return options_.p_start + (options_.p_end - options_.p_start) * way;
}

std::int64_t Lp::last_change() const {
  if (options_.p_start == options_.p_end) return 0;
  return options_.n_sparsity_updates - (options_.p_end == 0 ? 2 : 1);
}

std::int64_t Lp::change_at(std::int64_t step, std::int64_t steps) const {
  if (last_change() == 0) return 0;
  const double share = static_cast<double>(step) / static_cast<double>(steps);
  const double way =
      (share - options_.anneal_start) / (options_.anneal_end - options_.anneal_start);
  const double changes = way * static_cast<double>(options_.n_sparsity_updates - 1);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(changes + kRounding)), 0,
                                  last_change());
}

bool Lp::nears_a_change(const Annealing& of, const TrainStep& step) const {
  return of.change < last_change() &&
         change_at(step.step() + options_.sparsity_queue_length, step.steps()) > of.change;
}

// Value and derivative by their formulas: for p < 1 autograd's own are NaN at 0.
//   d S / d u_i = p u_i^(p-1)  (power),  (sum)^(1/p - 1) u_i^(p-1)  (norm)
at::Tensor Lp::mean_penalty(const Codes& magnitudes, double p) const {
  const at::Tensor& u = magnitudes.values();
  const at::Tensor held = u.detach();
  const at::Tensor on = held.ge(smallest_normal(u.scalar_type()));
  const at::Tensor one = at::scalar_tensor(1, u.options().requires_grad(false));
  const at::Tensor slopes = at::where(on, held, one).pow(p - 1) * on;  // u^(p-1)
  // [B]: sum of u^p, whose derivative in u is u^(p-1) here. Sums and what follows in float64: a power of
  // 1 / p leaves float32 soon.
  const at::Tensor sums = magnitudes.with_values(slopes * u).l1().to(at::kDouble);
  const at::Tensor now = sums.detach();
  if (options_.spelling == Spelling::power) {
    return now.mean() + (p * (sums - now)).mean();
  }
  const at::Tensor any = now.gt(0);
  const at::Tensor safe = at::where(any, now, at::scalar_tensor(1, now.options()));
  return (safe.pow(1 / p) * any).mean() + (safe.pow(1 / p - 1) * any * (sums - now)).mean();
}

at::Tensor Lp::of_codes(const Codes& u, const TrainStep& step, std::int64_t i) {
  const std::int64_t due = change_at(step.step(), step.steps());
  // Where the first step is a late one there is no penalty yet that would have to go on where it was.
  while (static_cast<std::int64_t>(annealing_.size()) <= i) annealing_.emplace_back().change = due;
  Annealing& of = annealing_[static_cast<std::size_t>(i)];
  const Codes magnitudes = u.with_values(u.values().abs());
  const auto held = [&](double p) {
    const c10::AutoGradMode no_grad(false);
    return mean_penalty(magnitudes.detach(), p).item<double>();
  };
  while (of.change < due) {
    const double p = p_of(of.change), next = p_of(++of.change);
    if (of.queue.empty()) of.queue.emplace_back(held(p), held(next));
    double before = 0, after = 0;
    for (const auto& [now, then] : of.queue) {
      before += now;
      after += then;
    }
    if (before > 0 && after > 0) of.factor *= before / after;
    of.queue.clear();
  }
  const at::Tensor value = mean_penalty(magnitudes, p_of(of.change));
  if (nears_a_change(of, step)) {
    of.queue.emplace_back(value.item<double>(), held(p_of(of.change + 1)));
    const auto most = static_cast<std::size_t>(options_.sparsity_queue_length);
    if (of.queue.size() > most) of.queue.pop_front();
  }
  return value * of.factor;
}

PenaltyProperties Lp::penalty_properties() const {
  PenaltyProperties out{.non_negative = true,
                        .scale_degree = std::nullopt,
                        .permutation_invariant = true,
                        .low = std::nullopt,
                        .high = std::nullopt};
  if (options_.spelling == Spelling::norm) {
    out.scale_degree = 1;
  } else if (options_.p_start == options_.p_end) {  // else it changes with p
    out.scale_degree = options_.p_start;
  }
  return out;
}

std::vector<std::pair<std::string, double>> Lp::readings(std::int64_t i) const {
  auto out = CodePenalty::readings(i);
  const auto number = static_cast<std::size_t>(i);
  if (options_.p_start == options_.p_end || number >= annealing_.size()) return out;
  out.emplace_back("p", p_of(annealing_[number].change));
  out.emplace_back("p_factor", annealing_[number].factor);
  return out;
}

State Lp::save() const {
  State state = CodePenalty::save();
  for (std::size_t i = 0; i < annealing_.size(); ++i) {
    const Annealing& of = annealing_[i];
    const auto entries = static_cast<std::int64_t>(of.queue.size());
    // The change and the factor, then the queue.
    at::Tensor kept = at::empty({entries + 1, 2}, at::kDouble);
    auto at = kept.accessor<double, 2>();
    at[0][0] = static_cast<double>(of.change);
    at[0][1] = of.factor;
    for (std::int64_t e = 0; e < entries; ++e) {
      const auto& [now, then] = of.queue[static_cast<std::size_t>(e)];
      at[e + 1][0] = now;
      at[e + 1][1] = then;
    }
    state.tensors.set(name_of("annealing", i), kept);
  }
  return state;
}

void Lp::load(const State& state) {
  CodePenalty::load(state);
  annealing_.clear();
  for (std::size_t i = 0; state.tensors.contains(name_of("annealing", i)); ++i) {
    const at::Tensor kept = state.tensors[name_of("annealing", i)].cpu().contiguous();
    if (kept.scalar_type() != at::kDouble || kept.dim() != 2 || kept.size(0) < 1 ||
        kept.size(1) != 2) {
      throw Error(ErrorKind::data, cat("the state of an annealing is float64 [n, 2], not ",
                                       kept.scalar_type(), " ", kept.sizes()));
    }
    const auto at = kept.accessor<double, 2>();
    Annealing& of = annealing_.emplace_back();
    of.change = static_cast<std::int64_t>(at[0][0]);
    of.factor = at[0][1];
    for (std::int64_t e = 1; e < kept.size(0); ++e) of.queue.emplace_back(at[e][0], at[e][1]);
  }
}

}  // namespace saffron::plugins
