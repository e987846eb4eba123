#include "layer_map.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <c10/core/GradMode.h>

namespace llama {
namespace {

using saffron::cat;
using saffron::Error;

void check_rows(const char* what, const at::Tensor& t, std::int64_t width) {
  if (t.dim() == 2 && t.size(1) == width) return;
  throw Error(cat(what, " has shape ", t.sizes(), ", expected [*, ", width, "]"));
}

void check_index(const char* what, const at::Tensor& index, std::int64_t batch) {
  if (index.dim() == 2 && index.size(0) == batch && index.scalar_type() == at::kLong) return;
  throw Error(cat(what, " is ", index.scalar_type(), " ", index.sizes(), ", expected int64 [",
                  batch, ", *]"));
}

// (rows weight^T)[index], [B, k, m]: projects first where the rows are fewer than their uses.
at::Tensor gather_projected(const at::Tensor& rows, const at::Tensor& index,
                            const at::Tensor& weight) {
  const at::Tensor flat = index.reshape({-1});
  const at::Tensor projected = rows.size(0) <= flat.size(0)
                                   ? at::linear(rows, weight).index_select(0, flat)
                                   : at::linear(rows.index_select(0, flat), weight);
  return projected.view({index.size(0), index.size(1), weight.size(0)});
}

}  // namespace

at::Tensor SwigluMap::hidden(const at::Tensor& x) const {
  check_rows("x", x, in_width());
  return at::linear(x, gate_up_.weight, gate_up_.bias).view({x.size(0), 2, hidden_width()});
}

at::Tensor SwigluMap::apply(const at::Tensor& x) const {
  const at::Tensor z = hidden(x);
  return at::linear(at::silu(z.select(1, 0)) * z.select(1, 1), down_.weight, down_.bias);
}

at::Tensor SwigluMap::jacobian(const at::Tensor& x, const at::Tensor& in_rows,
                               const at::Tensor& in_index, const at::Tensor& out_rows,
                               const at::Tensor& out_index) const {
  check_rows("in_rows", in_rows, in_width());
  check_rows("out_rows", out_rows, out_width());
  check_index("in_index", in_index, x.size(0));
  check_index("out_index", out_index, x.size(0));
  at::Tensor by_gate, by_up;  // [B, 1, m]: what Df multiplies W_gate v and W_up v with
  {
    const c10::AutoGradMode no_grad(false);
    const at::Tensor z = hidden(x);
    const at::Tensor g = z.select(1, 0), u = z.select(1, 1);
    const at::Tensor s = at::sigmoid(g);
    by_gate = (s * (1 + g * (1 - s)) * u).unsqueeze(1);
    by_up = (g * s).unsqueeze(1);
  }
  const std::int64_t m = hidden_width();
  const at::Tensor gate_rows = gather_projected(in_rows, in_index, gate_up_.weight.narrow(0, 0, m));
  const at::Tensor up_rows = gather_projected(in_rows, in_index, gate_up_.weight.narrow(0, m, m));
  const at::Tensor pushed = by_gate * gate_rows + by_up * up_rows;                  // [B, k1, m]
  const at::Tensor read = gather_projected(out_rows, out_index, down_.weight.t());  // [B, k2, m]
  return at::bmm(read, pushed.transpose(1, 2));
}

}  // namespace llama
