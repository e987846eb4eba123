#pragma once

#include "framework/loader/guard.h"
#include "framework/train/fit_plan.h"
#include "framework/train/optimizer.h"
#include "framework/train/parameters.h"
#include "framework/train/reader.h"
#include "framework/train/schedule.h"
#include "framework/train/step.h"

#include <saffron/objective.h>
#include <saffron/ops.h>
#include <saffron/regularizer.h>
#include <saffron/sae.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace saffron::host {

struct TrainOptions {
  std::int64_t rows = 0, batch = 1024;
  std::int64_t pass_rows = 0;  // of Fitted SAEs; 0: an epoch
  OptimizerOptions optimizer;
  Schedule schedule;
};

// One SAE being trained.
struct TrainMember {
  std::shared_ptr<TrainedSae> trained;  // created and declared; tensors are filled in
  Random random;                        // of its seed: initialisation
  std::shared_ptr<Objective> objective;
  double objective_scale = 1;  // SaeInput's
  Place place{"sae"};
};

// One regularizer over some members.
struct TrainPenalty {
  std::string name;
  std::shared_ptr<Regularizer> regularizer;
  std::vector<std::size_t> over;  // member numbers
  double coef = 1;
  double warmup = 0;       // share of the steps over which coef rises from 0
  std::int64_t every = 1;  // steps between calls
  Random random;
  Place place{"regularizer"};
};

// What is known of a member after a step.
struct MemberMetrics {
  bool measured = false;  // else only what the step gave anyway
  double loss = 0, objective = 0;
  double fvu = 0, l0 = 0;  // of this batch; FVU centred by the batch mean, over all targets
  // Share of latents that did not fire since the last report; since the one before it where that was
  // less long ago than reports are apart (the last one of a run), so that values compare.
  // Of a Fitted SAE: of this batch.
  double dead = 0;
  double gradient_norm = 0;                           // before clipping
  std::vector<std::pair<std::string, double>> terms;  // own terms and penalties, unweighted
};

// Steps any number of SAEs together over one reader. Those that are Fitted are shown the rows that
// fit_plan.h says instead, batch by batch at the same time, until they want no more or the plan ends.
class Trainer {
 public:
  Trainer(std::vector<TrainMember> members, std::vector<TrainPenalty> penalties, Reader reader,
          TrainOptions options, at::ScalarType dtype);

  // Fresh parameters. Draws depend on each member's own seed alone.
  void initialise();
  [[nodiscard]] std::int64_t step() const { return step_; }
  // In all; Fitted SAEs may be final before.
  [[nodiscard]] std::int64_t steps() const;
  [[nodiscard]] bool done() const;
  [[nodiscard]] double learning_rate(std::size_t i) const;  // of member i in the next step
  // One optimiser step. Metrics of every trained member when `measure` and of those whose training
  // ends with this step.
  std::vector<MemberMetrics> advance(bool measure);
  // Whether a step does anything for member i: a parameter that is not frozen, a buffer, or a
  // penalty over it. Others are left as they were initialised, whoever is trained beside them.
  [[nodiscard]] bool stepped(std::size_t i) const { return stepped_[i]; }
  [[nodiscard]] bool fitted(std::size_t i) const { return fits_[i].sae != nullptr; }
  [[nodiscard]] bool trained(std::size_t i) const { return stepped(i) || fitted(i); }
  // Of a Fitted member: passes that are over, rows of one, and whether it wants no more.
  [[nodiscard]] std::int64_t passes(std::size_t i) const { return fits_[i].passes; }
  [[nodiscard]] std::int64_t pass_rows() const { return plan_.pass_rows; }
  [[nodiscard]] bool final(std::size_t i) const { return fits_[i].final; }
  // Rows that the member has seen.
  [[nodiscard]] std::int64_t rows_seen(std::size_t i) const;

  // Everything that the next step depends on. load takes a state that holds these members, perhaps
  // among others.
  [[nodiscard]] State save() const;
  void load(const State& state);

  [[nodiscard]] std::vector<TrainMember>& members() { return members_; }
  [[nodiscard]] const std::vector<TrainMember>& members() const { return members_; }

 private:
  bool has_something_to_step(std::size_t i) const;
  std::string penalty_prefix(const TrainPenalty& penalty) const;
  void check_forward(std::size_t i, const SaeInput& input, const Forward& forward) const;
  void measure_dead(std::vector<MemberMetrics>& metrics);
  SaeInput input_of(const TrainMember& member, const ActivationRows& rows) const;
  [[nodiscard]] bool any_stepped() const;
  [[nodiscard]] bool any_fitting() const;
  void advance_stepped(const ActivationRows& rows, bool measure,
                       std::vector<MemberMetrics>& metrics);
  void advance_fitted(const ActivationRows& stepped, bool measure,
                      std::vector<MemberMetrics>& metrics);
  void measure_fitted(std::size_t i, const SaeInput& input, MemberMetrics& metrics) const;
  void apply_penalties(std::vector<MemberLeaves>& leaves, std::vector<MemberMetrics>& metrics,
                       std::vector<Reinitialisation>& requests, bool measure);
  double optimise(std::size_t i, const Gradients& gradients);
  void update(std::size_t i, const ParameterSpec& spec, ops::GradientRows& rows,
              double gradient_scale);
  void forget(std::size_t i, const at::Tensor& latents, std::int64_t at);
  void forget_resampled(std::size_t i);
  void redraw(const std::vector<Reinitialisation>& requests);

  std::vector<TrainMember> members_;
  std::vector<TrainPenalty> penalties_;
  Reader reader_;
  TrainOptions options_;
  ParameterStore store_;
  struct Fit : FitProgress {
    Fitted* sae = nullptr;  // the member's SAE, where it is one
  };
  std::vector<bool> stepped_;  // by member
  std::vector<Fit> fits_;      // by member
  FitPlan plan_;
  Reader fit_reader_;
  std::vector<at::Tensor> fired_;                // bool [F] a member, since the last measurement
  std::vector<at::Tensor> fired_before_;         // in the interval before that
  std::int64_t window_ = 0, window_before_ = 0;  // steps in them
  std::vector<std::int64_t> moment_steps_;       // the optimiser's step counter a member
  std::vector<std::int64_t>
      redrawn_;  // by member: first step after latents were last drawn anew, or -1
  std::int64_t step_ = 0, steps_ = 0;
};

}  // namespace saffron::host
