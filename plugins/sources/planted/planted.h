#pragma once

#include "generator.h"

#include <saffron/context.h>
#include <saffron/schema.h>
#include <saffron/source.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace saffron::plugins {

// Rows that are sparse sums of known features, without end.
//
//   x = sum_i c_i f_i  (+ noise),   f_i [d] with norm 1
//
// The generators (generator.h) say which features are active and how strongly. The features
// are Gaussian directions. `grouped` does not normalise its Gaussian features g_i, as published:
// there f_i = g_i / ||g_i|| and c_i = strength * ||g_i||, ||g_i|| about sqrt(d). One stream, "x".
// Block i holds rows [i block_rows, (i + 1) block_rows); a row is a function of its number and the
// seed.
//
// gaussian_control: x_j ~ N(mu, sigma^2) independently, with the mean and standard deviation of all
// elements of the generator's first 10,000 rows. Nothing is planted then, and features() and
// coefficients() are Errors.
class PlantedSource final : public Source, public Planted {
 public:
  struct Options {
    Kind generator = Kind::flat;
    Semantics semantics = Semantics::intended;
    std::int64_t features = 512;
    std::int64_t width = 256;
    std::optional<double> active = {};
    double decay = 0.99;
    std::int64_t groups = 12;
    std::int64_t block_rows = 4096;
    std::optional<std::int64_t> shared_rows = {};
    double noise = 0;
    bool gaussian_control = false;
  };
  static Schema<Options> schema();

  PlantedSource(const Options& options, const Context& context);

  [[nodiscard]] const std::vector<StreamInfo>& streams() const override { return streams_; }
  [[nodiscard]] const SourceInfo& info() override { return info_; }
  [[nodiscard]] ActivationRows block(std::int64_t index) override;

  void require_planted(std::int64_t stream) const override;
  [[nodiscard]] at::Tensor features(std::int64_t stream) const override;
  [[nodiscard]] at::Tensor coefficients(std::int64_t block) override;

 private:
  struct Directions {
    at::Tensor features;  // [G, d] float32, unit rows
    at::Tensor norms;     // [G] float32
  };
  // What takes time, made when first needed.
  const Directions& directions() const;
  const Generator& generator() const;
  [[nodiscard]] Codes draw(std::int64_t first, std::int64_t count) const;
  [[nodiscard]] at::Tensor control_rows(std::int64_t first);

  Options options_;
  Random random_;
  at::ScalarType dtype_;
  std::vector<StreamInfo> streams_;
  SourceInfo info_;
  mutable std::optional<Directions> directions_;
  mutable std::unique_ptr<Generator> generator_;
  std::optional<std::pair<double, double>> control_;  // mean, standard deviation
};

}  // namespace saffron::plugins
