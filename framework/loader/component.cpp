#include "framework/loader/component.h"

#include <saffron/plugin.h>

#include <string_view>

namespace saffron::host {

Component::Component(const LoadedPlugin& plugin, const saffron_component& row)
    : plugin_(&plugin), row_(&row) {}

Place Component::place(std::string_view node, Origin origin) const {
  return Place(cat(row_->kind, ' ', row_->name), node, std::move(origin));
}

void Component::decode(const Value& config, Decoded& decoded) const {
  guard(place(decoded.path, config.origin()), [&] { row_->decode(&config, &decoded); });
}

std::shared_ptr<void> Component::create(const Value& config, Services& services,
                                        const Place& place) const {
  saffron_error error{};
  error.size = sizeof error;
  void* made = guard(place, [&] { return row_->create(&config, &services, &error); });
  if (made == nullptr) throw place.locate(detail::to_error(error));
  // The object may outlive `place`; a crash in its destructor is still put down to it.
  return {made, [place = this->place(), destroy = row_->destroy](void* object) {
            const CallScope scope(place);
            destroy(object);
          }};
}

void Component::require_kind(const char* kind, const char* interface) const {
  if (std::string_view(kind) == row_->kind && std::string_view(interface) == row_->interface) {
    return;
  }
  throw Error(ErrorKind::internal, cat(full_name(), " is ", row_->interface, ", not ", interface));
}

}  // namespace saffron::host
