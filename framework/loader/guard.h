#pragma once

#include <saffron/abi.h>
#include <saffron/error.h>
#include <saffron/log.h>

#include <string>
#include <string_view>
#include <utility>

// The one way into a plugin: every call across the line goes through guard().

namespace saffron::host {

// Which component is called, for which node, written where in the recipe. Made once a component,
// not once a call.
class Place {
 public:
  // Place("regularizer hoyer", "train.all.regularizer.hoyer", origin); the last two may be empty.
  explicit Place(std::string_view component, std::string_view node = {}, Origin origin = {});

  [[nodiscard]] const std::string& label() const { return label_; }
  [[nodiscard]] const Origin& origin() const { return origin_; }
  // Puts this place before what the error says of its own; a recipe position is said once.
  [[nodiscard]] Error locate(Error error) const;

 private:
  std::string label_;  // "regularizer hoyer (train.all.regularizer.hoyer)"
  Origin origin_;
};

// Names the component in log lines and crash reports for as long as the call lasts.
class CallScope {
 public:
  explicit CallScope(const Place& place);
  ~CallScope();
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

  // What the main thread works for, from any thread, for crash reports: kernels crash on workers.
  [[nodiscard]] static const char* of_main_thread();

 private:
  ComponentScope scope_;
  const char* previous_;  // of the main thread; nullptr on others
};

// Inside a catch (...): rethrows the exception in flight as an Error of the host's own. Nothing of
// the plugin's survives in it: its type, its text and its lazy backtrace belong to the plugin.
[[noreturn]] void rethrow_from(const Place& place);

// Calls into a plugin. What is thrown leaves as an Error with the component, node and recipe
// position: of its own kind when it was an Error, of kind plugin otherwise.
template <class Call>
decltype(auto) guard(const Place& place, Call&& call) {
  const CallScope scope(place);
  try {
    return std::forward<Call>(call)();
  } catch (...) {
    rethrow_from(place);
  }
}

}  // namespace saffron::host
