#include <saffron/error.h>
#include <saffron/objective.h>
#include <saffron/plugin.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/mse_loss.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace {

// Squared error.  L = sum over targets of  mean_b sum_d (x - xhat)^2        (reduction = "sum")
//                                     or   mean over b and d                (reduction = "mean")
//                 L = sum_t sum_b ||x_b - xhat_b||^2 / sum_t sum_b ||x_b - mean_b x||^2   ("variance")
// A penalty beside the mean over d weighs d times as much as beside the sum. "variance" is the batch's
// fraction of variance unexplained (Gao et al. 2024; sparsify): errors of batches that vary little weigh
// more.
class Mse final : public saffron::Objective,
                  public saffron::CanonicalObjective,
                  public saffron::BatchScaledObjective {
 public:
  enum class Reduction : std::uint8_t { sum, mean, variance };
  struct Options {
    Reduction reduction = Reduction::sum;
  };
  static auto schema() {
    return saffron::Schema<Options>{}.choice(
        "reduction", &Options::reduction,
        "over the dimensions of a row: their sum, or their mean (rows are averaged); or the error "
        "of the batch over the variance of its rows",
        {{"sum", Reduction::sum}, {"mean", Reduction::mean}, {"variance", Reduction::variance}});
  }
  explicit Mse(const Options& options) : reduction_(options.reduction) {}

  at::Tensor loss(const saffron::TrainStep& step) override {
    at::Tensor total;
    std::vector<at::Tensor> all;
    const auto targets = static_cast<std::int64_t>(step.sae(0).predicts.size());
    for (std::int64_t t = 0; t < targets; ++t) {
      const at::Tensor& x = step.target(0, t);
      const at::Tensor squared = at::mse_loss(step.reconstruction(0, t), x, at::Reduction::Sum);
      const std::int64_t count = reduction_ == Reduction::mean ? x.numel() : x.size(0);
      const at::Tensor term = squared / static_cast<double>(count);
      total = total.defined() ? total + term : term;
      all.push_back(x);
    }
    return reduction_ == Reduction::variance ? total / variance(all) : total;
  }

  std::optional<double> canonical_scale(const saffron::TrainedSae& sae) const override {
    if (reduction_ == Reduction::sum) return 1.0;
    if (reduction_ == Reduction::variance) return std::nullopt;
    const std::int64_t width = sae.shape.predicts.at(0).width;
    for (const saffron::StreamInfo& target : sae.shape.predicts) {
      if (target.width != width) return std::nullopt;
    }
    return static_cast<double>(width);
  }

  std::optional<double> batch_scale(const std::vector<at::Tensor>& targets) const override {
    if (reduction_ != Reduction::variance) return std::nullopt;
    return variance(targets);
  }

 private:
  // sum over targets of  mean_b ||x_b - mean x||^2
  static double variance(const std::vector<at::Tensor>& targets) {
    double sum = 0;
    for (const at::Tensor& target : targets) {
      const at::Tensor x = target.to(at::kDouble);
      sum += (x - x.mean(0)).square().sum(1).mean().item<double>();
    }
    if (sum > 0) return sum;
    throw saffron::Error(saffron::ErrorKind::numeric,
                         "the rows of a batch do not vary, and reduction = \"variance\" divides by "
                         "their variance")
        .with_help("use larger batches, or reduction = \"sum\"");
  }

  Reduction reduction_;
};

}  // namespace

SAFFRON_PLUGIN("org.saffron.mse", "0.1.0",
               saffron::component<Mse>("mse", "Squared error of the reconstructions")
                   .describe("Summed over the dimensions of a row and averaged over rows, unless "
                             "reduction says otherwise."))
