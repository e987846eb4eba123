#pragma once

#include <saffron/random.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

// What the host gives a component: randomness, device, where files may go, and whether to stop.
//
// A plugin sets no global seed, default dtype, thread count, device or signal handler and prints
// nothing; what it needs of those it finds here. A component constructed as T(options, context) may
// keep a reference: the context outlives it. Thread-safe.

namespace saffron::inline sdk_v1 {

class Value;
struct Origin;

class SAFFRON_EXPORT Context {
 public:
  virtual ~Context();

  // The node's stream for a purpose: derived from (recipe seed, the node's `seed`, purpose).
  [[nodiscard]] virtual Random random(std::string_view purpose) const = 0;
  [[nodiscard]] virtual at::Device device() const = 0;
  [[nodiscard]] virtual at::ScalarType dtype() const = 0;  // of parameters: float32 or float64
  [[nodiscard]] virtual std::string node() const = 0;      // "sae.student[k=8]", for messages
  // A directory for this component's own files, made on first use, kept with the run.
  [[nodiscard]] virtual std::string artifacts() const = 0;
  // True once the user asked to stop: return early, by throwing Error(ErrorKind::cancelled).
  [[nodiscard]] virtual bool cancelled() const = 0;
  // Shown to the user: "reading the model", 17 of 272. total 0 = unknown.
  virtual void progress(std::string_view what, std::int64_t done, std::int64_t total) const = 0;
};

// How references and nested components of a schema become objects while a component is created.
class SAFFRON_EXPORT Services {
 public:
  virtual ~Services();
  // The object of node `node` of that kind, as a pointer to the kind's referent (schema.h).
  [[nodiscard]] virtual std::shared_ptr<void> reference(std::string_view kind,
                                                        const std::string& node,
                                                        const Origin& origin) = 0;
  // The nodes that a name in a reference list stands for: every member of a grid, or itself.
  [[nodiscard]] virtual std::vector<std::string> expand(std::string_view kind,
                                                        const std::string& node,
                                                        const Origin& origin) = 0;
  // A nested component from its table, or, from a string, the one that a node provides.
  [[nodiscard]] virtual std::shared_ptr<void> child(std::string_view kind, const Value& config) = 0;
  [[nodiscard]] virtual const Context& context() const = 0;
};

}  // namespace saffron::inline sdk_v1
