#pragma once

#include <saffron/namespace.h>
#include <saffron/value.h>

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Named tensors in a fixed order, and the capability of a component that has state of its own.

namespace saffron::inline sdk_v1 {

class SAFFRON_EXPORT Tensors {
 public:
  [[nodiscard]] bool contains(std::string_view name) const;
  // Throws Error (invalid) that lists the names there are.
  [[nodiscard]] const at::Tensor& operator[](std::string_view name) const;
  void set(std::string_view name, at::Tensor tensor);  // replaces or appends
  [[nodiscard]] auto begin() const { return entries_.begin(); }
  [[nodiscard]] auto end() const { return entries_.end(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  std::vector<std::pair<std::string, at::Tensor>> entries_;
};

// What a checkpoint keeps of a component: tensors, and small values (counters, phases).
struct State {
  Tensors tensors;
  Value values = Value::table();
};

// Capability. A component whose later outputs depend on earlier calls implements it, or a resumed
// run would differ from an uninterrupted one. [host thread, between steps]
class SAFFRON_EXPORT Stateful {
 public:
  virtual ~Stateful();
  [[nodiscard]] virtual State save() const = 0;  // copies; later steps do not change it
  virtual void load(const State& state) = 0;     // Error (data) when it does not fit
};

}  // namespace saffron::inline sdk_v1
