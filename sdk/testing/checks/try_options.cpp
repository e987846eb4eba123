#include "testing/checks/try_options.h"

#include "testing/drivers/toy_training.h"
#include "testing/expect.h"

#include <saffron/error.h>

#include <functional>
#include <numeric>

namespace saffron::testing {
namespace {

// The first that it takes; skips where there is none.
SaeShape first_shape(const Subject& subject) {
  for (const SaeShape& shape : toy_shapes()) {
    try {
      static_cast<void>(subject.make<Sae>()->declare(shape));
      return shape;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::invalid) throw;
    }
  }
  skip("takes none of the toy shapes");
}

// An SAE says in declare at the latest what it cannot do: what that takes must encode.
void try_to_encode(const Subject& subject, const Value& options) {
  constexpr double kMostNumbers = 1 << 20;  // of its parameters; more are not worth the time
  const Subject tried = subject.with(options);
  try {
    const SaeShape shape = first_shape(tried);
    double numbers = 0;
    for (const ParameterSpec& p : tried.make<Sae>()->declare(shape).parameters) {
      numbers += std::accumulate(p.shape.begin(), p.shape.end(), 1.0, std::multiplies<double>());
    }
    if (numbers > kMostNumbers) return;
    const ToyTraining training(shape, tried);
    static_cast<void>(training.sae().encode(training.batch(subject.nth(1), 1).inputs));
  } catch (const Finding&) {
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::plugin || error.kind() == ErrorKind::internal) throw;
  }
}

}  // namespace

void make_and_try(const Subject& subject, const Value& options) {
  keep(subject.create(options, {}));
  if (subject.kind() != Sae::kKind) return;
  try {
    try_to_encode(subject, options);
  } catch (const std::exception& error) {
    fail(cat("with ", to_toml(options), " it is made, and then does not encode: ", words_of(error),
             " (a rule across parameters belongs into the schema's check(), one about widths into ",
             "declare)"));
  }
}

}  // namespace saffron::testing
