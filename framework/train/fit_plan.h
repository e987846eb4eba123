#pragma once

#include <algorithm>
#include <cstdint>

namespace saffron::host {

// Which rows a step shows to Fitted SAEs. A pass is the first `pass_rows` of the training order, always the
// same, in batches of which the last may be shorter; there are as many passes as the node's rows hold.
struct FitPlan {
  std::int64_t pass_rows = 0, batch = 1, passes = 0;

  struct Part {
    std::int64_t pass, first, count;
    bool last;  // of its pass
  };
  [[nodiscard]] std::int64_t steps_of_pass() const { return (pass_rows + batch - 1) / batch; }
  [[nodiscard]] std::int64_t steps() const { return passes * steps_of_pass(); }
  [[nodiscard]] Part at(std::int64_t step) const {
    const std::int64_t first = step % steps_of_pass() * batch;
    return {step / steps_of_pass(), first, std::min(batch, pass_rows - first),
            first + batch >= pass_rows};
  }
};

// How far a Fitted SAE is.
struct FitProgress {
  bool final = false;  // it wants no more
  std::int64_t passes = 0, rows = 0;
};

// wanted: rows of a pass, 0 for an epoch, which may be kEndless.
[[nodiscard]] inline FitPlan fit_plan(std::int64_t rows, std::int64_t batch, std::int64_t wanted,
                                      std::int64_t epoch) {
  const std::int64_t pass = std::min({wanted > 0 ? wanted : rows, rows, epoch});
  return {.pass_rows = pass, .batch = batch, .passes = rows / pass};
}

}  // namespace saffron::host
