#include "framework/loader/catalog.h"
#include "framework/loader/load.h"

#include <saffron/io.h>

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

// How long it takes to find out what plugins there are: the cost of every command's start. Measured
// on copies of our own plugins, each with an id of its own; the files are in the page cache.

namespace {

namespace fs = std::filesystem;
using namespace saffron;
using namespace saffron::host;

fs::path folder_of_plugins() { return fs::path(SAFFRON_BUILD_DIR) / "lib" / "saffron" / "plugins"; }

// Gives the copy in `bytes` an id of its own by changing three letters of its section in place.
void renumber(std::string& bytes, int number) {
  const std::string marker = "\nid=";
  const std::size_t tag = bytes.find("saffron-plugin/1\n");
  const std::size_t end = bytes.find('\n', bytes.find(marker, tag) + marker.size());
  std::string digits = std::to_string(number);
  digits.insert(0, 3 - digits.size(), '0');
  bytes.replace(end - 3, 3, digits);
}

class Copies {
 public:
  explicit Copies(int count) {
    std::string name = (fs::temp_directory_path() / "saffron-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) return;
    path_ = name;
    std::vector<fs::path> originals;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder_of_plugins(), missing)) {
      if (entry.path().extension() == ".so") originals.push_back(entry.path());
    }
    for (int i = 0; !originals.empty() && i < count; ++i) {
      std::string bytes = read_text(originals[static_cast<std::size_t>(i) % originals.size()]);
      renumber(bytes, i);
      write_file_atomic(path_ / cat("lib", i, ".so"), bytes);
    }
  }
  ~Copies() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void scan_plugins(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Copies copies(static_cast<int>(count));
  SearchOptions options;
  options.standard_places = false;
  options.plugin_path = {copies.path().string()};
  for (auto _ : state) {
    const Catalog catalog(scan(options));
    if (catalog.plugins().size() != count) {
      state.SkipWithError("no plugins to copy: build the plugins first");
      break;
    }
    benchmark::DoNotOptimize(catalog.plugins().data());
  }
  state.counters["dlopen calls"] = static_cast<double>(loaded_count());
}
BENCHMARK(scan_plugins)->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
