#include <saffron/batch_topk.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>

#include <algorithm>
#include <cmath>

namespace saffron::inline sdk_v1 {
namespace {

// The last threshold, lowered so that it seldom is above what this batch keeps: a hint costs no more
// than time.
constexpr double kHintShare = 0.9;

// The codes of pre-activations that were multiplied by `scale` for comparison.
Codes unscaled(const Codes& codes, const at::Tensor& scale) {
  if (!scale.defined()) return codes;
  return codes.with_values(codes.values() / codes.by_entry(scale));
}

// Which ones are the `count` largest; of equals the first ones.
at::Tensor largest(const at::Tensor& values, std::int64_t count) {
  if (values.size(0) <= count) return at::ones_like(values, at::kBool);
  const at::Tensor smallest = std::get<0>(values.kthvalue(values.size(0) - count + 1));
  const at::Tensor above = values.gt(smallest), equal = values.eq(smallest);
  const std::int64_t room = count - above.sum().item<std::int64_t>();
  return above.logical_or(equal.logical_and(equal.cumsum(0).le(room)));
}

}  // namespace

std::int64_t KOptions::largest() const { return std::max(k, k_start); }

std::int64_t KOptions::at(std::int64_t step, std::int64_t steps) const {
  if (k_start == 0 || k_anneal == 0) return k;
  const double way = static_cast<double>(step) / (k_anneal * static_cast<double>(steps));
  return std::llround(static_cast<double>(k_start) +
                      static_cast<double>(k - k_start) * std::min(1.0, way));
}

Schema<KOptions> KOptions::schema() {
  return Schema<KOptions>{}
      .param("k", &KOptions::k, "active latents a row", at_least(1))
      .param("k_start", &KOptions::k_start, "k at the start, changed evenly to k; 0: k throughout",
             at_least(0))
      .param("k_anneal", &KOptions::k_anneal, "share of the steps after which k is reached",
             fraction());
}

std::string k_problem(const KOptions& k, std::int64_t width) {
  if (k.k > width) return cat("k = ", k.k, " is more than width = ", width);
  if (k.k_start > width) return cat("k_start = ", k.k_start, " is more than width = ", width);
  return {};
}

Schema<BatchTopKOptions> BatchTopKOptions::schema() {
  using O = BatchTopKOptions;
  return Schema<O>{}
      .include(&O::k, KOptions::schema())
      .param("threshold_rate", &O::threshold_rate,
             "share of a step in the running mean of the smallest kept value", positive(),
             at_most(1));
}

void BatchTopKSelection::declare(SaeSpec& spec) const {
  spec.layout = Codes::Layout::csr;
  spec.buffers.push_back({.name = "threshold",
                          .shape = {1},
                          .dtype = at::kDouble,
                          .merge = Merge::mean,
                          .initial = -1});
}

void BatchTopKSelection::bind(const Tensors& buffers) { threshold_ = buffers["threshold"]; }

double BatchTopKSelection::threshold() const { return std::max(threshold_.item<double>(), 0.0); }

Codes BatchTopKSelection::codes_of(const at::Tensor& rows, const at::Tensor& W_enc,
                                   const at::Tensor& b_enc, const at::Tensor& scale) const {
  return unscaled(ops::encode_above(rows, W_enc, b_enc,
                                    at::full({W_enc.size(0)}, threshold(), W_enc.options()), scale),
                  scale);
}

Codes BatchTopKSelection::step_codes(const at::Tensor& rows, const at::Tensor& W_enc,
                                     const at::Tensor& b_enc, const SaeInput& input,
                                     const at::Tensor& scale) {
  const ops::BatchTopk kept = ops::encode_batch_topk(
      rows, W_enc, b_enc, options_.k.at(input.step, input.steps), scale, threshold() * kHintShare);
  smallest_ = kept.smallest;
  return unscaled(kept.codes, scale);
}

// What may be among the k B largest of all encoders: what is above a threshold that enough values
// exceed, or else the k B largest of each.
std::vector<Codes> BatchTopKSelection::candidates(const std::vector<Encoder>& encoders,
                                                  std::int64_t k) const {
  const double bound = threshold() * kHintShare;
  const std::int64_t wanted = k * encoders.front().rows.size(0);
  std::vector<Codes> found;
  std::int64_t count = 0;
  if (bound > 0) {
    for (const Encoder& e : encoders) {
      found.push_back(ops::encode_above(e.rows, e.W_enc, e.b_enc,
                                        at::full({e.W_enc.size(0)}, bound, e.W_enc.options()),
                                        e.scale));
      count += found.back().values().size(0);
    }
    if (count >= wanted) return found;
    found.clear();
  }
  for (const Encoder& e : encoders) {
    found.push_back(
        ops::encode_batch_topk(e.rows, e.W_enc, e.b_enc, std::min(k, e.W_enc.size(0)), e.scale)
            .codes);
  }
  return found;
}

std::vector<Codes> BatchTopKSelection::step_codes(const std::vector<Encoder>& encoders,
                                                  const SaeInput& input) {
  const std::int64_t k = options_.k.at(input.step, input.steps);
  std::vector<Codes> found = candidates(encoders, k);
  std::vector<at::Tensor> values;
  for (const Codes& codes : found) values.push_back(codes.values());
  const at::Tensor all = at::cat(values);
  const at::Tensor kept = largest(all, k * encoders.front().rows.size(0));
  const at::Tensor left = all.masked_select(kept);
  smallest_ = left.size(0) > 0 ? left.min().item<double>() : 0;
  std::int64_t from = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::int64_t count = values[i].size(0);
    found[i] = unscaled(found[i].where(kept.narrow(0, from, count)), encoders[i].scale);
    from += count;
  }
  return found;
}

void BatchTopKSelection::after_step() {
  if (!(smallest_ > 0)) return;
  const double before = threshold_.item<double>(), rate = options_.threshold_rate;
  threshold_.fill_(before < 0 ? smallest_ : (1 - rate) * before + rate * smallest_);
}

void BatchTopKSelection::canonical(CanonicalSae& out, const at::Tensor& scale) const {
  out.activation = "jumprelu";
  out.threshold = at::full({out.W_dec.size(0)}, threshold(), out.W_dec.options());
  if (scale.defined()) out.threshold = out.threshold / scale;
}

}  // namespace saffron::inline sdk_v1
