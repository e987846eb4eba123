#include "device.cuh"

namespace saffron::ops_cuda {
namespace {

const char* message(int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

__global__ void probe_kernel() {}

int probe(std::int32_t device) {
  int before = 0;
  (void)cudaGetLastError();
  if (const int error = cudaGetDevice(&before)) return error;
  if (const int error = cudaSetDevice(device)) return error;
  cudaFuncAttributes
      attributes{};  // loads this library's code: an error where the GPU cannot run it
  const int error = cudaFuncGetAttributes(&attributes, probe_kernel);
  const int restored = cudaSetDevice(before);
  return error != cudaSuccess ? error : restored;
}

int capturing(const Place& place, bool* capturing) {
  if (const int error = enter(place)) return error;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const int error = cudaStreamIsCapturing(static_cast<cudaStream_t>(place.stream), &status);
  *capturing = status != cudaStreamCaptureStatusNone;
  return error;
}

constexpr Kernels kKernels{
    sizeof(Kernels), kKernelsVersion, message,           probe,        capturing, select_topk,
    count_above,     write_above,     largest_workspace, keep_largest, decode,    code_gradient,
    group_workspace, group,           form_gradient,     squared_norm, adam,      signum};

}  // namespace
}  // namespace saffron::ops_cuda

__attribute__((visibility("default"))) const saffron::ops_cuda::Kernels* saffron_cuda_kernels() {
  return &saffron::ops_cuda::kKernels;
}
