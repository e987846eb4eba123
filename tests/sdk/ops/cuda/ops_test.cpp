// The functions of saffron/ops.h on CUDA tensors against naive references in double precision, and
// the CPU's where a reference would repeat them. No GoogleTest: the machine with the GPU may have
// none.

#include <saffron/error.h>

#include "tests/sdk/ops/encode_reference.h"

#include <ATen/Context.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros_like.h>

#include <cstdio>
#include <functional>
#include <limits>
#include <string>

namespace {

using namespace saffron;
using namespace saffron::test;
using ops::Keep;

constexpr at::DeviceType kDevice = at::kCUDA;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

at::Tensor there(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(kDevice) : tensor;
}
at::Tensor back(const at::Tensor& tensor) { return tensor.cpu(); }

int checks = 0, failed = 0;

void check(bool holds, const std::string& name) {
  ++checks;
  failed += holds ? 0 : 1;
  if (!holds) std::printf("FAILED %s\n", name.c_str());
}

// The error's message; what is not thrown has none.
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

bool same(const at::Tensor& a, const at::Tensor& b) { return at::equal(a, b); }

bool same(const Codes& a, const Codes& b) {
  return same(a.values(), b.values()) && same(a.indices(), b.indices()) &&
         (a.layout() != Codes::Layout::csr || same(a.offsets(), b.offsets()));
}

bool holds(const Codes& codes, const std::vector<Chosen>& want, std::int64_t B) {
  const at::Tensor offsets = back(codes.offsets()), latents = back(codes.indices());
  const at::Tensor values = back(codes.values()).to(at::kDouble);
  const auto* const offset = offsets.const_data_ptr<std::int32_t>();
  const auto count = static_cast<std::int64_t>(want.size());
  if (codes.rows() != B || values.size(0) != count || offset[0] != 0 || offset[B] != count ||
      codes.overflow().item<int>() != 0) {
    return false;
  }
  for (std::int64_t e = 0; e < count; ++e) {
    const Chosen& entry = want[static_cast<std::size_t>(e)];
    if (latents.const_data_ptr<std::int32_t>()[e] != entry.latent ||
        values.const_data_ptr<double>()[e] != entry.value || e < offset[entry.row] ||
        e >= offset[entry.row + 1]) {
      return false;
    }
  }
  return true;
}

// Some of F latents, at least `least`.
at::Tensor some_latents(std::int64_t F, std::int64_t least, std::uint64_t trial) {
  at::Tensor allowed = at::ones({F}, at::kBool);
  std::int64_t left = F;
  for (std::int64_t i = 0; i < F && left > least; ++i) {
    if (Random(5).fork(trial).below(3, 0, static_cast<std::uint64_t>(i)) == 0) continue;
    allowed[i].fill_(false);
    --left;
  }
  return allowed;
}

void check_topk(const EncodeCase& c, const std::string& name) {
  for (const Keep keep : {Keep::signed_values, Keep::rectified, Keep::magnitude}) {
    const Codes codes =
        ops::encode_topk(there(c.x), there(c.W), there(c.b), c.k, keep, {}, there(c.scale));
    const at::Tensor values = back(codes.values()).to(at::kDouble), latents = back(codes.indices());
    bool right = true;
    for (std::int64_t r = 0; r < c.B(); ++r) {
      const std::vector<double>& row = c.a[static_cast<std::size_t>(r)];
      std::int64_t place = r * c.k;
      for (const std::int64_t want : first_of(row, c.k, keep)) {
        const double a = row[static_cast<std::size_t>(want)];
        right = right && latents.const_data_ptr<std::int32_t>()[place] == want &&
                values.const_data_ptr<double>()[place] ==
                    (keep == Keep::rectified ? std::max(a, 0.0) : a);
        ++place;
      }
    }
    check(right, cat("encode_topk, ", name, ", keep ", static_cast<int>(keep)));
  }
}

void check_batch_topk(const EncodeCase& c, const std::string& name) {
  const std::vector<Chosen> want = best_of_batch(c);
  const double smallest = smallest_of(want);
  for (const double hint : {0.0, smallest, smallest * 0.75, smallest * 1.5, 1e30}) {
    const ops::BatchTopk got =
        ops::encode_batch_topk(there(c.x), there(c.W), there(c.b), c.k, there(c.scale), hint);
    check(holds(got.codes, want, c.B()) && got.smallest == smallest,
          cat("encode_batch_topk, ", name, ", hint ", hint));
  }
}

void check_random_cases() {
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    const EncodeCase c = random_case(trial);
    const std::string name = cat("case ", trial);
    check_topk(c, name);
    const Bounds bounds = random_bounds(c, trial);
    check(holds(ops::encode_above(there(c.x), there(c.W), there(c.b), there(bounds.given),
                                  there(c.scale)),
                above(c, bounds.numbers), c.B()),
          cat("encode_above, ", name));
    check_batch_topk(c, name);
  }
}

void check_allowed() {
  for (std::uint64_t trial = 0; trial < 100; ++trial) {
    EncodeCase c = random_case(trial);
    c.k = std::max<std::int64_t>(c.k / 3, 1);
    const at::Tensor allowed = some_latents(c.F(), c.k, trial);
    for (const Keep keep : {Keep::signed_values, Keep::rectified, Keep::magnitude}) {
      const Codes want = ops::encode_topk(c.x, c.W, c.b, c.k, keep, allowed, c.scale);
      const Codes got = ops::encode_topk(there(c.x), there(c.W), there(c.b), c.k, keep,
                                         there(allowed), there(c.scale));
      check(same(back(got.values()), want.values()) && same(back(got.indices()), want.indices()),
            cat("encode_topk, allowed, case ", trial, ", keep ", static_cast<int>(keep)));
    }
  }
}

// More rows than one block of products has, whose entries come in more than one piece.
void check_blocks() {
  const Random random(9);
  for (const std::uint64_t most : {2, 200}) {
    EncodeCase c;
    c.x = whole_numbers(random.fork("x"), 7000, 3, most).to(at::kFloat);
    c.W = whole_numbers(random.fork("W"), 10007, 3, most).to(at::kFloat);
    c.k = 7;
    const Codes above_cpu = ops::encode_above(c.x, c.W, {}, at::full({10007}, 5.0));
    const Codes above_gpu =
        ops::encode_above(there(c.x), there(c.W), {}, there(at::full({10007}, 5.0)));
    check(same(back(above_gpu.values()), above_cpu.values()) &&
              same(back(above_gpu.indices()), above_cpu.indices()) &&
              same(back(above_gpu.offsets()), above_cpu.offsets()),
          cat("encode_above in blocks, numbers to ", most));
    const ops::BatchTopk cpu = ops::encode_batch_topk(c.x, c.W, {}, c.k);
    for (const double hint : {0.0, cpu.smallest * 0.9}) {
      const ops::BatchTopk gpu = ops::encode_batch_topk(there(c.x), there(c.W), {}, c.k, {}, hint);
      check(same(back(gpu.codes.values()), cpu.codes.values()) &&
                same(back(gpu.codes.indices()), cpu.codes.indices()) &&
                same(back(gpu.codes.offsets()), cpu.codes.offsets()) &&
                gpu.smallest == cpu.smallest,
            cat("encode_batch_topk in blocks, numbers to ", most, ", hint ", hint));
    }
  }
}

void check_nan() {
  const auto ones = [](std::vector<std::int64_t> sizes, at::ScalarType type) {
    return at::ones(sizes, at::TensorOptions(type).device(kDevice));
  };
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    at::Tensor x = ones({700, 3}, type), W = ones({2000, 3}, type), none;
    x[650].fill_(kNan);
    x[301].fill_(kNan);
    W[1531][1].fill_(kNan);
    const auto expect = [&](std::int64_t row, std::int64_t latent, const at::Tensor& weights) {
      const std::string want =
          cat("the pre-activation of row ", row, ", latent ", latent, " is NaN");
      for (const Keep keep : {Keep::signed_values, Keep::magnitude}) {
        check(message_of([&] { (void)ops::encode_topk(x, weights, {}, 5, keep); }) == want, want);
      }
      check(message_of([&] {
              (void)ops::encode_above(x, weights, {}, at::full_like(weights.select(1, 0), 100));
            }) == want,
            want);
      for (const double hint : {0.0, 1e9}) {
        check(
            message_of([&] { (void)ops::encode_batch_topk(x, weights, {}, 3, {}, hint); }) == want,
            want);
      }
    };
    expect(0, 1531, W);
    expect(301, 0, ones({2000, 3}, type));
    at::Tensor bounds = ones({2000}, type);
    bounds[7].fill_(kNan);
    check(message_of([&] { (void)ops::encode_above(x, W, {}, bounds); }) ==
              "the bound of latent 7 is NaN",
          "the bound of latent 7 is NaN");
  }
}

void check_empty() {
  const at::Tensor W = there(at::ones({8, 2}));
  for (const std::int64_t B : {0, 4}) {
    const at::Tensor x = there(-at::ones({B, 2}));
    check(holds(ops::encode_above(x, W, {}, {}), {}, B), "encode_above of nothing");
    const ops::BatchTopk got = ops::encode_batch_topk(x, W, {}, 3);
    check(holds(got.codes, {}, B) && got.smallest == 0, "encode_batch_topk of nothing");
  }
  check(ops::encode_topk(there(at::ones({0, 2})), W, {}, 3, Keep::magnitude).rows() == 0,
        "encode_topk of no row");
}

// A step's products and gradients of csr and topk codes; near to the CPU's.
void check_products() {
  const Random random(12);
  const auto near = [](const at::Tensor& got, const at::Tensor& want) {
    return back(got).allclose(want, 1e-9, 1e-10);
  };
  const at::Tensor x = random.fork("x").normal_rows(0, 90, 24, at::kDouble);
  const at::Tensor W = random.fork("W").normal_rows(0, 300, 24, at::kDouble);
  const at::Tensor g = random.fork("g").normal_rows(0, 90, 24, at::kDouble);
  for (const bool csr : {false, true}) {
    const auto encode = [&](const at::Tensor& rows, const at::Tensor& weights) {
      return csr ? ops::encode_batch_topk(rows, weights, {}, 6).codes
                 : ops::encode_topk(rows, weights, {}, 6, Keep::magnitude);
    };
    const Codes cpu = encode(x, W), gpu = encode(there(x), there(W));
    check(near(gpu.values(), cpu.values()) && same(back(gpu.indices()), cpu.indices()), "codes");
    check(near(ops::decode(gpu, there(W), {}), ops::decode(cpu, W, {})), "decode");
    check(near(ops::code_gradient(gpu, there(W), there(g)), ops::code_gradient(cpu, W, g)),
          "code_gradient");
    check(near(ops::sum_by_latent(gpu), ops::sum_by_latent(cpu)), "sum_by_latent");
    check(near(ops::form_gradient({gpu, there(g)}), ops::form_gradient({cpu, g})), "form_gradient");
    for (const Constraint constraint :
         {Constraint::none, Constraint::unit_rows, Constraint::non_negative}) {
      at::Tensor w = W.clone(), m = at::zeros_like(W), v = at::zeros_like(W), m1 = m.clone();
      at::Tensor there_w = there(W).clone(), there_m = there(m).clone(), there_v = there(v).clone(),
                 there_m1 = there(m).clone();
      for (std::int64_t step = 1; step <= 3; ++step) {
        ops::GradientRows on_cpu(w, constraint, {{}, {{cpu, g}}});
        ops::GradientRows on_gpu(there_w, constraint, {{}, {{gpu, there(g)}}});
        check(
            std::abs(on_cpu.squared_norm() - on_gpu.squared_norm()) <= 1e-9 * on_cpu.squared_norm(),
            "squared_norm");
        on_cpu.adam(m, v, {.lr = 0.01, .step = step});
        on_gpu.adam(there_m, there_v, {.lr = 0.01, .step = step});
        on_cpu.signum(m1, {.lr = 0.01, .weight_decay = 0.1});
        on_gpu.signum(there_m1, {.lr = 0.01, .weight_decay = 0.1});
      }
      check(near(there_w, w) && near(there_m, m) && near(there_v, v) && near(there_m1, m1),
            cat("Adam and Signum, constraint ", static_cast<int>(constraint)));
    }
  }
}

void check_repeats() {
  const Random random(13);
  const at::Tensor x = there(random.fork("x").normal_rows(0, 3000, 64, at::kFloat));
  const at::Tensor W = there(random.fork("W").normal_rows(0, 5000, 64, at::kFloat));
  const auto twice = [](const char* name, auto&& run) { check(same(run(), run()), name); };
  twice("encode_topk twice", [&] { return ops::encode_topk(x, W, {}, 32, Keep::magnitude); });
  twice("encode_above twice", [&] { return ops::encode_above(x, W, {}, {}); });
  twice("sum_by_latent twice",
        [&] { return ops::sum_by_latent(ops::encode_topk(x, W, {}, 32, Keep::rectified)); });
  twice("encode_batch_topk twice", [&] { return ops::encode_batch_topk(x, W, {}, 32).codes; });
}

}  // namespace

int main() {
  if (!at::globalContext().hasCUDA()) {
    std::puts("no GPU, or a LibTorch without CUDA: not run");
    return 77;
  }
  check_random_cases();
  check_allowed();
  check_blocks();
  check_nan();
  check_empty();
  check_products();
  check_repeats();
  std::printf("%d checks, %d failed\n", checks, failed);
  return failed == 0 ? 0 : 1;
}
