#include <saffron/testing/gradient_checker.h>

#include "testing/noise.h"

#include <saffron/error.h>
#include <saffron/random.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

namespace saffron::testing {
namespace {

constexpr double kShrink = 1.4;
constexpr std::size_t kSteps = 12;
constexpr double kSettled = 0.75;  // of a leaf's comparisons, at least
constexpr double kKink = 0.5;      // of the slopes' first distance that is left at the last step
constexpr std::size_t kShown = 5;
constexpr std::int64_t kNoiseDirections = 5;
constexpr double kNoiseStep = 1e-3;  // of the largest step

std::string leaf_number(std::size_t leaf) { return cat("leaf ", leaf); }

bool settled(const GradientReport::Leaf& leaf) {
  return static_cast<double>(leaf.compared - leaf.unresolved) >=
         kSettled * static_cast<double>(leaf.compared);
}

std::vector<at::Tensor> detached(const std::vector<at::Tensor>& leaves) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& leaf : leaves) {
    if (!leaf.defined() || leaf.scalar_type() != at::kDouble) {
      throw Error("a gradient is checked in float64, and a leaf is not");
    }
    out.push_back(leaf.detach().clone());
  }
  return out;
}

at::Tensor scalar_of(const at::Tensor& result) {
  if (!result.defined() || result.numel() != 1) {
    throw Error("a gradient is checked of a scalar, and the function returned something else");
  }
  return result;
}

// "[3, 1]" of a flat index.
std::string place_of(std::int64_t flat, at::IntArrayRef sizes) {
  std::string text;
  for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
    text = cat(flat % *size, text.empty() ? "" : ", ", text);
    flat /= *size;
  }
  return cat('[', text, ']');
}

}  // namespace

double noise_of(const std::function<double(double)>& f, double h) {
  double sum = 0;
  for (std::size_t k = 0; k < kSixth.size(); ++k) sum += kSixth[k] * f(static_cast<double>(k) * h);
  return kNoiseScale * std::abs(sum);
}

NumericDerivative numeric_derivative(const std::function<double(double)>& f, double h,
                                     double noise) {
  std::array<double, kSteps> previous{}, row{}, bend{};
  const double middle = f(0);
  NumericDerivative best{0, std::numeric_limits<double>::infinity()};
  for (std::size_t i = 0; i < kSteps; ++i, h /= kShrink) {
    const double up = f(h), down = f(-h);
    bend[i] = std::abs(up - 2 * middle + down) / h;
    row[0] = (up - down) / (2 * h);
    double factor = kShrink * kShrink;
    for (std::size_t j = 1; j <= i; ++j, factor *= kShrink * kShrink) {
      row[j] = (row[j - 1] * factor - previous[j - 1]) / (factor - 1);
      const double error =
          std::max({std::abs(row[j] - row[j - 1]), std::abs(row[j] - previous[j - 1]), noise / h});
      if (error < best.error) best = {row[j], error};
    }
    previous = row;
  }
  // Central differences are blind to a kink at 0 itself: |x| has derivative 0 there for them. Its two
  // slopes stay apart as h shrinks; those of a smooth function approach each other with h.
  if (bend.back() > kKink * bend.front()) best.error = std::max(best.error, bend.back());
  return best;
}

bool GradientReport::ok() const {
  return mismatches.empty() && compared > 0 &&
         std::all_of(leaves.begin(), leaves.end(), [](const Leaf& leaf) { return settled(leaf); });
}

std::string GradientReport::text(const std::vector<std::string>& names) const {
  if (ok()) return {};
  const auto named = [&names](std::size_t leaf, const std::string& place) {
    if (leaf >= names.size()) return place;
    return names[leaf] + place.substr(leaf_number(leaf).size());
  };
  if (compared == 0) return "nothing was compared";
  std::ostringstream out;
  out.precision(12);
  for (std::size_t i = 0; i < std::min(kShown, mismatches.size()); ++i) {
    const Mismatch& m = mismatches[i];
    out << (i == 0 ? "" : "\n") << named(m.leaf, m.where) << ": gradient " << m.analytic
        << ", by differences " << m.numeric << " (within " << m.error << ')';
  }
  if (mismatches.size() > kShown) out << "\nand " << mismatches.size() - kShown << " more";
  for (std::size_t i = 0; mismatches.empty() && i < leaves.size(); ++i) {
    if (settled(leaves[i])) continue;
    out << named(i, leaf_number(i)) << ": " << leaves[i].unresolved << " of " << leaves[i].compared
        << " derivatives could not be settled: the function is not smooth there";
    break;
  }
  return out.str();
}

GradientChecker::GradientChecker(Function f, Options options)
    : f_(std::move(f)), options_(std::move(options)) {}

double GradientChecker::value(const std::vector<at::Tensor>& leaves) const {
  const c10::AutoGradMode no_grad(false);
  return scalar_of(f_(leaves)).item<double>();
}

void GradientChecker::compare(const std::vector<at::Tensor>& leaves, std::size_t leaf,
                              const at::Tensor& direction, double analytic, double noise,
                              const std::string& where, GradientReport& report) const {
  std::vector<at::Tensor> moved = leaves;
  const NumericDerivative numeric = numeric_derivative(
      [&](double offset) {
        moved[leaf] = leaves[leaf] + offset * direction;
        return value(moved);
      },
      options_.step, noise);
  ++report.compared;
  ++report.leaves[leaf].compared;
  const double scale = std::max({options_.unit, std::abs(analytic), std::abs(numeric.value)});
  const double difference = std::abs(analytic - numeric.value);
  if (std::isfinite(analytic) && !(numeric.error <= options_.tolerance * scale)) {
    ++report.unresolved;
    ++report.leaves[leaf].unresolved;
    return;
  }
  report.worst = std::max(report.worst, difference / scale);
  if (!(difference <= options_.tolerance * scale + numeric.error)) {
    report.mismatches.push_back({leaf, where, analytic, numeric.value, numeric.error});
  }
}

// The least of some directions: a kink is hardly met by all.
double GradientChecker::noise(const std::vector<at::Tensor>& leaves, std::size_t leaf) const {
  const Random random = Random(options_.seed).fork("noise").fork(leaf);
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t n = 0; n < kNoiseDirections; ++n) {
    const at::Tensor direction =
        random.normal_rows(n, 1, leaves[leaf].numel(), at::kDouble).view(leaves[leaf].sizes());
    std::vector<at::Tensor> moved = leaves;
    least = std::min(least, noise_of(
                                [&](double offset) {
                                  moved[leaf] = leaves[leaf] + offset * direction;
                                  return value(moved);
                                },
                                kNoiseStep * options_.step));
  }
  return least;
}

GradientReport GradientChecker::check(const std::vector<at::Tensor>& leaves) const {
  const c10::AutoGradMode grad(true);
  std::vector<at::Tensor> variables = detached(leaves);
  for (at::Tensor& variable : variables) variable.requires_grad_(true);
  const at::Tensor result = scalar_of(f_(variables));
  if (result.requires_grad()) result.backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& variable : variables) gradients.push_back(variable.grad());
  return check(leaves, gradients);
}

GradientReport GradientChecker::check(const std::vector<at::Tensor>& leaves,
                                      const std::vector<at::Tensor>& gradients) const {
  const std::vector<at::Tensor> at = detached(leaves);
  GradientReport report;
  report.leaves.resize(at.size());
  for (std::size_t i = 0; i < at.size(); ++i) {
    const auto& excused = options_.excused;
    if (std::find(excused.begin(), excused.end(), i) != excused.end()) continue;
    const at::Tensor gradient = i < gradients.size() && gradients[i].defined()
                                    ? gradients[i].detach()
                                    : at::zeros_like(at[i]);
    if (gradient.sizes() != at[i].sizes()) {
      throw Error(cat("the gradient of leaf ", i, " has another shape than the leaf"));
    }
    const Random random = Random(options_.seed).fork(cat("leaf ", i));
    const std::int64_t size = at[i].numel();
    if (size == 0) continue;
    const double off = noise(at, i);
    const Permutation order(random.fork("entries"), static_cast<std::uint64_t>(size));
    for (std::int64_t n = 0; n < std::min(options_.entries, size); ++n) {
      const auto entry = static_cast<std::int64_t>(order(static_cast<std::uint64_t>(n)));
      at::Tensor direction = at::zeros_like(at[i]);
      direction.view(-1)[entry].fill_(1);
      compare(at, i, direction, gradient.reshape(-1)[entry].item<double>(), off,
              cat("leaf ", i, " ", place_of(entry, at[i].sizes())), report);
    }
    for (std::int64_t n = 0; n < options_.directions; ++n) {
      at::Tensor direction =
          random.fork("directions").normal_rows(n, 1, size, at::kDouble).view(at[i].sizes());
      direction.div_(direction.norm().clamp_min(1e-300));
      compare(at, i, direction, (gradient * direction).sum().item<double>(), off,
              cat("leaf ", i, " along direction ", n), report);
    }
  }
  return report;
}

}  // namespace saffron::testing
