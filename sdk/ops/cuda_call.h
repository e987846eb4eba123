#pragma once

#include <saffron/error.h>

#include "ops/cuda_library.h"

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <vector>

namespace saffron::ops_cuda {

// One public function's way to the kernels: its device made current, its stream, its tensors
// checked.
class Call {
 public:
  Call(const char* op, const at::Tensor& of, const std::vector<at::Tensor>& others)
      : op_(on_one_device(op, of, others)),
        kernels_(kernels(of.device().index())),
        guard_(of.device()),
        place_{of.device().index(), stream(of.device())},
        scalar_(of.scalar_type()) {
    if (scalar_ != at::kFloat && scalar_ != at::kDouble) {
      throw Error(cat(op, ": values must be float32 or float64, not ", of.toString()));
    }
  }

  // Also that `tensor` (may be undefined) is of the call's type.
  void check_type(const char* name, const at::Tensor& tensor) const {
    if (tensor.defined() && tensor.scalar_type() != scalar_) {
      throw Error(cat(op_, ": ", name, " is ", tensor.toString(), ", not ", at::toString(scalar_)));
    }
  }

  [[nodiscard]] Scalar scalar() const {
    return scalar_ == at::kDouble ? Scalar::float64 : Scalar::float32;
  }
  [[nodiscard]] const Place& place() const { return place_; }
  [[nodiscard]] const Kernels& library() const { return kernels_; }
  [[nodiscard]] bool capturing() const {
    bool answer = false;
    check(kernels_.capturing(place_, &answer));
    return answer;
  }
  // Throws what a kernel's launch came back with.
  void check(int error) const {
    if (error != 0) {
      throw Error(ErrorKind::internal,
                  cat(op_, ": CUDA on device ", place_.device, ": ", kernels_.message(error)));
    }
  }

 private:
  static void* stream(at::Device device) {
    const c10::impl::VirtualGuardImpl cuda(device.type());
    return cuda.getStream(device).native_handle();
  }
  // `op`, once it is known that all tensors are on `of`'s device.
  static const char* on_one_device(const char* op, const at::Tensor& of,
                                   const std::vector<at::Tensor>& others) {
    for (const at::Tensor& other : others) {
      if (other.defined() && other.device() != of.device()) {
        throw Error(cat(op, ": one tensor is on ", of.device().str(), ", another on ",
                        other.device().str()));
      }
    }
    return op;
  }

  const char* op_;
  const Kernels& kernels_;
  c10::DeviceGuard guard_;
  Place place_;
  at::ScalarType scalar_;
};

template <class T>
const T* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}
inline const void* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}
inline at::Tensor plain(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.detach().contiguous() : tensor;
}

}  // namespace saffron::ops_cuda
