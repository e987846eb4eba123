#include <saffron/format.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <unistd.h>

#include <system_error>
#include <vector>

namespace saffron::inline sdk_v1 {
namespace fs = std::filesystem;
namespace {

std::string shape_text(at::IntArrayRef sizes) { return cat(sizes); }

void require(const at::Tensor& tensor, const char* name, at::IntArrayRef shape) {
  if (!tensor.defined()) throw Error(cat("the SAE has no ", name));
  if (tensor.sizes() != shape) {
    throw Error(cat(name, " is ", shape_text(tensor.sizes()), " and not ", shape_text(shape)));
  }
}

void check_activation(const CanonicalSae& sae) {
  const std::int64_t F = sae.W_dec.size(0);
  const bool counts =
      sae.activation == "topk" || sae.activation == "abs_topk" || sae.activation == "groupmax";
  if (counts && (!sae.k || *sae.k < 1 || *sae.k > F)) {
    throw Error(cat("activation '", sae.activation, "' of ", F,
                    " latents has k = ", sae.k ? std::to_string(*sae.k) : "none"));
  }
  if (sae.activation == "groupmax" && F % *sae.k != 0) {
    throw Error(cat(F, " latents are not k = ", *sae.k, " equal groups"));
  }
  if (sae.activation == "jumprelu") require(sae.threshold, "threshold", {F});
  if (sae.activation != "gated") return;
  require(sae.b_gate, "b_gate", {F});
  require(sae.b_mag, "b_mag", {F});
  require(sae.r_mag, "r_mag", {F});
}

void check_shapes(const CanonicalSae& sae) {
  if (!sae.W_enc.defined() || sae.W_enc.dim() != 2) throw Error("W_enc is no matrix");
  if (!sae.W_dec.defined() || sae.W_dec.dim() != 2) throw Error("W_dec is no matrix");
  const std::int64_t d_in = sae.W_enc.size(0), d_out = sae.W_dec.size(1), F = sae.W_dec.size(0);
  require(sae.W_enc, "W_enc", {d_in, F});
  if (sae.b_enc.defined()) require(sae.b_enc, "b_enc", {F});
  if (sae.b_dec.defined()) require(sae.b_dec, "b_dec", {d_out});
  if (sae.W_skip.defined()) require(sae.W_skip, "W_skip", {d_in, d_out});
  for (const auto& [tensor, name, width] : {std::tuple{&sae.input_mean, "input_mean", d_in},
                                            {&sae.input_scale, "input_scale", d_in},
                                            {&sae.output_mean, "output_mean", d_out},
                                            {&sae.output_scale, "output_scale", d_out}}) {
    if (tensor->defined()) require(*tensor, name, {width});
  }
  if (sae.subtract_b_dec && sae.b_dec.defined() && d_in != d_out) {
    throw Error(cat("b_dec [", d_out, "] cannot be subtracted from rows of width ", d_in));
  }
  check_activation(sae);
}

// Adds `shift` [F] to every x' W_enc.
void shift_preactivations(CanonicalSae& sae, const at::Tensor& shift) {
  if (sae.activation == "gated") {
    sae.b_gate = (sae.b_gate.to(at::kDouble) + shift).to(sae.b_gate.scalar_type());
    sae.b_mag = (sae.b_mag.to(at::kDouble) + shift * sae.r_mag.to(at::kDouble).exp())
                    .to(sae.b_mag.scalar_type());
  } else {
    sae.b_enc = (sae.b_enc.to(at::kDouble) + shift).to(sae.b_enc.scalar_type());
  }
}

at::Tensor product(const at::Tensor& row, const at::Tensor& matrix) {
  return at::mv(matrix.to(at::kDouble).t(), row.to(at::kDouble));
}

CanonicalSae subtracting(CanonicalSae sae, bool subtract) {
  if (sae.subtract_b_dec == subtract) return sae;
  sae.subtract_b_dec = subtract;
  if (sae.b_dec.count_nonzero().item<std::int64_t>() > 0) {
    const at::Tensor shift = product(sae.b_dec, sae.W_enc);
    shift_preactivations(sae, subtract ? shift : -shift);
  }
  return sae;
}

struct Affine {
  at::Tensor mean, scale;  // float64
};

Affine affine(const at::Tensor& mean, const at::Tensor& scale, std::int64_t width) {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  return {mean.defined() ? mean.to(at::kDouble) : at::zeros({width}, options),
          scale.defined() ? scale.to(at::kDouble) : at::ones({width}, options)};
}

CanonicalSae with_biases(const CanonicalSae& sae) {
  CanonicalSae out = sae;
  const auto options = sae.W_dec.options();
  if (sae.activation != "gated" && !out.b_enc.defined()) {
    out.b_enc = at::zeros({sae.W_dec.size(0)}, options);
  }
  if (!out.b_dec.defined()) out.b_dec = at::zeros({sae.W_dec.size(1)}, options);
  for (at::Tensor* tensor :
       {&out.input_mean, &out.input_scale, &out.output_mean, &out.output_scale}) {
    tensor->reset();
  }
  return out;
}

Error cannot_write(const fs::path& folder, const std::error_code& problem) {
  return Error(ErrorKind::io, cat("cannot write the folder: ", problem.message()))
      .within(folder.string())
      .with_help("name a folder in a place that you may write to");
}

}  // namespace

CanonicalSae on_raw_activations(const CanonicalSae& sae) {
  check_shapes(sae);
  CanonicalSae out = with_biases(sae);
  const bool own_output = sae.output_mean.defined() || sae.output_scale.defined();
  if (!own_output && !sae.input_mean.defined() && !sae.input_scale.defined()) return out;
  const std::int64_t d_in = sae.W_enc.size(0), d_out = sae.W_dec.size(1);
  if (!own_output && d_in != d_out) {
    throw Error(
        cat("the normalisation of the rows that it predicts, of width ", d_out, ", is not known"));
  }
  const Affine in = affine(sae.input_mean, sae.input_scale, d_in);
  const Affine to = own_output ? affine(sae.output_mean, sae.output_scale, d_out) : in;
  const auto type = sae.W_dec.scalar_type();
  out.W_enc = (sae.W_enc.to(at::kDouble) * in.scale.unsqueeze(1)).to(type);
  out.W_dec = (sae.W_dec.to(at::kDouble) / to.scale).to(type);
  at::Tensor b_dec = out.b_dec.to(at::kDouble);
  if (!own_output && !sae.W_skip.defined()) {
    if (!sae.subtract_b_dec) shift_preactivations(out, product(b_dec, sae.W_enc));
    out.subtract_b_dec = true;
  } else {
    if (sae.subtract_b_dec) shift_preactivations(out, -product(b_dec, sae.W_enc));
    shift_preactivations(out, -product(in.mean, out.W_enc));
    out.subtract_b_dec = false;
  }
  b_dec = b_dec / to.scale + to.mean;
  if (sae.W_skip.defined()) {
    const at::Tensor skip = sae.W_skip.to(at::kDouble) * in.scale.unsqueeze(1) / to.scale;
    b_dec = b_dec - product(in.mean, skip);
    out.W_skip = skip.to(type);
  }
  out.b_dec = b_dec.to(type);
  return out;
}

CanonicalSae without_subtraction(CanonicalSae sae) { return subtracting(std::move(sae), false); }

CanonicalSae with_subtraction(CanonicalSae sae) {
  if (sae.W_enc.size(0) != sae.W_dec.size(1)) {
    throw Error(cat("b_dec [", sae.W_dec.size(1), "] cannot be subtracted from rows of width ",
                    sae.W_enc.size(0)));
  }
  return subtracting(std::move(sae), true);
}

at::Tensor stored(const at::Tensor& weights) {
  return weights.detach().to(at::TensorOptions().device(at::kCPU).dtype(at::kFloat)).contiguous();
}

StagedFolder::StagedFolder(const std::string& folder) : folder_(folder), staged_(folder) {
  if (fs::exists(folder_)) {
    throw Error(ErrorKind::io, "exists already").within(folder).with_help("name a new folder");
  }
  staged_ += cat(".partial-", ::getpid());
  std::error_code problem;
  fs::create_directories(staged_, problem);
  if (problem) throw cannot_write(folder_, problem);
}

StagedFolder::~StagedFolder() {
  if (staged_.empty()) return;
  std::error_code ignored;  // a full disk must get its room back, whatever else fails
  fs::remove_all(staged_, ignored);
}

void StagedFolder::commit() {
  std::error_code problem;
  fs::rename(staged_, folder_, problem);
  if (problem) throw cannot_write(folder_, problem);
  staged_.clear();
}

fs::path weights_file(const std::string& path, const char* name) {
  const fs::path given = path;
  std::error_code unreadable;
  return given.filename() == name && !fs::is_directory(given, unreadable) ? given : given / name;
}

at::Tensor read_weights(const TensorReader& file, std::string_view name,
                        std::initializer_list<std::int64_t> shape) {
  const TensorInfo& info = file.info(name);
  bool fits = info.shape.size() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape.begin()[i] < 0 || shape.begin()[i] == info.shape[i];
  }
  const auto fail = [&](const std::string& found, const std::string& expected) {
    throw Error(ErrorKind::data, cat("tensor '", name, "' is ", found, " and should be ", expected))
        .within(file.path());
  };
  if (!fits) {
    std::string expected;
    for (const std::int64_t size : shape) {
      expected += cat(expected.empty() ? "" : ", ", size < 0 ? "any" : std::to_string(size));
    }
    fail(shape_text(info.shape), cat('[', expected, ']'));
  }
  const at::Tensor found = file.tensor(name);
  if (!c10::isFloatingType(found.scalar_type())) fail(info.dtype, "floating point");
  const auto type = found.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return found.to(type).clone(at::MemoryFormat::Contiguous);
}

at::Tensor read_transposed(const TensorReader& file, std::string_view name,
                           std::initializer_list<std::int64_t> shape) {
  return read_weights(file, name, {shape.begin()[1], shape.begin()[0]}).t().contiguous();
}

CanonicalSae read_checked(const fs::path& folder, const std::function<CanonicalSae()>& read) {
  try {
    return on_raw_activations(read());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid) throw;
    throw Error(ErrorKind::data, error.message())
        .within(error.where().empty() ? folder.string() : error.where())
        .with_help(error.help());
  }
}

}  // namespace saffron::inline sdk_v1
