#include "planted.h"

#include <saffron/error.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace saffron::plugins {
namespace {

using Options = PlantedSource::Options;

constexpr std::int64_t kControlRows = 10'000;        // as many as the published toy set has
constexpr std::int64_t kPublishedChunk = 1'000'000;  // rows that share supports, as published
constexpr double kMostInt32 = std::numeric_limits<std::int32_t>::max();  // codes hold int32

double active_of(const Options& o) {
  return o.active.value_or(o.generator == Kind::grouped ? 32 : 5);
}

std::string check(const Options& o) {
  if (active_of(o) > static_cast<double>(o.features)) {
    return cat("active = ", active_of(o), " is more than the ", o.features, " features there are");
  }
  if (o.generator == Kind::grouped) {
    if (o.groups > o.features)
      return cat(o.groups, " groups of ", o.features, " features are empty");
    const std::int64_t size = o.features / o.groups;
    if (active_of(o) != std::floor(active_of(o)) || active_of(o) > static_cast<double>(size)) {
      return cat("active = ", active_of(o), " must be a whole number, at most the ", size,
                 " features of a group");
    }
  }
  // Half of what int32 offsets can count: `active` is a mean.
  if (static_cast<double>(o.block_rows) * active_of(o) > kMostInt32 / 2) {
    return cat("a block of ", o.block_rows, " rows with ", active_of(o),
               " active features each is too large; lower block_rows");
  }
  if (o.shared_rows && (o.semantics != Semantics::as_published ||
                        (o.generator != Kind::correlated && o.generator != Kind::grouped))) {
    return "shared_rows applies to correlated and grouped with semantics = \"as_published\" only";
  }
  return "";
}

GeneratorSettings settings_of(const Options& o) {
  return {.kind = o.generator,
          .semantics = o.semantics,
          .features = o.features,
          .active = active_of(o),
          .decay = o.decay,
          .groups = o.groups,
          .shared_rows = o.shared_rows.value_or(o.generator == Kind::grouped ? kPublishedChunk
                                                                             : o.block_rows)};
}

std::string describe(const Options& o) {
  constexpr const char* names[] = {"flat", "correlated", "uncorrelated", "grouped"};
  return cat(
      names[static_cast<int>(o.generator)],
      o.semantics == Semantics::intended ? " features as intended: " : " features as published: ",
      o.features, " in ", o.width, " dimensions, ", active_of(o), " active",
      o.noise > 0 ? cat(", noise ", o.noise) : "",
      o.gaussian_control ? "; replaced by Gaussian noise of the same mean and deviation" : "");
}

}  // namespace

Schema<Options> PlantedSource::schema() {
  return Schema<Options>{}
      .choice("generator", &Options::generator,
              "flat (Sharkey's toy data in Lawson's version), correlated or uncorrelated "
              "(Cunningham), grouped (mutual feature regularization)",
              {{"flat", Kind::flat},
               {"correlated", Kind::correlated},
               {"uncorrelated", Kind::uncorrelated},
               {"grouped", Kind::grouped}})
      .choice(
          "semantics", &Options::semantics,
          "intended: what the authors describe; as_published: what their code does. flat: "
          "covariance scaled to unit diagonal, so that frequencies decay / left as it is, so that "
          "they are flat. correlated: a draw of unit variance for each row / of a variance about "
          "10, by which features are nearly on or off, for shared_rows together. "
          "uncorrelated: scaled to `active` / mean L0 .97. grouped: a support for each row / for "
          "each group and shared_rows. The default is intended, because the published code departs "
          "from its own description; reproduce published numbers with as_published",
          {{"intended", Semantics::intended}, {"as_published", Semantics::as_published}})
      .param("features", &Options::features, "features planted, G", between(1, kMostInt32))
      .param("width", &Options::width, "dimensions, d", between(1, kMostInt32))
      .param("active", &Options::active,
             "active features of a row: their mean number (5), exact for grouped (32)", positive())
      .param("decay", &Options::decay, "how fast later features become rarer, lambda",
             Rule{.low = 0, .high = 1, .low_open = true})
      .param("groups", &Options::groups, "grouped: number of groups", at_least(1))
      .param("block_rows", &Options::block_rows, "rows of a block", between(1, kMostInt32),
             unit("rows"))
      .param(
          "shared_rows", &Options::shared_rows,
          "as_published: rows that share a normal draw (correlated; a block unless given, so use "
          "block_rows = batch as the authors did) or supports (grouped; 1,000,000 unless given)",
          at_least(1), unit("rows"))
      .param("noise", &Options::noise, "standard deviation of Gaussian noise added to x",
             non_negative())
      .param("gaussian_control", &Options::gaussian_control,
             "Gaussian rows with the generator's mean and standard deviation instead of its rows")
      .check(check);
}

PlantedSource::PlantedSource(const Options& options, const Context& context)
    : options_(options),
      random_(context.random("planted")),
      dtype_(context.dtype()),
      streams_({{"x", options.width}}),
      info_({.blocks = kEndless,
             .block_rows = options.block_rows,
             .ordered = false,
             .independent = true,
             .description = describe(options)}) {}

const PlantedSource::Directions& PlantedSource::directions() const {
  if (!directions_) {
    const at::Tensor gaussian =
        random_.fork("features").normal_rows(0, options_.features, options_.width, at::kDouble);
    const at::Tensor norms = gaussian.norm(2, at::IntArrayRef{1});
    directions_ = {(gaussian / norms.unsqueeze(1)).to(at::kFloat), norms.to(at::kFloat)};
    if (options_.generator != Kind::grouped) directions_->norms.fill_(1);
  }
  return *directions_;
}

const Generator& PlantedSource::generator() const {
  if (!generator_) {
    const GeneratorSettings settings = settings_of(options_);
    const Random random = random_.fork("generator");
    if (settings.kind == Kind::grouped) {
      generator_ = std::make_unique<Grouped>(settings, random);
    } else {
      generator_ = std::make_unique<Bernoulli>(settings, random);
    }
  }
  return *generator_;
}

void PlantedSource::require_planted(std::int64_t stream) const {
  if (stream != 0) throw Error(cat("planted: there is no stream ", stream, ", only 0"));
  if (!options_.gaussian_control) return;
  throw Error("planted: the Gaussian control has no features in it")
      .with_help("score recovery on the source without gaussian_control");
}

Codes PlantedSource::draw(std::int64_t first, std::int64_t count) const {
  const Codes strengths = generator().draw(first, count);
  const at::Tensor norms = directions().norms.index_select(0, strengths.indices());
  return strengths.with_values(strengths.values() * norms);
}

at::Tensor PlantedSource::control_rows(std::int64_t first) {
  if (!control_) {
    const at::Tensor x =
        ops::decode(draw(0, kControlRows), directions().features, {}).to(at::kDouble);
    control_ = {x.mean().item<double>(), x.std().item<double>()};
  }
  const Random random = random_.fork("control");
  return random.normal_rows(first, options_.block_rows, options_.width) * control_->second +
         control_->first;
}

ActivationRows PlantedSource::block(std::int64_t index) {
  if (index < 0) throw Error(cat("planted: block ", index, " is negative"));
  const std::int64_t first = index * options_.block_rows;
  at::Tensor x = options_.gaussian_control
                     ? control_rows(first)
                     : ops::decode(draw(first, options_.block_rows), directions().features, {});
  if (options_.noise > 0) {
    const Random random = random_.fork("noise");
    x = x + random.normal_rows(first, options_.block_rows, options_.width) * options_.noise;
  }
  return {{x.to(dtype_)}, {}};
}

at::Tensor PlantedSource::features(std::int64_t stream) const {
  require_planted(stream);
  return directions().features;
}

at::Tensor PlantedSource::coefficients(std::int64_t block) {
  require_planted(0);
  if (block < 0) throw Error(cat("planted: block ", block, " is negative"));
  return draw(block * options_.block_rows, options_.block_rows).to_dense();
}

}  // namespace saffron::plugins
