#include "testing/checks/sae_latents.h"

#include "testing/checks/again.h"
#include "testing/drivers/toy_training.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <cstdint>
#include <set>
#include <vector>

namespace saffron::testing {
namespace {

constexpr std::int64_t kRows = 64;
constexpr std::uint64_t kSteps = 3;  // what buffers hold is no longer what they begin with
constexpr double kRate = 1e-2;
constexpr double kTolerance = 1e-4;  // other kernels may sum in another order

template <class Each>
void train(ToyTraining& training, const Subject& subject, const Each& after_each) {
  if (!training.trainable()) return;
  for (std::uint64_t data = 1; data <= kSteps; ++data) {
    const SaeInput input = training.batch(subject.nth(data), kRows);
    training.step(input, training.pass(input), kRate);
    after_each();
  }
}

// Two latents, where there are as many.
at::Tensor some_latents(std::int64_t latents) {
  std::vector<std::int64_t> out;
  for (const std::int64_t latent : {1, 3}) {
    if (latent < latents) out.push_back(latent);
  }
  if (out.empty()) out.push_back(0);
  return at::tensor(out);
}

// `now` with the rows of those latents as they were.
at::Tensor others_of(const at::Tensor& now, const at::Tensor& then, const at::Tensor& latents) {
  return now.clone().index_copy_(0, latents, then.index_select(0, latents));
}

// What buffers hold of others stays; what they hold of these latents does not come from before.
void check_buffers(const Subject& subject, ToyTraining& training,
                   const ToyTraining::Snapshot& before, const at::Tensor& latents) {
  const Tensors after = training.snapshot().buffers;
  training.restore(before);
  for (const BufferSpec& spec : training.spec().buffers) {
    if (spec.per_latent) at::Tensor(training.buffers()[spec.name]).index_fill_(0, latents, 1);
  }
  dynamic_cast<Reinitialisable&>(training.sae())
      .reinitialise(latents, subject.random("reinitialise"));
  for (const BufferSpec& spec : training.spec().buffers) {
    if (!spec.per_latent) continue;
    const at::Tensor &now = training.buffers()[spec.name], &then = before.buffers[spec.name];
    if (!identical(others_of(now, then, latents), then)) {
      fail(cat("changes '", spec.name, "' of latents that were not asked for"));
    }
    if (!identical(now, after[spec.name])) {
      fail(cat("does not forget what '", spec.name, "' holds of the latents asked for"));
    }
  }
}

// The codes of some rows of the first batch, handed over in tensors of their own.
std::vector<Codes> encoded_rows(const ToyTraining& training, const Subject& subject,
                                std::int64_t from, std::int64_t rows) {
  std::vector<at::Tensor> inputs = training.batch(subject.nth(1), kRows).inputs;
  for (at::Tensor& x : inputs) x = x.narrow(0, from, rows).clone();
  return training.sae().encode(inputs);
}

bool differ(const std::vector<Codes>& a, const std::vector<Codes>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!identical(a[i].to_dense(), b[i].to_dense())) return true;
  }
  return false;
}

}  // namespace

Verdict reinitialises_what_is_asked(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  ToyTraining training(subject, {});
  auto* drawn = dynamic_cast<Reinitialisable*>(&training.sae());
  if (drawn == nullptr) skip("its latents cannot be drawn anew");
  train(training, subject, [] {});
  const ToyTraining::Snapshot before = training.snapshot();
  const at::Tensor latents = some_latents(training.spec().latents);
  drawn->reinitialise(latents, subject.random("reinitialise"));
  bool moved = false;
  for (const ParameterSpec& spec : training.spec().parameters) {
    const at::Tensor &now = training.parameters()[spec.name], &then = before.parameters[spec.name];
    if (!all_finite(now)) fail(cat("'", spec.name, "' is not finite afterwards"));
    moved = moved || (spec.per_latent &&
                      !identical(now.index_select(0, latents), then.index_select(0, latents)));
    if (!identical(spec.per_latent ? others_of(now, then, latents) : now, then))
      fail(cat("changes '", spec.name, "' of latents that were not asked for"));
  }
  if (!moved) fail("the latents asked for are what they were");
  check_buffers(subject, training, before, latents);
  return {};
}

Verdict resampled_latents_exist(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  ToyTraining training(subject, {});
  auto* resampling = dynamic_cast<Resampling*>(&training.sae());
  if (resampling == nullptr) skip("draws no latents anew by itself");
  if (!training.trainable()) skip("has nothing to train");
  train(training, subject, [&] {
    const at::Tensor latents = resampling->take_resampled();
    if (!latents.defined()) return;
    if (latents.scalar_type() != at::kLong || latents.dim() != 1) {
      fail(cat("take_resampled returns ", describe(latents), ", not int64 [n]"));
    }
    std::set<std::int64_t> seen;
    for (std::int64_t n = 0; n < latents.numel(); ++n) {
      const auto latent = latents[n].item<std::int64_t>();
      if (latent < 0 || latent >= training.spec().latents) {
        fail(cat("says that it drew latent ", latent, " anew, and has ", training.spec().latents));
      }
      if (!seen.insert(latent).second) fail(cat("names latent ", latent, " twice"));
    }
  });
  return {};
}

bool encodes_otherwise_again(const Subject& subject) {
  ToyTraining training(subject, {});
  train(training, subject, [] {});
  const std::vector<Codes> once = encoded_rows(training, subject, 0, kRows);
  return differ(once, encoded_rows(training, subject, 0, kRows));
}

Verdict rows_alone(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_reproducible(subject);
  ToyTraining training(subject, {});
  train(training, subject, [] {});
  const auto encoded = [&](std::int64_t from, std::int64_t rows) {
    return encoded_rows(training, subject, from, rows);
  };
  const std::vector<Codes> together = encoded(0, kRows);
  if (differ(together, encoded(0, kRows))) {
    leave_to(subject, kUsedAgain, "encode of the same rows gives other codes the second time",
             "rows-alone");
  }
  for (const std::int64_t row : {std::int64_t{0}, kRows / 2, kRows - 1}) {
    const std::vector<Codes> alone = encoded(row, 1);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      const double apart = distance(alone[i].to_dense(), together[i].to_dense().narrow(0, row, 1));
      if (apart <= kTolerance) continue;
      fail(cat("encode gives row ", row, " other codes alone than among ", kRows,
               " rows, apart by ", apart));
    }
  }
  return {};
}

}  // namespace saffron::testing
