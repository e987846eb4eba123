#include <saffron/error.h>
#include <saffron/preference_intervals.h>

#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace saffron::inline sdk_v1::preferences {
namespace {

constexpr std::int64_t kBlocks = 16;     // of the table, whose numbers are held at a time
constexpr std::int64_t kResamples = 64;  // rows of one product: a fixed number, so that its order is
constexpr double kUndefined = 0.05;      // share of resamples without a value

}  // namespace

Schema<IntervalOptions> interval_schema() {
  return Schema<IntervalOptions>{}
      .param("resamples", &IntervalOptions::resamples,
             "resamples of the prompts that confidence intervals are taken from; 0 for none",
             at_least(0), at_most(1'000'000))
      .param("confidence", &IntervalOptions::confidence,
             "share of the resamples inside an interval", between(0.5, 0.9999));
}

// More than 255 times one prompt in a resample has a probability below 1 / 255!.
Resamples::Resamples(const Random& random, std::int64_t prompts, std::int64_t count)
    : counts_(at::zeros({prompts > 1 ? count : 0, prompts}, at::kByte)) {
  auto* const counts = counts_.mutable_data_ptr<std::uint8_t>();
  at::parallel_for(0, counts_.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      for (std::int64_t i = 0; i < prompts; ++i) {
        const std::uint64_t drawn =
            random.below(static_cast<std::uint64_t>(prompts), static_cast<std::uint64_t>(b),
                         static_cast<std::uint64_t>(i));
        ++counts[b * prompts + static_cast<std::int64_t>(drawn)];
      }
    }
  });
}

at::Tensor sum_over_prompts(const ScoreTable& table, const Resamples& resamples,
                            const std::function<at::Tensor(std::size_t block)>& f) {
  const std::vector<PromptBlock>& blocks = table.blocks();
  const auto count = static_cast<std::int64_t>(blocks.size());
  const std::int64_t B = resamples.count();
  at::Tensor out;
  for (std::int64_t first = 0; first < count; first += kBlocks) {
    const std::int64_t held = std::min(kBlocks, count - first);
    std::vector<at::Tensor> x(static_cast<std::size_t>(held));
    at::parallel_for(0, held, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        x[static_cast<std::size_t>(b)] = f(static_cast<std::size_t>(first + b));
      }
    });
    if (!out.defined()) out = at::zeros({1 + B, x.front().size(1)}, at::kDouble);
    for (const at::Tensor& part : x) out[0].add_(part.sum(0));
    at::parallel_for(0, (B + kResamples - 1) / kResamples, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t chunk = begin; chunk < end; ++chunk) {
        const std::int64_t from = chunk * kResamples, to = std::min(B, from + kResamples);
        at::Tensor sums = out.slice(0, 1 + from, 1 + to);
        for (std::int64_t b = 0; b < held; ++b) {
          const at::Tensor times = resamples.counts()
                                       .slice(0, from, to)
                                       .index_select(1, blocks[static_cast<std::size_t>(first + b)].prompts)
                                       .to(at::kDouble);
          sums.addmm_(times, x[static_cast<std::size_t>(b)]);
        }
      }
    });
  }
  return out;
}

Interval percentile_interval(const at::Tensor& x, double confidence) {
  const std::int64_t B = x.size(0);
  const at::Tensor sorted = std::get<0>(x.reshape({B, -1}).t().contiguous().sort(1));  // NaN last
  const std::int64_t cells = sorted.size(0);
  Interval out{at::full({cells}, std::numeric_limits<double>::quiet_NaN(), at::kDouble),
               at::full({cells}, std::numeric_limits<double>::quiet_NaN(), at::kDouble)};
  const auto* values = sorted.const_data_ptr<double>();
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    const double* row = values + cell * B;
    const auto defined = std::find_if(row, row + B, [](double v) { return std::isnan(v); }) - row;
    if (defined == 0 || static_cast<double>(B - defined) > kUndefined * static_cast<double>(B)) {
      continue;
    }
    const auto percentile = [&](double share) {
      const double place = share * static_cast<double>(defined - 1);
      const auto below = static_cast<std::int64_t>(place);
      const double rest = place - static_cast<double>(below);
      return rest == 0 ? row[below] : row[below] + rest * (row[below + 1] - row[below]);
    };
    out.low.mutable_data_ptr<double>()[cell] = percentile((1 - confidence) / 2);
    out.high.mutable_data_ptr<double>()[cell] = percentile((1 + confidence) / 2);
  }
  const at::IntArrayRef shape = x.sizes().slice(1);
  return {out.low.view(shape), out.high.view(shape)};
}

}  // namespace saffron::inline sdk_v1::preferences
