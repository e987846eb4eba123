#include <saffron/testing/process_state.h>

#include "testing/process_numbers.h"
#include "testing/process_surroundings.h"

namespace saffron::testing {

ProcessState::ProcessState()
    : numbers_(std::make_shared<ProcessNumbers>()),
      surroundings_(std::make_shared<ProcessSurroundings>()) {}

std::string ProcessState::changed_since(const ProcessState& before) const {
  const std::string changes = numbers_->changed_since(*before.numbers_);
  return changes.empty() ? surroundings_->changed_since(*before.surroundings_) : changes;
}

std::string ProcessState::opened_since(const ProcessState& before) const {
  return surroundings_->opened_since(*before.surroundings_);
}

void ProcessState::restore() const {
  surroundings_->restore();
  numbers_->restore();
}

}  // namespace saffron::testing
