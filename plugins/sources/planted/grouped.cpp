#include "generator.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace saffron::plugins {

Grouped::Grouped(const GeneratorSettings& settings, Random random)
    : Generator(settings),
      size_(settings.features / settings.groups),
      active_(static_cast<std::int64_t>(settings.active)),
      choice_(random.fork("group")),
      support_(random.fork("support")),
      strength_(random.fork("strength")) {}

std::int64_t Grouped::group_of(std::int64_t row) const {
  return static_cast<std::int64_t>(
      choice_.below(static_cast<std::uint64_t>(settings_.groups), static_cast<std::uint64_t>(row)));
}

// Weighted sampling without replacement as a race of exponentials with rates w_j: the m first to
// arrive (Efraimidis and Spirakis 2006). Times are compared by their logarithms, because weights
// underflow.
std::vector<std::int32_t> Grouped::supports(std::int64_t first, std::int64_t count) const {
  const at::Tensor u = support_.uniform_rows(first, count, size_);
  const float* uniform = u.const_data_ptr<float>();
  std::vector<std::int32_t> members;
  members.reserve(static_cast<std::size_t>(count * active_));
  const double log_decay = std::log(settings_.decay);
  std::vector<std::pair<double, std::int32_t>> arrivals(static_cast<std::size_t>(size_));
  for (std::int64_t s = 0; s < count; ++s) {
    for (std::int64_t j = 0; j < size_; ++j) {
      const double time = -std::log1p(-static_cast<double>(uniform[s * size_ + j]));
      arrivals[static_cast<std::size_t>(j)] = {std::log(time) - static_cast<double>(j) * log_decay,
                                               static_cast<std::int32_t>(j)};
    }
    if (active_ < size_) {
      std::nth_element(arrivals.begin(), arrivals.begin() + active_, arrivals.end());
    }
    const auto begin = static_cast<std::ptrdiff_t>(members.size());
    for (std::int64_t n = 0; n < active_; ++n) {
      members.push_back(arrivals[static_cast<std::size_t>(n)].second);
    }
    std::sort(members.begin() + begin, members.end());
  }
  return members;
}

SparseRows Grouped::draw_chunk(std::int64_t first, std::int64_t count) const {
  const bool shared = settings_.semantics == Semantics::as_published;
  const std::int64_t groups = settings_.groups;
  const std::int64_t from = first / settings_.shared_rows;
  const std::int64_t to = (first + count - 1) / settings_.shared_rows + 1;
  const std::vector<std::int32_t> members =
      shared ? supports(from * groups, (to - from) * groups) : supports(first, count);
  const at::Tensor u = strength_.uniform_rows(first, count, active_);
  const float* strength = u.const_data_ptr<float>();
  SparseRows rows;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t group = group_of(first + r);
    const std::int64_t support =
        shared ? ((first + r) / settings_.shared_rows - from) * groups + group : r;
    for (std::int64_t n = 0; n < active_; ++n) {
      rows.add(group * size_ + members[static_cast<std::size_t>(support * active_ + n)],
               strength[r * active_ + n]);
    }
    rows.end_row();
  }
  return rows;
}

}  // namespace saffron::plugins
