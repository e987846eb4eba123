#include "framework/loader/lone_services.h"

#include <saffron/value.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace saffron::host {
namespace {

Error alone(std::string_view kind, std::string_view name) {
  return Error(cat("needs the ", kind, " '", name, "', and is created alone here"));
}

}  // namespace

LoneContext::~LoneContext() {
  std::error_code ignored;
  if (!artifacts_.empty()) std::filesystem::remove_all(artifacts_, ignored);
}

Random LoneContext::random(std::string_view purpose) const { return Random(0).fork(purpose); }

at::Device LoneContext::device() const { return at::Device(at::kCPU); }

at::ScalarType LoneContext::dtype() const { return at::kFloat; }

std::string LoneContext::node() const { return "inspect"; }

std::string LoneContext::artifacts() const {
  if (artifacts_.empty()) {
    std::string name = (std::filesystem::temp_directory_path() / "saffron-inspect-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw Error(ErrorKind::io,
                  cat("cannot make the directory '", name, "': ", std::strerror(errno)));
    }
    artifacts_ = name;
  }
  return artifacts_.string();
}

bool LoneContext::cancelled() const { return false; }

void LoneContext::progress(std::string_view, std::int64_t, std::int64_t) const {}

std::shared_ptr<void> LoneServices::reference(std::string_view kind, const std::string& node,
                                              const Origin&) {
  throw alone(kind, node);
}

std::vector<std::string> LoneServices::expand(std::string_view kind, const std::string& node,
                                              const Origin&) {
  throw alone(kind, node);
}

std::shared_ptr<void> LoneServices::child(std::string_view kind, const Value& config) {
  throw alone(kind, to_toml(config));
}

}  // namespace saffron::host
