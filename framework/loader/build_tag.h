#pragma once

#include <saffron/error.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The build tag: what a library was compiled with, and what of it must agree with the host.
//
//   key        rule                               why
//   abi        equal                              the C descriptor (saffron/abi.h)
//   sdk        same major, plugin <= host         functions are only ever added within a major
//   torch      equal                              LibTorch's inline code is in the plugin
//   cuda       equal major, or plugin has none    a CPU plugin on a CUDA host is fine
//   cxx11abi   equal                              layout of std::string and std::list
//   debug      equal                              layout of containers under _GLIBCXX_DEBUG
//   sanitize   equal                              an instrumented library needs its run time
//   cxxabi, libstdcxx, gcc   a warning            usually compatible

namespace saffron::host {

class BuildTag {
 public:
  // "abi=1;sdk=0.1.0;...". Never fails: keys that are missing compare as "-".
  [[nodiscard]] static BuildTag parse(std::string_view text);
  [[nodiscard]] static const BuildTag& of_host();

  [[nodiscard]] std::string get(std::string_view key) const;  // "-" when absent
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& items() const {
    return items_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

struct TagRow {
  enum class Verdict : std::uint8_t { same, tolerated, drift, mismatch };
  std::string key, plugin, host;
  Verdict verdict = Verdict::same;
  std::string rule;  // "must be equal"
};

// One row a known key, in the order of the table above. `tolerated`: differs within its rule.
[[nodiscard]] std::vector<TagRow> compare(const BuildTag& plugin, const BuildTag& host);
[[nodiscard]] bool compatible(const std::vector<TagRow>& rows);
// "built with gcc 13.3.0 (host: 12.2.0)" for the rows that drift, "" when none does.
[[nodiscard]] std::string drift_text(const std::vector<TagRow>& rows);

// The refusal: both sides in columns, the offending rows marked, and how to rebuild.
[[nodiscard]] Error mismatch_error(const std::string& plugin_id, const std::filesystem::path& file,
                                   const std::vector<TagRow>& rows);

}  // namespace saffron::host
