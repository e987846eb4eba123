#include "ops/cuda_ops.h"

#include <saffron/error.h>

#include "ops/cuda_library.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <limits>

namespace saffron::ops_cuda {
namespace {

// A tile of products has at most this many rows and latents: 32 MB of float32, which the
// second-level cache of a large GPU holds until they are looked at.
constexpr std::int64_t kTileRows = 2048;
constexpr std::int64_t kTileLatents = 4096;
// Elements of one block where rows do not matter.
constexpr std::int64_t kElementwiseRow = 1024;

// One public function's way to the kernels: its device made current, its stream, its tensors
// checked.
class Call {
 public:
  Call(const char* op, const at::Tensor& of, const std::vector<at::Tensor>& others)
      : op_(on_one_device(op, of, others)),
        kernels_(kernels(of.device().index())),
        guard_(of.device()),
        place_{of.device().index(), stream(of.device())},
        scalar_(of.scalar_type()) {
    if (scalar_ != at::kFloat && scalar_ != at::kDouble) {
      throw Error(cat(op, ": values must be float32 or float64, not ", of.toString()));
    }
  }

  // Also that `tensor` (may be undefined) is of the call's type.
  void check_type(const char* name, const at::Tensor& tensor) const {
    if (tensor.defined() && tensor.scalar_type() != scalar_) {
      throw Error(cat(op_, ": ", name, " is ", tensor.toString(), ", not ", at::toString(scalar_)));
    }
  }

  [[nodiscard]] Scalar scalar() const {
    return scalar_ == at::kDouble ? Scalar::float64 : Scalar::float32;
  }
  [[nodiscard]] const Place& place() const { return place_; }
  [[nodiscard]] const Kernels& library() const { return kernels_; }
  [[nodiscard]] bool capturing() const {
    bool answer = false;
    check(kernels_.capturing(place_, &answer));
    return answer;
  }
  // Throws what a kernel's launch came back with.
  void check(int error) const {
    if (error != 0) {
      throw Error(ErrorKind::internal,
                  cat(op_, ": CUDA on device ", place_.device, ": ", kernels_.message(error)));
    }
  }

 private:
  static void* stream(at::Device device) {
    const c10::impl::VirtualGuardImpl cuda(device.type());
    return cuda.getStream(device).native_handle();
  }
  // `op`, once it is known that all tensors are on `of`'s device.
  static const char* on_one_device(const char* op, const at::Tensor& of,
                                   const std::vector<at::Tensor>& others) {
    for (const at::Tensor& other : others) {
      if (other.defined() && other.device() != of.device()) {
        throw Error(cat(op, ": one tensor is on ", of.device().str(), ", another on ",
                        other.device().str()));
      }
    }
    return op;
  }

  const char* op_;
  const Kernels& kernels_;
  c10::DeviceGuard guard_;
  Place place_;
  at::ScalarType scalar_;
};

template <class T>
const T* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}
const void* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}
at::Tensor plain(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.detach().contiguous() : tensor;
}

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

// Throws what select_topk left in `status`. Waits for the device; not while a graph is captured,
// which forbids it: there a NaN shows in the values.
void check_selection(const Call& call, const at::Tensor& status, std::int64_t k) {
  if (call.capturing()) return;
  const at::Tensor host = status.cpu();
  const auto* found = host.const_data_ptr<std::int64_t>();
  constexpr std::int64_t nothing = std::numeric_limits<std::int64_t>::max();
  if (found[0] != nothing) {
    throw Error(ErrorKind::numeric, cat("the pre-activation of row ", found[0] >> 32, ", latent ",
                                        found[0] & 0xffffffff, " is NaN"))
        .with_help("look for non-finite inputs or weights; a lower learning rate often helps");
  }
  if (found[1] != nothing) {
    throw Error(cat("only ", found[1], " latents may be chosen, k is ", k));
  }
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

}  // namespace

void refuse(const char* what, const at::Tensor& of, const std::vector<at::Tensor>& others) {
  const Call call(what, of, others);
  throw Error(ErrorKind::plugin, cat(what, " is not among the CUDA kernels"))
      .with_help("keep the tensors of this SAE on the CPU");
}

Codes encode_topk(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b, std::int64_t k,
                  ops::Keep keep, const at::Tensor& allowed, const at::Tensor& scale) {
  if (k > kMaxTopk) {
    throw Error(cat("encode_topk: k = ", k, " is more than the ", kMaxTopk,
                    " that the CUDA kernels select"))
        .with_help("choose a smaller k, or keep the tensors on the CPU");
  }
  if (keep == ops::Keep::magnitude) {
    refuse("encode_topk by magnitude", x, {W, b, allowed, scale});
  }
  const Call call("encode_topk", x, {W, b, allowed, scale});
  call.check_type("W", W);
  const c10::AutoGradMode no_grad(false);
  const at::NoTF32Guard full_precision;
  const at::Tensor inputs = plain(x), mask = plain(allowed);
  const at::Tensor weights = plain(scale.defined() ? W.detach() * scale.unsqueeze(1) : W);
  const at::Tensor bias = plain(scale.defined() && b.defined() ? b.detach() * scale : b);
  const std::int64_t B = x.size(0), F = W.size(0), element = x.element_size();
  at::Tensor values = at::empty({B, k}, x.options());
  at::Tensor indices = at::empty({B, k}, x.options().dtype(at::kInt));
  at::Tensor status =
      at::full({2}, std::numeric_limits<std::int64_t>::max(), x.options().dtype(at::kLong));
  at::Tensor buffer = at::empty({std::min(B, kTileRows) * std::min(F, kTileLatents)}, x.options());
  SelectTile tile{};
  tile.scalar = call.scalar();
  tile.k = k;
  tile.rectify = keep == ops::Keep::rectified;
  tile.status = status.mutable_data_ptr<std::int64_t>();
  const auto* const bias_at = static_cast<const char*>(pointer(bias));
  const auto* const mask_at = static_cast<const std::uint8_t*>(pointer(mask));
  for (std::int64_t row = 0; row < B; row += kTileRows) {
    tile.first_row = row;
    tile.rows = std::min(kTileRows, B - row);
    tile.values = static_cast<char*>(values.mutable_data_ptr()) + row * k * element;
    tile.indices = indices.mutable_data_ptr<std::int32_t>() + row * k;
    for (std::int64_t latent = 0; latent < F; latent += kTileLatents) {
      tile.first_latent = latent;
      tile.width = std::min(kTileLatents, F - latent);
      tile.last = latent + tile.width == F;
      at::Tensor products =
          buffer.slice(0, 0, tile.rows * tile.width).view({tile.rows, tile.width});
      at::mm_out(products, inputs.slice(0, row, row + tile.rows),
                 weights.slice(0, latent, latent + tile.width).t());
      tile.products = products.const_data_ptr();
      tile.bias = bias_at != nullptr ? bias_at + latent * element : nullptr;
      tile.allowed = mask_at != nullptr ? mask_at + latent : nullptr;
      call.check(call.library().select_topk(call.place(), tile));
    }
  }
  check_selection(call, status, k);
  return Codes::topk(std::move(values), std::move(indices), F);
}

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
  std::vector<at::Tensor> others = tensors_of(parts);
  others.insert(others.end(), {m, v});
  const Call call("optimiser", parts.parameter, others);
  for (const at::Tensor* moment : {&m, &v}) {
    call.check_type("a moment", *moment);
    if (moment->sizes() != parts.parameter.sizes() || !moment->is_contiguous()) {
      throw Error(cat("optimiser: a moment ", moment->sizes(),
                      " is not contiguous or not of the parameter's shape ",
                      parts.parameter.sizes()));
    }
  }
  std::vector<Term> terms;
  const RowGradient described = describe(call, parts, terms);
  const Adam step{scalars.step_size,       scalars.beta1, scalars.beta2, scalars.eps,
                  scalars.root_correction, scalars.decay, scalars.scale};
  call.check(call.library().adam(call.place(), described, step, parts.parameter.mutable_data_ptr(),
                                 m.mutable_data_ptr(), v.mutable_data_ptr()));
}

}  // namespace saffron::ops_cuda
