#pragma once

#include <saffron/sae.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace saffron::plugins {

// Non-negative matrix factorisation: rows as sums, never differences, of D's rows.
//
//   xhat = f D + b_dec        f = argmin_{f >= 0} ||x - b_dec - f D||^2
//
//   method = nmf    D >= 0 as well (Lee, Seung 1999); rows x - b_dec must not be negative
//            semi   D of any sign (Ding, Li, Jordan 2010)
//   shift  = none, minimum (b_dec, of each dimension over the first rows), mean (semi only)
//
// Codes are solved for anew wherever rows are encoded, by coordinate descent from 0: the same rows have
// the same codes whatever came before (overcomplete starts from random ones). D is fitted by
// hierarchical alternating least squares (Cichocki, Zdunek, Amari 2007) on the sums M = f^T f and
// N = f^T (x - b_dec) of a pass, row by row
//
//   D_i <- max(0, D_i + (N_i - M_i D) / M_ii)        semi: without the max
//
// then scaled to norm 1, which the next codes undo. In the first pass that is done after every batch,
// with the sums so far (Mairal et al. 2010), later once at the end of a pass: from then on no pass
// can raise the error. Passes end when the error falls by less than `tolerance` of the first full
// one, or after `passes`.
class Nmf final : public Sae, public Fitted, public Stateful {
 public:
  enum class Method : std::uint8_t { nmf, semi };
  enum class Shift : std::uint8_t { none, minimum, mean };
  struct Options {
    std::int64_t width = 512;
    Method method = Method::nmf;
    Shift shift = Shift::none;
    std::int64_t passes = 200;
    double tolerance = 1e-4;
  };
  static Schema<Options> schema();

  explicit Nmf(const Options& options) : options_(options) {}

  SaeSpec declare(const SaeShape& shape) override;
  void bind(const Tensors& parameters, const Tensors& buffers) override;
  void initialise(const InitInput& init) override;
  [[nodiscard]] std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const override;
  [[nodiscard]] std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const override;
  [[nodiscard]] Forward forward(const SaeInput& input) override;
  void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                Gradients& gradients) override;

  void observe(const SaeInput& batch) override;
  [[nodiscard]] bool end_pass() override;
  [[nodiscard]] State save() const override;
  void load(const State& state) override;

 private:
  void require_not_negative(const at::Tensor& rows, std::int64_t first) const;
  void update_dictionary(int sweeps);
  void clear_sums();

  Options options_;
  at::Tensor W_dec_, b_dec_;
  std::int64_t pass_ = 0;
  // Of this pass, float64: M [F, F], N [F, d], squared error. Undefined once D is final.
  at::Tensor products_, targets_;
  double error_ = 0;
  double first_error_ = 0, last_error_ = 0;  // of the first full pass and of the last one
};

}  // namespace saffron::plugins
