#include "row_sampler.h"

#include "chunks.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstddef>

namespace saffron::plugins::synth {
namespace {

// Rows whose y are one product. Tiles begin at multiples of it, so that a row's y does not depend
// on where its block begins.
constexpr std::int64_t kTileRows = 64;
constexpr std::int64_t kGroup = 8;

}  // namespace

struct RowSampler::Row {
  RowDraws draws;
  const float* eps = nullptr;  // [rank + 1], the last is 1
  std::vector<float> maxima = {}, child_y = {};
  std::vector<std::pair<std::int64_t, double>> pending = {};   // active parents, their values
  std::vector<std::pair<std::int64_t, double>> siblings = {};  // children of one that fired
  std::vector<std::pair<std::int32_t, float>> entries = {};

  void begin(const RowDraws& its_draws, const float* its_eps) {
    draws = its_draws;
    eps = its_eps;
    entries.clear();
  }
};

struct RowSampler::Tile {
  std::vector<std::int32_t> ends = {};  // entries up to the end of each row
  std::vector<std::pair<std::int32_t, float>> entries = {};
};

RowSampler::RowSampler(FeatureModel model, Random random)
    : model_(std::move(model)),
      normals_(random.fork("normals")),
      draws_(random.fork("draws")),
      rank_(model_.factor.size(1)),
      parents_(static_cast<std::int64_t>(model_.exclusive.size())),
      first_lone_(model_.hierarchy.nodes()),
      groups_(chunks_of(model_.hierarchy.roots + model_.features() - first_lone_, kGroup)) {
  weigh_free_features();
  weigh_children();
}

std::int64_t RowSampler::feature_at(std::int64_t place) const {
  const std::int64_t roots = model_.hierarchy.roots;
  return place < roots ? place : first_lone_ + (place - roots);
}

void RowSampler::weigh_free_features() {
  const std::int64_t columns = groups_ * kGroup;
  free_weights_ = at::zeros({rank_ + 1, columns});
  float* weights = free_weights_.mutable_data_ptr<float>();
  const double* factor = model_.factor.const_data_ptr<double>();
  for (std::int64_t place = 0; place < columns; ++place) {
    const std::int64_t column = place % kGroup * groups_ + place / kGroup;
    const std::int64_t i = feature_at(place);
    if (i >= model_.features()) {  // fills the last group up and never fires
      weights[rank_ * columns + column] = static_cast<float>(-kAlways);
      continue;
    }
    const double s = model_.residual[at_index(i)];
    for (std::int64_t k = 0; k < rank_; ++k) {
      weights[k * columns + column] = static_cast<float>(factor[i * rank_ + k] / s);
    }
    weights[rank_ * columns + column] = static_cast<float>(-model_.thresholds[at_index(i)] / s);
  }
}

void RowSampler::weigh_children() {
  const std::int64_t branching = model_.hierarchy.branching;
  const double* factor = model_.factor.const_data_ptr<double>();
  child_weights_.reserve(at_index(parents_ * (rank_ + 1) * branching));
  for (std::int64_t parent = 0; parent < parents_; ++parent) {
    const std::int64_t first = model_.hierarchy.first_child(parent);
    for (std::int64_t k = 0; k <= rank_; ++k) {
      for (std::int64_t c = first; c < first + branching; ++c) {
        const double w = k < rank_ ? factor[c * rank_ + k] : -model_.thresholds[at_index(c)];
        child_weights_.push_back(static_cast<float>(w / model_.residual[at_index(c)]));
      }
    }
  }
}

Codes RowSampler::draw(std::int64_t first, std::int64_t count) const {
  const std::int64_t first_tile = first / kTileRows, last = first + count;
  const std::int64_t tiles = (last - 1) / kTileRows + 1 - first_tile;
  std::vector<Tile> drawn(at_index(tiles));
  for_each_chunk(tiles, 1, [&](std::int64_t t, std::int64_t, std::int64_t) {
    const std::int64_t begin = (first_tile + t) * kTileRows;
    drawn[at_index(t)] =
        draw_tile(first_tile + t, std::max(first, begin), std::min(last, begin + kTileRows));
  });
  std::size_t entries = 0;
  for (const Tile& tile : drawn) entries += tile.entries.size();
  const auto ints = at::TensorOptions().dtype(at::kInt);
  at::Tensor offsets = at::zeros({count + 1}, ints), overflow = at::zeros({}, ints);
  at::Tensor indices = at::empty({static_cast<std::int64_t>(entries)}, ints);
  at::Tensor values = at::empty({static_cast<std::int64_t>(entries)});
  auto* offset = offsets.mutable_data_ptr<std::int32_t>();
  auto* index = indices.mutable_data_ptr<std::int32_t>();
  auto* value = values.mutable_data_ptr<float>();
  for (const Tile& tile : drawn) {
    const std::int32_t start = *offset;
    for (const std::int32_t end : tile.ends) *++offset = start + end;
    for (const auto& [feature, strength] : tile.entries) {
      *index++ = feature;
      *value++ = strength;
    }
  }
  return Codes::csr(values, indices, offsets, overflow, model_.features());
}

// Rows [first, last), which lie in the tile. eps and y are made for all rows of it.
RowSampler::Tile RowSampler::draw_tile(std::int64_t tile, std::int64_t first,
                                       std::int64_t last) const {
  const std::int64_t begin = tile * kTileRows;
  const at::Tensor eps = at::ones({kTileRows, rank_ + 1});
  if (rank_ > 0) eps.slice(1, 0, rank_).copy_(normals_.normal_rows(begin, kTileRows, rank_));
  const at::Tensor y = at::mm(eps, free_weights_);
  const float* normals = eps.const_data_ptr<float>();
  const float* all = y.const_data_ptr<float>();
  Tile result;
  Row row{RowDraws(0, 0)};
  for (std::int64_t r = first; r < last; ++r) {
    row.begin(RowDraws(draws_.key(), static_cast<std::uint64_t>(r)),
              normals + (r - begin) * (rank_ + 1));
    draw_row(all + (r - begin) * y.size(1), row);
    std::sort(row.entries.begin(), row.entries.end());
    result.entries.insert(result.entries.end(), row.entries.begin(), row.entries.end());
    result.ends.push_back(static_cast<std::int32_t>(result.entries.size()));
  }
  return result;
}

void RowSampler::draw_row(const float* y, Row& row) const {
  row.maxima.assign(y, y + groups_);
  float* maxima = row.maxima.data();
  for (std::int64_t j = 1; j < kGroup; ++j) {
    const float* other = y + j * groups_;
    for (std::int64_t g = 0; g < groups_; ++g) {
      maxima[g] = maxima[g] > other[g] ? maxima[g] : other[g];
    }
  }
  double left = row.draws.exponential();
  for (std::int64_t g = 0; g < groups_; ++g) {
    const auto& [probability, hazard] = table_.bound(maxima[g]);
    std::int64_t place = 0;
    while (left < hazard * static_cast<double>(kGroup - place)) {
      place += static_cast<std::int64_t>(left / hazard);
      // left / hazard may round up to the number of places that are left.
      place = std::min(place, kGroup - 1);
      if (table_.below(row.draws.uniform() * probability, y[place * groups_ + g])) {
        fire(feature_at(g * kGroup + place), row);
      }
      left = row.draws.exponential();
      if (++place == kGroup) break;
    }
    if (place < kGroup) left -= hazard * static_cast<double>(kGroup - place);
  }
}

void RowSampler::fire(std::int64_t feature, Row& row) const {
  const double value = magnitude(feature, row);
  if (value <= 0) return;
  activate(feature, value, row);
  while (!row.pending.empty()) {
    const auto [parent, strength] = row.pending.back();
    row.pending.pop_back();
    draw_children(parent, strength, row);
  }
}

void RowSampler::draw_children(std::int64_t parent, double value, Row& row) const {
  const std::int64_t branching = model_.hierarchy.branching;
  const float* weights = child_weights_.data() + parent * (rank_ + 1) * branching;
  row.child_y.assign(at_index(branching), 0);
  float* y = row.child_y.data();
  for (std::int64_t k = 0; k <= rank_; ++k) {
    for (std::int64_t c = 0; c < branching; ++c) y[c] += row.eps[k] * weights[k * branching + c];
  }
  row.siblings.clear();
  for (std::int64_t c = 0; c < branching; ++c) {
    if (!table_.below(row.draws.uniform(), y[c])) continue;
    const std::int64_t child = model_.hierarchy.first_child(parent) + c;
    if (const double own = magnitude(child, row); own > 0) row.siblings.emplace_back(child, own);
  }
  const double scale = model_.hierarchy.scale_children ? value / model_.mean[at_index(parent)] : 1;
  if (row.siblings.size() > 1 && model_.exclusive[at_index(parent)] != 0) {
    const auto count = static_cast<double>(row.siblings.size());
    const auto [child, own] = row.siblings[static_cast<std::size_t>(row.draws.uniform() * count)];
    return activate(child, own * scale, row);
  }
  for (const auto& [child, own] : row.siblings) activate(child, own * scale, row);
}

double RowSampler::magnitude(std::int64_t feature, Row& row) const {
  return model_.mean[at_index(feature)] + model_.deviation[at_index(feature)] * row.draws.normal();
}

void RowSampler::activate(std::int64_t feature, double value, Row& row) const {
  row.entries.emplace_back(static_cast<std::int32_t>(feature), static_cast<float>(value));
  if (feature < parents_) row.pending.emplace_back(feature, value);
}

}  // namespace saffron::plugins::synth
