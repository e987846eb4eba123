#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_samples.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/asin.h>
#include <ATen/ops/atan2.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

constexpr std::array<std::pair<const char*, SampleMeasure>, 3> kMeasures = {
    {{"2-2", SampleMeasure::two},
     {"pearson", SampleMeasure::pearson},
     {"angle", SampleMeasure::angle}}};

const char* word(SampleMeasure measure) {
  for (const auto& [text, value] : kMeasures) {
    if (value == measure) return text;
  }
  return "?";
}

double largest(SampleMeasure measure) {
  switch (measure) {
    case SampleMeasure::two: return 2;
    case SampleMeasure::pearson: return 1;
    case SampleMeasure::angle: break;
  }
  return std::numbers::pi;
}

const char* definition(SampleMeasure measure) {
  switch (measure) {
    case SampleMeasure::two:
      return "||c1 / ||c1|| - c2 / ||c2||||, c = canonical reward at the points of the sample";
    case SampleMeasure::pearson:
      return "sqrt((1 - rho) / 2), rho = correlation of the canonical rewards over the points of "
             "the sample";
    case SampleMeasure::angle: break;
  }
  return "angle between the canonical rewards at the points of the sample, in radians";
}

at::Tensor centred(SampleMeasure measure, const at::Tensor& x, const at::Tensor& weight) {
  return measure == SampleMeasure::pearson ? x - (x * weight).sum(-1, true) : x;
}

PairMatrix plain(SampleMeasure measure, const SampledForm& form, const at::Tensor& scale,
                 const std::string& name, const std::vector<std::string>& names) {
  PairMatrix out;
  if (measure == SampleMeasure::pearson) {
    correlate(out, form.values, scale, form.weight, name, names);
    return out;
  }
  const Cells cells{form.weight, form.weight, form.weight};
  const at::Tensor unit = standardise(Norm::two, form.values, scale, cells);
  out.values = pairwise(unit, [&](const at::Tensor& u, const at::Tensor& v) {
    at::Tensor apart = norm(Norm::two, u - v, cells);
    if (measure == SampleMeasure::two) return apart;
    return 2 * at::atan2(apart, norm(Norm::two, u + v, cells));
  });
  return out;
}

// <c_i, c'_i> of each reward.
at::Tensor squares(SampleMeasure measure, const SampledForm& form) {
  return (centred(measure, form.values, form.weight) * centred(measure, form.other, form.weight) *
          form.weight)
      .sum(-1);
}

// With u = c / sqrt(q) and u' = c' / sqrt(q), 2 - 2 rho = <u1 - u2, u1' - u2'>, which loses nothing
// where rho is close to 1. Rewards whose form is 0 have u = 0.
at::Tensor replicated(SampleMeasure measure, const SampledForm& form, const at::Tensor& zero) {
  const at::Tensor q = squares(measure, form);
  const at::Tensor size = at::where(q > 0, q.sqrt(), kNaN).unsqueeze(-1);
  const at::Tensor none = zero.unsqueeze(-1);
  const auto unit = [&](const at::Tensor& x) {
    return at::where(none, 0.0, centred(measure, x, form.weight) / size);
  };
  const std::int64_t n = form.weight.size(0);
  return pairwise(at::cat({unit(form.values), unit(form.other)}, 1), [&](const at::Tensor& u,
                                                                         const at::Tensor& v) {
    const at::Tensor apart = u - v;
    const at::Tensor square =
        (apart.narrow(1, 0, n) * apart.narrow(1, n, n) * form.weight).sum(-1).clamp(0, 4);
    switch (measure) {
      case SampleMeasure::two: return square.sqrt();
      case SampleMeasure::pearson: return square.sqrt() / 2;
      case SampleMeasure::angle: break;
    }
    return 2 * at::asin(square.sqrt() / 2);
  });
}

void in_parallel(std::int64_t count, const std::function<void(std::int64_t)>& each) {
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) each(b);
  });
}

// The point above which a share of 1 - level of Student's t lies, by the expansion of Cornish and
// Fisher: to 1e-3 from 9 degrees of freedom.
double t_quantile(double level, double degrees) {
  double low = 0, high = 40;  // of the normal distribution, by bisection
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(middle / std::numbers::sqrt2) > 1 - level ? low : high) = middle;
  }
  const double z = low, z3 = z * z * z, z5 = z3 * z * z;
  return z + (z3 + z) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees);
}

class Estimates {
 public:
  Estimates(const EstimatedForm& form, const std::vector<std::string>& names,
            const SampleOptions& options)
      : form_(form),
        names_(names),
        options_(options),
        rows_(options.resamples + 1),
        count_(static_cast<std::int64_t>(names.size())) {
    for (const std::string& text : options.distances) {
      measures_.push_back(parse_sample_measure(text));
    }
  }

  void add(Comparison& out) const {
    std::vector<ResampledDistance> first = once(), second;
    if (options_.replicates && form_.twice) second = twice();
    for (std::size_t i = 0; i < first.size(); ++i) {
      add_resampled(out, std::move(first[i]), form_.episodes, options_);
      if (second.empty()) continue;
      add_resampled(out, std::move(second[i]), form_.episodes, options_);
    }
    const at::Tensor zero = zeros(SampleMeasure::two);
    for (std::int64_t i = 0; i < count_; ++i) {
      if (!zero[i].item<bool>()) continue;
      std::string text = cat("reward '", names_[static_cast<std::size_t>(i)], "' ", form_.zero);
      const auto& said = out.degenerate;  // by another form of the same comparison
      if (std::find(said.begin(), said.end(), text) == said.end()) {
        out.degenerate.push_back(std::move(text));
      }
    }
  }

 private:
  [[nodiscard]] Certificate certificate(SampleMeasure measure, const std::string& key) const {
    Certificate out = form_.certificate;
    out.metric = key;
    out.high = largest(measure);
    return out;
  }

  // Which rewards' forms are 0, or constant where that is the same: bool [R].
  [[nodiscard]] at::Tensor zeros(SampleMeasure measure) const {
    const SampledForm form = form_.once(0);
    const Cells cells{form.weight, form.weight, form.weight};
    const at::Tensor x = centred(measure, form.values, form.weight);
    return standardise(Norm::two, x, form_.scale, cells).abs().amax(-1) == 0;
  }

  [[nodiscard]] ResampledDistance prepared(SampleMeasure measure, const std::string& key,
                                           std::string formula) const {
    return {.values = at::empty({rows_, count_, count_}, at::kDouble),
            .reasons = {},
            .certificate = certificate(measure, key),
            .definition = std::move(formula),
            .no_interval = {}};
  }

  [[nodiscard]] std::vector<ResampledDistance> once() const {
    std::vector<ResampledDistance> out;
    for (const SampleMeasure measure : measures_) {
      out.push_back(prepared(measure, cat(form_.name, "/", word(measure)), definition(measure)));
      out.back().certificate.pseudometric = true;
      out.back().no_interval = form_.no_interval;
    }
    in_parallel(rows_, [&](std::int64_t b) {
      const SampledForm form = form_.once(b);
      for (std::size_t i = 0; i < out.size(); ++i) {
        PairMatrix found = plain(measures_[i], form, form_.scale, form_.name, names_);
        out[i].values[b].copy_(found.values);
        if (b == 0) out[i].reasons = std::move(found.reasons);
      }
    });
    return out;
  }

  [[nodiscard]] std::string replicates() const {
    return form_.shared.empty()
               ? "products of two replicates of independent noise, so that noise does not count as "
                 "distance"
               : cat("products of two replicates. They share ", form_.shared,
                     ": what chance does there still counts as distance");
  }

  [[nodiscard]] std::vector<ResampledDistance> twice() const {
    std::vector<ResampledDistance> out;
    std::vector<at::Tensor> zero, q;
    for (const SampleMeasure measure : measures_) {
      out.push_back(prepared(measure, cat(form_.name, "/", word(measure), "/replicates"),
                             cat(definition(measure), "; ", replicates(),
                                 "; 0 where chance makes the square negative")));
      zero.push_back(zeros(measure));
      q.push_back(at::empty({rows_, count_}, at::kDouble));
    }
    in_parallel(rows_, [&](std::int64_t b) {
      const SampledForm form = form_.twice(b);
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i].values[b].copy_(replicated(measures_[i], form, zero[i]));
        q[i][b].copy_(squares(measures_[i], form));
      }
    });
    for (std::size_t i = 0; i < out.size(); ++i) {
      leave_insufficient(out[i], measures_[i], q[i], zero[i]);
    }
    return out;
  }

  // Rewards whose product of two replicates may be 0 are undefined.
  void leave_insufficient(ResampledDistance& out, SampleMeasure measure, const at::Tensor& q,
                          const at::Tensor& zero) const {
    const at::Tensor error = q.slice(0, 1).std(0);
    const double level = 1 - options_.confidence;
    const double needed = t_quantile(
        options_.confidence, static_cast<double>(std::max<std::int64_t>(form_.episodes - 1, 1)));
    const bool few = form_.episodes < options_.min_episodes;
    at::Tensor undefined = (q[0] > needed * error).logical_not().logical_or(zero);
    if (measure != SampleMeasure::pearson) undefined = undefined.logical_and(zero.logical_not());
    if (few) undefined = undefined.logical_or(zero.logical_not());
    std::vector<std::string> reasons;
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::string& name = names_[static_cast<std::size_t>(i)];
      if (zero[i].item<bool>()) {
        reasons.push_back(cat("the ", form_.name, " form of reward '", name,
                              "' is constant at the points: it correlates with nothing"));
      } else if (few) {
        reasons.push_back(cat("too few samples: ", form_.episodes,
                              " episodes, fewer than min_episodes = ", options_.min_episodes));
      } else {
        reasons.push_back(cat("too few samples: <c, c'> of two replicates of reward '", name,
                              "' is ", q[0][i].item<double>(), " with a standard error of ",
                              error[i].item<double>(), " over ", form_.episodes,
                              " episodes: not above 0 at the level ", level));
      }
    }
    PairMatrix first{.key = {}, .values = out.values[0], .reasons = {}, .definition = {}};
    leave_undefined(first, undefined, reasons);
    out.reasons = std::move(first.reasons);
  }

  const EstimatedForm& form_;
  const std::vector<std::string>& names_;
  const SampleOptions& options_;
  std::int64_t rows_, count_;
  std::vector<SampleMeasure> measures_;
};

}  // namespace

SampleMeasure parse_sample_measure(std::string_view text) {
  for (const auto& [word, measure] : kMeasures) {
    if (word == text) return measure;
  }
  throw Error(cat("'", text, "' is no distance of samples"))
      .with_help("there are 2-2, pearson and angle");
}

void add_estimates(Comparison& out, const EstimatedForm& form,
                   const std::vector<std::string>& names, const SampleOptions& options) {
  Estimates(form, names, options).add(out);
}

Block form_sizes(const EstimatedForm& form, const SampledData& data) {
  const SampledForm found = form.once(0);
  const at::Tensor size = data.rewards.square().mean(-1).sqrt();
  const at::Tensor left = (found.values.square() * found.weight).sum(-1).sqrt();
  TableBlock body;
  body.columns = {{.name = "reward", .unit = "", .doc = ""},
                  {.name = "rms", .unit = "", .doc = "root mean square over the data"},
                  {.name = "rms of the form", .unit = "", .doc = "at the points of the sample"},
                  {.name = "ratio", .unit = "", .doc = "the second over the first"}};
  for (std::size_t i = 0; i < data.names().size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const auto whole = size[row].item<double>(), kept = left[row].item<double>();
    body.rows.push_back({Value(data.names()[i]), Value(whole), Value(kept),
                         whole > 0 ? Value(kept / whole) : Value()});
  }
  return {.title = form.name + ": what is left of each reward",
          .caption =
              "Little is left of a reward that is nearly potential shaping: its direction is "
              "then mostly noise.",
          .body = std::move(body)};
}

}  // namespace saffron::inline sdk_v1::rewards
