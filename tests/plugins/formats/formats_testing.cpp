#include "tests/plugins/formats/formats_testing.h"
#include "tests/places.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <iterator>

namespace saffron::format_test {
namespace {

constexpr double kClose = 1e-5;

at::Tensor wide(const at::Tensor& tensor) { return tensor.to(at::kDouble); }
at::Tensor or_zero(const at::Tensor& tensor) {
  return tensor.defined() ? wide(tensor) : at::zeros({}, at::kDouble);
}

at::Tensor keep(const at::Tensor& a, const at::Tensor& order, std::int64_t k) {
  const at::Tensor places = std::get<1>(order.topk(k, 1));
  return at::zeros_like(a).scatter(1, places, a.gather(1, places));
}

at::Tensor activated(const CanonicalSae& sae, const at::Tensor& z) {
  if (sae.activation == "gated") {
    const at::Tensor magnitude = z * wide(sae.r_mag).exp() + wide(sae.b_mag);
    return (z + wide(sae.b_gate)).gt(0) * magnitude.clamp_min(0);
  }
  const at::Tensor a = z + or_zero(sae.b_enc), f = a.clamp_min(0);
  if (sae.activation == "jumprelu") return f * a.gt(wide(sae.threshold));
  if (sae.activation == "topk") return keep(f, a, *sae.k);
  if (sae.activation == "abs_topk") return keep(a, a.abs(), *sae.k);
  if (sae.activation == "groupmax") {
    const at::Tensor groups = f.view({f.size(0) * *sae.k, -1});
    return keep(groups, groups, 1).view_as(f);
  }
  EXPECT_EQ(sae.activation, "relu");
  return f;
}

constexpr at::Tensor CanonicalSae::* kTensors[] = {
    &CanonicalSae::W_enc,       &CanonicalSae::b_enc,       &CanonicalSae::W_dec,
    &CanonicalSae::b_dec,       &CanonicalSae::threshold,   &CanonicalSae::W_skip,
    &CanonicalSae::b_gate,      &CanonicalSae::b_mag,       &CanonicalSae::r_mag,
    &CanonicalSae::input_mean,  &CanonicalSae::input_scale, &CanonicalSae::output_mean,
    &CanonicalSae::output_scale};

}  // namespace

Forwarded forward(const CanonicalSae& sae, const at::Tensor& raw) {
  const at::Tensor one = at::ones({}, at::kDouble);
  const at::Tensor scale = sae.input_scale.defined() ? wide(sae.input_scale) : one;
  const bool own = sae.output_mean.defined() || sae.output_scale.defined();
  const at::Tensor out_scale = !own                         ? scale
                               : sae.output_scale.defined() ? wide(sae.output_scale)
                                                            : one;
  const at::Tensor x = (wide(raw) - or_zero(sae.input_mean)) * scale;
  const at::Tensor moved = sae.subtract_b_dec ? x - or_zero(sae.b_dec) : x;
  Forwarded out;
  out.codes = activated(sae, moved.mm(wide(sae.W_enc)));
  out.xhat = out.codes.mm(wide(sae.W_dec)) + or_zero(sae.b_dec);
  if (sae.W_skip.defined()) out.xhat = out.xhat + x.mm(wide(sae.W_skip));
  out.xhat = out.xhat / out_scale + or_zero(own ? sae.output_mean : sae.input_mean);
  return out;
}

CanonicalSae random_sae(const std::string& activation, std::int64_t d_out, bool skip) {
  const Random random = Random(3).fork(activation);
  const auto draw = [&](const char* name, std::int64_t rows, std::int64_t columns) {
    return random.fork(name).normal_rows(0, rows, columns);
  };
  const auto vector = [&](const char* name, std::int64_t size) {
    return draw(name, 1, size).squeeze(0) * 0.5;
  };
  CanonicalSae sae;
  sae.activation = activation;
  sae.W_enc = draw("W_enc", kD, kF);
  sae.W_dec = draw("W_dec", kF, d_out);
  sae.b_dec = vector("b_dec", d_out);
  sae.subtract_b_dec = d_out == kD;
  if (activation != "gated") sae.b_enc = vector("b_enc", kF);
  if (activation == "jumprelu") sae.threshold = vector("threshold", kF).abs();
  if (activation == "gated") {
    sae.b_gate = vector("b_gate", kF);
    sae.b_mag = vector("b_mag", kF);
    sae.r_mag = vector("r_mag", kF);
  }
  if (activation == "topk" || activation == "abs_topk" || activation == "groupmax") sae.k = kK;
  if (skip) sae.W_skip = draw("W_skip", kD, d_out);
  return sae;
}

TrainedSae trained_on(std::int64_t d_in, std::int64_t d_out, bool same) {
  TrainedSae trained;
  trained.name = "student";
  trained.shape = {{{"x", d_in}}, {{same ? "x" : "y", d_out}}};
  trained.reads = {0};
  trained.predicts = {same ? 0 : 1};
  return trained;
}

double apart(const at::Tensor& a, const at::Tensor& b) {
  return ((wide(a) - wide(b)).abs().max() / wide(b).abs().max()).item<double>();
}

void expect_identical(const CanonicalSae& a, const CanonicalSae& b) {
  for (std::size_t i = 0; i < std::size(kTensors); ++i) {
    const at::Tensor &left = a.*kTensors[i], &right = b.*kTensors[i];
    ASSERT_EQ(left.defined(), right.defined()) << "tensor " << i << " of CanonicalSae";
    EXPECT_TRUE(!left.defined() || test::identical(left, right)) << "tensor " << i;
  }
  EXPECT_EQ(a.activation, b.activation);
  EXPECT_EQ(a.k, b.k);
  EXPECT_EQ(a.subtract_b_dec, b.subtract_b_dec);
}

void expect_same_outputs(const CanonicalSae& a, const CanonicalSae& b) {
  const at::Tensor raw = Random(5).normal_rows(0, 20, a.W_enc.size(0)) * 2 + 0.5;
  const Forwarded one = forward(a, raw), two = forward(b, raw);
  EXPECT_GT(two.codes.count_nonzero().item<std::int64_t>(), 0);
  EXPECT_LT(apart(one.codes, two.codes), kClose);
  EXPECT_LT(apart(one.xhat, two.xhat), kClose);
}

std::vector<fs::path> recorded_folders(const std::string& format) {
  std::vector<fs::path> out;
  const fs::path all = fs::path(kSourceDir) / "tests/fixtures/formats" / format;
  for (const fs::directory_entry& entry : fs::directory_iterator(all)) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

void expect_recorded_outputs(const Format& format, const fs::path& folder) {
  SCOPED_TRACE(folder.string());
  EXPECT_TRUE(format.recognises(folder.string()));
  const SafetensorsFile recorded = SafetensorsFile::open(folder / "recorded.safetensors");
  const Forwarded ours = forward(format.read(folder.string()), recorded.tensor("x"));
  EXPECT_LT(apart(ours.codes, recorded.tensor("codes")), kClose);
  EXPECT_LT(apart(ours.xhat, recorded.tensor("xhat")), kClose);
}

void expect_kept_bitwise(const Format& format, const CanonicalSae& sae) {
  const test::TemporaryFolder folder;
  const bool same = sae.W_enc.size(0) == sae.W_dec.size(1) && sae.subtract_b_dec;
  const TrainedSae trained = trained_on(sae.W_enc.size(0), sae.W_dec.size(1), same);
  format.write(trained, sae, folder / "once");
  const CanonicalSae once = format.read(folder / "once");
  expect_same_outputs(once, sae);
  format.write(trained, once, folder / "twice");
  expect_identical(format.read(folder / "twice"), once);
}

}  // namespace saffron::format_test
