#pragma once

#include <saffron/source.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

// How a source centres and scales a stream's raw rows a in R^d. Over a sample of n rows,
//
//   x = (a - m) s        abar = (1/n) sum_r a_r
//
//   centre   none           m = 0
//            mean           m = abar
//   scale    none           s = 1
//            sqrt_d         s = sqrt(d) / ((1/n) sum_r ||a_r - m||)   the mean norm of x is sqrt(d)
//                           (SAELens `expected_average_only_in`, where m = 0)
//            unit_norm      s = ((1/n) sum_r ||a_r - m||^2)^(-1/2)      the mean squared norm is 1
//                           (Lieberum et al. 2024, Gemma Scope)
//            unit_variance  s = ((1/(n d)) sum_r ||a_r - abar||^2)^(-1/2)   the variance of x,
//                           averaged over its coordinates, is 1
//
// One m and one s a stream, estimated once. All sums are in float64, in pieces that depend on n
// alone: the number of threads changes no bit. [host thread; parallel inside]

namespace saffron::inline sdk_v1 {

enum class Centring : std::uint8_t { none, mean };
enum class Scaling : std::uint8_t { none, sqrt_d, unit_norm, unit_variance };

// For Schema::choice: what the parameters `centre` and `scale` say of themselves, and their words.
inline constexpr const char* kCentringDoc =
    "what is subtracted from every row: nothing, or the sample's mean";
inline constexpr const char* kScalingDoc =
    "every row is multiplied so that over the sample: the mean norm is sqrt(d) (sqrt_d), the mean "
    "squared norm is 1 (unit_norm), or the coordinates' mean variance is 1 (unit_variance)";
[[nodiscard]] SAFFRON_EXPORT std::vector<std::pair<std::string, Centring>> centring_words();
[[nodiscard]] SAFFRON_EXPORT std::vector<std::pair<std::string, Scaling>> scaling_words();

struct SAFFRON_EXPORT Normalisation {
  at::Tensor mean;  // float64 [d]; undefined: 0
  double scale = 1;
  double mean_norm = 0;   // of a - m over the sample
  std::int64_t rows = 0;  // in the sample

  // [..., d] in the dtype and on the device of the argument, which itself is returned where nothing
  // changes. Differentiable.
  [[nodiscard]] at::Tensor apply(const at::Tensor& raw) const;  // (a - m) s
  [[nodiscard]] at::Tensor undo(const at::Tensor& x) const;     // x / s + m
};

// sample [n, d] on the CPU, float32 or float64, n >= 1. Error (numeric) for a value that is not
// finite, and where a scale is asked for and the sample has none: all its rows are equal, or zero.
[[nodiscard]] SAFFRON_EXPORT Normalisation estimate_normalisation(const at::Tensor& sample,
                                                                  Centring centring,
                                                                  Scaling scaling);

// The normalisations of all streams of a source: estimated when rows are first asked for, or taken
// from where they were recorded.
class SAFFRON_EXPORT Normaliser {
 public:
  Normaliser(Centring centring, Scaling scaling, std::vector<StreamInfo> streams);

  // Whether fit() (or load()) must come before apply() and undo().
  [[nodiscard]] bool wants_sample() const;
  // One sample [n, width] a stream. Logs what it finds.
  void fit(std::span<const at::Tensor> samples);

  [[nodiscard]] const Normalisation& of(std::int64_t stream) const;

  // Tensors "<stream>/mean"; values {"<stream>": {"scale", "mean_norm", "rows"}}. Empty before
  // fit().
  [[nodiscard]] State save() const;
  // Error (data) unless the state is empty or holds every stream in its width.
  void load(const State& state);

 private:
  Centring centring_;
  Scaling scaling_;
  std::vector<StreamInfo> streams_;
  std::vector<Normalisation> normalisations_;
  bool ready_;
};

// Capability: a source that knows how the raw rows of its streams became x. Files of weights then say
// so, and exports read and write raw activations.
class SAFFRON_EXPORT Normalised {
 public:
  virtual ~Normalised();
  // Estimated when it is first needed.
  [[nodiscard]] virtual const Normalisation& normalisation(std::int64_t stream) const = 0;
};

}  // namespace saffron::inline sdk_v1
