#include <saffron/code_penalty.h>
#include <saffron/error.h>

#include <ATen/TensorOperators.h>

namespace saffron::inline sdk_v1 {
namespace {

std::string controller_name(std::size_t i) { return cat("control/", i); }

}  // namespace

Schema<CodePenaltyOptions> CodePenaltyOptions::schema() {
  using O = CodePenaltyOptions;
  return Schema<O>{}
      .choice("convention", &O::convention,
              "what coef multiplies: a row's penalty, that / number of latents, or that / width of "
              "the target; rows are averaged",
              {{"sum_per_row", Convention::sum_per_row},
               {"mean_over_latents", Convention::mean_over_latents},
               {"divided_by_width", Convention::divided_by_width}})
      .param("weighted", &O::weighted, "weigh each |f| by the norm of its decoder row");
}

double CodePenaltyOptions::divisor(const TrainedSae& sae) const {
  switch (convention) {
    case Convention::sum_per_row: return 1;
    case Convention::mean_over_latents: return static_cast<double>(sae.spec.latents);
    case Convention::divided_by_width: return static_cast<double>(sae.shape.predicts.at(0).width);
  }
  throw Error(ErrorKind::internal, "a penalty on codes has an unknown convention");
}

CodePenalty::~CodePenalty() = default;

at::Tensor CodePenalty::penalty(const TrainStep& step) {
  while (static_cast<std::int64_t>(controllers_.size()) < step.saes()) {
    controllers_.emplace_back(control_);
  }
  at::Tensor total;
  for (std::int64_t i = 0; i < step.saes(); ++i) {
    SparsityController& controller = controllers_[static_cast<std::size_t>(i)];
    const Codes& codes = step.codes(i);
    const auto norms = [&] { return step.parameter(i, Role::decoder).norm(2, at::IntArrayRef{1}); };
    const Codes u =
        scale_.weighted ? codes.with_values(codes.values() * codes.by_entry(norms())) : codes;
    at::Tensor term = of_codes(u, step, i) / scale_.divisor(step.sae(i));
    if (controller.active()) {
      term = term * controller.multiplier();
      controller.observe(codes.l0().to(at::kDouble).mean().item<double>(), step.step(),
                         step.steps());
    }
    total = total.defined() ? total + term : term;
  }
  return total;
}

void CodePenalty::check(const std::vector<const TrainedSae*>& saes) const {
  for (const TrainedSae* sae : saes) {
    if (sae->spec.spaces != 1) {
      throw Error(cat("'", sae->name, "' has ", sae->spec.spaces,
                      " code spaces, this penalty is over codes of one"))
          .with_help("such an SAE has a penalty of its own, an option of it");
    }
    const std::string problem = target_problem(control_, sae->spec.latents);
    if (!problem.empty()) throw Error(cat(problem, " of '", sae->name, "'"));
  }
}

std::vector<std::pair<std::string, double>> CodePenalty::readings(std::int64_t i) const {
  const auto number = static_cast<std::size_t>(i);
  return number < controllers_.size() ? controllers_[number].readings()
                                      : std::vector<std::pair<std::string, double>>();
}

State CodePenalty::save() const {
  State state;
  if (control_.target_l0 <= 0) return state;
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    state.tensors.set(controller_name(i), controllers_[i].state());
  }
  return state;
}

void CodePenalty::load(const State& state) {
  controllers_.clear();
  if (control_.target_l0 <= 0) return;
  for (std::size_t i = 0; state.tensors.contains(controller_name(i)); ++i) {
    controllers_.emplace_back(control_).set_state(state.tensors[controller_name(i)]);
  }
}

}  // namespace saffron::inline sdk_v1
