#pragma once

#include "ops/cuda/kernels.h"

// libsaffron_ops_cuda.so, which lies beside the SDK's own library and is loaded when the first CUDA
// tensor arrives: the SDK neither needs CUDA to be built nor where there is no GPU.

namespace saffron::ops_cuda {

// The kernels, ready for this device. Error (plugin) that says what is missing. Thread-safe.
const Kernels& kernels(std::int32_t device);

}  // namespace saffron::ops_cuda
