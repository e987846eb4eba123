#include "framework/train/measure.h"
#include "framework/train/trainer.h"

#include <saffron/error.h>

#include <algorithm>

namespace saffron::host {

bool Trainer::any_fitting() const {
  return std::any_of(fits_.begin(), fits_.end(),
                     [](const Fit& fit) { return fit.sae != nullptr && !fit.final; });
}

// `stepped`: the rows that stepped members saw in this step; none when there are no such members.
void Trainer::advance_fitted(const ActivationRows& stepped, bool measure,
                             std::vector<MemberMetrics>& metrics) {
  const FitPlan::Part part = plan_.at(step_);
  ActivationRows rows = stepped;  // the first pass reads what training reads
  if (rows.streams.empty() || part.pass > 0) {
    if (fit_reader_.position() != part.first) fit_reader_.seek(part.first);
    rows = fit_reader_.next(part.count);
  } else if (part.count < options_.batch) {
    for (at::Tensor& stream : rows.streams) stream = stream.slice(0, 0, part.count);
  }
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Fit& fit = fits_[i];
    if (fit.sae == nullptr || fit.final) continue;
    const TrainMember& member = members_[i];
    SaeInput input = input_of(member, rows);
    input.steps = plan_.steps();
    input.rows_seen = fit.rows;
    guard(member.place, [&] {
      fit.sae->observe(input);
      if (part.last) fit.final = !fit.sae->end_pass();
    });
    fit.rows += part.count;
    if (part.last) ++fit.passes;
    if (measure || fit.final || step_ + 1 == plan_.steps()) measure_fitted(i, input, metrics[i]);
  }
}

void Trainer::measure_fitted(std::size_t i, const SaeInput& input, MemberMetrics& metrics) const {
  const TrainMember& member = members_[i];
  const TrainedSae& trained = *member.trained;
  Forward made;
  guard(member.place, [&] {
    made.codes = trained.sae->encode(input.inputs);
    made.reconstructions = trained.sae->decode(made.codes);
  });
  check_forward(i, input, made);
  MemberLeaves leaves(input, made);
  StepView view({{i, &trained, &leaves}}, input.step, input.steps, input.random.fork("objective"));
  const at::Tensor loss = guard(member.place, [&] { return member.objective->loss(view); });
  metrics.objective = metrics.loss = loss.item<double>();
  require_finite(metrics.loss, cat("the loss of '", trained.name, "'"), step_, false);
  measure_batch(input, made, trained.name, metrics);
  at::Tensor fired;
  for (const Codes& codes : made.codes) {
    const at::Tensor here = codes.firing_counts().gt(0);
    fired = fired.defined() ? fired.logical_or(here) : here;
  }
  metrics.dead = 1 - fired.to(at::kDouble).mean().item<double>();
}

}  // namespace saffron::host
