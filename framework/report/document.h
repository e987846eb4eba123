#pragma once

#include <saffron/report.h>
#include <saffron/value.h>

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace saffron::host {

inline constexpr std::string_view kReportFormat = "saffron-report/1";

// One run's report: what `report.json` holds and report.html shows (docs/report-format.md).
// The run fills it; strings are plain text, empty where there is nothing to say.
struct SAFFRON_EXPORT ReportDocument {
  struct Run {
    std::string name, id;           // "quickstart", "quickstart-3fa9c1e2b0"
    std::string status;             // "done", "running", "interrupted", "failed"
    std::string started, finished;  // ISO 8601
    double seconds = std::numeric_limits<double>::quiet_NaN();
    std::string command;  // the line that reproduces the run
    std::string saffron_version;
  };
  // A number to stand large at the top.
  struct Figure {
    std::string label;  // "best FVU"
    Value value;        // a number or a string
    std::string unit;
    std::string note;  // "student[k=32]"
  };
  // What one node has to say. Metrics with a subject meet in the page's table of SAEs, except those
  // of kind "compare".
  struct Section {
    std::string id, title;  // unique in the document; "Reconstruction"
    std::string kind;       // "train", "score", "compare"
    std::string node;       // "score.recon"
    Report report;
  };
  struct Recipe {
    std::string given, resolved;                              // TOML texts
    std::vector<std::pair<std::string, std::string>> values;  // of the resolved one: flat_values
    std::vector<std::string> extends = {};    // the files below `given`, nearest first
    std::vector<std::string> overrides = {};  // what was laid over it: "sae.student.k=64"
  };
  struct Group {
    std::string title;  // "Inputs", "Plugins", "Machine"
    std::vector<std::pair<std::string, std::string>> rows;
  };

  Run run;
  std::vector<std::string> headline;  // sentences: what was run, what came out
  std::vector<Figure> figures;
  std::vector<std::string> notes;  // what a reader must know, e.g. how the model was quantised
  std::vector<Section> sections;
  Recipe recipe;
  std::vector<Group> provenance;

  [[nodiscard]] Value to_value() const;
  // Throws Error (data), naming the place, when `value` is not such a document.
  [[nodiscard]] static ReportDocument from_value(const Value& value);
};

// Throws Error (data) unless `value` says that it is a report of the format written here.
SAFFRON_EXPORT void check_report_format(const Value& value);

// A table's leaves as dotted keys and values as TOML spells them: {"sae.student.k", "8"}. Lists are
// leaves. Comparisons of runs show where these differ.
[[nodiscard]] SAFFRON_EXPORT std::vector<std::pair<std::string, std::string>> flat_values(
    const Value& table);

}  // namespace saffron::host
