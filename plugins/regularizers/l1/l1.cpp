#include "l1.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>

namespace saffron::plugins {
namespace {

// The codes with every value multiplied by its latent's factor.
Codes scaled(const Codes& codes, const at::Tensor& factors) {
  if (codes.layout() == Codes::Layout::dense) return codes.with_values(codes.values() * factors);
  // Entries past a csr's end may hold any index.
  const at::Tensor latents = codes.indices().clamp(0, codes.latents() - 1).flatten();
  return codes.with_values(codes.values() *
                           factors.index_select(0, latents).view(codes.values().sizes()));
}

}  // namespace

Schema<L1::Options> L1::schema() {
  return Schema<Options>{}
      .choice(
          "convention", &Options::convention,
          "what coef multiplies: the sum of |f| over a row, that sum / number of latents, or that "
          "sum / width of the target; rows are averaged",
          {{"sum_per_row", Convention::sum_per_row},
           {"mean_over_latents", Convention::mean_over_latents},
           {"divided_by_width", Convention::divided_by_width}})
      .param("weighted", &Options::weighted, "weigh each |f| by the norm of its decoder row");
}

double L1::divisor(const TrainedSae& sae) const {
  switch (options_.convention) {
    case Convention::sum_per_row: return 1;
    case Convention::mean_over_latents: return static_cast<double>(sae.spec.latents);
    case Convention::divided_by_width: return static_cast<double>(sae.shape.predicts.at(0).width);
  }
  throw Error(ErrorKind::internal, "l1: unknown convention");
}

at::Tensor L1::penalty(const TrainStep& step) {
  at::Tensor total;
  for (std::int64_t i = 0; i < step.saes(); ++i) {
    Codes codes = step.codes(i);
    if (options_.weighted) {
      const at::Tensor& decoder = step.parameter(i, Role::decoder);
      codes = scaled(codes, decoder.norm(2, at::IntArrayRef{1}));
    }
    const at::Tensor term = codes.l1().mean() / divisor(step.sae(i));
    total = total.defined() ? total + term : term;
  }
  return total;
}

double L1::canonical_coefficient(double coef, const TrainedSae& sae) const {
  return coef / divisor(sae);
}

}  // namespace saffron::plugins
