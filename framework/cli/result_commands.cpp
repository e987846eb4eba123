#include "framework/cli/commands.h"

#include "framework/run/results.h"

#include <saffron/error.h>

#include <iomanip>
#include <iostream>
#include <memory>

namespace saffron::cli {
namespace {

struct CleanRequest {
  std::string runs = "runs", cache = "cache";
  bool cache_too = false, yes = false;
};

void clean(const CleanRequest& request) {
  const host::Cleaning found = host::removable(request.runs, request.cache, request.cache_too);
  for (const std::string& remark : found.remarks) std::cout << remark << "\n";
  if (found.items.empty()) {
    std::cout << "nothing to remove\n";
    return;
  }
  double megabytes = 0;
  for (const host::Removable& item : found.items) {
    const double size = static_cast<double>(item.bytes) / 1e6;
    megabytes += size;
    std::cout << std::fixed << std::setprecision(1) << std::setw(10) << size << " MB  " << item.what
              << "  " << item.path.string() << "\n";
    if (request.yes) std::filesystem::remove_all(item.path);
  }
  const std::size_t count = found.items.size();
  std::cout << (request.yes ? "removed " : "would remove ") << count
            << (count == 1 ? " item, " : " items, ") << std::fixed << std::setprecision(1)
            << megabytes << " MB" << (request.yes ? "" : "; --yes removes them") << "\n";
}

}  // namespace

void add_result_commands(CLI::App& app, int&) {
  auto runs = std::make_shared<std::vector<std::string>>();
  auto output = std::make_shared<std::string>();
  auto* report = app.add_subcommand(
      "report", "Write the report of a run again, or of several runs side by side");
  report->add_option("runs", *runs, "run directories, or report.json files")->required();
  report->add_option("-o,--output", *output,
                     "the HTML file (default: the run's report.html, or comparison.html)");
  report->callback([runs, output] {
    const std::string file = host::write_report(*runs, *output).string();
    std::cout << "report: " << file << "\n";
  });

  auto request = std::make_shared<host::ExportRequest>();
  auto* export_command =
      app.add_subcommand("export", "Write a trained SAE in another library's format");
  export_command->add_option("run", request->run, "the run directory")->required();
  export_command->add_option("output", request->output, "the folder to make")->required();
  export_command->add_option("--sae", request->sae, "which SAE; needed when the run has several");
  export_command->add_option("--format", request->format, "see `saffron inspect format`")
      ->default_str("saelens");
  export_command
      ->add_option("--plugin-path", request->plugin_path,
                   "a plugin file, or a folder of plugins; may be repeated")
      ->expected(1)
      ->take_all();
  request->format = "saelens";
  export_command->callback([request] {
    const std::string folder = host::export_sae(*request).string();
    std::cout << "exported: " << folder << "\n";
  });

  auto clean_request = std::make_shared<CleanRequest>();
  auto* clean_command = app.add_subcommand(
      "clean", "List, and with --yes remove, unfinished cache entries and replaced runs");
  clean_command->add_option("--runs", clean_request->runs, "the folder of runs")
      ->capture_default_str();
  clean_command->add_option("--cache", clean_request->cache, "the folder of cached results")
      ->capture_default_str();
  clean_command->add_flag("--cached", clean_request->cache_too, "every cached result as well");
  clean_command->add_flag("--yes", clean_request->yes, "remove them");
  clean_command->callback([clean_request] { clean(*clean_request); });
}

}  // namespace saffron::cli
