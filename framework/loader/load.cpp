#include "framework/loader/load.h"

#include "framework/loader/dynamic_section.h"
#include "framework/loader/validate.h"

#include <saffron/io.h>
#include <saffron/log.h>

// Boost.DLL 1.74 forgets these when it is built on std::filesystem.
#include <memory>
#include <string>
#include <vector>

#include <cxxabi.h>
#include <dlfcn.h>
#include <boost/dll/shared_library.hpp>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>

namespace saffron::host {
namespace {

// Never destroyed, and neither is what it holds.
struct Registry {
  std::mutex mutex;
  std::deque<boost::dll::shared_library> libraries;
  std::map<std::filesystem::path, LoadedPlugin> plugins;
};

Registry& registry() {
  static Registry& loaded = *new Registry;
  return loaded;
}

std::atomic<std::size_t> dlopen_calls{0};

Error refusal(const PluginFile& file, const std::string& message) {
  return Error(ErrorKind::plugin, cat("plugin '", file.id, "' ", message));
}

// What dlopen would turn into an abort of the whole process: a second LibTorch registers every
// operator again, and so does a TORCH_LIBRARY; both throw inside static initialisers.
void check_dynamic_section(const PluginFile& file) {
  const DynamicSection section = read_dynamic_section(file);
  if (!section.foreign_libtorch.empty()) {
    throw refusal(file, cat("is linked to '", section.foreign_libtorch.front(),
                            "', which is not this program's LibTorch: "
                            "two of them in one process abort it"))
        .with_help("link the plugin to saffron::sdk only (saffron_add_plugin() does)");
  }
  if (section.registers_operators) {
    throw refusal(file,
                  "registers LibTorch operators (TORCH_LIBRARY): when two libraries "
                  "register the same one, the process aborts")
        .with_help("call the functions directly, or wrap them in a torch::autograd::Function");
  }
  if (!section.foreign_exports.empty()) {
    logging::warning(cat("plugin '", file.id, "' exports symbols of its own, such as '",
                         section.foreign_exports.front(),
                         "': another library may be bound to them (saffron_add_plugin() hides "
                         "them)"));
  }
}

// dlerror's text with its mangled name made readable.
std::string readable(std::string text) {
  const std::string_view marker = "undefined symbol: ";
  const std::size_t at = text.find(marker);
  if (at == std::string::npos) return text;
  const std::size_t start = at + marker.size();
  const std::size_t end = std::min(text.find_first_of(" ,\t(", start), text.size());
  const std::string symbol = text.substr(start, end - start);
  char* name = abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, nullptr);
  if (name != nullptr) text += cat(" (", name, ')');
  std::free(name);
  return text;
}

const boost::dll::shared_library& open_library(const PluginFile& file, Registry& loaded) {
  using boost::dll::load_mode::rtld_local;
  using boost::dll::load_mode::rtld_now;
  ++dlopen_calls;
  boost::dll::shared_library library;
  boost::dll::fs::error_code problem;
  library.load(std::filesystem::absolute(file.path).string(), problem, rtld_now | rtld_local);
  if (problem) {
    const char* text = ::dlerror();  // the code says nothing
    throw refusal(
        file, cat("could not be loaded: ", text == nullptr ? problem.message() : readable(text)));
  }
  // Kept from here on, whatever comes: its code has run.
  return loaded.libraries.emplace_back(std::move(library));
}

saffron_plugin_entry_fn entry_of(const PluginFile& file,
                                 const boost::dll::shared_library& library) {
  if (!library.has(SAFFRON_ABI_ENTRY)) {
    throw refusal(file, "exports no function " SAFFRON_ABI_ENTRY)
        .with_help("SAFFRON_PLUGIN makes one; a version script of your own must list it");
  }
  return &library.get<const saffron_plugin*(std::uint32_t, std::uint32_t)>(SAFFRON_ABI_ENTRY);
}

const saffron_plugin* call_entry(const PluginFile& file, saffron_plugin_entry_fn entry) {
  const saffron_plugin* plugin = entry(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR);
  if (plugin == nullptr) {
    throw refusal(file, cat("returned no descriptor: it does not serve plugin ABI ",
                            SAFFRON_ABI_MAJOR, ", or a schema of it is wrong"))
        .with_help("in the second case the log says which schema");
  }
  return plugin;
}

}  // namespace

std::size_t loaded_count() { return dlopen_calls; }

void check_tag(const PluginFile& file) {
  const auto rows = compare(file.tag, BuildTag::of_host());
  if (!compatible(rows)) throw mismatch_error(file.id, file.path, rows);
}

saffron_plugin_entry_fn open_plugin(const PluginFile& file) {
  Registry& loaded = registry();
  const std::lock_guard lock(loaded.mutex);
  check_tag(file);
  check_dynamic_section(file);
  return entry_of(file, open_library(file, loaded));
}

const LoadedPlugin& load_plugin(const PluginFile& file) {
  Registry& loaded = registry();
  const std::lock_guard lock(loaded.mutex);
  std::error_code ignored;
  const auto key = std::filesystem::weakly_canonical(file.path, ignored);
  if (const auto known = loaded.plugins.find(key); known != loaded.plugins.end()) {
    return known->second;
  }
  LoadedPlugin plugin{file, {}, nullptr};
  guard(Place(cat("loading ", file.path.string())), [&] {
    check_tag(file);
    check_dynamic_section(file);
    const std::string drift = drift_text(compare(file.tag, BuildTag::of_host()));
    if (!drift.empty()) logging::warning(cat("plugin '", file.id, "' was ", drift));
    plugin.digest = sha256_file(file.path);
    plugin.descriptor = call_entry(file, entry_of(file, open_library(file, loaded)));
    check_identity(*plugin.descriptor, file);
    check_descriptor(*plugin.descriptor, file);
  });
  return loaded.plugins.emplace(key, std::move(plugin)).first->second;
}

}  // namespace saffron::host
