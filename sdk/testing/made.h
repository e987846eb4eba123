#pragma once

#include "testing/driver.h"
#include "testing/expect.h"

#include <saffron/error.h>

#include <memory>
#include <string>

// What checks of single kinds share: a component that could be made, and refusals.

namespace saffron::testing {

// Runs f. What it refuses in words (Error invalid) skips the check: the toy world, or the options
// that the component is tried with, do not suit it.
template <class F>
auto or_skip(const Subject& subject, F f) -> decltype(f()) {
  try {
    return f();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid) throw;
    skip(cat("does not work with what it is tried with (", error.message(),
             "): give it other values under [options.\"", subject.kind(), '/', subject.name(),
             "\"] in test-plugin.toml"));
  }
}

// For a KindDriver: a D, or the check skipped.
template <class D>
std::unique_ptr<Driver> drive_or_skip(const Subject& subject, const Subject::Setup& setup) {
  return or_skip(subject, [&] { return drive<D>(subject, setup); });
}

// For checks: the component, or the check skipped.
template <class Kind>
std::shared_ptr<Kind> made(const Subject& subject, const Subject::Setup& setup = {}) {
  static_cast<void>(driver_of(subject));
  return or_skip(subject, [&] { return subject.make<Kind>(setup); });
}

// f must throw an Error of that kind. `what` is asked for: "block 16 of 16".
template <class F>
void must_refuse(const std::string& what, const char* kind_name, ErrorKind kind, F f) {
  try {
    static_cast<void>(f());
  } catch (const Error& error) {
    if (error.kind() == kind) return;
    fail(cat(what, " is refused, but not as an Error (", kind_name, "): ", error.what()));
  } catch (const std::exception& error) {
    fail(cat(what, " is refused by something that is no Error (", kind_name,
             "): ", words_of(error)));
  }
  fail(cat(what, " is taken; it must be an Error (", kind_name, ")"));
}

}  // namespace saffron::testing
