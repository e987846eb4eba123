#pragma once

#include "framework/loader/build_tag.h"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What a shared library says of itself before any of its code runs: plain file reads, no dlopen.

namespace saffron::host {

// A bounds-checked view of an ELF64 shared library for this machine. Every offset and count of the
// file is checked before it is used; what does not add up is an Error (plugin).
class ElfFile {
 public:
  // `bytes` must outlive the object; `name` is for messages.
  ElfFile(std::span<const std::byte> bytes, std::string name);

  // The content of a section; nullopt when there is none of that name.
  [[nodiscard]] std::optional<std::string_view> section(std::string_view name) const;
  // The DT_NEEDED entries: sonames of the libraries that it is linked to.
  [[nodiscard]] std::vector<std::string> needed() const;

  struct Symbols {
    std::vector<std::string> imported, exported;  // mangled names of .dynsym
  };
  [[nodiscard]] Symbols dynamic_symbols() const;

 private:
  struct Section {
    std::uint32_t name, type, link;
    std::uint64_t offset, size, entry_size;
  };
  void check_segments(std::uint64_t offset, std::uint64_t count, std::uint64_t entry_size) const;
  [[nodiscard]] const Section* find(std::uint32_t type) const;
  [[nodiscard]] const Section& linked(const Section& section) const;
  [[nodiscard]] std::string_view content(const Section& section) const;
  [[nodiscard]] std::string string_at(const Section& table, std::uint64_t offset) const;
  template <class T>
  [[nodiscard]] T read(std::uint64_t offset, const char* what) const;
  template <class T>
  [[nodiscard]] std::vector<T> entries(const Section& section, const char* what) const;
  [[noreturn]] void fail(const std::string& message) const;

  std::span<const std::byte> bytes_;
  std::string name_;
  std::vector<Section> sections_;
  std::uint32_t names_ = 0;  // the section that holds section names
};

// A plugin as its `.saffron.abi` section describes it.
struct PluginFile {
  struct Component {
    std::string kind, name, interface;
  };
  std::filesystem::path path;
  std::string id, version;
  std::string tag_text;  // the build tag as written
  BuildTag tag;
  std::vector<Component> components;
};

// Reads one file. Throws Error (plugin or io) when it is not a loadable Saffron plugin's file; a
// build tag that does not match the host's is no error here (build_tag.h compares).
[[nodiscard]] PluginFile read_plugin_file(const std::filesystem::path& path);
// The section's text, as SAFFRON_PLUGIN writes it.
[[nodiscard]] PluginFile parse_plugin_tag(std::string_view text, const std::filesystem::path& path);

}  // namespace saffron::host
