#include "report.h"

#include <saffron/error.h>
#include <saffron/model.h>

#include <cmath>
#include <numeric>
#include <utility>

namespace saffron::plugins {
namespace {

// An ablation that raises the loss by less than this leaves nothing to recover, in nats.
constexpr double kLeastDamage = 1e-4;

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Metrics of one SAE.
class Lines {
 public:
  Lines(const Measured& measured, std::string subject, std::vector<Metric>& out)
      : measured_(measured), subject_(std::move(subject)), out_(out) {
    for (const std::int64_t n : measured.positions) positions_ += static_cast<double>(n);
  }

  [[nodiscard]] double mean(const std::vector<double>& sums) const {
    return sum(sums) / positions_;
  }

  void add(const char* key, double value, const char* definition, const char* unit,
           const char* range, Better better, std::string undefined = {}) {
    if (positions_ == 0) {
      undefined = "no position of a scored context has a next token";
    } else if (undefined.empty() && !std::isfinite(value)) {
      undefined = "the loss is not finite";
    }
    out_.push_back({.key = key,
                    .value = value,
                    .undefined = std::move(undefined),
                    .definition = definition,
                    .unit = unit,
                    .range = range,
                    .better = better,
                    .subject = subject_});
  }

  void recovered(const char* key, const std::vector<double>& ablated,
                 const std::vector<double>& spliced, const char* definition) {
    const double damage = mean(ablated) - mean(measured_.clean.ce);
    std::string undefined;
    if (damage < kLeastDamage) {
      undefined = cat("the ablation changes the loss by ", damage, " nats: nothing to recover");
    }
    add(key, (mean(ablated) - mean(spliced)) / damage, definition, "", "(-inf, inf)",
        Better::higher, std::move(undefined));
  }

  // Of the mean over positions of spliced minus clean, contexts being independent draws:
  //   sqrt(m / (m - 1) sum_c n_c^2 (d_c - d)^2) / N,   d_c the mean difference of context c
  void increase_error(const std::vector<double>& spliced) {
    const double increase = mean(spliced) - mean(measured_.clean.ce);
    const auto m = static_cast<double>(spliced.size());
    double squares = 0;
    for (std::size_t c = 0; c < spliced.size(); ++c) {
      const double excess = spliced[c] - measured_.clean.ce[c] -
                            increase * static_cast<double>(measured_.positions[c]);
      squares += excess * excess;
    }
    add("ce_increase_standard_error", std::sqrt(squares * m / (m - 1)) / positions_,
        "standard error of ce_increase, contexts taken as independent", "nats", "[0, inf)",
        Better::neither, m < 2 ? "one context has no spread" : "");
  }

 private:
  const Measured& measured_;
  std::string subject_;
  std::vector<Metric>& out_;
  double positions_ = 0;
};

void add_metrics(const Measured& measured, const Measured::Variant& variant,
                 const std::string& name, std::vector<Metric>& out) {
  const Measured::Ablation& ablation = measured.ablations[variant.ablation];
  const std::vector<double>& spliced = variant.spliced.ce;
  Lines lines(measured, name, out);
  const double clean = lines.mean(measured.clean.ce);
  lines.add("ce_increase", lines.mean(spliced) - clean,
            "ce_spliced - ce_clean: what the reconstruction costs the model", "nats", "(-inf, inf)",
            Better::lower);
  lines.increase_error(spliced);
  lines.add("kl", lines.mean(variant.spliced.kl),
            "mean over counted positions of KL(clean || spliced) = sum_v p_clean log(p_clean / "
            "p_spliced)",
            "nats", "[0, inf)", Better::lower);
  lines.recovered("loss_recovered_zero", ablation.zero.ce, spliced,
                  "(ce_zero - ce_spliced) / (ce_zero - ce_clean): 1 = nothing lost, 0 = as bad as "
                  "zero ablation");
  lines.recovered("loss_recovered_mean", ablation.mean.ce, spliced,
                  "(ce_mean - ce_spliced) / (ce_mean - ce_clean): 1 = nothing lost, 0 = as bad as "
                  "mean ablation");
  lines.add("ce_spliced", lines.mean(spliced),
            "mean over counted positions of -log p(next token) with xhat in place of x", "nats",
            "[0, inf)", Better::lower);
  lines.add("ce_clean", clean, "mean over counted positions of -log p(next token), model unchanged",
            "nats", "[0, inf)", Better::neither);
  lines.add("ce_zero", lines.mean(ablation.zero.ce),
            "mean over counted positions of -log p(next token), activation set to 0", "nats",
            "[0, inf)", Better::neither);
  lines.add(
      "ce_mean", lines.mean(ablation.mean.ce),
      "mean over counted positions of -log p(next token), activation set to its mean over the "
      "rows scored",
      "nats", "[0, inf)", Better::neither);
}

Block method(const Measured& measured, ModelBacked& backed) {
  const std::int64_t counted =
      std::accumulate(measured.positions.begin(), measured.positions.end(), std::int64_t{0});
  const std::int64_t first = backed.first_position();
  const ModelInfo& model = backed.model().info();
  std::string text = cat(measured.positions.size(), " contexts, ", counted,
                         " predicted tokens, drawn from the contexts scored. Model: ", model.name,
                         model.weights.empty() ? "" : ", weights " + model.weights, ".\n\n",
                         "Replaced and ablated: positions from ", first, " on (counted from 0)");
  if (first > 0) text += "; earlier ones keep the model's own activation";
  text += ". Counted: those of them that have a next token in the context. Sites: ";
  const char* separator = "";
  for (const Measured::Ablation& ablation : measured.ablations) {
    for (std::size_t i = 0; i < ablation.streams.size(); ++i) {
      text += cat(i == 0 ? separator : " with ", backed.site(ablation.streams[i]));
    }
    separator = ", ";
  }
  text += ". KL is from the clean model to the spliced one.";
  return {.title = "How the loss was measured", .caption = "", .body = TextBlock{std::move(text)}};
}

}  // namespace

Report loss_report(const Job& job, const Measured& measured, ModelBacked& backed) {
  Report report;
  ScatterBlock scatter;
  scatter.x_label = "mean L0";
  scatter.y_label = "cross-entropy increase (nats)";
  scatter.log_x = true;
  for (std::size_t i = 0; i < job.saes.size(); ++i) {
    const std::string& name = job.saes[i]->name;
    const Measured::Variant& variant = measured.saes[i];
    const std::size_t line = report.metrics.size();
    add_metrics(measured, variant, name, report.metrics);
    const Metric& increase = report.metrics[line];
    if (!increase.undefined.empty()) continue;
    const std::string base = name.substr(0, name.find('['));
    if (scatter.groups.empty() || scatter.groups.back().name != base) {
      scatter.groups.push_back({.name = base, .x = {}, .y = {}, .labels = {}});
    }
    scatter.groups.back().x.push_back(variant.mean_l0);
    scatter.groups.back().y.push_back(increase.value);
    scatter.groups.back().labels.push_back(name);
    if (variant.mean_l0 == 0) scatter.log_x = false;
  }
  if (job.saes.size() > 1 && !scatter.groups.empty()) {
    report.blocks.push_back({.title = "Loss against sparsity",
                             .caption = "Each point is one SAE: lower and further left is better.",
                             .body = std::move(scatter)});
  }
  report.blocks.push_back(method(measured, backed));
  return report;
}

}  // namespace saffron::plugins
