#include "src/rewards/each_pair.h"
#include "src/rewards/rows.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <utility>

namespace saffron::inline sdk_v1::rewards {
namespace {

using Kind = Measure::Kind;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// So many rewards, and one product of all forms takes less time than a pass over every pair.
constexpr std::int64_t kMany = 16;

bool angle(const Measure& measure) {
  return measure.kind == Kind::angle || measure.kind == Kind::weighted_angle;
}

// What is divided by, and measured with.
Norm normaliser(const Measure& measure) {
  if (measure.kind == Kind::norms) return measure.normalise;
  return measure.kind == Kind::weighted_angle ? Norm::weighted_two : Norm::two;
}

Norm distance(const Measure& measure) {
  return measure.kind == Kind::norms ? measure.distance : normaliser(measure);
}

// Measures that one pass over the cells of a pair serves, by their places in the list.
struct Group {
  Kind rows;  // norms, or a correlation's
  Norm normalise;
  bool sums = false;  // an angle needs |u + v| as well
  std::vector<std::size_t> places;
};

std::vector<Group> groups(const std::vector<Measure>& measures) {
  std::vector<Group> out;
  for (std::size_t place = 0; place < measures.size(); ++place) {
    const Measure& measure = measures[place];
    const Kind rows = measure.pearson() ? measure.kind : Kind::norms;
    const Norm normalise = normaliser(measure);
    const auto same = [&](const Group& g) { return g.rows == rows && g.normalise == normalise; };
    auto group = std::find_if(out.begin(), out.end(), same);
    if (group == out.end()) group = out.insert(out.end(), {rows, normalise, false, {}});
    group->sums |= angle(measure);
    group->places.push_back(place);
  }
  return out;
}

// 2 atan2(|u - v|, |u + v|) of unit vectors: exact near 0 and pi, where acos of a product is not.
// Of u, v with mean 0 and norm 1: sqrt((1 - rho) / 2) = |u - v| / 2.
double combine(const Measure& measure, double difference, double sum) {
  if (angle(measure)) return 2 * std::atan2(difference, sum);
  return measure.pearson() ? 0.5 * difference : difference;
}

}  // namespace

Canonicaliser::~Canonicaliser() = default;

class Distances::Parts {
 public:
  Parts(const TabularWorld& world, const Canonical& canonical, std::vector<std::string> names,
        std::vector<Measure> measures)
      : name(canonical.name),
        names(std::move(names)),
        states(world.transitions().states),
        measures(std::move(measures)),
        groups_(groups(this->measures)) {
    const at::Tensor& tau = world.transitions().dense;
    const bool constant = canonical.values.size(-1) != tau.size(-1) || tau.size(-1) == 1;
    const at::Tensor values = canonical.values.flatten(1), scale = canonical.scale.flatten(1);
    plain.emplace(values, scale, Cells::of(tau, constant));
    for (const Group& group : groups_) {
      if (group.rows == Kind::norms) continue;
      at::Tensor weight = coverage(world, group.rows == Kind::pearson_reachable);
      if (!weight.defined()) continue;
      if (constant) weight = weight.sum(-1);
      (group.rows == Kind::pearson_reachable ? reachable : uniform)
          .emplace(Rows::centred(values, scale, weight.reshape({-1})));
    }
  }

  Parts(const Canonical& canonical, Cells cells, std::vector<std::string> names,
        std::vector<Measure> measures)
      : name(canonical.name),
        names(std::move(names)),
        measures(std::move(measures)),
        groups_(groups(this->measures)) {
    plain.emplace(canonical.values, canonical.scale, std::move(cells));
  }

  [[nodiscard]] const std::optional<Rows>& rows(Kind kind) const {
    return kind == Kind::pearson_uniform     ? uniform
           : kind == Kind::pearson_reachable ? reachable
                                             : plain;
  }
  // Correlations need a coverage and two rewards that vary under it.
  [[nodiscard]] bool defined(const Group& group, std::int64_t i, std::int64_t j) const {
    const std::optional<Rows>& r = rows(group.rows);
    return group.rows == Kind::norms || (r && !r->zero(i) && !r->zero(j));
  }
  void fill(const Group& group, std::int64_t i, std::int64_t j, double* out) const {
    const std::optional<Rows>& r = rows(group.rows);
    if (!defined(group, i, j)) {
      for (const std::size_t place : group.places) out[place] = kNaN;
      return;
    }
    const Norms difference = r->apart(group.normalise, i, j);
    const Norms sum = group.sums ? r->apart(group.normalise, i, j, -1) : Norms();
    for (const std::size_t place : group.places) {
      const Norm m = distance(measures[place]);
      const double d = combine(measures[place], difference[m], sum[m]);
      out[place] = std::isfinite(d) ? d : kNaN;
    }
  }
  void fill(std::int64_t i, std::int64_t j, double* out) const {
    for (const Group& group : groups_) fill(group, i, j, out);
  }
  // All pairs, pair by pair: [R, R, M].
  [[nodiscard]] at::Tensor all() const;
  [[nodiscard]] std::string undefined(const Measure& measure, std::int64_t i, std::int64_t j) const;

  std::string name;
  std::vector<std::string> names;
  std::int64_t states = 0;  // of rows that hold as many cells each; 0 otherwise
  std::vector<Measure> measures;
  std::optional<Rows> plain, uniform, reachable;

 private:
  using Products = std::vector<std::optional<at::Tensor>>;  // of each group
  [[nodiscard]] Products products() const;
  [[nodiscard]] bool fill_from(const at::Tensor& products, const Group& group, std::int64_t i,
                               std::int64_t j, double* out) const;

  std::vector<Group> groups_;
};

// Of groups that use one 2-norm alone.
Distances::Parts::Products Distances::Parts::products() const {
  Products out(groups_.size());
  if (plain->count() < kMany) return out;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    const Norm first = distance(measures[group.places.front()]);
    const auto same = [&](std::size_t place) { return distance(measures[place]) == first; };
    const bool two = first == Norm::two || first == Norm::weighted_two;
    if (!two || !rows(group.rows)) continue;
    if (std::all_of(group.places.begin(), group.places.end(), same)) {
      out[g] = rows(group.rows)->products(first);
    }
  }
  return out;
}

bool Distances::Parts::fill_from(const at::Tensor& products, const Group& group, std::int64_t i,
                                 std::int64_t j, double* out) const {
  if (!defined(group, i, j)) return false;
  const Rows& r = *rows(group.rows);
  const auto difference = r.apart(products, group.normalise, i, j);
  const auto sum = group.sums ? r.apart(products, group.normalise, i, j, -1) : 0.0;
  if (!difference || !sum) return false;
  for (const std::size_t place : group.places) {
    out[place] = combine(measures[place], *difference, *sum);
  }
  return true;
}

at::Tensor Distances::Parts::all() const {
  const auto count = static_cast<std::int64_t>(names.size());
  const auto size = static_cast<std::int64_t>(measures.size());
  const at::Tensor out = at::zeros({count, count, size}, at::kDouble);
  double* const data = out.mutable_data_ptr<double>();
  const Products of = products();
  const std::int64_t work =
      plain->cells().count.numel() * static_cast<std::int64_t>(groups_.size());
  each_pair(count, work, [&](std::int64_t i, std::int64_t j) {
    if (i >= j) return;
    double* cells = data + (i * count + j) * size;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      if (of[g] && fill_from(*of[g], groups_[g], i, j, cells)) continue;
      fill(groups_[g], i, j, cells);
    }
    std::copy(cells, cells + size, data + (j * count + i) * size);
  });
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t m = 0; m < size; ++m) {
      const Measure& measure = measures[static_cast<std::size_t>(m)];
      if (!undefined(measure, i, i).empty()) data[(i * count + i) * size + m] = kNaN;
    }
  }
  return out;
}

// Why there is no distance of rewards i and j; "" if there is one, unless it overflows.
std::string Distances::Parts::undefined(const Measure& measure, std::int64_t i,
                                        std::int64_t j) const {
  if (!measure.pearson()) return "";
  const std::optional<Rows>& r = rows(measure.kind);
  if (!r) return kNoCoverage;
  for (const std::int64_t of : {i, j}) {
    if (r->zero(of)) return constant_reason(name, names[static_cast<std::size_t>(of)]);
  }
  return "";
}

Distances::Distances(const TabularWorld& world, Canonical canonical, std::vector<std::string> names,
                     std::vector<Measure> measures) {
  require_finite(canonical, names);
  parts_ = std::make_shared<const Parts>(world, canonical, std::move(names), std::move(measures));
}

Distances::Distances(Canonical canonical, std::vector<std::string> names,
                     std::vector<Measure> measures, Cells cells) {
  require_finite(canonical, names);
  parts_ = std::make_shared<const Parts>(canonical, std::move(cells), std::move(names),
                                         std::move(measures));
}

const std::vector<Measure>& Distances::measures() const { return parts_->measures; }

std::vector<PairMatrix> Distances::matrices() const {
  const auto count = static_cast<std::int64_t>(parts_->names.size());
  const at::Tensor all = parts_->all();
  std::vector<PairMatrix> out;
  for (std::size_t m = 0; m < parts_->measures.size(); ++m) {
    const Measure& measure = parts_->measures[m];
    PairMatrix matrix{.key = parts_->name + "/" + measure.text(),
                      .values = all.select(-1, static_cast<std::int64_t>(m)).contiguous(),
                      .reasons = {},
                      .definition = measure.definition()};
    if (matrix.values.isnan().any().item<bool>()) {
      for (std::int64_t at = 0; at < count * count; ++at) {
        std::string reason = parts_->undefined(measure, at / count, at % count);
        const bool overflows =
            reason.empty() && std::isnan(matrix.values.const_data_ptr<double>()[at]);
        matrix.reasons.push_back(overflows ? "it overflows float64" : std::move(reason));
      }
    }
    out.push_back(std::move(matrix));
  }
  return out;
}

std::vector<double> Distances::between(std::int64_t i, std::int64_t j) const {
  std::vector<double> out(parts_->measures.size());
  parts_->fill(i, j, out.data());
  return out;
}

at::Tensor Distances::state_shares(std::int64_t i, std::int64_t j) const {
  if (parts_->states == 0) return at::zeros({0}, at::kDouble);
  const at::Tensor squares =
      parts_->plain->squares(Norm::two, i, j).view({parts_->states, -1}).sum(-1);
  const at::Tensor whole = squares.sum();
  return whole.item<double>() > 0 ? squares / whole : squares;
}

Certificate Distances::certificate(const Measure& measure) const {
  Certificate out;
  out.metric = parts_->name + "/" + measure.text();
  out.pseudometric = true;
  if (measure.scale_invariant()) out.invariant_to.push_back("positive scaling");
  switch (measure.kind) {
    case Kind::norms:
      out.high =
          measure.normalise == Norm::none
              ? std::numeric_limits<double>::infinity()
              : 2 * largest_ratio(measure.normalise, measure.distance, parts_->plain->cells());
      break;
    case Kind::angle:
    case Kind::weighted_angle: out.high = std::numbers::pi; break;
    case Kind::pearson_uniform:
    case Kind::pearson_reachable: out.high = 1; break;
  }
  return out;
}

std::vector<std::string> Distances::trivial() const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < parts_->names.size(); ++i) {
    if (parts_->plain->zero(static_cast<std::int64_t>(i))) out.push_back(parts_->names[i]);
  }
  return out;
}

std::vector<std::string> Distances::faint() const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < parts_->names.size(); ++i) {
    const double largest = parts_->plain->largest(static_cast<std::int64_t>(i));
    if (rewards::faint(largest)) out.push_back(parts_->names[i]);
  }
  return out;
}

}  // namespace saffron::inline sdk_v1::rewards
