#pragma once

#include "framework/loader/abi_rows.h"
#include "framework/loader/elf_tag.h"
#include "framework/loader/guard.h"

#include <saffron/context.h>
#include <saffron/schema.h>

#include <memory>
#include <string>

namespace saffron::host {

// A plugin in this process. Lives for ever, as its code does.
struct LoadedPlugin {
  PluginFile file;
  std::string digest;  // SHA-256 of the file
  const saffron_plugin* descriptor = nullptr;
};

// A handle on one component of a loaded plugin; copy it freely.
class Component {
 public:
  Component(const LoadedPlugin& plugin, const saffron_component& row);

  [[nodiscard]] std::string kind() const { return row_->kind; }
  [[nodiscard]] std::string name() const { return row_->name; }
  // "org.example.hoyer::hoyer"
  [[nodiscard]] std::string full_name() const { return cat(plugin_->file.id, "::", row_->name); }
  [[nodiscard]] std::uint32_t revision() const { return row_->revision; }
  [[nodiscard]] bool has(std::uint32_t flag) const { return (row_->flags & flag) != 0; }
  [[nodiscard]] bool deterministic() const { return has(SAFFRON_COMPONENT_DETERMINISTIC); }
  [[nodiscard]] const saffron_component& row() const { return *row_; }
  [[nodiscard]] const LoadedPlugin& plugin() const { return *plugin_; }

  // "regularizer hoyer", with the node and the position when there are any.
  [[nodiscard]] Place place(std::string_view node = {}, Origin origin = {}) const;

  // Checks a table (without `use`) against the schema; constructs nothing. decoded.path is read.
  void decode(const Value& config, Decoded& decoded) const;

  // The component from its table. Throws what it reports, located by `place`. The pointer is to the
  // kind's interface class: static_pointer_cast<Regularizer>.
  [[nodiscard]] std::shared_ptr<void> create(const Value& config, Services& services,
                                             const Place& place) const;
  template <class Kind>
  [[nodiscard]] std::shared_ptr<Kind> create_as(const Value& config, Services& services,
                                                const Place& place) const {
    require_kind(Kind::kKind, Kind::kInterface);
    return std::static_pointer_cast<Kind>(create(config, services, place));
  }

 private:
  void require_kind(const char* kind, const char* interface) const;

  const LoadedPlugin* plugin_;
  const saffron_component* row_;
};

}  // namespace saffron::host
