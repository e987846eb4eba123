#include "framework/loader/build_tag.h"

#include <saffron/build_tag.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace saffron::host {
namespace {

using Verdict = TagRow::Verdict;

// "2.13.0" as three numbers; what is missing or no number is 0.
std::array<int, 3> version_of(std::string_view text) {
  std::array<int, 3> out{};
  for (int& part : out) {
    const std::size_t dot = text.find('.');
    const std::string_view digits = text.substr(0, dot);
    std::from_chars(digits.data(), digits.data() + digits.size(), part);
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  return out;
}

Verdict equal(const std::string& plugin, const std::string& host) {
  return plugin == host ? Verdict::same : Verdict::mismatch;
}

// Until 1.0 a minor version may change the SDK.
Verdict same_series_not_newer(const std::string& plugin, const std::string& host) {
  if (plugin == host) return Verdict::same;
  const auto a = version_of(plugin), b = version_of(host);
  const bool same_series = a[0] == b[0] && (a[0] > 0 || a[1] == b[1]);
  return plugin != "-" && same_series && a <= b ? Verdict::tolerated : Verdict::mismatch;
}

Verdict equal_major_or_none(const std::string& plugin, const std::string& host) {
  if (plugin == host) return Verdict::same;
  if (plugin == "none") return Verdict::tolerated;
  if (plugin == "-" || host == "none") return Verdict::mismatch;
  return version_of(plugin)[0] == version_of(host)[0] ? Verdict::tolerated : Verdict::mismatch;
}

Verdict warn(const std::string& plugin, const std::string& host) {
  return plugin == host ? Verdict::same : Verdict::drift;
}

struct Rule {
  const char* key;
  Verdict (*judge)(const std::string& plugin, const std::string& host);
  const char* text;
  const char* headline;  // "plugin 'x' was built ..."
};

constexpr Rule kRules[] = {
    {"abi", equal, "must be equal", "for a different plugin ABI"},
    {"sdk", same_series_not_newer,
     "must be of the host's major (before 1.0: and minor) and not newer",
     "with a different Saffron SDK"},
    {"torch", equal, "must be equal", "for a different LibTorch"},
    {"cuda", equal_major_or_none, "must be of the host's major, or none", "for a different CUDA"},
    {"cxx11abi", equal, "must be equal", "with the other std::string ABI"},
    {"debug", equal, "must be equal", "with a different setting of _GLIBCXX_DEBUG"},
    {"sanitize", equal, "must be equal", "with different sanitizers"},
    {"cxxabi", warn, "may matter", ""},
    {"libstdcxx", warn, "may matter", ""},
    {"gcc", warn, "may matter", ""},
};

const Rule& rule_of(std::string_view key) {
  return *std::find_if(std::begin(kRules), std::end(kRules),
                       [key](const Rule& rule) { return key == rule.key; });
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size() + 2, width), ' ');
  return text;
}

// The nearest folder above `file` that CMake builds in; empty when there is none.
std::filesystem::path build_folder(const std::filesystem::path& file) {
  std::error_code ignored;
  for (auto folder = std::filesystem::absolute(file, ignored).parent_path();
       folder.has_relative_path(); folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / "CMakeCache.txt", ignored)) return folder;
  }
  return {};
}

}  // namespace

BuildTag BuildTag::parse(std::string_view text) {
  BuildTag tag;
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    const std::string_view item = text.substr(0, end);
    const std::size_t split = item.find('=');
    if (split != std::string_view::npos) {
      tag.items_.emplace_back(item.substr(0, split), item.substr(split + 1));
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return tag;
}

const BuildTag& BuildTag::of_host() {
  static const BuildTag& tag = *new BuildTag(parse(SAFFRON_BUILD_TAG));
  return tag;
}

std::string BuildTag::get(std::string_view key) const {
  for (const auto& [name, value] : items_) {
    if (name == key) return value;
  }
  return "-";
}

std::vector<TagRow> compare(const BuildTag& plugin, const BuildTag& host) {
  std::vector<TagRow> rows;
  for (const Rule& rule : kRules) {
    TagRow row{rule.key, plugin.get(rule.key), host.get(rule.key), Verdict::same, rule.text};
    row.verdict = rule.judge(row.plugin, row.host);
    rows.push_back(std::move(row));
  }
  return rows;
}

bool compatible(const std::vector<TagRow>& rows) {
  return std::none_of(rows.begin(), rows.end(),
                      [](const TagRow& row) { return row.verdict == Verdict::mismatch; });
}

std::string drift_text(const std::vector<TagRow>& rows) {
  std::string out;
  for (const TagRow& row : rows) {
    if (row.verdict != Verdict::drift) continue;
    out += cat(out.empty() ? "built with " : ", ", row.key, ' ', row.plugin, " (host: ", row.host,
               ')');
  }
  return out;
}

Error mismatch_error(const std::string& plugin_id, const std::filesystem::path& file,
                     const std::vector<TagRow>& rows) {
  std::size_t width = 12;
  for (const TagRow& row : rows) width = std::max(width, row.plugin.size() + 2);
  std::string headline, table = cat("\n  file      ", file.string(), "\n            ",
                                    padded("plugin", width), "host");
  for (const TagRow& row : rows) {
    const Rule& rule = rule_of(row.key);
    if (rule.judge == warn) continue;
    const bool wrong = row.verdict == Verdict::mismatch;
    if (wrong && headline.empty()) headline = rule.headline;
    table += cat("\n  ", padded(row.key, 10), padded(row.plugin, width));
    table += wrong ? cat(padded(row.host, 10), " <- ", row.rule) : row.host;
  }
  const auto folder = build_folder(file);
  return Error(ErrorKind::plugin, cat("plugin '", plugin_id, "' was built ", headline, table))
      .with_help(cat(
          "rebuild it:  cmake --build ", folder.empty() ? "<its build folder>" : folder.string(),
          " --clean-first\n        (Saffron's own CMake package pins the version: "
          "find_package(Saffron " SAFFRON_TEXT(SAFFRON_SDK_VERSION_MAJOR) "." SAFFRON_TEXT(
              SAFFRON_SDK_VERSION_MINOR) " REQUIRED))"));
}

}  // namespace saffron::host
