#include "testing/checks/format.h"

#include "testing/canonical.h"
#include "testing/checks/groups.h"
#include "testing/made.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

namespace saffron::testing {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kRows = 20, kActive = 3;
constexpr double kKept = 1e-4;  // float32, relative to max(1, |value|)

at::Tensor or_zero(const at::Tensor& tensor, const at::Tensor& otherwise) {
  return tensor.defined() ? tensor.to(at::kDouble) : at::zeros_like(otherwise);
}

// What an SAE makes of raw activations, in float64.
struct Forwarded {
  at::Tensor codes, reconstruction;

  Forwarded(const CanonicalSae& sae, const at::Tensor& raw) {
    if (!sae.W_enc.defined() || !sae.W_dec.defined()) fail("read gives no W_enc or no W_dec");
    const at::Tensor W_dec = sae.W_dec.to(at::kDouble), W_enc = sae.W_enc.to(at::kDouble);
    if (W_enc.sizes() != W_dec.t().sizes() || W_enc.size(0) != raw.size(1)) {
      fail(cat("read gives W_enc ", describe(sae.W_enc), " and W_dec ", describe(sae.W_dec)));
    }
    const at::Tensor mean = or_zero(sae.input_mean, raw[0]), b_dec = or_zero(sae.b_dec, raw[0]);
    const at::Tensor scale = or_zero(sae.input_scale, raw[0]) + (sae.input_scale.defined() ? 0 : 1);
    const at::Tensor x = (raw - mean) * scale;
    const std::optional<at::Tensor> f =
        canonical_codes(sae, (sae.subtract_b_dec ? x - b_dec : x).mm(W_enc));
    if (!f) {
      fail(cat("read gives the activation '", sae.activation, "'", sae.k ? "" : " without a k"));
    }
    codes = *f;
    at::Tensor xhat = codes.mm(W_dec) + b_dec;
    if (sae.W_skip.defined()) xhat = xhat + x.mm(sae.W_skip.to(at::kDouble));
    reconstruction = xhat / scale + mean;
  }
};

// Writing SAEs, and reading them again.
class FormatBench {
 public:
  explicit FormatBench(const Subject& subject)
      : random_(subject.random("format")), format_(made<Format>(subject)) {}

  [[nodiscard]] CanonicalSae& weights() { return toy_.canonical; }
  [[nodiscard]] std::int64_t width() const { return toy_.canonical.W_dec.size(1); }
  [[nodiscard]] at::Tensor draw(const char* purpose, std::int64_t width) const {
    return random_.fork(purpose).normal_rows(0, 1, width).view(-1);
  }

  // false where the format cannot express it.
  [[nodiscard]] bool write() {
    ++written_;
    try {
      format_->write(*toy_.trained, copied(toy_.canonical), folder());
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::invalid) return false;
      throw;
    }
    return true;
  }
  [[nodiscard]] CanonicalSae read() const { return format_->read(folder()); }
  // How the SAE that is read differs from the one written; "" when it does not.
  [[nodiscard]] std::string difference() const {
    const at::Tensor x = random_.fork("raw").normal_rows(0, kRows, width(), at::kDouble) * 4;
    const at::Tensor raw = x + or_zero(toy_.canonical.input_mean, x[0]);
    const Forwarded before(toy_.canonical, raw), after(read(), raw);
    const double codes = distance(before.codes, after.codes);
    const double xhat = distance(before.reconstruction, after.reconstruction);
    if (codes > kKept) return cat("its codes are apart by ", codes);
    if (xhat > kKept) return cat("its reconstructions are apart by ", xhat);
    return {};
  }
  // Skips what only makes sense for a format that keeps the plain toy.
  void need_plain_roundtrip() {
    if (!write()) skip("refuses the toy SAE, relu(x W_enc + b_enc) W_dec + b_dec");
    if (!difference().empty()) skip("does not keep the plain toy SAE: see write-read-roundtrip");
  }

 private:
  [[nodiscard]] std::string folder() const { return folder_ / cat("sae ", written_); }

  Random random_;
  std::shared_ptr<Format> format_;
  ToyWeights toy_;
  ToyFolder folder_;
  int written_ = 0;
};

Verdict write_read_roundtrip(const Subject& subject) {
  FormatBench bench(subject);
  if (!bench.write()) skip("refuses the toy SAE, relu(x W_enc + b_enc) W_dec + b_dec");
  const std::string differs = bench.difference();
  if (!differs.empty())
    fail(cat("the SAE that is read is not the one that was written: ", differs));
  return {};
}

// Each is kept or refused; what is lost is a failure.
void check_kept(FormatBench& bench, const std::string& what) {
  if (!bench.write()) return;
  const std::string differs = bench.difference();
  if (!differs.empty()) fail(cat(what, " is lost: ", differs));
}

Verdict activation_is_kept(const Subject& subject) {
  FormatBench bench(subject);
  bench.need_plain_roundtrip();
  bench.weights().activation = "topk";
  bench.weights().k = kActive;
  check_kept(bench, cat("topk with k = ", kActive));
  bench.weights().activation = "jumprelu";
  bench.weights().k.reset();
  bench.weights().threshold = bench.draw("threshold", bench.weights().W_dec.size(0)).abs() * 0.3;
  check_kept(bench, "jumprelu with a threshold a latent");
  bench.weights().threshold.reset();
  const std::int64_t latents = bench.weights().W_dec.size(0);
  bench.weights().b_gate = bench.weights().b_enc;
  bench.weights().b_enc.reset();
  bench.weights().b_mag = bench.draw("b_mag", latents) * 0.1;
  bench.weights().r_mag = bench.draw("r_mag", latents) * 0.1;
  bench.weights().activation = "gated";
  check_kept(bench, "gated with its own biases and scales");
  return {};
}

Verdict skip_connection_is_kept(const Subject& subject) {
  FormatBench bench(subject);
  bench.need_plain_roundtrip();
  const std::int64_t d = bench.width();
  bench.weights().W_skip = bench.draw("skip", d * d).view({d, d});
  check_kept(bench, "W_skip");
  return {};
}

Verdict unknown_activation_refused(const Subject& subject) {
  FormatBench bench(subject);
  bench.weights().activation = "no_such_activation";
  if (!bench.write()) return {};
  const std::string back = bench.read().activation;
  if (back != bench.weights().activation) {
    fail(cat("writes an SAE with the activation '", bench.weights().activation, "', and reads '",
             back, "': it should refuse it with Error (invalid)"));
  }
  return {};
}

Verdict decoder_bias_is_kept(const Subject& subject) {
  FormatBench bench(subject);
  bench.need_plain_roundtrip();
  bench.weights().b_dec = bench.draw("b_dec", bench.width());
  for (const bool subtract : {true, false}) {
    bench.weights().subtract_b_dec = subtract;
    check_kept(bench, cat("b_dec, ", subtract ? "" : "not ", "subtracted before encoding,"));
  }
  return {};
}

Verdict normalisation_is_kept(const Subject& subject) {
  FormatBench bench(subject);
  bench.need_plain_roundtrip();
  bench.weights().input_mean = bench.draw("mean", bench.width()) * 3;
  bench.weights().input_scale = at::full({bench.width()}, 0.25F, at::kFloat);
  check_kept(bench, "what was subtracted from the inputs and one scale for all");
  bench.weights().input_scale = bench.draw("scale", bench.width()).abs() + 0.5;
  check_kept(bench, "the inputs' scale by coordinate");
  // Folding the mean into the weights has to mind b_dec.
  CanonicalSae& weights = bench.weights();
  const at::Tensor mean = std::exchange(weights.input_mean, at::Tensor());
  weights.input_scale.reset();
  weights.b_dec = bench.draw("b_dec", bench.width());
  if (!bench.write() || !bench.difference().empty()) return {};  // see decoder-bias-is-kept
  weights.input_mean = mean;
  weights.input_scale = at::full({bench.width()}, 0.25F, at::kFloat);
  check_kept(bench, "the inputs' normalisation beside a b_dec");
  return {};
}

Verdict absent_tensors_are_zero(const Subject& subject) {
  FormatBench bench(subject);
  bench.need_plain_roundtrip();
  bench.weights().b_dec.reset();
  check_kept(bench, "an SAE without b_dec");
  bench.weights().b_enc.reset();
  check_kept(bench, "an SAE without b_enc");
  return {};
}

constexpr Check kChecks[] = {
    {"write-read-roundtrip", "format", "an SAE that is written and read computes what it did", 1,
     write_read_roundtrip},
    {"activation-is-kept", "format", "topk, jumprelu and gated are kept, or refused", 3,
     activation_is_kept},
    {"skip-connection-is-kept", "format", "a linear skip connection is kept, or refused", 3,
     skip_connection_is_kept},
    {"unknown-activation-refused", "format",
     "an activation that it does not know is kept, or Error (invalid)", 3,
     unknown_activation_refused},
    {"decoder-bias-is-kept", "format", "b_dec, subtracted or not, is kept, or refused", 3,
     decoder_bias_is_kept},
    {"normalisation-is-kept", "format", "the inputs' mean and scale are kept, or refused", 3,
     normalisation_is_kept},
    {"absent-tensors-are-zero", "format", "biases that there are not are 0, or refused", 3,
     absent_tensors_are_zero},
    {"recognises-own-files", "format", "a folder that it wrote is its own", 2,
     recognises_own_files},
    {"recognises-no-others", "format", "no other folder is", 2, recognises_no_others},
    {"damaged-file-refused", "format", "a file cut short is Error (data) that names it", 3,
     damaged_file_refused},
    {"missing-file-refused", "format", "a folder without one of its files is an Error", 3,
     missing_file_refused},
    {"write-is-atomic", "format", "a folder that exists is whole, also when the disk is full", 4,
     write_is_atomic},
    {"failed-write-cleans-up", "format", "a write that fails leaves nothing beside the folder", 5,
     failed_write_cleans_up},
    {"unwritable-place-refused", "format", "a place that cannot be written is an Error", 3,
     unwritable_place_refused},
};

}  // namespace

std::span<const Check> format_checks() { return kChecks; }

}  // namespace saffron::testing
