#pragma once

#include <saffron/value.h>

#include <filesystem>
#include <string>
#include <vector>

namespace saffron::host {

// Renders the report of one run (written to its report.html unless `output` names a file) or several
// runs side by side (written to `output`, comparison.html by default). Each run is a directory or its
// report.json. Returns the file written.
std::filesystem::path write_report(const std::vector<std::string>& runs, const std::string& output);

struct ExportRequest {
  std::string run;     // a run directory
  std::string sae;     // a member's name; may be empty when the run has one
  std::string format;  // a format component's name
  std::string output;  // the folder to make
  std::vector<std::string> plugin_path;
};
// Writes a trained SAE in another library's format. Returns the folder.
std::filesystem::path export_sae(const ExportRequest& request);

// Something that `saffron clean` can remove.
struct Removable {
  std::filesystem::path path;
  std::string what;  // "partial cache entry", "replaced run"
  std::int64_t bytes = 0;
};
// Partial cache entries and replaced runs; with `cache_too`, every cache entry.
[[nodiscard]] std::vector<Removable> removable(const std::filesystem::path& runs,
                                               const std::filesystem::path& cache, bool cache_too);

}  // namespace saffron::host
