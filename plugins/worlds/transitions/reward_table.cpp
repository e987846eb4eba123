#include "reward_table.h"

#include <saffron/error.h>

#include <ATen/ops/cat.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace saffron::plugins {
namespace {

// float64 [n, width], contiguous; -0 becomes 0.
at::Tensor flat(const at::Tensor& x) {
  std::int64_t width = 1;
  for (const std::int64_t n : x.sizes().slice(1)) width *= n;
  return x.to(at::kDouble).reshape({x.size(0), width}).add(0.0).contiguous();
}

at::Tensor both(const at::Tensor& data, const at::Tensor& further) {
  return further.defined() ? at::cat({data.to(at::kDouble), further.to(at::kDouble)}) : data;
}

std::span<const double> row_of(const at::Tensor& x, std::int64_t row) {
  const std::int64_t width = x.size(1);
  return {x.const_data_ptr<double>() + row * width, static_cast<std::size_t>(width)};
}

std::string numbers(const at::Tensor& x, std::int64_t row) {
  constexpr std::size_t kShown = 8;
  const at::Tensor all = flat(x.narrow(0, row, 1));
  const std::span<const double> values = row_of(all, 0);
  std::string out;
  for (std::size_t i = 0; i < std::min(values.size(), kShown); ++i) {
    out += cat(i == 0 ? "" : ", ", values[i]);
  }
  return cat("[", out, values.size() > kShown ? ", ..." : "", "]");
}

}  // namespace

RewardTable::Rows::Rows(const at::Tensor& states, const at::Tensor& actions,
                        const at::Tensor& next_states)
    : s(flat(states)), a(flat(actions)), next(flat(next_states)) {}

std::uint64_t RewardTable::Rows::hash(std::int64_t row) const {
  std::uint64_t out = 0x9E3779B97F4A7C15;
  for (const at::Tensor* part : {&s, &a, &next}) {
    for (const double x : row_of(*part, row)) {
      out = (out ^ std::bit_cast<std::uint64_t>(x)) * 0xFF51AFD7ED558CCD;
      out ^= out >> 32;
    }
  }
  return out;
}

bool RewardTable::Rows::equal(std::int64_t row, const Rows& other, std::int64_t other_row) const {
  const auto same = [&](const at::Tensor& x, const at::Tensor& y) {
    const std::span<const double> mine = row_of(x, row), theirs = row_of(y, other_row);
    return std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end());
  };
  return same(s, other.s) && same(a, other.a) && same(next, other.next);
}

RewardTable::RewardTable(const Sample& sample, double spread, std::string source)
    : source_(std::move(source)),
      data_rows_(sample.data.count()),
      rows_(both(sample.data.states, sample.further.states),
            both(sample.data.actions, sample.further.actions),
            both(sample.data.next_states, sample.further.next_states)) {
  for (std::int64_t row = 0; row < rows_.count(); ++row) {
    const std::int64_t known = find(rows_, row);
    first_.push_back(known < 0 ? row : known);
    if (known < 0) by_hash_.emplace(rows_.hash(row), row);
  }
  for (std::size_t i = 0; i < sample.data.rewards.size(); ++i) {
    const auto& [name, data] = sample.data.rewards[i];
    const at::Tensor all = sample.further.count() > 0
                               ? at::cat({data, sample.further.rewards[i].second})
                               : data.contiguous();
    const auto* p = all.const_data_ptr<double>();
    add_values({p, p + all.numel()}, name, spread);
  }
}

// The mean of each transition's values, as differences from the first.
void RewardTable::add_values(const std::vector<double>& values, const std::string& name,
                             double spread) {
  double largest = 0;
  for (const double x : values) largest = std::max(largest, std::abs(x));
  std::vector<double> sum(values.size(), 0), count(values.size(), 0);
  for (std::size_t row = 0; row < values.size(); ++row) {
    const auto first = static_cast<std::size_t>(first_[row]);
    const double apart = values[row] - values[first];
    sum[first] += apart;
    count[first] += 1;
    if (std::abs(apart) <= spread * largest) continue;
    throw Error(ErrorKind::data, cat("reward '", name, "' of one transition is ", values[first],
                                     " in ", place(first_[row]), " and ", values[row], " in ",
                                     place(static_cast<std::int64_t>(row))))
        .within(source_)
        .with_help(
            "a reward is a function of state, action and next state: put what it depends on into "
            "these, or allow more `spread`, and it is the mean");
  }
  std::vector<double> mean = values;
  for (std::size_t row = 0; row < values.size(); ++row) {
    if (count[row] > 1) mean[row] += sum[row] / count[row];
  }
  values_.push_back(std::move(mean));
}

std::string RewardTable::place(std::int64_t row) const {
  return row < data_rows_ ? cat("row ", row) : cat("row ", row - data_rows_, " of further");
}

std::int64_t RewardTable::find(const Rows& rows, std::int64_t row) const {
  const auto [begin, end] = by_hash_.equal_range(rows.hash(row));
  for (auto it = begin; it != end; ++it) {
    if (rows_.equal(it->second, rows, row)) return it->second;
  }
  return -1;
}

std::vector<std::int64_t> RewardTable::find(const at::Tensor& states, const at::Tensor& actions,
                                            const at::Tensor& next_states) const {
  const Rows rows(states, actions, next_states);
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(rows.count()));
  for (std::int64_t row = 0; row < rows.count(); ++row) out.push_back(find(rows, row));
  return out;
}

double RewardTable::value(std::int64_t reward, std::int64_t transition) const {
  return values_[static_cast<std::size_t>(reward)][static_cast<std::size_t>(transition)];
}

std::string RewardTable::words(const at::Tensor& states, const at::Tensor& actions,
                               const at::Tensor& next_states, std::int64_t row) {
  return cat("from state ", numbers(states, row), " by action ", numbers(actions, row),
             " to state ", numbers(next_states, row));
}

}  // namespace saffron::plugins
