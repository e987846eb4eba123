#include "pretrained.h"

#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <limits>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kMostLatents = std::numeric_limits<std::int32_t>::max();  // codes are int32

struct Vector {
  const char* name;
  at::Tensor CanonicalSae::* member;
  Role role;
};
constexpr Vector kVectors[] = {{"b_enc", &CanonicalSae::b_enc, Role::encoder_bias},
                               {"b_dec", &CanonicalSae::b_dec, Role::decoder_bias},
                               {"threshold", &CanonicalSae::threshold, Role::threshold},
                               {"b_gate", &CanonicalSae::b_gate, Role::gate},
                               {"b_mag", &CanonicalSae::b_mag, Role::encoder_bias},
                               {"r_mag", &CanonicalSae::r_mag, Role::scale}};

std::string names_of(const std::vector<Child<Format>>& formats) {
  std::string out;
  for (const Child<Format>& format : formats) {
    const Value& config = ReferenceAccess::config(format);
    const Value* use = config.is_table() ? config.find("use") : nullptr;
    if (use != nullptr) out += cat(out.empty() ? "" : ", ", use->as_string());
  }
  return out;
}

// a [B, F]: the largest of each of k runs of F / k latents.
Codes largest_of_groups(const at::Tensor& a, std::int64_t k) {
  const std::int64_t width = a.size(1) / k;
  const auto [values, places] = a.view({a.size(0), k, width}).max(2);
  const at::Tensor latents = places + at::arange(k, places.options()) * width;
  return Codes::topk(values.clamp_min(0), latents.to(at::kInt), a.size(1));
}

}  // namespace

std::vector<Child<Format>> Pretrained::common_formats() {
  std::vector<Child<Format>> out;
  for (const char* name : {"saelens", "dictionary_learning", "sparsify", "gemma_scope"}) {
    out.emplace_back(name);
  }
  return out;
}

Schema<Pretrained::Options> Pretrained::schema() {
  return Schema<Options>{}
      .param("path", &Options::path, "the folder of the SAE, or the file of its weights",
             required(), hashed_file())
      .param("format", &Options::format,
             "how the files are laid out; without it, as the first of `formats` that recognises "
             "them")
      .param("formats", &Options::formats, "what files of an unnamed format may be");
}

CanonicalSae Pretrained::read() const {
  const std::string& path = options_.path.value;
  if (options_.format) return (*options_.format)->read(path);
  for (const Child<Format>& format : options_.formats) {
    if (format->recognises(path)) return format->read(path);
  }
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorKind::io, "there is no such file or folder").within(path);
  }
  throw Error(ErrorKind::data, cat("is in none of the formats ", names_of(options_.formats)))
      .within(path)
      .with_help("name the folder that holds one SAE, or say which it is, format = { use = NAME }");
}

SaeSpec Pretrained::declare(const SaeShape& shape) {
  if (shape.reads.size() != 1 || shape.predicts.size() != 1) {
    throw Error("pretrained reads one stream and predicts one");
  }
  file_ = read();
  constexpr const char* kKnown[] = {"relu", "topk", "abs_topk", "groupmax", "jumprelu", "gated"};
  if (std::find(std::begin(kKnown), std::end(kKnown), file_.activation) == std::end(kKnown)) {
    throw Error(cat("the activation '", file_.activation, "' is not known"))
        .within(options_.path.value);
  }
  const std::int64_t d_in = file_.W_enc.size(0), F = file_.W_dec.size(0);
  const std::int64_t d_out = file_.W_dec.size(1);
  if (shape.reads[0].width != d_in || shape.predicts[0].width != d_out) {
    throw Error(cat("the SAE in the file reads rows of width ", d_in,
                    " and predicts rows of width ", d_out, "; the streams' are ",
                    shape.reads[0].width, " and ", shape.predicts[0].width))
        .within(options_.path.value);
  }
  if (F > kMostLatents) throw Error(cat(F, " latents are more than ", kMostLatents));
  SaeSpec spec;
  spec.latents = F;
  spec.layout = file_.k ? Codes::Layout::topk : Codes::Layout::csr;
  spec.max_active = file_.k;
  const auto add = [&](const char* name, std::vector<std::int64_t> sizes, Role role) {
    const bool latents = sizes[0] == F && role != Role::decoder_bias && role != Role::skip;
    spec.parameters.push_back({.name = name,
                               .shape = std::move(sizes),
                               .role = role,
                               .per_latent = latents,
                               .frozen = true});
  };
  add("W_enc", {F, d_in}, Role::encoder);
  add("W_dec", {F, d_out}, Role::decoder);
  if (file_.W_skip.defined()) add("W_skip", {d_out, d_in}, Role::skip);
  for (const Vector& vector : kVectors) {
    const at::Tensor& value = file_.*vector.member;
    if (value.defined()) add(vector.name, value.sizes().vec(), vector.role);
  }
  return spec;
}

void Pretrained::bind(const Tensors& parameters, const Tensors&) { parameters_ = parameters; }

void Pretrained::initialise(const InitInput&) {
  if (!file_.W_enc.defined()) file_ = read();
  p("W_enc").copy_(file_.W_enc.t());
  p("W_dec").copy_(file_.W_dec);
  if (file_.W_skip.defined()) p("W_skip").copy_(file_.W_skip.t());
  for (const Vector& vector : kVectors) {
    if ((file_.*vector.member).defined()) p(vector.name).copy_(file_.*vector.member);
  }
  CanonicalSae facts;
  facts.activation = file_.activation;
  facts.k = file_.k;
  facts.subtract_b_dec = file_.subtract_b_dec;
  file_ = std::move(facts);
}

Codes Pretrained::codes_of(const at::Tensor& rows) const {
  const std::string& activation = file_.activation;
  const at::Tensor& W_enc = p("W_enc");
  if (activation == "topk") {
    return ops::encode_topk(rows, W_enc, p("b_enc"), *file_.k, ops::Keep::rectified);
  }
  if (activation == "abs_topk") {
    return ops::encode_topk(rows, W_enc, p("b_enc"), *file_.k, ops::Keep::magnitude);
  }
  if (activation == "relu") return ops::encode_above(rows, W_enc, p("b_enc"), {});
  if (activation == "jumprelu") {
    return ops::encode_above(rows, W_enc, p("b_enc"), p("threshold").clamp_min(0));
  }
  if (activation == "groupmax") {
    return largest_of_groups(at::linear(rows, W_enc, p("b_enc")), *file_.k);
  }
  // gated: z = x' W_enc passes both z + b_gate > 0 and e^r_mag z + b_mag > 0.
  const at::Tensor gain = p("r_mag").exp();
  const Codes z = ops::encode_above(rows, W_enc, {}, at::maximum(-p("b_gate"), -p("b_mag") / gain));
  const at::Tensor latents = z.gather_index();
  return z.with_values(
      (z.values() * gain.index_select(0, latents) + p("b_mag").index_select(0, latents))
          .clamp_min(0));
}

std::vector<Codes> Pretrained::encode(const std::vector<at::Tensor>& inputs) const {
  const at::Tensor& x = inputs.at(0);
  Codes codes = codes_of(file_.subtract_b_dec ? x - p("b_dec") : x);
  if (!parameters_.contains("W_skip")) return {codes};
  return {codes.with_row_normalisation({}, at::mm(x, p("W_skip").t()))};
}

std::vector<at::Tensor> Pretrained::decode(const std::vector<Codes>& codes) const {
  return {codes.at(0).restore_rows(ops::decode(codes.at(0), p("W_dec"), p("b_dec")))};
}

Forward Pretrained::forward(const SaeInput& input) {
  Forward out;
  out.codes = encode(input.inputs);
  out.reconstructions = decode(out.codes);
  return out;
}

void Pretrained::backward(const SaeInput&, const Forward&, const Upstream&, Gradients&) {}

CanonicalSae Pretrained::canonical() const {
  CanonicalSae out = file_;
  out.W_enc = p("W_enc").t().contiguous();
  out.W_dec = p("W_dec").clone();
  if (parameters_.contains("W_skip")) out.W_skip = p("W_skip").t().contiguous();
  for (const Vector& vector : kVectors) {
    if (parameters_.contains(vector.name)) out.*vector.member = p(vector.name).clone();
  }
  return out;
}

}  // namespace saffron::plugins
