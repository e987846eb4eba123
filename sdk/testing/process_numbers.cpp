#include "testing/process_numbers.h"

#include <ATen/Parallel.h>
#include <c10/core/DefaultDtype.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/anomaly_mode.h>

#include <xmmintrin.h>

#include <cfenv>

namespace saffron::testing {
namespace {

using torch::autograd::AnomalyMode;

constexpr unsigned kFlagsOfSse = 0x3F;  // which exceptions there were: of no interest

}  // namespace

ProcessNumbers::ProcessNumbers()
    : threads_(at::get_num_threads()),
      rounding_(std::fegetround()),
      dtype_(c10::typeMetaToScalarType(c10::get_default_dtype())),
      gradients_(c10::GradMode::is_enabled()),
      inference_(c10::InferenceMode::is_enabled()),
      anomalies_(AnomalyMode::is_enabled()),
      algorithms_(at::globalContext().deterministicAlgorithms()),
      only_warns_(at::globalContext().deterministicAlgorithmsWarnOnly()),
      kernels_{at::globalContext().userEnabledMkldnn(), at::globalContext().deterministicMkldnn(),
               at::globalContext().userEnabledCuDNN(), at::globalContext().deterministicCuDNN(),
               at::globalContext().benchmarkCuDNN()},
      precision_(at::globalContext().float32MatmulPrecision()),
      floats_(_mm_getcsr() & ~kFlagsOfSse) {}

std::string ProcessNumbers::changed_since(const ProcessNumbers& before) const {
  if (before.threads_ != threads_) return "sets the number of threads";
  if (before.dtype_ != dtype_) return "sets LibTorch's default dtype";
  if (before.inference_ != inference_) return "leaves LibTorch's inference mode switched";
  if (before.gradients_ != gradients_) return "leaves gradients switched";
  if (before.anomalies_ != anomalies_) return "switches autograd's search for anomalies";
  if (before.algorithms_ != algorithms_ || before.only_warns_ != only_warns_)
    return "switches LibTorch's deterministic algorithms";
  if (before.kernels_ != kernels_) return "switches LibTorch's use of oneDNN or cuDNN";
  if (before.precision_ != precision_) return "sets the precision of float32 products";
  if (before.rounding_ != rounding_) return "sets the rounding mode";
  return before.floats_ == floats_ ? "" : "sets the floating-point modes, as setFlushDenormal does";
}

void ProcessNumbers::restore() const {
  at::Context& context = at::globalContext();
  context.setUserEnabledMkldnn(kernels_[0]);
  context.setDeterministicMkldnn(kernels_[1]);
  context.setUserEnabledCuDNN(kernels_[2]);
  context.setDeterministicCuDNN(kernels_[3]);
  context.setBenchmarkCuDNN(kernels_[4]);
  context.setDeterministicAlgorithms(algorithms_, only_warns_);
  constexpr std::array kPrecisions = {"highest", "high", "medium"};
  context.setFloat32MatmulPrecision(kPrecisions.at(static_cast<std::size_t>(precision_)));
  AnomalyMode::set_enabled(anomalies_, AnomalyMode::should_check_nan());
  at::ThreadLocalState::setThreadLocalState(local_);
  c10::set_default_dtype(c10::scalarTypeToTypeMeta(dtype_));
  if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
  std::fesetround(rounding_);
  _mm_setcsr(floats_);
}

}  // namespace saffron::testing
