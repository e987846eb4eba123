#pragma once

#include <saffron/codes.h>
#include <saffron/properties.h>
#include <saffron/state.h>
#include <saffron/testing/checks.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// Components of any kind, used in one way: handed standard inputs, and what they return written
// down. What is true of every component is checked once, over this.

namespace saffron::testing {

// What the inputs of one use are like.
struct Variant {
  std::uint64_t data = 1;                       // which inputs
  std::int64_t rows = 24;                       // of a batch, where the kind has batches
  bool strided = false;                         // tensors that are not contiguous
  at::ScalarType dtype = at::kFloat;            // of inputs
  Codes::Layout layout = Codes::Layout::dense;  // of codes
  // Every number x of a floating-point input is x (1 + nudge u), u in [0, 1] by `nudged`: all one way,
  // so that a mean moves too.
  double nudge = 0;
  std::uint64_t nudged = 1;
};

// The tensors that a component was given, to see whether they are still what they were.
class Inputs {
 public:
  explicit Inputs(Variant variant) : variant_(variant) {}
  // `tensor` in the variant's dtype (floating ones), nudged, and layout, remembered under `name`.
  [[nodiscard]] at::Tensor give(const std::string& name, const at::Tensor& tensor);
  // Remembers one that is made elsewhere.
  void watch(const std::string& name, const at::Tensor& tensor);
  void watch(const std::string& name, const Codes& codes);
  // The name of the first that has changed; "" when none has.
  [[nodiscard]] std::string changed() const;
  // Whether there were any, and any of floating point.
  [[nodiscard]] bool tensors() const { return tensors_; }
  [[nodiscard]] bool numbers() const { return numbers_; }
  // Looks now, and forgets them: from here on others may write to them.
  void settle();
  [[nodiscard]] const Variant& variant() const { return variant_; }

 private:
  struct Given {
    std::string name;
    at::Tensor tensor, copy;
  };
  Variant variant_;
  std::vector<Given> given_;
  std::string settled_;
  bool tensors_ = false, numbers_ = false;
};

// What came out, by name, in order.
struct Observed {
  std::vector<std::pair<std::string, at::Tensor>> tensors;  // copies
  std::vector<std::pair<std::string, std::string>> texts;
  struct Handed {
    std::string name;
    at::Tensor tensor, copy;
  };
  std::vector<Handed> handed;  // what the component handed out itself

  // What a tensor says now; undefined ones count as absent.
  void note(std::string name, const at::Tensor& tensor);
  // The same, of one that the component hands out: nobody else may write to it any more.
  void add(std::string name, const at::Tensor& tensor);
  void add(std::string name, std::string text) {
    texts.emplace_back(std::move(name), std::move(text));
  }
};
// Begins the names of what has a dtype of its own, whatever the inputs'.
inline constexpr std::string_view kOwnDtype = "buffer ";
// What differs first: "penalty: 0.25 and 0.75"; "" when all is equal, bit for bit or, with a
// tolerance, to that distance.
[[nodiscard]] std::string difference(const Observed& a, const Observed& b, double tolerance = 0);

// One component in use. A use is a whole one: a training step with its gradients, a block, a report.
class Driver {
 public:
  virtual ~Driver();
  // May be called again; what an earlier use leaves behind is the component's state.
  [[nodiscard]] virtual Observed use(Inputs& inputs) = 0;
  // nullptr where the component has none.
  [[nodiscard]] virtual const Stateful* stateful() const = 0;
  // nullptr where all its gradients are derivatives.
  [[nodiscard]] virtual const PseudoGradients* pseudo() const { return nullptr; }
  // Takes over what the host would restore from a checkpoint of `other`, a driver of the same component.
  virtual void restore(const Driver& other);

 protected:
  [[nodiscard]] virtual Stateful* mutable_state() = 0;
};

// What the variants mean to a kind.
struct Powers {
  bool rows = false, strided = false, dtype = false, device = false, gradients = false,
       codes = false;
};

inline constexpr const char* kStateRoundtrip = "state-roundtrip";
inline constexpr const char* kUsedAgain = "used-again";
inline constexpr const char* kResultsStay = "results-stay";

struct KindDriver {
  const char* kind;
  Powers powers;
  // Makes a component and brings it to the point where it can be used.
  std::unique_ptr<Driver> (*drive)(const Subject& subject, const Subject::Setup& setup);
  // The checks that find what an earlier use changes: in a later one of a component that is not
  // Stateful, in the same one again, in what was handed out. Those of every kind, unless the kind
  // has its own.
  const char* memory = kStateRoundtrip;
  const char* again = kUsedAgain;
  const char* stays = kResultsStay;
};

// nullptr for a kind without one.
[[nodiscard]] const KindDriver* find_driver(std::string_view kind);
// Skips the check for a kind without one, or a component that lacks options.
[[nodiscard]] const KindDriver& driver_of(const Subject& subject);

// Skips the check for a component that declares otherwise: it compares results of several uses.
void need_deterministic(const Subject& subject);

// For most kinds: the component by its interface, and its state if it has one.
template <class Kind>
class DriverOf : public Driver {
 public:
  DriverOf(const Subject& subject, const Subject::Setup& setup)
      : component_(subject.make<Kind>(setup)), setup_(setup) {}
  [[nodiscard]] const Stateful* stateful() const override {
    return dynamic_cast<const Stateful*>(component_.get());
  }
  [[nodiscard]] const PseudoGradients* pseudo() const override {
    return dynamic_cast<const PseudoGradients*>(component_.get());
  }

 protected:
  [[nodiscard]] Stateful* mutable_state() override {
    return dynamic_cast<Stateful*>(component_.get());
  }

  std::shared_ptr<Kind> component_;
  Subject::Setup setup_;
};

template <class D>
std::unique_ptr<Driver> drive(const Subject& subject, const Subject::Setup& setup) {
  return std::make_unique<D>(subject, setup);
}

}  // namespace saffron::testing
