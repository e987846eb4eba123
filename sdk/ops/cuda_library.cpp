#include "ops/cuda_library.h"

#include <saffron/error.h>

#include <dlfcn.h>

#include <filesystem>
#include <mutex>
#include <set>

namespace saffron::ops_cuda {
namespace {

constexpr const char* kFile = "libsaffron_ops_cuda.so";

std::filesystem::path beside_the_sdk() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&kernels), &info) == 0) return kFile;
  return std::filesystem::absolute(info.dli_fname).parent_path() / kFile;
}

const Kernels& open_library() {
  const std::filesystem::path path = beside_the_sdk();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw Error(ErrorKind::plugin,
                cat("tensors are on a GPU, but this build of Saffron has no CUDA kernels: '",
                    path.string(), "' does not exist"))
        .with_help("build with the preset 'cuda', or keep the tensors on the CPU");
  }
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed
  const char* problem = library == nullptr ? ::dlerror() : nullptr;
  if (library == nullptr) {
    throw Error(ErrorKind::plugin, cat("the CUDA kernels could not be loaded: ",
                                       problem != nullptr ? problem : path.c_str()))
        .with_help("build them anew with the preset 'cuda', or keep the tensors on the CPU");
  }
  auto* const entry =
      reinterpret_cast<const Kernels* (*)()>(::dlsym(library, "saffron_cuda_kernels"));
  const Kernels* table = entry != nullptr ? entry() : nullptr;
  if (table == nullptr || table->version != kKernelsVersion || table->size < sizeof(Kernels)) {
    throw Error(ErrorKind::plugin, cat("the CUDA kernels in '", path.string(),
                                       "' are of another version than this Saffron"))
        .with_help("install both from one build");
  }
  return *table;
}

}  // namespace

const Kernels& kernels(std::int32_t device) {
  static const Kernels& library = open_library();
  static std::mutex mutex;
  static std::set<std::int32_t> ready;
  const std::lock_guard lock(mutex);
  if (!ready.contains(device)) {
    if (const int error = library.probe(device); error != 0) {
      throw Error(ErrorKind::plugin, cat("the CUDA kernels cannot run on device ", device, ": ",
                                         library.message(error)))
          .with_help(
              "they need a GPU of compute capability 8.0 or 9.0 or newer, and a driver for "
              "CUDA 13; without these keep the tensors on the CPU");
    }
    ready.insert(device);
  }
  return library;
}

}  // namespace saffron::ops_cuda
