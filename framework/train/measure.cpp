#include "framework/train/measure.h"

#include <saffron/error.h>
#include <saffron/reconstruction_metrics.h>

#include <cmath>

namespace saffron::host {

void measure_batch(const SaeInput& input, const Forward& forward, const std::string& sae,
                   MemberMetrics& metrics) {
  metrics.measured = true;
  double error = 0, variation = 0;
  for (std::size_t t = 0; t < input.targets.size(); ++t) {
    metrics::ReconstructionSums sums(input.targets[t].size(1));
    sums.add(input.targets[t], forward.reconstructions[t]);
    error += sums.squared_error();
    variation += sums.variation();
  }
  metrics.fvu = error / variation;
  for (const Codes& codes : forward.codes) {
    require_complete(codes, sae);
    metrics.l0 += codes.l0().to(at::kDouble).mean().item<double>();
  }
}

void require_finite(double value, const std::string& what, std::int64_t step, bool stepped) {
  if (std::isfinite(value)) return;
  throw Error(ErrorKind::numeric, cat(what, " is ", value, " at step ", step))
      .with_help(stepped && step > 0
                     ? "a lower learning rate, a longer warm-up or a lower clip usually helps"
                     : "no learning rate led there: the rows themselves are too large; scale them");
}

}  // namespace saffron::host
