#pragma once

#include "framework/loader/component.h"
#include "framework/loader/search_path.h"

#include <string>
#include <string_view>
#include <vector>

namespace saffron::host {

// The plugins that a scan found, by what they offer. Looking up loads nothing; load() does.
class Catalog {
 public:
  explicit Catalog(Scan scan);
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // A component that was found in a file. Points into the catalog.
  struct Entry {
    const PluginFile* file;
    const PluginFile::Component* component;
  };

  // What `use`, a component's name or "plugin.id::name", may mean for this kind.
  [[nodiscard]] std::vector<Entry> matches(std::string_view kind, std::string_view use) const;
  // The one thing that it means. Throws Error: (invalid) when there is none,
  // with near names, the places searched and the files rejected; (invalid) when two plugins offer
  // it; (plugin) when the plugin that offers it does not fit this host.
  [[nodiscard]] Entry find(std::string_view kind, std::string_view use) const;
  [[nodiscard]] Component load(const Entry& entry) const;
  [[nodiscard]] Component load(std::string_view kind, std::string_view use) const {
    return load(find(kind, use));
  }

  // All components of a kind, or of every kind when it is empty, sorted by kind and name.
  [[nodiscard]] std::vector<Entry> list(std::string_view kind = {}) const;

  // The plugins in search order, each id once: the first file that has it.
  [[nodiscard]] const std::vector<const PluginFile*>& plugins() const { return plugins_; }
  [[nodiscard]] const Scan& scan() const { return scan_; }
  // One sentence a plugin that was found more than once.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  // What somebody named and could not be used: errors before anything runs.
  [[nodiscard]] std::vector<Error> problems() const;

 private:
  [[nodiscard]] Error unknown(std::string_view kind, std::string_view id,
                              std::string_view name) const;
  [[nodiscard]] std::string suggestion(std::string_view kind, std::string_view id,
                                       std::string_view name) const;
  [[nodiscard]] std::string where_searched() const;

  Scan scan_;
  std::vector<const PluginFile*> plugins_;
  std::vector<std::string> notes_;
};

}  // namespace saffron::host
