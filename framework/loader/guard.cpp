#include "framework/loader/guard.h"

#include <saffron/plugin.h>

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace saffron::host {
namespace {

std::atomic<const char*> main_component{""};

bool on_main_thread() {
  static thread_local const bool main = ::syscall(SYS_gettid) == ::getpid();
  return main;
}

}  // namespace

Place::Place(std::string_view component, std::string_view node, Origin origin)
    : label_(node.empty() ? std::string(component) : cat(component, " (", node, ')')),
      origin_(std::move(origin)) {}

Error Place::locate(Error error) const {
  const bool has_position =
      origin_.known() && error.where().find(origin_.source + ':') != std::string::npos;
  if (error.where().find(label_) == std::string::npos) error.within(label_);
  return has_position ? error : error.at(origin_);
}

CallScope::CallScope(const Place& place) : scope_(place.label().c_str()), previous_(nullptr) {
  if (on_main_thread()) previous_ = main_component.exchange(place.label().c_str());
}

CallScope::~CallScope() {
  if (previous_ != nullptr) main_component.store(previous_);
}

const char* CallScope::of_main_thread() { return main_component.load(); }

void rethrow_from(const Place& place) {
  try {
    throw;
  } catch (const Error& error) {
    // A copy of the base class: an exception class of the plugin's own may derive from Error.
    throw place.locate(error);
  } catch (...) {
    saffron_error described{};
    described.size = sizeof described;
    detail::describe_exception(&described);
    throw place.locate(detail::to_error(described));
  }
}

}  // namespace saffron::host
