#include <saffron/testing/process_state.h>

#include <saffron/error.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/DefaultDtype.h>
#include <c10/core/GradMode.h>

#include <sys/stat.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstring>
#include <iterator>

namespace saffron::testing {
namespace {

constexpr unsigned kFlagsOfSse = 0x3F;  // which exceptions there were: of no interest

}  // namespace

ProcessState::ProcessState()
    : threads_(at::get_num_threads()),
      rounding_(std::fegetround()),
      dtype_(c10::typeMetaToScalarType(c10::get_default_dtype())),
      gradients_(c10::GradMode::is_enabled()),
      algorithms_(at::globalContext().deterministicAlgorithms()),
      precision_(static_cast<int>(at::globalContext().float32MatmulPrecision())),
      floats_(_mm_getcsr() & ~kFlagsOfSse),
      locale_(std::setlocale(LC_ALL, nullptr)),
      directory_(std::filesystem::current_path()),
      mask_(::umask(0)),
      alarm_(::alarm(0)) {
  ::umask(mask_);
  ::alarm(alarm_);
  for (char** one = environ; *one != nullptr; ++one) environment_.emplace_back(*one);
  std::sort(environment_.begin(), environment_.end());
  for (std::size_t signal = 1; signal < handlers_.size(); ++signal) {
    struct sigaction action{};
    ::sigaction(static_cast<int>(signal), nullptr, &action);
    handlers_[signal] = action.sa_handler;
  }
}

// "TZ": the first variable that is not what it was.
std::string ProcessState::variable_unlike(const ProcessState& before) const {
  std::vector<std::string> apart;
  std::set_symmetric_difference(before.environment_.begin(), before.environment_.end(),
                                environment_.begin(), environment_.end(),
                                std::back_inserter(apart));
  return apart.empty() ? "" : apart.front().substr(0, apart.front().find('='));
}

std::string ProcessState::signal_unlike(const ProcessState& before) const {
  for (std::size_t signal = 1; signal < handlers_.size(); ++signal) {
    if (before.handlers_[signal] == handlers_[signal]) continue;
    const char* name = ::sigabbrev_np(static_cast<int>(signal));
    return name == nullptr ? cat("signal ", signal) : cat("SIG", name);
  }
  return {};
}

std::string ProcessState::changed_since(const ProcessState& before) const {
  if (before.threads_ != threads_) return "sets the number of threads";
  if (before.dtype_ != dtype_) return "sets LibTorch's default dtype";
  if (before.gradients_ != gradients_) return "leaves gradients switched";
  if (before.algorithms_ != algorithms_) return "switches LibTorch's deterministic algorithms";
  if (before.precision_ != precision_) return "sets the precision of float32 products";
  if (before.locale_ != locale_) return "sets the locale";
  if (before.directory_ != directory_) return "changes the working directory";
  if (before.rounding_ != rounding_) return "sets the rounding mode";
  if (before.floats_ != floats_) return "sets the floating-point modes, as setFlushDenormal does";
  if (before.mask_ != mask_) return "sets the umask";
  if (before.alarm_ != alarm_) return "sets an alarm, which ends the process";
  const std::string variable = variable_unlike(before);
  if (!variable.empty()) return cat("changes the environment variable '", variable, "'");
  const std::string signal = signal_unlike(before);
  return signal.empty() ? "" : cat("sets the handler of ", signal);
}

void ProcessState::restore() const {
  std::fesetround(rounding_);
  _mm_setcsr(floats_);
  constexpr std::array kPrecisions = {"highest", "high", "medium"};
  at::globalContext().setFloat32MatmulPrecision(
      kPrecisions.at(static_cast<std::size_t>(precision_)));
  c10::set_default_dtype(c10::scalarTypeToTypeMeta(dtype_));
  if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
}

}  // namespace saffron::testing
