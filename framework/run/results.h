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
  std::string what;  // "unfinished cache entry", "replaced run"
  std::int64_t bytes = 0;
};
struct Cleaning {
  std::vector<Removable> items;
  std::vector<std::string> remarks;  // "runs: no such folder", a line each
};
// What killed processes left in the cache, and replaced runs; with `cache_too`, every cached result
// as well. Only what has the names and the files that this program gives is taken for its own; what
// else lies in those folders is never listed. A folder given as "" is not looked at.
[[nodiscard]] Cleaning removable(const std::filesystem::path& runs,
                                 const std::filesystem::path& cache, bool cache_too);

}  // namespace saffron::host
