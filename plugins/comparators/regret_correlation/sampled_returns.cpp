#include "sampled_returns.h"

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

constexpr double kForgotten = 1e-5;

std::int64_t horizon(double gamma) {
  return gamma > 0 ? static_cast<std::int64_t>(std::ceil(std::log(kForgotten) / std::log(gamma)))
                   : 1;
}

}  // namespace

SampledReturns::SampledReturns(const TabularWorld& world)
    : states_(world.transitions().states),
      actions_(world.transitions().actions),
      steps_(horizon(world.gamma())),
      gamma_(world.gamma()),
      cumulative_(world.transitions().dense.cumsum(-1).contiguous()),
      rewards_(world.rewards().contiguous()),
      mu0_(world.mu0().contiguous()) {}

// The first successor whose cumulative probability exceeds u; none in terminal states.
std::int64_t SampledReturns::successor(std::int64_t row, double u) const {
  const double* first = cumulative_.const_data_ptr<double>() + row * states_;
  const double total = first[states_ - 1];
  if (total == 0) return -1;
  return std::min<std::int64_t>(std::upper_bound(first, first + states_, u * total) - first,
                                states_ - 1);
}

double SampledReturns::returns(std::int64_t reward, const std::vector<std::int64_t>& actions,
                               const Random& random) const {
  const double* r = rewards_.const_data_ptr<double>() + reward * states_ * actions_ * states_;
  const double* mu0 = mu0_.const_data_ptr<double>();
  double sum = 0;
  for (std::int64_t start = 0; start < states_; ++start) {
    if (mu0[start] == 0) continue;
    for (std::int64_t repeat = 0; repeat < actions_; ++repeat) {
      const auto episode = static_cast<std::uint64_t>(start * actions_ + repeat);
      std::int64_t s = start;
      double discount = mu0[start] / static_cast<double>(actions_);
      for (std::int64_t t = 0; t < steps_; ++t) {
        const std::int64_t row = s * actions_ + actions[static_cast<std::size_t>(s)];
        s = successor(row, random.uniform(episode, static_cast<std::uint64_t>(t)));
        if (s < 0) break;
        sum += discount * r[row * states_ + s];
        discount *= gamma_;
      }
    }
  }
  return sum;
}

}  // namespace saffron::plugins
