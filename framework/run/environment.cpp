#include "framework/run/environment.h"

#include <saffron/build_tag.h>

#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

namespace saffron::host {
namespace {

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

Value environment() {
  utsname system{};
  ::uname(&system);
  const double memory = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
                        static_cast<double>(::sysconf(_SC_PAGE_SIZE));
  Value out = Value::table();
  out.set("saffron", SAFFRON_SDK_VERSION);
  out.set("torch", SAFFRON_TORCH_VERSION);
  out.set("cuda", SAFFRON_TORCH_CUDA);
  out.set("instruction_set", at::get_cpu_capability());
  out.set("threads", static_cast<std::int64_t>(at::get_num_threads()));
  out.set("processor", processor());
  out.set("processors", static_cast<std::int64_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
  out.set("memory_gib", static_cast<std::int64_t>(memory / (1 << 30) + 0.5));
  out.set("system", std::string(system.sysname) + " " + system.release + " " + system.machine);
  return out;
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace saffron::host
