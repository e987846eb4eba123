#include <saffron/error.h>
#include <saffron/ops.h>

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/TensorImpl.h>

#include <gtest/gtest.h>

using namespace saffron;

namespace {

// A tensor that says it is on a GPU, without memory.
at::Tensor claims_cuda(std::vector<std::int64_t> sizes, caffe2::TypeMeta type) {
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      c10::DispatchKeySet(c10::DispatchKey::CUDA), type, at::Device(at::kCUDA, 0));
  made.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return made;
}

template <class Call>
void expect_refused(Call&& call) {
  try {
    call();
    FAIL() << "a CUDA tensor was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::plugin);
    EXPECT_NE(error.message().find("CUDA kernels"), std::string::npos) << error.message();
    EXPECT_FALSE(error.help().empty());
  }
}

TEST(NoCuda, EveryFunctionSaysWhatIsMissing) {
  const auto real = caffe2::TypeMeta::Make<float>();
  const at::Tensor x = claims_cuda({4, 3}, real), W = claims_cuda({10, 3}, real);
  const Codes codes = Codes::topk(claims_cuda({4, 2}, real),
                                  claims_cuda({4, 2}, caffe2::TypeMeta::Make<std::int32_t>()), 10);
  expect_refused([&] { (void)ops::encode_topk(x, W, {}, 2, ops::Keep::rectified); });
  expect_refused([&] { (void)ops::encode_topk(x, W, {}, 2, ops::Keep::magnitude); });
  expect_refused([&] { (void)ops::encode_above(x, W, {}, {}); });
  expect_refused([&] { (void)ops::encode_batch_topk(x, W, {}, 2); });
  expect_refused([&] { (void)ops::decode(codes, W, {}); });
  expect_refused([&] { (void)ops::code_gradient(codes, W, x); });
  expect_refused([&] { (void)ops::group_by_latent(codes); });
  expect_refused([&] { (void)ops::form_gradient({codes, x}); });
  expect_refused([&] { (void)ops::GradientRows(W, Constraint::none, Gradient{}).squared_norm(); });
  at::Tensor m = claims_cuda({10, 3}, real);
  expect_refused([&] { ops::GradientRows(W, Constraint::none, Gradient{}).signum(m, {}); });
}

TEST(NoCuda, TensorsOfTwoDevicesAreRefused) {
  const auto real = caffe2::TypeMeta::Make<float>();
  const at::Tensor x = at::ones({4, 3}), W = claims_cuda({10, 3}, real);
  const Codes codes = Codes::topk(at::ones({4, 2}), at::zeros({4, 2}, at::kInt), 10);
  const auto refused = [](auto&& call) {
    try {
      call();
      FAIL() << "tensors of two devices were taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid) << error.message();
    }
  };
  refused([&] { (void)ops::encode_topk(x, W, {}, 2, ops::Keep::rectified); });
  refused([&] { (void)ops::decode(codes, W, {}); });
  refused([&] { (void)ops::code_gradient(codes, at::ones({10, 3}), claims_cuda({4, 3}, real)); });
  refused([&] { (void)ops::GradientRows(W, Constraint::none, {at::ones({10, 3}), {}}); });
  refused([&] { (void)ops::GradientRows(W, Constraint::none, {{}, {{codes, x}}}); });
}

}  // namespace
