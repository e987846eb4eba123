#include "testing/scoring.h"

#include "testing/expect.h"
#include "testing/roomy_csr.h"

#include <saffron/error.h>
#include <saffron/random.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <charconv>
#include <numeric>

namespace saffron::testing {
namespace {

class GivenBatch final : public ScoreBatch {
 public:
  struct Part {
    std::vector<at::Tensor> inputs, targets;
    std::vector<Codes> codes;
    std::vector<at::Tensor> reconstructions;
  };
  GivenBatch(std::int64_t block, ActivationRows rows, std::vector<Part> parts)
      : block_(block), rows_(std::move(rows)), parts_(std::move(parts)) {}

  [[nodiscard]] const ActivationRows& rows() const override { return rows_; }
  [[nodiscard]] std::int64_t block() const override { return block_; }
  [[nodiscard]] const std::vector<at::Tensor>& inputs(std::int64_t i) const override {
    return part(i).inputs;
  }
  [[nodiscard]] const std::vector<at::Tensor>& targets(std::int64_t i) const override {
    return part(i).targets;
  }
  [[nodiscard]] const std::vector<Codes>& codes(std::int64_t i) const override {
    return part(i).codes;
  }
  [[nodiscard]] const std::vector<at::Tensor>& reconstructions(std::int64_t i) const override {
    return part(i).reconstructions;
  }

 private:
  [[nodiscard]] const Part& part(std::int64_t i) const {
    return parts_.at(static_cast<std::size_t>(i));
  }
  std::int64_t block_;
  ActivationRows rows_;
  std::vector<Part> parts_;
};

// topk keeps every latent, so that entries of value 0 are among them.
Codes in_layout(const at::Tensor& f, Codes::Layout layout) {
  if (layout == Codes::Layout::dense) return Codes::dense(f);
  if (layout == Codes::Layout::csr) return roomy_csr(f);
  const auto [values, order] = f.sort(/*stable=*/true, 1, /*descending=*/true);
  return Codes::topk(values.contiguous(), order.to(at::kInt), f.size(1));
}

void append(at::Tensor& to, const at::Tensor& rows) {
  if (rows.defined()) to = to.defined() ? at::cat({to, rows}) : rows.clone();
}

void append(std::vector<at::Tensor>& to, const std::vector<at::Tensor>& rows) {
  to.resize(std::max(to.size(), rows.size()));
  for (std::size_t i = 0; i < rows.size(); ++i) append(to[i], rows[i]);
}

std::vector<at::Tensor> chosen(const std::vector<at::Tensor>& from,
                               const std::vector<std::int64_t>& numbers) {
  std::vector<at::Tensor> out;
  for (const std::int64_t i : numbers) out.push_back(from.at(static_cast<std::size_t>(i)));
  return out;
}

// Numbers of a value, in order; everything else goes into the text.
class Flattener {
 public:
  void add(const Value& value) {
    if (value.is_number()) return add(value.as_real());
    if (value.is_string()) return add(value.as_string());
    if (value.is_list()) {
      text += '[';
      for (const Value& item : value.as_list()) add(item);
      text += ']';
    } else if (value.is_table()) {
      text += '{';
      for (const Value::Entry& entry : value.as_table()) {
        text += entry.key + ": ";
        add(entry.value);
      }
      text += '}';
    } else {
      text += to_json(value) + ", ";
    }
  }

  std::string text;
  std::vector<double> numbers;

 private:
  void add(double number) {
    text += "#, ";
    numbers.push_back(number);
  }
  // Numbers within a text count as numbers: they are rounded as numbers are.
  void add(const std::string& words) {
    for (const char *at = words.data(), *end = at + words.size(); at != end;) {
      double number = 0;
      const bool digit = *at >= '0' && *at <= '9';
      const char* after = digit ? std::from_chars(at, end, number).ptr : at + 1;
      if (digit) numbers.push_back(number);
      text.append(digit ? "#" : std::string_view(at, 1));
      at = after;
    }
    text += ", ";
  }
};

}  // namespace

Scoring::Scoring(const ScorerNeeds& needs, std::uint64_t data)
    : needs_(needs), made_(needs.saes.size()) {
  if (!needs_.rows_wanted) return;
  if (needs_.saes.empty() || needs_.saes.front() == nullptr) skip("names no SAE to score");
  const c10::AutoGradMode no_grad(false);
  Source& source = *needs_.saes.front()->source;
  const std::int64_t blocks = source.info().blocks;
  for (std::int64_t b = 0; b < kBlocks; ++b) {
    read(source, (static_cast<std::int64_t>(data) * kBlocks + b) % blocks);
  }
  if (!in_contexts()) shuffle(data);
}

void Scoring::read(Source& source, std::int64_t block) {
  const ActivationRows rows = source.block(block);
  blocks_.push_back(block);
  first_.push_back(rows_);
  rows_ += rows.streams.at(0).size(0);
  append(all_.streams, rows.streams);
  append(all_.origin, rows.origin);
  for (std::size_t i = 0; i < made_.size(); ++i) {
    const TrainedSae& sae = *needs_.saes[i];
    const std::vector<Codes> codes = sae.sae->encode(chosen(rows.streams, sae.reads));
    std::vector<at::Tensor> dense;
    for (const Codes& space : codes) dense.push_back(space.to_dense());
    append(made_[i].codes, dense);
    append(made_[i].reconstructions, sae.sae->decode(codes));
  }
}

void Scoring::shuffle(std::uint64_t data) {
  const at::Tensor order =
      Random(data).fork("scoring order").uniform_rows(0, 1, rows_).view(-1).argsort();
  const auto permute = [&](at::Tensor& t) {
    if (t.defined()) t = t.index_select(0, order);
  };
  for (at::Tensor& stream : all_.streams) permute(stream);
  permute(all_.origin);
  for (Made& made : made_) {
    for (at::Tensor& space : made.codes) permute(space);
    for (at::Tensor& target : made.reconstructions) permute(target);
  }
}

Scoring::Cuts Scoring::cuts(std::int64_t size) const {
  Cuts out;
  if (in_contexts()) {
    for (std::size_t b = 0; b < first_.size(); ++b) {
      out.emplace_back(first_[b], b + 1 < first_.size() ? first_[b + 1] : rows_);
    }
  } else {
    for (std::int64_t row = 0; row < rows_; row += size) {
      out.emplace_back(row, std::min(row + size, rows_));
    }
  }
  return out;
}

std::unique_ptr<ScoreBatch> Scoring::batch(std::pair<std::int64_t, std::int64_t> cut,
                                           Inputs* inputs) const {
  const auto taken = [&](const at::Tensor& t) { return t.slice(0, cut.first, cut.second).clone(); };
  const auto given = [&](const std::string& name, const at::Tensor& t) {
    return inputs == nullptr ? taken(t) : inputs->give(name, taken(t));
  };
  ActivationRows rows;
  for (std::size_t s = 0; s < all_.streams.size(); ++s) {
    rows.streams.push_back(given(cat("stream ", s), all_.streams[s]));
  }
  if (all_.origin.defined()) rows.origin = given("origin", all_.origin);
  std::vector<GivenBatch::Part> parts;
  for (std::size_t i = 0; i < made_.size(); ++i) {
    GivenBatch::Part part;
    part.inputs = chosen(rows.streams, needs_.saes[i]->reads);
    part.targets = chosen(rows.streams, needs_.saes[i]->predicts);
    for (const at::Tensor& space : made_[i].codes) {
      part.codes.push_back(in_layout(taken(space), layout_));
      if (inputs != nullptr) inputs->watch(cat("codes of SAE ", i), part.codes.back());
    }
    for (const at::Tensor& target : made_[i].reconstructions) {
      part.reconstructions.push_back(given(cat("reconstruction by SAE ", i), target));
    }
    parts.push_back(std::move(part));
  }
  const auto block = std::find(first_.begin(), first_.end(), cut.first);
  return std::make_unique<GivenBatch>(
      in_contexts() ? blocks_.at(static_cast<std::size_t>(block - first_.begin())) : -1,
      std::move(rows), std::move(parts));
}

void Scoring::add(Accumulator& to, const Cuts& cuts, Inputs* inputs) const {
  const c10::AutoGradMode no_grad(false);
  for (const auto& cut : cuts) to.add(*batch(cut, inputs));
}

Report Scoring::report(const Scorer& scorer, std::int64_t size) const {
  const c10::AutoGradMode no_grad(false);
  const auto accumulator = scorer.begin();
  if (wants_rows()) add(*accumulator, cuts(size));
  return accumulator->finish();
}

FlatReport flat(const Report& report) {
  Flattener flattener;
  flattener.add(to_value(report));
  return {std::move(flattener.text), at::tensor(flattener.numbers, at::kDouble)};
}

}  // namespace saffron::testing
