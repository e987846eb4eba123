#include <saffron/error.h>
#include <saffron/preference_metrics.h>

#include "ops/cpu/vector.h"
#include "src/rewards/cutting_lines.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace saffron::inline sdk_v1::preferences {
namespace {

// As many prompts side by side as a register of AVX-512 holds.
constexpr std::int64_t kLanes = 8;
using Vector = double __attribute__((vector_size(kLanes * sizeof(double))));

// Vectors are not returned: how is another matter on every instruction set.
inline void load(const double* p, Vector& out) { std::memcpy(&out, p, sizeof out); }

// Of n prompts, max and min over K rows of u - lambda v: the line that supports their difference there.
SAFFRON_CLONES void support_lines(std::int64_t K, std::int64_t n, const double* u, const double* v,
                                  double lambda, double* intercept, double* slope) {
  std::int64_t p = 0;
  for (; p + kLanes <= n; p += kLanes) {
    Vector a, b;
    load(u + p, a);
    load(v + p, b);
    Vector high = a - lambda * b, low = high, v_high = b, v_low = b;
    for (std::int64_t at = n + p; at < K * n; at += n) {
      load(u + at, a);
      load(v + at, b);
      const Vector x = a - lambda * b;
      const auto above = x > high, below = x < low;
      high = above ? x : high;
      v_high = above ? b : v_high;
      low = below ? x : low;
      v_low = below ? b : v_low;
    }
    const Vector fall = v_low - v_high, start = high - low - lambda * fall;
    std::memcpy(slope + p, &fall, sizeof fall);
    std::memcpy(intercept + p, &start, sizeof start);
  }
  for (; p < n; ++p) {
    double v_high = v[p], v_low = v_high, high = u[p] - lambda * v_high, low = high;
    for (std::int64_t at = n + p; at < K * n; at += n) {
      const double x = u[at] - lambda * v[at];
      if (x > high) {
        high = x;
        v_high = v[at];
      }
      if (x < low) {
        low = x;
        v_low = v[at];
      }
    }
    slope[p] = v_low - v_high;
    intercept[p] = high - low - lambda * slope[p];
  }
}

}  // namespace

BanditReturns::Lines BanditReturns::lines(std::size_t block,
                                          const std::vector<Question>& questions) const {
  const at::Tensor& unit = centred_.unit[block];
  const std::int64_t K = unit.size(1), n = unit.size(2);
  const auto count = static_cast<std::int64_t>(questions.size());
  Lines out{at::empty({count, n}, at::kDouble), at::empty({count, n}, at::kDouble)};
  const auto* scores = unit.const_data_ptr<double>();
  auto* intercept = out.intercept.mutable_data_ptr<double>();
  auto* slope = out.slope.mutable_data_ptr<double>();
  for (const auto& [i, j, lambda] : questions) {
    support_lines(K, n, scores + i * K * n, scores + j * K * n, lambda, intercept, slope);
    intercept += n;
    slope += n;
  }
  return out;
}

// 1/P sum over prompts of lines: intercepts and slopes [2, Q].
at::Tensor BanditReturns::mean_lines(const std::vector<Question>& questions) const {
  const auto count = static_cast<std::int64_t>(centred_.unit.size());
  const auto Q = static_cast<std::int64_t>(questions.size());
  const at::Tensor parts = at::zeros({2, count, Q}, at::kDouble);
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const Lines found = lines(static_cast<std::size_t>(b), questions);
      parts[0][b].copy_(found.intercept.sum(1));
      parts[1][b].copy_(found.slope.sum(1));
    }
  });
  return parts.sum(1) / static_cast<double>(prompts_);
}

BanditReturns::BanditReturns(const ScoreTable& table, const CentredScores& centred)
    : prompts_(table.prompts()), centred_(centred) {
  std::vector<Question> questions;
  for (std::int64_t i = 0; i < table.models(); ++i) questions.push_back({i, i, 0});
  ranges_ = mean_lines(questions)[0];
}

// range(u / a - v / b) = range(u - (a / b) v) / a.
at::Tensor BanditReturns::spans() const {
  const std::int64_t R = ranges_.size(0);
  const at::Tensor out = at::zeros({R, R}, at::kDouble);
  std::vector<Question> questions;
  for (std::int64_t i = 0; i < R; ++i) {
    for (std::int64_t j = i + 1; j < R; ++j) {
      const double a = ranges_[i].item<double>(), b = ranges_[j].item<double>();
      if (a > 0 && b > 0) questions.push_back({i, j, a / b});
      out[i][j] = out[j][i] = (a > 0) != (b > 0) ? 1 : 0;
    }
  }
  const at::Tensor found = mean_lines(questions);
  for (std::size_t at = 0; at < questions.size(); ++at) {
    const auto& [i, j, lambda] = questions[at];
    const at::Tensor line = found.select(1, static_cast<std::int64_t>(at));
    const double range = line[0].item<double>() + lambda * line[1].item<double>();
    out[i][j] = out[j][i] = std::clamp(range / ranges_[i].item<double>(), 0.0, 2.0);
  }
  return out;
}

// All pairs go ahead together, so that a block's scores are in the cache for all of them.
BanditReturns::WorstCases BanditReturns::worst_cases() const {
  using Search = rewards::CuttingLines<char>;
  const std::int64_t R = ranges_.size(0);
  std::vector<Search> searches(static_cast<std::size_t>(R * R));
  const auto range = [&](std::int64_t i) { return ranges_[i].item<double>(); };
  std::vector<std::int64_t> open;
  for (std::int64_t at = 0; at < R * R; ++at) {
    if (at / R != at % R && range(at / R) > 0) open.push_back(at);
  }
  for (int round = 0; !open.empty(); ++round) {
    if (round == rewards::kMostLines) {
      throw Error(ErrorKind::numeric, cat("worst-case regret is not found in ", round, " lines"));
    }
    std::vector<Question> questions;
    for (const std::int64_t at : open) {
      const double b = range(at % R), lambda = searches[static_cast<std::size_t>(at)].lambda();
      questions.push_back({at / R, at % R, b > 0 ? lambda * range(at / R) / b : 0});
    }
    const at::Tensor found = mean_lines(questions);
    const auto* intercept = found.const_data_ptr<double>();
    const auto* slope = intercept + questions.size();
    std::vector<std::int64_t> still;
    for (std::size_t q = 0; q < open.size(); ++q) {
      Search& of = searches[static_cast<std::size_t>(open[q])];
      const double a = range(questions[q].i), b = range(questions[q].j);
      of.add({intercept[q] / a, b > 0 ? slope[q] / b : 0});
      if (!of.done()) still.push_back(open[q]);
    }
    open = std::move(still);
  }
  WorstCases out{at::zeros({R, R}, at::kDouble),
                 at::full({R, R}, std::numeric_limits<double>::quiet_NaN(), at::kDouble)};
  for (std::int64_t at = 0; at < R * R; ++at) {
    const std::int64_t i = at / R, j = at % R;
    const Search& of = searches[static_cast<std::size_t>(at)];
    if (range(i) == 0) continue;
    out.lambda[i][j] = i == j ? 1 : range(j) > 0 ? of.lambda() * range(i) / range(j) : 0;
    if (i != j) out.regret[i][j] = std::clamp(of.minimum(), 0.0, 1.0);
  }
  return out;
}

BanditReturns::Support BanditReturns::support(std::size_t block, const Question& of) const {
  const at::Tensor& u = centred_.unit[block][of.i];  // [K, n]
  const at::Tensor x = u - of.lambda * centred_.unit[block][of.j];
  Support out{std::get<1>(x.max(0)), std::get<1>(x.min(0)), {}};
  const auto at = [&](const at::Tensor& k) { return u.gather(0, k.unsqueeze(0)).squeeze(0); };
  out.loss = at(out.best) - at(out.worst);
  return out;
}

}  // namespace saffron::inline sdk_v1::preferences
