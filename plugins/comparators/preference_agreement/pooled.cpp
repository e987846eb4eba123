#include "pooled.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

namespace saffron::plugins {
namespace {

using Order = std::vector<std::int64_t>;

Order order_of(const double* x, std::int64_t count) {
  Order out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), std::int64_t{0});
  std::sort(out.begin(), out.end(), [&](auto a, auto b) { return x[a] < x[b]; });
  return out;
}

// Ranks by order, from 0, equal values sharing their mean rank; and how many pairs are not equal.
struct Ranks {
  at::Tensor mean;                  // [N]
  std::vector<std::int64_t> dense;  // [N], equal values having one number
  double untied = 0;
};

Ranks ranks_of(const at::Tensor& x, const Order& order) {
  const auto* p = x.const_data_ptr<double>();
  const std::size_t count = order.size();
  Ranks out{at::zeros_like(x), std::vector<std::int64_t>(count), 0};
  auto* mean = out.mean.mutable_data_ptr<double>();
  std::int64_t number = 0;
  for (std::size_t from = 0, to = 0; from < count; from = to, ++number) {
    while (to < count && p[order[to]] == p[order[from]]) ++to;
    for (std::size_t i = from; i < to; ++i) {
      mean[order[i]] = 0.5 * static_cast<double>(from + to - 1);
      out.dense[static_cast<std::size_t>(order[i])] = number;
    }
    out.untied += static_cast<double>(to - from) * static_cast<double>(count - to);
  }
  return out;
}

// Merges two sorted halves of y, and counts the pairs that this turns round.
double merge_swaps(std::vector<std::int64_t>& y, std::vector<std::int64_t>& spare, std::size_t from,
                   std::size_t middle, std::size_t to) {
  double swaps = 0;
  std::size_t a = from, b = middle;
  for (std::size_t at = from; at < to; ++at) {
    const bool second = a == middle || (b < to && y[b] < y[a]);
    if (second) swaps += static_cast<double>(middle - a);
    spare[at] = second ? y[b++] : y[a++];
  }
  std::copy(spare.begin() + static_cast<std::ptrdiff_t>(from),
            spare.begin() + static_cast<std::ptrdiff_t>(to),
            y.begin() + static_cast<std::ptrdiff_t>(from));
  return swaps;
}

// Pairs that x and y order oppositely: of y, in the order of x and of y where x ties, the inversions.
double discordant(const Ranks& x, const Order& by_x, const Ranks& y) {
  Order order = by_x;
  const auto key = [&](std::int64_t i) { return x.dense[static_cast<std::size_t>(i)]; };
  for (std::size_t from = 0, to = 0; from < order.size(); from = to) {
    while (to < order.size() && key(order[to]) == key(order[from])) ++to;
    std::sort(order.begin() + static_cast<std::ptrdiff_t>(from),
              order.begin() + static_cast<std::ptrdiff_t>(to), [&](auto a, auto b) {
                return y.dense[static_cast<std::size_t>(a)] < y.dense[static_cast<std::size_t>(b)];
              });
  }
  std::vector<std::int64_t> values, spare(order.size());
  for (const std::int64_t i : order) values.push_back(y.dense[static_cast<std::size_t>(i)]);
  double out = 0;
  for (std::size_t width = 1; width < values.size(); width *= 2) {
    for (std::size_t from = 0; from + width < values.size(); from += 2 * width) {
      out +=
          merge_swaps(values, spare, from, from + width, std::min(from + 2 * width, values.size()));
    }
  }
  return out;
}

// Pairs that are tied in both.
double tied_in_both(const Ranks& x, const Order& by_x, const Ranks& y) {
  std::vector<std::pair<std::int64_t, std::int64_t>> both;
  for (const std::int64_t i : by_x) {
    both.emplace_back(x.dense[static_cast<std::size_t>(i)], y.dense[static_cast<std::size_t>(i)]);
  }
  std::sort(both.begin(), both.end());
  double out = 0;
  for (std::size_t from = 0, to = 0; from < both.size(); from = to) {
    while (to < both.size() && both[to] == both[from]) ++to;
    out += 0.5 * static_cast<double>(to - from) * static_cast<double>(to - from - 1);
  }
  return out;
}

// P + Q is what is tied in neither: all pairs less those tied in x, in y, and back those tied in both.
double tau_b(const Ranks& x, const Order& by_x, const Ranks& y) {
  const auto count = static_cast<double>(by_x.size());
  const double all = 0.5 * count * (count - 1);
  const double neither = x.untied + y.untied - all + tied_in_both(x, by_x, y);
  const double opposed = discordant(x, by_x, y);
  return std::clamp((neither - 2 * opposed) / std::sqrt(x.untied) / std::sqrt(y.untied), -1.0, 1.0);
}

at::Tensor correlations(const at::Tensor& x) {  // of rows
  const at::Tensor centred = x - x.mean(1, true);
  const at::Tensor unit = centred / centred.square().sum(1, true).sqrt();
  return unit.matmul(unit.t()).clamp(-1, 1);
}

}  // namespace

void add_pooled(const at::Tensor& scores, const std::vector<std::string>& names, Comparison& out) {
  const std::int64_t R = scores.size(0);
  std::vector<Order> orders(static_cast<std::size_t>(R));
  std::vector<Ranks> ranks(static_cast<std::size_t>(R));
  at::parallel_for(0, R, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      orders[at] = order_of(scores[i].const_data_ptr<double>(), scores.size(1));
      ranks[at] = ranks_of(scores[i], orders[at]);
    }
  });
  const at::Tensor tau = at::zeros({R, R}, at::kDouble);
  auto* const cells = tau.mutable_data_ptr<double>();
  at::parallel_for(0, R * R, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const auto i = static_cast<std::size_t>(at / R), j = static_cast<std::size_t>(at % R);
      if (i <= j) cells[at] = cells[at % R * R + at / R] = tau_b(ranks[i], orders[i], ranks[j]);
    }
  });
  std::vector<at::Tensor> means;
  at::Tensor constant = at::zeros({R}, at::kBool);
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    means.push_back(ranks[i].mean);
    constant[static_cast<std::int64_t>(i)] = ranks[i].untied == 0;
    reasons.push_back(cat("model '", names[i], "' scores all responses alike"));
  }
  const auto largest = scores.abs().amax(1, true);
  const auto add = [&](const char* key, const at::Tensor& values, const char* of) {
    PairMatrix matrix{
        key, values, {}, cat(of, ", over the responses to all prompts together"), Better::higher};
    rewards::leave_undefined(matrix, constant, reasons);
    out.metrics.push_back(std::move(matrix));
    Certificate c;
    c.metric = key;
    c.needs = {"scores"};
    c.invariant_to = {"positive scaling"};
    c.low = -1;
    c.high = 1;
    c.covers = "the observed responses, prompts mixed";
    c.caveat = "An offset per prompt changes no preference, and changes this.";
    out.certificates.push_back(std::move(c));
  };
  add("pearson_pooled", correlations(scores / largest), "correlation of scores");
  add("spearman_pooled", correlations(at::stack(means)), "correlation of ranks");
  add("kendall_tau_b_pooled", tau, "(P - Q) / sqrt(T1 T2)");
  out.report.blocks.push_back(
      {.title = "Pooled correlations",
       .caption = "",
       .body =
           TextBlock{"Correlations over all prompts together mix what a model thinks of "
                     "responses with what it adds to all responses of a prompt. The latter "
                     "changes no preference, and can turn the sign of a correlation: two models "
                     "that agree in every prompt may correlate negatively. Go by those within "
                     "prompts."}});
}

}  // namespace saffron::plugins
