#include <saffron/pursuit.h>

#include "ops/cpu/encode_tiles.h"
#include "ops/cpu/pursuit_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

namespace saffron::inline sdk_v1::ops {
namespace {

constexpr std::int64_t kRowGrain = 16;

// The tensors of one call, and what belongs to row b of them.
template <class T>
struct Parts {
  const Pursuit& pursuit;
  const at::Tensor &x, &W, &df, &g;
  std::int64_t d = W.size(1);
  const std::int32_t* offsets = pursuit.offsets.const_data_ptr<std::int32_t>();
  const std::int32_t* latents = pursuit.latents.const_data_ptr<std::int32_t>();
  const std::int32_t* entries = pursuit.entries.const_data_ptr<std::int32_t>();
  const T* values = pursuit.values.const_data_ptr<T>();
  const T* rows = x.const_data_ptr<T>();
  const T* weights = W.const_data_ptr<T>();
  const T* on_codes = df.defined() ? df.const_data_ptr<T>() : nullptr;
  const T* on_output = g.defined() ? g.const_data_ptr<T>() : nullptr;

  [[nodiscard]] const T* w(std::int64_t choice) const { return weights + latents[choice] * d; }
  [[nodiscard]] T on_entry(std::int64_t choice) const {
    return on_codes != nullptr ? on_codes[entries[choice]] : T(0);
  }
};

// q [N, d] becomes what each choice adds to its row of W; dx [B, d].
template <class T>
void unroll(const Parts<T>& p, std::int64_t b, T* q, T* dx) {
  using ops_cpu::add_scaled;
  const std::int64_t d = p.d, first = p.offsets[b], last = p.offsets[b + 1];
  // Forwards: the residuals that the choices were made from.
  if (first < last) std::copy(p.rows + b * d, p.rows + (b + 1) * d, q + first * d);
  for (std::int64_t t = first; t + 1 < last; ++t) {
    const T minus = -p.values[t];
    const T* w = p.w(t);
    ops_cpu::combine(d, {1, &minus, &w}, q + t * d, q + (t + 1) * d);
  }
  // Backwards: dx holds rho.
  T* rho = dx + b * d;
  std::fill(rho, rho + d, T(0));
  if (p.on_output != nullptr) add_scaled(d, T(-1), p.on_output + b * d, rho);
  for (std::int64_t t = last; t-- > first;) {
    const T dv = p.on_entry(t) - ops_cpu::dot(d, rho, p.w(t));
    const T factors[] = {dv, -p.values[t]};
    const T* parts[] = {q + t * d, rho};
    ops_cpu::combine(d, {2, factors, parts}, nullptr, q + t * d);
    add_scaled(d, dv, p.w(t), rho);
  }
  if (p.on_output != nullptr) add_scaled(d, T(1), p.on_output + b * d, rho);
}

template <class T>
PursuitGradient matching(const Parts<T>& p) {
  PursuitGradient out;
  const std::int64_t choices = p.pursuit.latents.size(0), B = p.x.size(0);
  const at::Tensor q = at::empty({choices, p.d}, p.x.options());
  out.x = at::empty({B, p.d}, p.x.options());
  T* rows = q.mutable_data_ptr<T>();
  T* dx = out.x.template mutable_data_ptr<T>();
  at::parallel_for(0, B, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) unroll(p, b, rows, dx);
  });
  if (choices > 0) {
    out.W.push_back({Codes::topk(at::ones({choices, 1}, p.x.options()),
                                 p.pursuit.latents.unsqueeze(1), p.W.size(0)),
                     q});
  }
  return out;
}

// Row b of the orthogonal kind: u by entry, r, A^T u - g and dx.
template <class T>
void least_squares(const Parts<T>& p, std::int64_t b, T* u_of_entry, T* r, T* z, T* dx) {
  const std::int64_t d = p.d, first = p.offsets[b], n = p.offsets[b + 1] - first;
  const std::int64_t triangle = p.pursuit.factors.size(1);
  const T* factor = p.pursuit.factors.template const_data_ptr<T>() + b * triangle;
  std::vector<const T*> rows;
  std::vector<T> u, minus;
  for (std::int64_t t = first; t < first + n; ++t) {
    rows.push_back(p.w(t));
    minus.push_back(-p.values[t]);
    const T through = p.on_output != nullptr ? ops_cpu::dot(d, p.w(t), p.on_output + b * d) : T(0);
    u.push_back(p.on_entry(t) + through);
  }
  ops_cpu::solve_lower(n, factor, u.data());
  ops_cpu::solve_upper(n, factor, u.data());
  for (std::int64_t t = 0; t < n; ++t)
    u_of_entry[p.entries[first + t]] = u[static_cast<std::size_t>(t)];
  ops_cpu::combine(d, {n, minus.data(), rows.data()}, p.rows + b * d, r + b * d);
  ops_cpu::combine(d, {n, u.data(), rows.data()}, nullptr, dx + b * d);
  std::copy(dx + b * d, dx + (b + 1) * d, z + b * d);
  if (p.on_output != nullptr) ops_cpu::add_scaled(d, T(-1), p.on_output + b * d, z + b * d);
}

template <class T>
PursuitGradient orthogonal(const Parts<T>& p) {
  const std::int64_t B = p.x.size(0);
  const at::Tensor u = at::zeros(p.pursuit.codes.values().sizes(), p.x.options());
  const at::Tensor r = at::empty({B, p.d}, p.x.options()), z = at::empty({B, p.d}, p.x.options());
  PursuitGradient out;
  out.x = at::empty({B, p.d}, p.x.options());
  T* by_entry = u.mutable_data_ptr<T>();
  T *to_r = r.mutable_data_ptr<T>(), *to_z = z.mutable_data_ptr<T>();
  T* dx = out.x.template mutable_data_ptr<T>();
  at::parallel_for(0, B, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) least_squares(p, b, by_entry, to_r, to_z, dx);
  });
  const Codes& codes = p.pursuit.codes;
  out.W.push_back({codes.with_values(u), r});
  out.W.push_back({codes.with_values(-codes.values().detach()), z});
  return out;
}

}  // namespace

PursuitGradient pursuit_gradient(const Pursuit& pursuit, const at::Tensor& x, const at::Tensor& W,
                                 const at::Tensor& df, const at::Tensor& g) {
  ops_cpu::check_encode("pursuit_gradient", x, W, {}, {});
  if (pursuit.offsets.size(0) != x.size(0) + 1 || W.size(0) != pursuit.codes.latents()) {
    throw Error(cat("pursuit_gradient: x ", x.sizes(), " and W ", W.sizes(), " are not what ",
                    pursuit.codes.rows(), " rows were pursued with"));
  }
  if (g.defined() && g.sizes() != x.sizes()) {
    throw Error(cat("pursuit_gradient: g ", g.sizes(), " is not ", x.sizes()));
  }
  if (df.defined() && df.sizes() != pursuit.codes.values().sizes()) {
    throw Error(
        cat("pursuit_gradient: df ", df.sizes(), " is not ", pursuit.codes.values().sizes()));
  }
  const c10::AutoGradMode no_grad(false);
  const at::Tensor rows = x.detach().contiguous(), weights = W.detach().contiguous();
  const at::Tensor on_codes = df.defined() ? df.detach().contiguous() : df;
  const at::Tensor on_output = g.defined() ? g.detach().contiguous() : g;
  return ops_cpu::by_type("pursuit_gradient", rows, [&]<class T>(T) {
    const Parts<T> parts{pursuit, rows, weights, on_codes, on_output};
    return pursuit.factors.defined() ? orthogonal(parts) : matching(parts);
  });
}

}  // namespace saffron::inline sdk_v1::ops
