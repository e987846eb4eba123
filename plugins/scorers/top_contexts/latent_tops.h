#pragma once

#include <saffron/codes.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace saffron::plugins {

// Where a latent was strongest in one context (one dataset row).
struct Peak {
  double strength = 0;        // the activation of largest size there; the first of equals
  std::int64_t row = 0;       // of the dataset
  std::int64_t position = 0;  // in it
  // (position, activation), ascending: what is not 0 within the window around the peak.
  std::vector<std::pair<std::int64_t, double>> around;
};

// The strongest contexts of every latent of one SAE. Peaks are ordered by |strength|, then by
// dataset row: a total order, so that neither batches nor merging change what is kept. Several code
// spaces count as one, side by side.
class LatentTops {
 public:
  // Keeps `keep` contexts a latent, and `window` positions on each side of a peak.
  LatentTops(std::int64_t latents, std::int64_t keep, std::int64_t window);

  // Rows are contexts one after another, whole. origin int64 [R, 2]: dataset row and position.
  void add(const std::vector<Codes>& spaces, const at::Tensor& origin);
  void merge(const LatentTops& other);
  void save(Tensors& out, const std::string& prefix) const;
  void load(const Tensors& in, const std::string& prefix);

  [[nodiscard]] std::int64_t latents() const { return static_cast<std::int64_t>(fired_.size()); }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  // Rows in which the latent is not 0.
  [[nodiscard]] std::int64_t fired(std::int64_t latent) const;
  [[nodiscard]] const std::vector<Peak>& peaks(std::int64_t latent) const;  // strongest first

 private:
  using Activations = std::vector<std::pair<std::int64_t, double>>;  // (position, activation)
  void grow(std::int64_t latents);
  void note(std::int64_t latent, std::int64_t position, double value);
  // Puts what was noted of one context where it belongs, and forgets it.
  void close(std::int64_t row);
  void insert(std::int64_t latent, Peak peak);

  std::size_t keep_;
  std::int64_t window_, rows_ = 0;
  std::vector<std::int64_t> fired_;
  std::vector<std::vector<Peak>> peaks_;
  // Of the context that is being read: activations by latent, and which latents have any.
  std::vector<Activations> open_;
  std::vector<std::int64_t> touched_;
};

}  // namespace saffron::plugins
