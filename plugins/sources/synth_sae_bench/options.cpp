#include "options.h"

#include <saffron/error.h>

#include <algorithm>
#include <limits>
#include <string>

namespace saffron::plugins::synth {
namespace {

constexpr double kMostInt32 = std::numeric_limits<std::int32_t>::max();  // codes hold int32
// Rows of a block have an entry for each of their features at worst, counted in int32.
constexpr double kMostEntries = kMostInt32;

std::string check(const Options& o) {
  if (o.hierarchy.nodes() > o.features) {
    return cat("a hierarchy of ", o.hierarchy.roots, " trees with ", o.hierarchy.branching,
               " children a node down to depth ", o.hierarchy.depth, " has more nodes than the ",
               o.features, " features there are");
  }
  if (static_cast<double>(o.block_rows) * static_cast<double>(o.features) > kMostEntries) {
    return cat("a block of ", o.block_rows, " rows of ", o.features,
               " features is too large; lower block_rows");
  }
  return "";
}

}  // namespace

std::int64_t Hierarchy::count(std::int64_t down_to) const {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  std::int64_t level = roots, all = roots;
  for (std::int64_t d = 1; d <= down_to && level > 0 && all < kMost; ++d) {
    level *= branching;  // at most 2^31 * 2^31
    all = std::min(all + std::min(level, kMost), kMost);
  }
  return all;
}

Schema<Firing> Firing::schema() {
  return Schema<Firing>{}
      .param("exponent", &Firing::exponent, "alpha of rank^-alpha", positive())
      .param("maximum", &Firing::maximum, "probability of the most frequent feature",
             Rule{.low = 0, .high = 1, .low_open = true})
      .param("minimum", &Firing::minimum, "probability of the rarest feature",
             Rule{.low = 0, .high = 1, .low_open = true})
      .check([](const Firing& o) {
        return o.minimum <= o.maximum
                   ? std::string()
                   : cat("minimum = ", o.minimum, " is more than maximum = ", o.maximum);
      });
}

Schema<Hierarchy> Hierarchy::schema() {
  return Schema<Hierarchy>{}
      .param("roots", &Hierarchy::roots, "trees; 0: every feature stands alone",
             between(0, kMostInt32))
      .param("branching", &Hierarchy::branching, "children of a node", between(2, kMostInt32))
      .param("depth", &Hierarchy::depth, "levels below the roots", between(1, 30))
      .param("exclusive", &Hierarchy::exclusive,
             "share of the parents whose children exclude each other", fraction())
      .param("exclusive_from", &Hierarchy::exclusive_from,
             "depth of the first parents that may have such children, 0 for the roots",
             non_negative())
      .param("compensate", &Hierarchy::compensate,
             "raise the children's probabilities, so that each feature fires about as often as if "
             "it stood alone")
      .param("scale_children", &Hierarchy::scale_children,
             "multiply a child's magnitude by its parent's over the parent's mean (v2; the v1 "
             "upload of the benchmark lost it)");
}

Schema<Correlation> Correlation::schema() {
  return Schema<Correlation>{}
      .param("rank", &Correlation::rank, "rank of the copula's common part; 0: independent firing",
             between(0, kMostInt32))
      .param("scale", &Correlation::scale, "standard deviation of the entries of L",
             non_negative());
}

Schema<Orthogonalization> Orthogonalization::schema() {
  return Schema<Orthogonalization>{}
      .param("steps", &Orthogonalization::steps,
             "Adam steps that turn the features away from each other; 0: random directions",
             non_negative())
      .param("lr", &Orthogonalization::lr, "their learning rate", positive());
}

Schema<Magnitude> Magnitude::schema() {
  return Schema<Magnitude>{}
      .param("first", &Magnitude::first, "mean of feature 0; linear in between", positive())
      .param("last", &Magnitude::last, "mean of the last feature", positive())
      .param("deviation", &Magnitude::deviation,
             "standard deviations are |N(deviation, deviation_spread^2)|, one a feature",
             non_negative())
      .param("deviation_spread", &Magnitude::deviation_spread, "see deviation", non_negative());
}

Schema<Options> Options::schema() {
  return Schema<Options>{}
      .param("features", &Options::features, "features, G", between(1, kMostInt32))
      .param("width", &Options::width, "dimensions, d", between(1, kMostInt32))
      .param("firing", &Options::firing, "firing probabilities: Zipf's law between two bounds")
      .param("hierarchy", &Options::hierarchy, "features that fire only where their parent does")
      .param("correlation", &Options::correlation, "a Gaussian copula of low rank")
      .param("orthogonalization", &Options::orthogonalization, "how the features are spread out")
      .param("magnitude", &Options::magnitude, "how strong an active feature is")
      .param("bias", &Options::bias, "norm of the bias", non_negative())
      .param(
          "model_seed", &Options::model_seed,
          "what features, bias, correlations and magnitudes are drawn from; the run's seed draws "
          "the rows alone",
          non_negative())
      .param("block_rows", &Options::block_rows, "rows of a block", between(1, kMostInt32),
             unit("rows"))
      .check(check);
}

}  // namespace saffron::plugins::synth
