#include "nmf.h"

#include "least_squares.h"

#include <saffron/error.h>
#include <saffron/ops.h>
#include <saffron/streams.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <tuple>

namespace saffron::plugins {
namespace {

constexpr double kMostLatents = std::numeric_limits<std::int32_t>::max();  // codes are int32
constexpr std::int64_t kRowsOfALatent =
    4;                       // averaged at the start ("random Acol", Langville et al. 2006)
constexpr int kSweeps = 20;  // of D at the end of a pass

}  // namespace

Schema<Nmf::Options> Nmf::schema() {
  return Schema<Options>{}
      .param("width", &Options::width, "latents F", between(1, kMostLatents))
      .choice("method", &Options::method, "the dictionary is not negative either, or of any sign",
              {{"nmf", Method::nmf}, {"semi", Method::semi}})
      .choice(
          "shift", &Options::shift,
          "taken from rows first: nothing, each dimension's minimum or mean over the first rows",
          {{"none", Shift::none}, {"minimum", Shift::minimum}, {"mean", Shift::mean}})
      .param("passes", &Options::passes, "passes over the rows at most", at_least(1))
      .param("tolerance", &Options::tolerance,
             "passes end when one lowers the error by less, as a share of the first",
             non_negative())
      .check([](const Options& o) {
        return o.method == Method::nmf && o.shift == Shift::mean
                   ? "shift = \"mean\" makes rows negative, which needs method = \"semi\""
                   : "";
      });
}

SaeSpec Nmf::declare(const SaeShape& shape) {
  if (shape.reads.size() != 1 || !same_streams(shape.reads, shape.predicts)) {
    throw Error("nmf reads one stream and predicts the same one");
  }
  const std::int64_t d = shape.reads[0].width, F = options_.width;
  SaeSpec spec;
  spec.latents = F;
  spec.layout = Codes::Layout::csr;
  spec.parameters = {
      {.name = "W_dec", .shape = {F, d}, .role = Role::decoder, .per_latent = true, .frozen = true},
      {.name = "b_dec", .shape = {d}, .role = Role::decoder_bias, .frozen = true}};
  return spec;
}

void Nmf::bind(const Tensors& parameters, const Tensors&) {
  W_dec_ = parameters["W_dec"];
  b_dec_ = parameters["b_dec"];
}

// Each latent is the mean of a few rows.
void Nmf::initialise(const InitInput& init) {
  const at::Tensor& x = init.sample().streams.at(0);
  b_dec_.zero_();
  if (options_.shift == Shift::minimum) b_dec_.copy_(std::get<0>(x.min(0)));
  if (options_.shift == Shift::mean) b_dec_.copy_(x.mean(0));
  const at::Tensor rows = x - b_dec_;
  require_not_negative(rows, 0);
  const Random random = init.random.fork("W_dec");
  at::Tensor drawn = at::zeros({options_.width * kRowsOfALatent}, at::kLong);
  auto* of = drawn.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < drawn.numel(); ++i) {
    of[i] = static_cast<std::int64_t>(
        random.below(static_cast<std::uint64_t>(x.size(0)), static_cast<std::uint64_t>(i)));
  }
  const at::Tensor means =
      rows.index_select(0, drawn).view({options_.width, kRowsOfALatent, x.size(1)}).mean(1);
  W_dec_.copy_(means / means.norm(2, {1}, true).clamp_min(1e-30));
  clear_sums();
}

std::vector<Codes> Nmf::encode(const std::vector<at::Tensor>& inputs) const {
  return {Codes::from_dense(non_negative_codes(inputs.at(0) - b_dec_, W_dec_))};
}

std::vector<at::Tensor> Nmf::decode(const std::vector<Codes>& codes) const {
  return {ops::decode(codes.at(0), W_dec_, b_dec_)};
}

Forward Nmf::forward(const SaeInput& input) {
  Forward out;
  out.codes = encode(input.inputs);
  out.reconstructions = decode(out.codes);
  return out;
}

void Nmf::backward(const SaeInput&, const Forward&, const Upstream&, Gradients&) {}

// Rows below the minimum of the first ones are few and not far below it: they lose a little.
void Nmf::require_not_negative(const at::Tensor& rows, std::int64_t first) const {
  if (options_.method == Method::semi || options_.shift == Shift::minimum) return;
  const at::Tensor negative = rows.lt(0);
  if (!negative.any().item<bool>()) return;
  const at::Tensor place = at::nonzero(negative)[0];
  const auto row = place[0].item<std::int64_t>(), column = place[1].item<std::int64_t>();
  throw Error(ErrorKind::numeric,
              cat("dimension ", column, " of training row ", first + row, " is ",
                  rows[row][column].item<double>(), ", nmf takes rows that are not negative"))
      .with_help("shift = \"minimum\", or method = \"semi\", whose dictionary may be negative");
}

void Nmf::observe(const SaeInput& batch) {
  const at::Tensor rows = batch.inputs.at(0) - b_dec_;
  require_not_negative(rows, batch.rows_seen);
  const at::Tensor f = non_negative_codes(rows, W_dec_);
  error_ += (rows - f.mm(W_dec_)).square().sum(at::kDouble).item<double>();
  products_.add_(f.t().mm(f));
  targets_.add_(f.t().mm(rows));
  if (pass_ == 0) update_dictionary(1);
}

bool Nmf::end_pass() {
  if (pass_ > 0) update_dictionary(kSweeps);
  bool falls = true;
  if (pass_ == 1) first_error_ = error_;
  if (pass_ > 1) falls = last_error_ - error_ > options_.tolerance * first_error_;
  last_error_ = error_;
  clear_sums();
  const bool more = ++pass_ < options_.passes && falls;
  if (!more) {
    products_.reset();
    targets_.reset();
  }
  return more;
}

// A row without codes, or one that would be 0, stays.
void Nmf::update_dictionary(int sweeps) {
  at::Tensor D = W_dec_.to(at::kDouble, false, true);
  const at::Tensor diagonal = products_.diagonal().contiguous();
  const double* weight = diagonal.const_data_ptr<double>();
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    for (std::int64_t i = 0; i < D.size(0); ++i) {
      if (weight[i] <= 0) continue;
      at::Tensor row = D[i];
      at::Tensor next = row + (targets_[i] - products_[i].matmul(D)) / weight[i];
      if (options_.method == Method::nmf) next.clamp_min_(0);
      row.copy_(next);
    }
  }
  const at::Tensor norms = D.norm(2, {1}, true);
  W_dec_.copy_(at::where(norms > 0, D / norms, W_dec_.to(at::kDouble)));
}

void Nmf::clear_sums() {
  products_ = at::zeros({W_dec_.size(0), W_dec_.size(0)}, at::kDouble);
  targets_ = at::zeros(W_dec_.sizes(), at::kDouble);
  error_ = 0;
}

State Nmf::save() const {
  State state;
  if (products_.defined()) {
    state.tensors.set("products", products_.clone());
    state.tensors.set("targets", targets_.clone());
  }
  state.values.set("pass", pass_);
  state.tensors.set("errors", at::tensor({error_, first_error_, last_error_}, at::kDouble));
  return state;
}

void Nmf::load(const State& state) {
  products_.reset();
  targets_.reset();
  if (state.tensors.contains("products")) {
    products_ = state.tensors["products"].clone();
    targets_ = state.tensors["targets"].clone();
  }
  pass_ = state.values.at("pass").as_int();
  const at::Tensor& errors = state.tensors["errors"];
  error_ = errors[0].item<double>();
  first_error_ = errors[1].item<double>();
  last_error_ = errors[2].item<double>();
}

}  // namespace saffron::plugins
