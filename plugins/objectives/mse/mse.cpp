#include <saffron/objective.h>
#include <saffron/plugin.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/mse_loss.h>

namespace {

// Squared error.  L = sum over targets of  mean_b sum_d (x - xhat)^2        (reduction = "sum")
//                                     or   mean over b and d                (reduction = "mean")
// A penalty beside the mean over d weighs d times as much as beside the sum.
class Mse final : public saffron::Objective, public saffron::CanonicalObjective {
 public:
  struct Options {
    std::string reduction = "sum";
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param(
        "reduction", &Options::reduction,
        "over the dimensions of a row: their sum, or their mean (rows are always averaged)",
        saffron::one_of({"sum", "mean"}));
  }
  explicit Mse(const Options& options) : sum_(options.reduction == "sum") {}

  at::Tensor loss(const saffron::TrainStep& step) override {
    at::Tensor total;
    const auto targets = static_cast<std::int64_t>(step.sae(0).predicts.size());
    for (std::int64_t t = 0; t < targets; ++t) {
      const at::Tensor& x = step.target(0, t);
      const at::Tensor squared = at::mse_loss(step.reconstruction(0, t), x, at::Reduction::Sum);
      const at::Tensor term = squared / static_cast<double>(sum_ ? x.size(0) : x.numel());
      total = total.defined() ? total + term : term;
    }
    return total;
  }

  std::optional<double> canonical_scale(const saffron::TrainedSae& sae) const override {
    if (sum_) return 1.0;
    const std::int64_t width = sae.shape.predicts.at(0).width;
    for (const saffron::StreamInfo& target : sae.shape.predicts) {
      if (target.width != width) return std::nullopt;
    }
    return static_cast<double>(width);
  }

 private:
  bool sum_;
};

}  // namespace

SAFFRON_PLUGIN("org.saffron.mse", "0.1.0",
               saffron::component<Mse>("mse", "Squared error of the reconstructions")
                   .describe("Summed over the dimensions of a row and averaged over rows, unless "
                             "reduction says otherwise."))
