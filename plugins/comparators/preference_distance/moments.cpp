#include "moments.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/atan2.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace saffron::plugins {
namespace {

// Of squares: what regression leaves of a score that it explains altogether is rounding.
constexpr double kExplained = 1e-12;
constexpr double kRank = 1e-12;  // of singular values of the covariates' moments

at::Tensor within(const at::Tensor& x, const at::Tensor& weights) {  // [..., K, n]
  return x - (x * weights).sum(-2, true);
}

// [T, R (R - 1) / 2] as the symmetric [T, R, R] with 0 on the diagonal.
at::Tensor square(const at::Tensor& pairs, std::int64_t R) {
  const at::Tensor out = at::zeros({pairs.size(0), R, R}, pairs.options());
  std::int64_t at = 0;
  for (std::int64_t i = 0; i + 1 < R; at += R - ++i) {
    const at::Tensor row = pairs.slice(1, at, at + R - i - 1);
    out.select(1, i).slice(1, i + 1).copy_(row);
    out.select(2, i).slice(1, i + 1).copy_(row);
  }
  return out;
}

// || c_i / ||c_i|| - c_j / ||c_j|| || from squared norms and those of c_i - c_j. Exact near 0, where
// 2 - 2 rho is not; with the sums of c_i + c_j in place of differences it is the norm of the sum.
at::Tensor unit_norms(const at::Tensor& squares, const at::Tensor& differences) {
  const at::Tensor a = squares.sqrt().unsqueeze(2), b = squares.sqrt().unsqueeze(1);  // [T, R, 1]
  const at::Tensor none_a = a == 0, none_b = b == 0;
  const at::Tensor product = at::where(none_a | none_b, 1.0, a * b);
  const at::Tensor d = ((differences - (a - b).square()) / product).clamp(0, 4).sqrt();
  return at::where(none_a & none_b, 0.0, at::where(none_a | none_b, 1.0, d));
}

}  // namespace

Moments::Moments(const preferences::ScoreTable& table, const preferences::CentredScores& centred,
                 Needs needs)
    : table_(table), centred_(centred), needs_(std::move(needs)) {
  for (const std::string& name : needs_.control) {
    at::Tensor values = table.column(name, "control", false).values;
    const double largest = values.abs().max().item<double>();
    if (largest > 0) values = values / largest;
    double total = 0, left = 0;
    for (std::size_t b = 0; b < table.blocks().size(); ++b) {
      const at::Tensor x = table.blocks()[b].take(values), w = centred.weights[b];
      total += (x.square() * w).sum().item<double>();
      left += (within(x, w).square() * w).sum().item<double>();
    }
    if (std::sqrt(left) <= rewards::kZero * std::sqrt(total)) {
      throw Error(cat("control: column '", name,
                      "' is the same for all responses to a prompt: it can explain nothing"))
          .with_help("leave it out; offsets of prompts are taken out anyway");
    }
    columns_.push_back(values / std::sqrt(left / static_cast<double>(table.prompts())));
  }
}

std::int64_t Moments::width() const {
  const std::int64_t R = table_.models(), C = static_cast<std::int64_t>(columns_.size());
  return R + R * (R - 1) / 2 * (needs_.sums ? 2 : 1) + R * C + C * C;
}

at::Tensor Moments::covariates(std::size_t block) const {
  std::vector<at::Tensor> out;
  for (const at::Tensor& column : columns_) {
    out.push_back(within(table_.blocks()[block].take(column), centred_.weights[block]));
  }
  return at::stack(out);
}

at::Tensor Moments::of_block(std::size_t block) const {
  const at::Tensor& c = centred_.unit[block];  // [R, K, n]
  const std::int64_t R = c.size(0), K = c.size(1), n = c.size(2);
  at::Tensor weights = centred_.weights[block];
  if (needs_.sampled) weights = weights * (static_cast<double>(K) / static_cast<double>(K - 1));
  const at::Tensor out = at::empty({width(), n}, at::kDouble);
  std::int64_t at = 0;
  const auto put = [&](const at::Tensor& rows) {
    out.slice(0, at, at + rows.size(0)).copy_(rows);
    at += rows.size(0);
  };
  put((c.square() * weights).sum(1));
  for (const double sign : {-1.0, 1.0}) {
    for (std::int64_t i = 0; i + 1 < R && (sign < 0 || needs_.sums); ++i) {
      put(((c.slice(0, i + 1) + sign * c[i]).square() * weights).sum(1));
    }
  }
  if (!columns_.empty()) {
    const at::Tensor z = covariates(block);
    put(at::einsum("rkn,ckn->rcn", {c * weights, z}).reshape({-1, n}));
    put(at::einsum("bkn,ckn->bcn", {z * weights, z}).reshape({-1, n}));
  }
  return out.t();
}

Moments::Parts Moments::split(const at::Tensor& sums) const {
  const std::int64_t T = sums.size(0), R = table_.models(),
                     C = static_cast<std::int64_t>(columns_.size()), pairs = R * (R - 1) / 2;
  std::int64_t at = 0;
  const auto next = [&](std::int64_t width) {
    at += width;
    return sums.slice(1, at - width, at);
  };
  Parts out;
  out.squares = next(R);
  out.differences = square(next(pairs), R);
  if (needs_.sums) {
    out.totals = square(next(pairs), R);
    out.totals.diagonal(0, 1, 2).copy_(4 * out.squares);
  }
  out.with_control = next(R * C).reshape({T, R, C});
  out.control = next(C * C).reshape({T, C, C});
  return out;
}

at::Tensor Moments::norms(const at::Tensor& sums) const {
  const Parts of = split(sums);
  return unit_norms(of.squares, of.differences);
}

at::Tensor Moments::angles(const at::Tensor& sums) const {
  const Parts of = split(sums);
  const at::Tensor a = of.squares.sqrt().unsqueeze(2), b = of.squares.sqrt().unsqueeze(1);
  const at::Tensor none = (a == 0) ^ (b == 0);
  const at::Tensor out =
      2 * at::atan2(unit_norms(of.squares, of.differences), unit_norms(of.squares, of.totals));
  return at::where(none, std::numbers::pi / 2, out);
}

// What a regression on z explains of c is b' M^+ b, b = sum c z, M = sum z z'.
at::Tensor Moments::controlled(const at::Tensor& sums) const {
  const Parts of = split(sums);
  const at::Tensor inverse = at::linalg_pinv(of.control, std::optional<double>(), kRank, true);
  const auto explained = [&](const at::Tensor& b) { return (b.matmul(inverse) * b).sum(-1); };
  const at::Tensor left = of.squares - explained(of.with_control);
  const at::Tensor squares = at::where(left <= kExplained * of.squares, 0.0, left);
  const at::Tensor apart = of.with_control.unsqueeze(2) - of.with_control.unsqueeze(1);
  const at::Tensor lost = (apart.matmul(inverse.unsqueeze(1)) * apart).sum(-1);
  return unit_norms(squares, of.differences - lost);
}

at::Tensor Moments::explained(const at::Tensor& sums) const {
  const Parts of = split(sums);
  const at::Tensor inverse = at::linalg_pinv(of.control, std::optional<double>(), kRank, true);
  const at::Tensor lost = (of.with_control.matmul(inverse) * of.with_control).sum(-1);
  return at::where(of.squares == 0, std::numeric_limits<double>::quiet_NaN(),
                   (lost / of.squares).clamp(0, 1));
}

}  // namespace saffron::plugins
