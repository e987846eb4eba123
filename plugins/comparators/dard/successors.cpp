#include "successors.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/nonzero.h>

namespace saffron::plugins {

Successors::Successors(const rewards::SampledData& data)
    : data_(data),
      rows_(data.count()),
      states_(rewards::distinct_rows(data.states, data.next_states)),
      actions_(rewards::distinct_rows(data.actions)) {
  const at::Tensor all = at::cat({data.states, data.next_states.to(data.states.scalar_type())});
  as_state_ = all.index_select(0, states_.first);
  as_next_ = as_state_.to(data.next_states.scalar_type());
  left_by_.resize(static_cast<std::size_t>(states() * actions_.count()));
  left_.resize(static_cast<std::size_t>(states()));
  ends_.resize(static_cast<std::size_t>(states()));
  const auto* number = states_.number.const_data_ptr<std::int64_t>();
  const auto* action = actions_.number.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < rows_; ++i) {
    left_by_[static_cast<std::size_t>(number[i] * actions_.count() + action[i])].push_back(i);
    left_[static_cast<std::size_t>(number[i])] = true;
    if (data.terminal.const_data_ptr<bool>()[i]) {
      ends_[static_cast<std::size_t>(number[rows_ + i])] = true;
    }
  }
}

Successors::Draw Successors::draw(const at::Tensor& episodes, std::int64_t count,
                                  const Random& random) const {
  const at::Tensor of_row = episodes.index_select(0, data_.episode).contiguous();
  const auto* taken = of_row.const_data_ptr<bool>();
  const at::Tensor rows = at::nonzero(of_row).view(-1);
  const auto* number = states_.number.const_data_ptr<std::int64_t>();
  const std::int64_t K = 2 * count;
  Draw out{.action_row = at::empty({K}, at::kLong),
           .next = at::full({states(), K}, -1, at::kLong),
           .whole = {}};
  auto* action_row = out.action_row.mutable_data_ptr<std::int64_t>();
  auto* next = out.next.mutable_data_ptr<std::int64_t>();
  const Random of_state = random.fork("successors");
  std::vector<std::int64_t> those;
  for (std::int64_t k = 0; k < K; ++k) {
    const auto draw = static_cast<std::uint64_t>(k);
    action_row[k] = rows.const_data_ptr<std::int64_t>()[random.below(
        static_cast<std::uint64_t>(rows.size(0)), draw / 2)];
    const std::int64_t action = actions_.number.const_data_ptr<std::int64_t>()[action_row[k]];
    for (std::int64_t x = 0; x < states(); ++x) {
      const auto at = static_cast<std::size_t>(x);
      if (ends_[at] && !left_[at]) {
        next[x * K + k] = x;
        continue;
      }
      those.clear();
      for (const std::int64_t row :
           left_by_[static_cast<std::size_t>(x * actions_.count() + action)]) {
        if (taken[row]) those.push_back(row);
      }
      if (those.empty()) continue;
      const std::uint64_t which = of_state.below(those.size(), static_cast<std::uint64_t>(x), draw);
      next[x * K + k] = number[rows_ + those[which]];
    }
  }
  out.whole = (out.next >= 0).all(1);
  return out;
}

at::Tensor Successors::evaluate(const at::Tensor& from, const at::Tensor& action_row,
                                const at::Tensor& to) const {
  return data_.evaluate(as_state_.index_select(0, from), data_.actions.index_select(0, action_row),
                        as_next_.index_select(0, to));
}

void Successors::ask(rewards::NeededTransitions& needed, const at::Tensor& from,
                     const at::Tensor& action_row, const at::Tensor& to) const {
  needed.add(as_state_.index_select(0, from), data_.actions.index_select(0, action_row),
             as_next_.index_select(0, to));
}

}  // namespace saffron::plugins
