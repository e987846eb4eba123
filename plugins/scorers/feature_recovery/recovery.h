#pragma once

#include <saffron/metrics.h>
#include <saffron/report.h>
#include <saffron/sae.h>
#include <saffron/source.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// One SAE against the planted features: similarities at once, detections as rows come.
class Recovery {
 public:
  // Error (invalid) where the SAE has no decoder of the features' width.
  Recovery(const TrainedSae& sae, const at::Tensor& features);

  void add(const std::vector<Codes>& codes, const at::Tensor& coefficients);
  void merge(const Recovery& other);
  void save(Tensors& out, const std::string& prefix) const;
  void load(const Tensors& in, const std::string& prefix);  // Error (data) when it does not fit

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::vector<Metric> metrics(double threshold) const;
  // Largest cosine of each true feature with a decoder row, [G] float64.
  [[nodiscard]] const at::Tensor& best_of_features() const { return best_of_features_; }

 private:
  std::string name_;
  at::Tensor best_of_features_, best_of_latents_;  // signed
  at::Tensor partner_;                             // each latent's feature by |cos|, [F]
  at::Tensor matched_, matched_absolute_;          // cosines under the two assignments
  metrics::Detection counts_;
  std::int64_t rows_ = 0, active_ = 0;  // rows; features present, over all rows
};

}  // namespace saffron::plugins
