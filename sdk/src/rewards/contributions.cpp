#include "src/rewards/contributions.h"

#include <saffron/error.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr std::size_t kPairs = 10;
constexpr std::int64_t kStates = 5;
// Of rounding alone no state carries anything.
constexpr double kNothing = 1e-7;

struct Pair {
  double distance = 0;
  std::int64_t i = 0, j = 0;
};

std::vector<Pair> furthest(const at::Tensor& values) {
  std::vector<Pair> out;
  const double* d = values.const_data_ptr<double>();
  const std::int64_t count = values.size(0);
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = i + 1; j < count; ++j) {
      if (d[i * count + j] > kNothing) out.push_back({d[i * count + j], i, j});
    }
  }
  const auto further = [](const Pair& a, const Pair& b) { return a.distance > b.distance; };
  std::stable_sort(out.begin(), out.end(), further);
  if (out.size() > kPairs) out.resize(kPairs);
  return out;
}

}  // namespace

std::optional<Block> contributions_block(const Distances& distances,
                                         const std::vector<PairMatrix>& matrices,
                                         const std::vector<std::string>& names) {
  const Measure measure = parse_measure("2-2");
  const auto& measures = distances.measures();
  const auto found = std::find(measures.begin(), measures.end(), measure);
  if (found == measures.end()) return std::nullopt;
  const PairMatrix& matrix = matrices[static_cast<std::size_t>(found - measures.begin())];
  TableBlock table;
  table.columns = {{"first", "", ""},
                   {"second", "", ""},
                   {"distance", "", matrix.key},
                   {"state", "", ""},
                   {"share", "", "of the distance's square"}};
  for (const Pair& pair : furthest(matrix.values)) {
    const at::Tensor shares = distances.state_shares(pair.i, pair.j);
    if (shares.size(0) < 2) return std::nullopt;
    const auto [largest, states] = shares.topk(std::min(kStates, shares.size(0)));
    for (std::int64_t k = 0; k < states.size(0) && largest[k].item<double>() > 0; ++k) {
      table.rows.push_back({Value(names[static_cast<std::size_t>(pair.i)]),
                            Value(names[static_cast<std::size_t>(pair.j)]), Value(pair.distance),
                            Value(states[k].item<std::int64_t>()),
                            Value(largest[k].item<double>())});
    }
  }
  if (table.rows.empty()) return std::nullopt;
  return Block{.title = cat(matrix.key, ": which states carry it"),
               .caption = cat("Up to ", kStates, " states each of the ", kPairs,
                              " pairs furthest apart at most."),
               .body = std::move(table)};
}

}  // namespace saffron::inline sdk_v1::rewards
