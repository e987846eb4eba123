#pragma once

#include <saffron/codes.h>
#include <saffron/report.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// Exact counts over rows of one SAE's codes; several code spaces count as one, side by side.
//
//   L0_b = #{i : f_bi != 0}        n_i = #{b : f_bi != 0}        dead: n_i = 0
//
// A quantile q is the smallest value that at least q of the rows (of the latents) do not exceed.
class CodeStatistics {
 public:
  explicit CodeStatistics(std::int64_t latents);

  void add(const std::vector<Codes>& spaces);
  void merge(const CodeStatistics& other);
  void save(Tensors& out, const std::string& prefix) const;
  void load(const Tensors& in, const std::string& prefix);

  [[nodiscard]] std::int64_t latents() const { return fired_.size(0); }
  [[nodiscard]] std::int64_t rows() const;
  [[nodiscard]] const at::Tensor& rows_by_l0() const { return rows_by_l0_; }  // int64 [L0]
  [[nodiscard]] const at::Tensor& fired() const { return fired_; }            // n_i, int64 [F]
  [[nodiscard]] std::int64_t dead() const;
  [[nodiscard]] double mean_l0() const;
  [[nodiscard]] std::int64_t l0_quantile(double q) const;
  [[nodiscard]] std::int64_t fired_quantile(double q) const;
  [[nodiscard]] std::vector<Metric> metrics(const std::string& subject) const;

 private:
  at::Tensor rows_by_l0_, fired_;
};

}  // namespace saffron::plugins
