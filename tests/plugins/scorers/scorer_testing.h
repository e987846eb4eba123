#pragma once

#include <saffron/context.h>
#include <saffron/error.h>
#include <saffron/sae.h>
#include <saffron/scorer.h>
#include <saffron/source.h>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What the scorers' tests share: an SAE made of two functions, and the host's side of scoring.

namespace saffron::testing {

class FixedContext : public Context {
 public:
  explicit FixedContext(std::uint64_t seed = 7) : seed_(seed) {}
  Random random(std::string_view purpose) const override { return Random(seed_).fork(purpose); }
  at::Device device() const override { return at::kCPU; }
  at::ScalarType dtype() const override { return at::kFloat; }
  std::string node() const override { return "score.test"; }
  std::string artifacts() const override { return {}; }
  bool cancelled() const override { return stop; }
  void progress(std::string_view, std::int64_t done, std::int64_t total) const override {
    seen.emplace_back(done, total);
  }

  bool stop = false;
  mutable std::vector<std::pair<std::int64_t, std::int64_t>> seen;

 private:
  std::uint64_t seed_;
};

// An SAE that only encodes and decodes.
class FunctionSae final : public Sae {
 public:
  using Encode = std::function<std::vector<Codes>(const std::vector<at::Tensor>&)>;
  using Decode = std::function<std::vector<at::Tensor>(const std::vector<Codes>&)>;
  FunctionSae(Encode encode, Decode decode)
      : encode_(std::move(encode)), decode_(std::move(decode)) {}

  SaeSpec declare(const SaeShape&) override { return {}; }
  void bind(const Tensors&, const Tensors&) override {}
  void initialise(const InitInput&) override {}
  std::vector<Codes> encode(const std::vector<at::Tensor>& x) const override { return encode_(x); }
  std::vector<at::Tensor> decode(const std::vector<Codes>& f) const override { return decode_(f); }
  Forward forward(const SaeInput&) override { return {}; }
  void backward(const SaeInput&, const Forward&, const Upstream&, Gradients&) override {}

 private:
  Encode encode_;
  Decode decode_;
};

// Codes of f [B, F] in a layout; topk holds every latent.
inline Codes in_layout(const at::Tensor& f, Codes::Layout layout) {
  if (layout == Codes::Layout::dense) return Codes::dense(f);
  if (layout == Codes::Layout::csr) return Codes::from_dense(f);
  const auto [values, order] = f.sort(1, true);
  return Codes::topk(values, order.to(at::kInt), f.size(1));
}

// f = relu(x W^T + b), xhat = f W, with W [F, d].
inline std::shared_ptr<Sae> relu_sae(const at::Tensor& W, double b,
                                     Codes::Layout layout = Codes::Layout::dense) {
  return std::make_shared<FunctionSae>(
      [=](const std::vector<at::Tensor>& x) {
        return std::vector<Codes>{in_layout((x.at(0).matmul(W.t()) + b).clamp_min(0), layout)};
      },
      [=](const std::vector<Codes>& f) {
        return std::vector<at::Tensor>{f.at(0).to_dense().matmul(W)};
      });
}

// Encodes as the identity, decodes by `decode`.
inline std::shared_ptr<Sae> pass_sae(std::function<at::Tensor(const at::Tensor&)> decode) {
  return std::make_shared<FunctionSae>(
      [](const std::vector<at::Tensor>& x) { return std::vector<Codes>{Codes::dense(x.at(0))}; },
      [decode = std::move(decode)](const std::vector<Codes>& f) {
        return std::vector<at::Tensor>{decode(f.at(0).values())};
      });
}

// A source of which only the stream names matter.
class StreamsOnly final : public Source {
 public:
  explicit StreamsOnly(std::vector<StreamInfo> streams) : streams_(std::move(streams)) {}
  const std::vector<StreamInfo>& streams() const override { return streams_; }
  const SourceInfo& info() override { return info_; }
  ActivationRows block(std::int64_t) override { throw Error("this source has no rows"); }

 private:
  std::vector<StreamInfo> streams_;
  SourceInfo info_;
};

inline Ref<Sae> trained(const std::string& name, std::shared_ptr<Sae> sae,
                        std::shared_ptr<Source> source, std::int64_t latents,
                        std::vector<std::int64_t> reads = {0},
                        std::optional<std::vector<std::int64_t>> predicts = {}) {
  auto out = std::make_shared<TrainedSae>();
  out->name = name;
  out->sae = std::move(sae);
  out->source = std::move(source);
  out->source_name = "acts";
  out->spec.latents = latents;
  out->reads = reads;
  out->predicts = predicts.value_or(reads);
  const std::vector<StreamInfo>& streams = out->source->streams();
  for (const std::int64_t s : out->reads) {
    out->shape.reads.push_back(streams.at(static_cast<std::size_t>(s)));
  }
  for (const std::int64_t s : out->predicts) {
    out->shape.predicts.push_back(streams.at(static_cast<std::size_t>(s)));
  }
  return Ref<Sae>(name, std::move(out));
}

class RowsBatch final : public ScoreBatch {
 public:
  RowsBatch(std::vector<const TrainedSae*> saes, ActivationRows rows) : rows_(std::move(rows)) {
    for (const TrainedSae* sae : saes) {
      Part part;
      for (const std::int64_t s : sae->reads) {
        part.inputs.push_back(rows_.streams.at(static_cast<std::size_t>(s)));
      }
      for (const std::int64_t s : sae->predicts) {
        part.targets.push_back(rows_.streams.at(static_cast<std::size_t>(s)));
      }
      part.codes = sae->sae->encode(part.inputs);
      part.reconstructions = sae->sae->decode(part.codes);
      parts_.push_back(std::move(part));
    }
  }
  const ActivationRows& rows() const override { return rows_; }
  std::int64_t block() const override { return 0; }
  const std::vector<at::Tensor>& inputs(std::int64_t i) const override { return part(i).inputs; }
  const std::vector<at::Tensor>& targets(std::int64_t i) const override { return part(i).targets; }
  const std::vector<Codes>& codes(std::int64_t i) const override { return part(i).codes; }
  const std::vector<at::Tensor>& reconstructions(std::int64_t i) const override {
    return part(i).reconstructions;
  }

 private:
  struct Part {
    std::vector<at::Tensor> inputs, targets, reconstructions;
    std::vector<Codes> codes;
  };
  const Part& part(std::int64_t i) const { return parts_.at(static_cast<std::size_t>(i)); }
  ActivationRows rows_;
  std::vector<Part> parts_;
};

// Rows [begin, end) of every stream, with their origins.
inline ActivationRows slice(const ActivationRows& rows, std::int64_t begin, std::int64_t end) {
  ActivationRows out;
  for (const at::Tensor& stream : rows.streams) out.streams.push_back(stream.slice(0, begin, end));
  if (rows.origin.defined()) out.origin = rows.origin.slice(0, begin, end);
  return out;
}

// Feeds rows in batches that end at `cuts` (and at the last row).
inline void feed(const Scorer& scorer, Accumulator& accumulator, const ActivationRows& rows,
                 std::vector<std::int64_t> cuts = {}) {
  cuts.push_back(rows.streams.at(0).size(0));
  std::int64_t begin = 0;
  for (const std::int64_t end : cuts) {
    accumulator.add(RowsBatch(scorer.needs().saes, slice(rows, begin, end)));
    begin = end;
  }
}

inline const Metric* find_metric(const Report& report, std::string_view key,
                                 std::string_view subject) {
  for (const Metric& metric : report.metrics) {
    if (metric.key == key && metric.subject == subject) return &metric;
  }
  return nullptr;
}

inline Metric metric(const Report& report, std::string_view key, std::string_view subject) {
  const Metric* found = find_metric(report, key, subject);
  EXPECT_NE(found, nullptr) << key << " of " << subject;
  return found == nullptr ? Metric{} : *found;
}

// The value of a metric that must be defined.
inline double value(const Report& report, std::string_view key, std::string_view subject) {
  const Metric found = metric(report, key, subject);
  EXPECT_EQ(found.undefined, "") << key << " of " << subject;
  return found.value;
}

// Equal metrics up to rounding, and equal blocks.
inline void expect_same(const Report& a, const Report& b, double tolerance = 1e-12) {
  ASSERT_EQ(a.metrics.size(), b.metrics.size());
  for (std::size_t i = 0; i < a.metrics.size(); ++i) {
    const Metric &x = a.metrics[i], &y = b.metrics[i];
    EXPECT_EQ(x.key, y.key);
    EXPECT_EQ(x.subject, y.subject);
    EXPECT_EQ(x.undefined.empty(), y.undefined.empty()) << x.key;
    if (!x.undefined.empty()) continue;
    EXPECT_NEAR(x.value, y.value, tolerance * (1 + std::abs(x.value))) << x.key << " " << x.subject;
  }
  EXPECT_EQ(a.blocks.size(), b.blocks.size());
}

// Every metric has a definition and a range, and no (key, subject) comes twice.
inline void expect_documented(const Report& report) {
  std::vector<std::string> seen;
  for (const Metric& metric : report.metrics) {
    EXPECT_NE(metric.definition, "") << metric.key;
    EXPECT_NE(metric.range, "") << metric.key;
    seen.push_back(metric.key + "\n" + metric.subject);
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

// The message of the Error that `body` throws.
template <class F>
std::string error_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no saffron::Error was thrown";
  return {};
}

}  // namespace saffron::testing
