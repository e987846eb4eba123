#include "ops/cuda_ops.h"

#include <saffron/error.h>

#include "ops/cuda_call.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

namespace saffron::ops_cuda {
namespace {

// Elements of one block where rows do not matter.
constexpr std::int64_t kElementwiseRow = 1024;

// The entries of topk or csr codes; holds the tensors that the pointers point into.
struct Entries {
  explicit Entries(const Codes& codes)
      : latents(codes.indices().contiguous()),
        offsets(codes.layout() == Codes::Layout::csr ? codes.offsets().contiguous()
                                                     : at::Tensor()) {
    support = {latents.const_data_ptr<std::int32_t>(), data_or_null<std::int32_t>(offsets),
               codes.rows(), offsets.defined() ? 0 : latents.size(1), latents.numel()};
    if (support.capacity > kMaxIndex) {
      throw Error(cat("codes: ", support.capacity, " entries are more than int32 can number"));
    }
  }
  at::Tensor latents, offsets;
  Support support{};
};

std::vector<at::Tensor> tensors_of(const Codes& codes, const at::Tensor& other) {
  return {codes.values(), codes.indices(),
          codes.layout() == Codes::Layout::csr ? codes.offsets() : at::Tensor(), other};
}

static_assert(static_cast<int>(Hold::unit_rows) == static_cast<int>(Constraint::unit_rows) &&
              static_cast<int>(Hold::non_negative) == static_cast<int>(Constraint::non_negative));

RowGradient describe(const Call& call, const GradientParts& parts, std::vector<Term>& terms) {
  if (parts.factored.size() > static_cast<std::size_t>(kMaxTerms)) {
    throw Error(cat("optimiser: ", parts.factored.size(), " factored gradients of one parameter; ",
                    "on a GPU at most ", kMaxTerms, " are summed"));
  }
  call.check_type("the dense gradient", parts.dense);
  for (std::size_t t = 0; t < parts.factored.size(); ++t) {
    const FactoredGradient& factored = parts.factored[t];
    const ops::LatentGroups& groups = parts.groups[t];
    call.check_type("a factored gradient's coefficients", factored.support.values());
    call.check_type("a factored gradient's rows", factored.rows);
    terms.push_back({groups.offsets.const_data_ptr<std::int32_t>(),
                     groups.entries.const_data_ptr<std::int32_t>(),
                     groups.rows.const_data_ptr<std::int32_t>(),
                     factored.support.values().const_data_ptr(), factored.rows.const_data_ptr()});
  }
  RowGradient gradient{call.scalar(),
                       static_cast<Hold>(parts.constraint),
                       parts.rows,
                       parts.width,
                       parts.rows * parts.width,
                       pointer(parts.dense),
                       terms.data(),
                       static_cast<std::int64_t>(terms.size())};
  // Where nothing depends on a row, as in a bias, blocks share the elements evenly.
  if (terms.empty() && gradient.hold != Hold::unit_rows) {
    gradient.width = kElementwiseRow;
    gradient.rows = (gradient.size + kElementwiseRow - 1) / kElementwiseRow;
  }
  return gradient;
}

std::vector<at::Tensor> tensors_of(const GradientParts& parts) {
  std::vector<at::Tensor> all{parts.dense};
  for (const FactoredGradient& factored : parts.factored) {
    all.push_back(factored.support.values());
    all.push_back(factored.rows);
  }
  return all;
}

std::vector<at::Tensor> tensors_of(const GradientParts& parts, std::vector<at::Tensor> moments) {
  for (const at::Tensor& tensor : tensors_of(parts)) moments.push_back(tensor);
  return moments;
}

// What the public function does not know: the kernels keep moments as they are reckoned with.
void check_moment(const at::Tensor& moment) {
  if (moment.scalar_type() != at::kBFloat16) return;
  throw Error(ErrorKind::plugin, "moments in bfloat16 are not among the CUDA kernels")
      .with_help("keep the moments in the parameter's dtype, or the tensors on the CPU");
}

}  // namespace

at::Tensor decode(const Codes& codes, const at::Tensor& W, const at::Tensor& b) {
  const Call call("decode", W, tensors_of(codes, b));
  const Entries entries(codes);
  call.check_type("the bias", b);
  if (b.defined() && b.dim() > 1) {
    throw Error(cat("decode: the bias ", b.sizes(), " is not [", W.size(1), "]"));
  }
  const at::Tensor values = plain(codes.values()), weights = plain(W);
  const at::Tensor bias = b.defined() ? b.detach().expand({W.size(1)}).contiguous() : b;
  at::Tensor out = at::empty({codes.rows(), W.size(1)}, weights.options());
  call.check(call.library().decode(
      call.place(), {call.scalar(), entries.support, values.const_data_ptr(),
                     weights.const_data_ptr(), pointer(bias), W.size(1), out.mutable_data_ptr()}));
  return out;
}

at::Tensor code_gradient(const Codes& codes, const at::Tensor& W, const at::Tensor& g) {
  const Call call("code_gradient", W, tensors_of(codes, g));
  const Entries entries(codes);
  call.check_type("g", g);
  const at::Tensor weights = plain(W), rows = plain(g);
  // Places of a csr past its last entry are nobody's: 0, as on the CPU.
  at::Tensor out = entries.offsets.defined() ? at::zeros(codes.values().sizes(), W.options())
                                             : at::empty(codes.values().sizes(), W.options());
  call.check(call.library().code_gradient(
      call.place(), {call.scalar(), entries.support, weights.const_data_ptr(),
                     rows.const_data_ptr(), W.size(1), out.mutable_data_ptr()}));
  return out;
}

ops::LatentGroups group_by_latent(const Codes& support) {
  const Call call("group_by_latent", support.values(), tensors_of(support, {}));
  const Entries entries(support);
  const std::int64_t capacity = entries.support.capacity, F = support.latents();
  const at::TensorOptions options = entries.latents.options();
  ops::LatentGroups groups{at::empty({F + 1}, options), at::empty({capacity}, options),
                           at::empty({capacity}, options)};
  std::size_t bytes = 0;
  call.check(call.library().group_workspace(call.place(), capacity, F, &bytes));
  at::Tensor workspace = at::empty({static_cast<std::int64_t>(bytes)}, options.dtype(at::kByte));
  call.check(call.library().group(
      call.place(),
      {entries.support, F, groups.offsets.mutable_data_ptr<std::int32_t>(),
       groups.entries.mutable_data_ptr<std::int32_t>(),
       groups.rows.mutable_data_ptr<std::int32_t>(), workspace.mutable_data_ptr(), bytes}));
  return groups;
}

at::Tensor form_gradient(const FactoredGradient& gradient) {
  const std::vector<ops::LatentGroups> groups{group_by_latent(gradient.support)};
  const std::vector<FactoredGradient> factored{
      {gradient.support.with_values(plain(gradient.support.values())), plain(gradient.rows)}};
  at::Tensor out =
      at::empty({gradient.support.latents(), gradient.rows.size(1)}, gradient.rows.options());
  const at::Tensor no_dense;
  const GradientParts parts{out,    no_dense,    Constraint::none, factored,
                            groups, out.size(0), out.size(1)};
  const Call call("form_gradient", out, tensors_of(parts));
  std::vector<Term> terms;
  const RowGradient described = describe(call, parts, terms);
  call.check(call.library().form_gradient(call.place(), described, out.mutable_data_ptr()));
  return out;
}

double squared_norm(const GradientParts& parts) {
  const Call call("optimiser", parts.parameter, tensors_of(parts));
  std::vector<Term> terms;
  const RowGradient described = describe(call, parts, terms);
  const at::TensorOptions options = parts.parameter.options().dtype(at::kDouble);
  at::Tensor partial = at::empty({described.rows}, options), total = at::empty({1}, options);
  call.check(call.library().squared_norm(call.place(), described, parts.parameter.const_data_ptr(),
                                         partial.mutable_data_ptr<double>(),
                                         total.mutable_data_ptr<double>()));
  return total.item<double>();
}

void adam(const GradientParts& parts, at::Tensor& m, at::Tensor& v,
          const ops_cpu::AdamScalars& scalars) {
  const c10::AutoGradMode no_grad(false);
  const Call call("optimiser", parts.parameter, tensors_of(parts, {m, v}));
  check_moment(m);
  std::vector<Term> terms;
  const RowGradient described = describe(call, parts, terms);
  const Adam step{scalars.step_size,       scalars.beta1, scalars.beta2, scalars.eps,
                  scalars.root_correction, scalars.decay, scalars.scale};
  call.check(call.library().adam(call.place(), described, step, parts.parameter.mutable_data_ptr(),
                                 m.mutable_data_ptr(), v.mutable_data_ptr()));
}

void signum(const GradientParts& parts, at::Tensor& m, const ops_cpu::SignumScalars& scalars) {
  const c10::AutoGradMode no_grad(false);
  const Call call("optimiser", parts.parameter, tensors_of(parts, {m}));
  check_moment(m);
  std::vector<Term> terms;
  const RowGradient described = describe(call, parts, terms);
  const Signum step{scalars.step_size, scalars.beta, scalars.decay, scalars.scale};
  call.check(call.library().signum(call.place(), described, step,
                                   parts.parameter.mutable_data_ptr(), m.mutable_data_ptr()));
}

}  // namespace saffron::ops_cuda
