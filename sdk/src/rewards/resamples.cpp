#include <saffron/error.h>
#include <saffron/percentile_interval.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_samples.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <tuple>
#include <utility>

// Episodes drawn anew, and intervals by percentiles.

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kMostlyDefined = 0.95;

std::string texts_of(const std::vector<std::string>& reasons, std::size_t at) {
  return reasons.empty() ? std::string() : reasons[at];
}

// Why a cell of an interval is undefined, or "".
std::vector<std::string> interval_reasons(const ResampledDistance& distance, std::int64_t episodes,
                                          const SampleOptions& options) {
  const std::int64_t R = distance.values.size(1);
  const at::Tensor defined =
      distance.values.slice(0, 1).isnan().logical_not().to(at::kDouble).mean(0).contiguous();
  std::vector<std::string> out;
  for (std::int64_t at = 0; at < R * R; ++at) {
    std::string why = texts_of(distance.reasons, static_cast<std::size_t>(at));
    const double share = defined.const_data_ptr<double>()[at];
    if (why.empty() && episodes < options.min_episodes) {
      why = cat("too few samples: ", episodes,
                " episodes, fewer than min_episodes = ", options.min_episodes);
    } else if (why.empty() && !distance.no_interval.empty()) {
      why = distance.no_interval;
    } else if (why.empty() && share < kMostlyDefined) {
      why = cat("too few samples: the distance is defined in ", share, " of the resamples of ",
                episodes, " episodes");
    }
    out.push_back(std::move(why));
  }
  return out;
}

// Makes NaN of what has a reason; no reasons at all where nothing has one.
void leave(PairMatrix& out, const std::vector<std::string>& reasons) {
  out.values = out.values.contiguous();
  bool any = false;
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    if (reasons[i].empty()) continue;
    out.values.mutable_data_ptr<double>()[i] = kNaN;
    any = true;
  }
  if (any) out.reasons = reasons;
}

}  // namespace

Schema<SampleOptions> SampleOptions::schema() {
  return Schema<SampleOptions>{}
      .param("distances", &SampleOptions::distances,
             "between canonical rewards as vectors over the sample: \"2-2\" after dividing each by "
             "its norm, \"pearson\" sqrt((1 - rho) / 2), \"angle\"",
             one_of({"2-2", "pearson", "angle"}))
      .param(
          "replicates", &SampleOptions::replicates,
          "also estimate by two replicates of independent noise, which noise does not push apart")
      .param("resamples", &SampleOptions::resamples,
             "how often the episodes are drawn anew for an interval", at_least(100))
      .param("confidence", &SampleOptions::confidence,
             "of the intervals, and for a product of two replicates to be above 0",
             between(0.5, 0.999))
      .param("min_episodes", &SampleOptions::min_episodes,
             "with fewer there are no intervals and no replicates", at_least(2))
      .check([](const SampleOptions& o) { return check_distinct("distances", o.distances); });
}

at::Tensor episode_weights(std::int64_t episodes, std::int64_t resamples, const Random& random) {
  at::Tensor out = at::zeros({resamples + 1, episodes}, at::kDouble);
  out[0].fill_(1);
  auto* weight = out.mutable_data_ptr<double>();
  at::parallel_for(1, resamples + 1, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      for (std::int64_t draw = 0; draw < episodes; ++draw) {
        const std::uint64_t at =
            random.below(static_cast<std::uint64_t>(episodes), static_cast<std::uint64_t>(b),
                         static_cast<std::uint64_t>(draw));
        weight[b * episodes + static_cast<std::int64_t>(at)] += 1;
      }
    }
  });
  return out;
}

at::Tensor episode_parts(std::int64_t episodes, std::int64_t parts, const Random& random) {
  const Permutation order(random, static_cast<std::uint64_t>(episodes));
  at::Tensor out = at::empty({episodes}, at::kLong);
  for (std::int64_t e = 0; e < episodes; ++e) {
    out.mutable_data_ptr<std::int64_t>()[e] = static_cast<std::int64_t>(
        order(static_cast<std::uint64_t>(e)) % static_cast<std::uint64_t>(parts));
  }
  return out;
}

at::Tensor random_rows(std::int64_t rows, std::int64_t count, const Random& random) {
  if (rows <= count) return at::arange(rows, at::kLong);
  const Permutation order(random, static_cast<std::uint64_t>(rows));
  at::Tensor out = at::empty({count}, at::kLong);
  for (std::int64_t i = 0; i < count; ++i) {
    out.mutable_data_ptr<std::int64_t>()[i] =
        static_cast<std::int64_t>(order(static_cast<std::uint64_t>(i)));
  }
  return std::get<0>(out.sort());
}

void add_resampled(Comparison& out, ResampledDistance distance, std::int64_t episodes,
                   const SampleOptions& options) {
  const Certificate& of = distance.certificate;
  const std::vector<std::string> reasons = interval_reasons(distance, episodes, options);
  PairMatrix estimate{.key = of.metric,
                      .values = distance.values[0].clone(),
                      .reasons = std::move(distance.reasons),
                      .definition = distance.definition};
  const Interval interval = percentile_interval(distance.values.slice(0, 1), options.confidence);
  const auto add_end = [&](const at::Tensor& values, const char* which) {
    PairMatrix end;
    end.key = of.metric + "/" + which;
    end.values = values;
    end.definition = cat(std::string_view(which) == "low" ? "Lower" : "Upper", " end of the ",
                         100 * options.confidence, " % interval of ", of.metric,
                         ": percentiles over ", options.resamples, " resamples of the episodes");
    leave(end, reasons);
    Certificate certificate = of;
    certificate.metric = end.key;
    certificate.pseudometric = false;
    out.metrics.push_back(std::move(end));
    out.certificates.push_back(std::move(certificate));
  };
  out.metrics.push_back(std::move(estimate));
  out.certificates.push_back(of);
  add_end(interval.low, "low");
  add_end(interval.high, "high");
}

}  // namespace saffron::inline sdk_v1::rewards
