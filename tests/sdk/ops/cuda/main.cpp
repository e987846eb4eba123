#include "harness.h"

#include <algorithm>
#include <numeric>

namespace saffron::ops_cuda::test {
namespace {

std::vector<std::int32_t> draw_row(Random& random, std::int64_t F, std::int64_t count) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(F));
  std::iota(all.begin(), all.end(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    std::swap(all[static_cast<std::size_t>(i)],
              all[static_cast<std::size_t>(i + random.below(F - i))]);
  }
  all.resize(static_cast<std::size_t>(count));
  return all;
}

const Kernels& open() {
  const Kernels& kernels = *saffron_cuda_kernels();
  require(kernels.probe(0), "probe");
  return kernels;
}

}  // namespace

Sparse make_topk(Random& random, std::int64_t rows, std::int64_t F, std::int64_t k) {
  Sparse made{rows, F, k, false, {}, {0}};
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto latents = draw_row(random, F, k);
    made.latents.insert(made.latents.end(), latents.begin(), latents.end());
    made.offsets.push_back(static_cast<std::int32_t>(made.latents.size()));
  }
  return made;
}

Sparse make_csr(Random& random, std::int64_t rows, std::int64_t F, std::int64_t most,
                std::int64_t padding) {
  Sparse made{rows, F, 0, true, {}, {0}};
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t count = random.below(3) == 0 ? 0 : random.below(std::min(most, F) + 1);
    auto latents = draw_row(random, F, count);
    std::sort(latents.begin(), latents.end());
    made.latents.insert(made.latents.end(), latents.begin(), latents.end());
    made.offsets.push_back(static_cast<std::int32_t>(made.latents.size()));
  }
  made.latents.resize(made.latents.size() + static_cast<std::size_t>(padding), 1 << 30);
  return made;
}

Checks::Checks() : kernels_(open()) {
  cudaStream_t stream = nullptr;
  require(cudaStreamCreate(&stream), "cudaStreamCreate");
  place_ = {0, stream};
}

void Checks::check(bool holds, const std::string& name, const std::string& detail) {
  ++count_;
  failed_ += holds ? 0 : 1;
  std::printf("%-6s %s%s%s\n", holds ? "ok" : "FAILED", name.c_str(), holds ? "" : ": ",
              holds ? "" : detail.c_str());
}

}  // namespace saffron::ops_cuda::test

int main() {
  using namespace saffron::ops_cuda::test;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("no GPU: not run");
    return 77;
  }
  require(cudaSetDevice(0), "cudaSetDevice");
  Checks checks;
  check_select(checks);
  check_csr(checks);
  check_products(checks);
  check_gradients(checks);
  check_step(checks);
  std::printf("%d checks, %d failed\n", checks.count(), checks.failed());
  return checks.failed() == 0 ? 0 : 1;
}
