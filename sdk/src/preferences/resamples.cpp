#include <saffron/error.h>
#include <saffron/preference_intervals.h>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace saffron::inline sdk_v1::preferences {
namespace {

constexpr std::size_t kBlocks = 16;  // of the table, whose numbers are held at a time
constexpr std::int64_t kResamples =
    128;  // rows of one product: a fixed number, so that its order is

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
Resamples::Resamples(const Random& random, const ScoreTable& table, std::int64_t count)
    : counts_(at::zeros({table.prompts() > 1 ? count : 0, table.prompts()}, at::kByte)) {
  const std::int64_t P = table.prompts();
  std::vector<std::int64_t> place(static_cast<std::size_t>(P));
  std::int64_t next = 0;
  for (const PromptBlock& block : table.blocks()) {
    begins_.push_back(next);
    const auto* prompts = block.prompts.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < block.count(); ++i)
      place[static_cast<std::size_t>(prompts[i])] = next++;
  }
  begins_.push_back(next);
  auto* const counts = counts_.mutable_data_ptr<std::uint8_t>();
  at::parallel_for(0, counts_.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const at::Tensor drawn = random.uniform_rows(b, 1, P, at::kDouble);
      const auto* u = drawn.const_data_ptr<double>();
      for (std::int64_t i = 0; i < P; ++i) {
        const auto prompt = static_cast<std::size_t>(u[i] * static_cast<double>(P));
        ++counts[b * P + place[prompt]];
      }
    }
  });
}

at::Tensor Resamples::counts(std::size_t first, std::size_t end) const {
  return counts_.slice(1, begins_[first], begins_[end]);
}

at::Tensor sum_over_prompts(const ScoreTable& table, const Resamples& resamples,
                            const std::function<at::Tensor(std::size_t block)>& f) {
  const std::size_t count = table.blocks().size();
  const std::int64_t B = resamples.count();
  at::Tensor out;
  for (std::size_t first = 0; first < count; first += kBlocks) {
    const std::size_t end = std::min(first + kBlocks, count);
    std::vector<at::Tensor> x(end - first);
    at::parallel_for(0, std::ssize(x), 1, [&](std::int64_t from, std::int64_t to) {
      for (auto b = static_cast<std::size_t>(from); b < static_cast<std::size_t>(to); ++b) {
        x[b] = f(first + b);
      }
    });
    const at::Tensor all = at::cat(x);  // [n, D]
    if (!out.defined()) out = at::zeros({1 + B, all.size(1)}, at::kDouble);
    out[0].add_(all.sum(0));
    const at::Tensor counts = resamples.counts(first, end);
    at::parallel_for(0, (B + kResamples - 1) / kResamples, 1,
                     [&](std::int64_t from, std::int64_t to) {
                       for (std::int64_t b = from * kResamples; b < std::min(B, to * kResamples);
                            b += kResamples) {
                         const at::Tensor some = counts.slice(0, b, b + kResamples).to(at::kDouble);
                         at::Tensor sums = out.slice(0, 1 + b, 1 + b + some.size(0));
                         sums.addmm_(some, all);
                       }
                     });
  }
  return out;
}

}  // namespace saffron::inline sdk_v1::preferences
