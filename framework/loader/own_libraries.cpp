#include "framework/loader/own_libraries.h"

#include <saffron/error.h>

#include <dlfcn.h>

namespace saffron::host {
namespace {

std::filesystem::path library_of(const void* function) {
  Dl_info info{};
  if (::dladdr(function, &info) == 0 || info.dli_fname == nullptr) {
    throw Error(ErrorKind::internal, "cannot tell where Saffron's own libraries are");
  }
  return std::filesystem::canonical(info.dli_fname);
}

}  // namespace

std::vector<std::filesystem::path> own_libraries() {
  return {library_of(reinterpret_cast<const void*>(&nearest)),
          library_of(reinterpret_cast<const void*>(&own_libraries))};
}

}  // namespace saffron::host
