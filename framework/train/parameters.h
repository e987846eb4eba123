#pragma once

#include <saffron/sae.h>

#include <memory>
#include <vector>

namespace saffron::host {

// What an optimiser keeps beside a parameter.
struct Moments {
  at::ScalarType dtype = at::kFloat;
  bool second = true;  // else the first alone
};

// Tensors of the SAEs of one train node. Members with equal specs are stacked: one [E, ...] tensor a
// parameter, one for each moment, of which every member sees its own slice.
class ParameterStore {
 public:
  struct Member {
    SaeSpec spec;
    Tensors parameters, buffers;  // views
    Tensors first, second;        // moments of the parameters that are not frozen
  };

  // Adds members and allocates for all of them at once.
  ParameterStore(const std::vector<SaeSpec>& specs, at::ScalarType dtype, Moments moments);

  [[nodiscard]] Member& member(std::size_t i) { return members_[i]; }
  [[nodiscard]] const Member& member(std::size_t i) const { return members_[i]; }
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  // The numbers of the members that share stacked tensors with member i, in order.
  [[nodiscard]] const std::vector<std::size_t>& stack_of(std::size_t i) const;

 private:
  std::vector<Member> members_;
  std::vector<std::vector<std::size_t>> stacks_;
  std::vector<std::size_t> stack_number_;
};

// Keeps what is freed for the next step, whose tensors have the same sizes: given back to the system,
// it would be cleared and mapped anew page by page each time. Of the whole process.
void keep_freed_memory();
// What was freed so far is for something else: initialisation needs more than a step.
void give_back_freed_memory();

}  // namespace saffron::host
