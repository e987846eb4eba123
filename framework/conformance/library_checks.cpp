#include "framework/conformance/library_checks.h"

#include "framework/loader/dynamic_section.h"
#include "framework/loader/load.h"
#include "framework/loader/process.h"
#include "framework/loader/validate.h"

#include <saffron/error.h>
#include <saffron/testing/process_state.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>

namespace saffron::host {
namespace {

using testing::Outcome;
using testing::Verdict;

constexpr double kScanSeconds = 0.2;

Verdict failed(std::string message) { return {Outcome::failed, std::move(message)}; }

Verdict skipped(std::string why) { return {Outcome::skipped, std::move(why)}; }

// Loads the library for a check. Where it must not be or cannot be loaded another check says so.
template <Verdict (*check)(const PluginFile&, saffron_plugin_entry_fn)>
Verdict loaded(const PluginFile& file) {
  const DynamicSection section = read_dynamic_section(file);
  if (section.registers_operators) return skipped("not loaded: see no-static-torch-registration");
  if (!section.foreign_libtorch.empty()) return skipped("not loaded: see single-libtorch");
  return check(file, open_plugin(file));
}

// The descriptor, or a failure that says why there is none.
struct Answer {
  const saffron_plugin* plugin = nullptr;
  Verdict failure;
};

Answer ask(saffron_plugin_entry_fn entry) {
  Answer out;
  try {
    out.plugin = entry(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR);
    out.failure = failed("the entry returns no descriptor: a schema of it is wrong");
  } catch (const std::exception& error) {
    out.failure = failed(cat("the entry throws: ", error.what()));
  } catch (...) {
    out.failure = failed("the entry throws something that is not a std::exception");
  }
  return out;
}

// For what looks at the descriptor; that there is one is descriptor-consistency's business.
template <Verdict (*check)(const PluginFile&, saffron_plugin_entry_fn, const saffron_plugin&)>
Verdict described(const PluginFile& file, saffron_plugin_entry_fn entry) {
  const Answer answer = ask(entry);
  if (answer.plugin == nullptr) return skipped("see descriptor-consistency");
  return check(file, entry, *answer.plugin);
}

bool has_cuda() {
  std::ifstream maps("/proc/self/maps");
  const std::string text((std::istreambuf_iterator<char>(maps)), {});
  return text.find("/libcuda.so") != std::string::npos;
}

Verdict nothing_more(const PluginFile&, saffron_plugin_entry_fn, const saffron_plugin&) {
  return {};
}

Verdict no_static_torch_registration(const PluginFile& file) {
  if (!read_dynamic_section(file).registers_operators) return {};
  return failed("imports torch::Library's constructor: two such plugins abort their host");
}

Verdict single_libtorch(const PluginFile& file) {
  const auto foreign = read_dynamic_section(file).foreign_libtorch;
  if (foreign.empty()) return {};
  return failed(cat("is linked to '", foreign.front(), "', which is not this program's LibTorch"));
}

Verdict exports_only_entry(const PluginFile& file) {
  const auto foreign = read_dynamic_section(file).foreign_exports;
  if (foreign.empty()) return {};
  return failed(cat("exports ", foreign.size(), " symbols of its own, such as '", foreign.front(),
                    "': another library may be bound to them"));
}

Verdict load_now_local(const PluginFile&, saffron_plugin_entry_fn) { return {}; }

Verdict entry_idempotent(const PluginFile&, saffron_plugin_entry_fn entry,
                         const saffron_plugin& first) {
  if (&first == entry(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR)) return {};
  return failed("a second call of the entry returns another descriptor");
}

Verdict entry_refuses_future_abi(const PluginFile&, saffron_plugin_entry_fn entry,
                                 const saffron_plugin&) {
  if (entry(SAFFRON_ABI_MAJOR + 1, 0) == nullptr) return {};
  return failed(cat("serves ABI ", SAFFRON_ABI_MAJOR + 1, ", which does not exist yet"));
}

Verdict problems_of(const PluginFile& file, const saffron_plugin& plugin, bool documentation) {
  std::string text;
  for (const DescriptorProblem& problem : descriptor_problems(plugin, file)) {
    if (problem.documentation == documentation) text += (text.empty() ? "" : "; ") + problem.text;
  }
  return text.empty() ? Verdict() : failed(text);
}

Verdict descriptor_consistency(const PluginFile& file, saffron_plugin_entry_fn entry) {
  const Answer answer = ask(entry);
  if (answer.plugin == nullptr) return answer.failure;
  check_identity(*answer.plugin, file);
  return problems_of(file, *answer.plugin, /*documentation=*/false);
}

Verdict docs_complete(const PluginFile& file, saffron_plugin_entry_fn,
                      const saffron_plugin& plugin) {
  return problems_of(file, plugin, /*documentation=*/true);
}

Verdict starts_no_thread(const PluginFile& file) {
  const auto before = threads_of_this();
  const Verdict verdict = loaded<described<nothing_more>>(file);
  if (verdict.outcome != Outcome::passed || threads_of_this() == before) return verdict;
  return failed("starts a thread when it is loaded or described");
}

Verdict loading_changes_nothing(const PluginFile& file) {
  const testing::ProcessState before;
  const Verdict verdict = loaded<described<nothing_more>>(file);
  const std::string changes = testing::ProcessState().changed_since(before);
  before.restore();
  if (verdict.outcome != Outcome::passed || changes.empty()) return verdict;
  return failed(cat("loading it, or asking what it is, ", changes));
}

// From finding the file to holding its descriptor. LibTorch is in the process already.
Verdict scan_time(const PluginFile& file) {
  const auto start = std::chrono::steady_clock::now();
  const Verdict verdict = loaded<described<nothing_more>>(read_plugin_file(file.path));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (verdict.outcome != Outcome::passed) return verdict;
  if (has_cuda()) return failed("makes a CUDA context when it is loaded");
  if (seconds < kScanSeconds) return {};
  return failed(cat("takes ", seconds, " s to load and describe itself; ", kScanSeconds,
                    " s are allowed: work belongs into create()"));
}

constexpr LibraryCheck kChecks[] = {
    {"no-static-torch-registration", "it registers no LibTorch operators", 1, true,
     no_static_torch_registration},
    {"single-libtorch", "it is linked to this program's LibTorch, or to none", 1, true,
     single_libtorch},
    {"load-now-local", "it loads with every symbol found at once", 1, true, loaded<load_now_local>},
    {"entry-idempotent", "its entry returns one descriptor, however often it is called", 1, false,
     loaded<described<entry_idempotent>>},
    {"entry-refuses-future-abi", "its entry refuses an ABI that it cannot know", 2, false,
     loaded<described<entry_refuses_future_abi>>},
    {"descriptor-consistency", "its descriptor is the one that its file promises", 1, true,
     loaded<descriptor_consistency>},
    {"docs-complete", "every component and parameter says what it is", 3, false,
     loaded<described<docs_complete>>},
    {"exports-only-entry", "it exports nothing but its entry", 3, false, exports_only_entry},
    {"starts-no-thread", "loading it starts no thread", 3, false, starts_no_thread},
    {"loading-changes-nothing", "loading it changes nothing of the process", 3, false,
     loading_changes_nothing},
    {"scan-time", "it is loaded and described within 0.2 s, without CUDA", 5, false, scan_time},
};

}  // namespace

std::span<const LibraryCheck> library_checks() { return kChecks; }

}  // namespace saffron::host
