#include "dictionary.h"

#include "chunks.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

namespace saffron::plugins::synth {
namespace {

constexpr std::int64_t kGramRows = 1024;  // rows whose share of C is formed at once
constexpr std::int64_t kStepRows = 128;   // rows stepped at once: their gradient stays in cache
class Orthogonalizer {
 public:
  Orthogonalizer(at::Tensor rows, double lr)
      : lr_(lr),
        rows_(std::move(rows)),
        m_(at::zeros_like(rows_)),
        v_(at::zeros_like(rows_)),
        shares_(at::empty({chunks_of(rows_.size(0), kGramRows), rows_.size(1), rows_.size(1)})) {}

  void step(std::int64_t number) {
    const std::int64_t count = rows_.size(0);
    for_each_chunk(count, kGramRows, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
      const at::Tensor part = rows_.slice(0, begin, end);
      at::Tensor share = shares_[chunk];
      at::mm_out(share, part.t(), part);
    });
    add_shares();
    const at::Tensor steps = at::full({}, static_cast<double>(number), at::kFloat);
    for_each_chunk(count, kStepRows, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      const at::Tensor part = rows_.slice(0, begin, end);
      const at::Tensor square = part.square().sum(1, true);
      const at::Tensor own = static_cast<double>(count) * (square - 1) - square;
      const at::Tensor g = at::mm(part, shares_[0]).addcmul_(part, own).mul_(4);
      at::_fused_adam_({part}, {g}, {m_.slice(0, begin, end)}, {v_.slice(0, begin, end)}, {},
                       {steps}, lr_, 0.9, 0.999, 0, 1e-8, false, false);
    });
  }

 private:
  // C = the sum of all shares, in the place of the first.
  void add_shares() {
    const std::int64_t size = rows_.size(1) * rows_.size(1), count = shares_.size(0);
    float* sum = shares_.mutable_data_ptr<float>();
    for_each_chunk(size, 1 << 14, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = 1; c < count; ++c) {
        const float* share = sum + c * size;
        for (std::int64_t j = begin; j < end; ++j) sum[j] += share[j];
      }
    });
  }

  double lr_;
  at::Tensor rows_, m_, v_;
  at::Tensor shares_;  // [chunks, d, d]; C is formed in the first
};

at::Tensor unit_rows(const at::Tensor& rows) {
  return rows / rows.norm(2, at::IntArrayRef{1}, true).clamp_min(1e-8);
}

}  // namespace

at::Tensor orthogonalized(at::Tensor rows, const Orthogonalization& options,
                          const Context& context) {
  rows = unit_rows(rows).contiguous();
  if (options.steps == 0) return rows;
  Orthogonalizer work(rows, options.lr);
  for (std::int64_t step = 1; step <= options.steps; ++step) {
    if (context.cancelled()) throw Error(ErrorKind::cancelled, "synth_sae_bench: cancelled");
    work.step(step);
    context.progress("spreading out features", step, options.steps);
  }
  return unit_rows(rows);
}

at::Tensor random_directions(std::int64_t count, std::int64_t width, Random random) {
  return unit_rows(random.normal_rows(0, count, width, at::kDouble)).to(at::kFloat);
}

}  // namespace saffron::plugins::synth
