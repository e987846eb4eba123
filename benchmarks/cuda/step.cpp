// A TopK SAE's training step on a GPU over what it cannot do without:
//
//   ratio = step / (encoder product in bfloat16 + the optimiser's traffic / bandwidth)
//
// The step is float32: encode, select, decode, squared error, its gradients, their norms, Adam and
// unit rows of W_dec; rows are on the device already. It runs as calls and as a captured CUDA
// graph. The traffic is that of parameters and moments, each read and written once; the bandwidth
// is that of a copy of 1 GiB, measured here. Milliseconds are medians of --rounds=20.

#include "kernels.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

namespace {

using namespace saffron::ops_cuda;

int rounds = 20;

void require(int error, const char* what) {
  if (error == 0) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(static_cast<cudaError_t>(error)));
  std::exit(1);
}

struct Shape {
  std::int64_t d, F, k, B;
};

struct Parameter {
  explicit Parameter(const at::Tensor& start)
      : w(start), m(at::zeros(start.sizes(), start.options())), v(m.clone()) {}
  at::Tensor w, m, v;
};

at::TensorOptions on_gpu(at::ScalarType type) { return at::TensorOptions(type).device(at::kCUDA); }

template <class T>
T* data(const at::Tensor& tensor) {
  return tensor.mutable_data_ptr<T>();
}

class Step {
 public:
  Step(const Shape& shape, const Kernels& kernels, const Place& place)
      : s_(shape), kernels_(kernels), place_(place) {
    std::size_t bytes = 0;
    require(kernels.group_workspace(place, s_.B * s_.k, s_.F, &bytes), "group_workspace");
    workspace_ = at::empty({static_cast<std::int64_t>(bytes)}, on_gpu(at::kByte));
    for (Parameter* p : {&W_enc_, &W_dec_}) p->w.div_(p->w.norm(2, at::IntArrayRef{1}, true));
  }
  // All of it allocates nothing, so that a CUDA graph captures it.
  void queue() {
    encode();
    decode();
    gradients();
    update();
  }
  void encode() {
    at::sub_out(centred_, x_, b_dec_.w);
    for (std::int64_t row = 0; row < s_.B; row += kTileRows) {
      for (std::int64_t latent = 0; latent < s_.F; latent += kTileLatents) select(row, latent);
    }
  }
  void decode() {
    require(kernels_.decode(
                place_, {Scalar::float32, support(), data<float>(values_), data<float>(W_dec_.w),
                         data<float>(b_dec_.w), s_.d, data<float>(xhat_)}),
            "decode");
    at::sub_out(g_, xhat_, x_);
    g_.mul_(2.0 / static_cast<double>(s_.B * s_.d));
  }
  void gradients() {
    require(kernels_.code_gradient(place_, {Scalar::float32, support(), data<float>(W_dec_.w),
                                            data<float>(g_), s_.d, data<float>(df_)}),
            "code_gradient");
    require(kernels_.group(place_, {support(), s_.F, data<std::int32_t>(offsets_),
                                    data<std::int32_t>(entries_), data<std::int32_t>(rows_),
                                    workspace_.mutable_data_ptr(),
                                    static_cast<std::size_t>(workspace_.numel())}),
            "group");
    at::mm_out(db_dec_, ones_.t(), g_);
  }
  void update() {
    step(W_dec_, Hold::unit_rows, term(values_, g_));
    step(W_enc_, Hold::none, term(df_, centred_));
    step(b_enc_, Hold::none, term(df_, ones_));
    const RowGradient dense{Scalar::float32,      Hold::none, 1, s_.d, s_.d,
                            data<float>(db_dec_), nullptr,    0};
    step(b_dec_, dense);
  }
  [[nodiscard]] double optimiser_bytes() const {
    return 24.0 * static_cast<double>(2 * s_.F * s_.d + s_.F + s_.d);
  }
  [[nodiscard]] const at::Tensor& x() const { return x_; }
  [[nodiscard]] const at::Tensor& W_enc() const { return W_enc_.w; }

 private:
  static constexpr std::int64_t kTileRows = 2048, kTileLatents = 4096;  // as encode_topk's

  [[nodiscard]] Support support() const {
    return {data<std::int32_t>(indices_), nullptr, s_.B, s_.k, s_.B * s_.k};
  }
  [[nodiscard]] Term term(const at::Tensor& coefficients, const at::Tensor& matrix) const {
    return {data<std::int32_t>(offsets_), data<std::int32_t>(entries_), data<std::int32_t>(rows_),
            data<float>(coefficients), data<float>(matrix)};
  }
  void select(std::int64_t row, std::int64_t latent) {
    const std::int64_t rows = std::min(kTileRows, s_.B - row);
    const std::int64_t width = std::min(kTileLatents, s_.F - latent);
    at::Tensor products = products_.slice(0, 0, rows * width).view({rows, width});
    at::mm_out(products, centred_.slice(0, row, row + rows),
               W_enc_.w.slice(0, latent, latent + width).t());
    const SelectTile tile{.scalar = Scalar::float32,
                          .products = products.mutable_data_ptr(),
                          .bias = data<float>(b_enc_.w) + latent,
                          .scale = nullptr,
                          .allowed = nullptr,
                          .rows = rows,
                          .width = width,
                          .first_row = row,
                          .first_latent = latent,
                          .k = s_.k,
                          .keep = Keep::rectified,
                          .last = latent + width == s_.F,
                          .values = data<float>(values_) + row * s_.k,
                          .indices = data<std::int32_t>(indices_) + row * s_.k,
                          .status = data<std::int64_t>(status_)};
    require(kernels_.select_topk(place_, tile), "select_topk");
  }
  void step(Parameter& p, Hold hold, const Term& term) {
    const std::int64_t width = p.w.numel() / s_.F;
    step(p, {Scalar::float32, hold, s_.F, width, p.w.numel(), nullptr, &term, 1});
  }
  void step(Parameter& p, const RowGradient& gradient) {
    require(kernels_.squared_norm(place_, gradient, data<float>(p.w), data<double>(partial_),
                                  data<double>(norm_)),
            "squared_norm");
    require(kernels_.adam(place_, gradient, {1e-4, 0.9, 0.999, 1e-8, 1, 0, 1}, data<float>(p.w),
                          data<float>(p.m), data<float>(p.v)),
            "adam");
  }

  Shape s_;
  const Kernels& kernels_;
  Place place_;
  at::TensorOptions real_ = on_gpu(at::kFloat), whole_ = on_gpu(at::kInt);
  Parameter W_enc_{at::randn({s_.F, s_.d}, real_)}, W_dec_{at::randn({s_.F, s_.d}, real_)},
      b_enc_{at::zeros({s_.F}, real_)}, b_dec_{at::zeros({s_.d}, real_)};
  at::Tensor x_ = at::randn({s_.B, s_.d}, real_), centred_ = at::empty({s_.B, s_.d}, real_),
             products_ = at::empty({kTileRows * kTileLatents}, real_),
             values_ = at::empty({s_.B, s_.k}, real_), indices_ = at::empty({s_.B, s_.k}, whole_),
             xhat_ = at::empty({s_.B, s_.d}, real_), g_ = at::empty({s_.B, s_.d}, real_),
             df_ = at::empty({s_.B, s_.k}, real_), offsets_ = at::empty({s_.F + 1}, whole_),
             entries_ = at::empty({s_.B * s_.k}, whole_), rows_ = at::empty({s_.B * s_.k}, whole_),
             db_dec_ = at::empty({1, s_.d}, real_), ones_ = at::ones({s_.B, 1}, real_),
             status_ = at::zeros({2}, on_gpu(at::kLong)),
             partial_ = at::empty({s_.F}, on_gpu(at::kDouble)),
             norm_ = at::empty({1}, on_gpu(at::kDouble)), workspace_;
};

// Milliseconds, the median of `rounds` after two that do not count.
double time(cudaStream_t stream, const std::function<void()>& work) {
  cudaEvent_t start = nullptr, stop = nullptr;
  require(cudaEventCreate(&start), "cudaEventCreate");
  require(cudaEventCreate(&stop), "cudaEventCreate");
  std::vector<float> all;
  for (int i = -2; i < rounds; ++i) {
    require(cudaEventRecord(start, stream), "cudaEventRecord");
    work();
    require(cudaEventRecord(stop, stream), "cudaEventRecord");
    require(cudaEventSynchronize(stop), "cudaEventSynchronize");
    float milliseconds = 0;
    require(cudaEventElapsedTime(&milliseconds, start, stop), "cudaEventElapsedTime");
    if (i >= 0) all.push_back(milliseconds);
  }
  require(cudaEventDestroy(start), "cudaEventDestroy");
  require(cudaEventDestroy(stop), "cudaEventDestroy");
  std::nth_element(all.begin(), all.begin() + rounds / 2, all.end());
  return static_cast<double>(all[static_cast<std::size_t>(rounds / 2)]);
}

double time_of_graph(cudaStream_t stream, Step& step) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin capture");
  step.queue();
  require(cudaStreamEndCapture(stream, &graph), "end capture");
  require(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
  const double milliseconds =
      time(stream, [&] { require(cudaGraphLaunch(executable, stream), "launch"); });
  require(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
  require(cudaGraphDestroy(graph), "cudaGraphDestroy");
  return milliseconds;
}

// Bytes a millisecond.
double bandwidth(cudaStream_t stream) {
  constexpr std::int64_t kBytes = std::int64_t{1} << 30;
  const at::Tensor from = at::zeros({kBytes}, on_gpu(at::kByte)), to = from.clone();
  return 2.0 * kBytes / time(stream, [&] { to.copy_(from); });
}

void measure(const Shape& shape, const Kernels& kernels, const Place& place) {
  auto* const stream = static_cast<cudaStream_t>(place.stream);
  Step step(shape, kernels, place);
  const double calls = time(stream, [&] { step.queue(); });
  const double graph = time_of_graph(stream, step);
  const double parts[] = {
      time(stream, [&] { step.encode(); }), time(stream, [&] { step.decode(); }),
      time(stream, [&] { step.gradients(); }), time(stream, [&] { step.update(); })};
  at::Tensor product = at::empty({shape.B, shape.F}, on_gpu(at::kFloat));
  const double exact = time(stream, [&] { at::mm_out(product, step.x(), step.W_enc().t()); });
  const at::Tensor x = step.x().to(at::kBFloat16), W = step.W_enc().to(at::kBFloat16);
  product = at::empty({shape.B, shape.F}, on_gpu(at::kBFloat16));
  const double rounded = time(stream, [&] { at::mm_out(product, x, W.t()); });
  const double traffic = step.optimiser_bytes() / bandwidth(stream);
  const double least = rounded + traffic;
  std::printf("| %ld, %ld, %ld | %.3f | %.3f | %.3f | %.3f | %.3f | %.2f | %.2f |\n",
              static_cast<long>(shape.d), static_cast<long>(shape.F), static_cast<long>(shape.k),
              calls, graph, rounded, exact, traffic, calls / least, graph / least);
  std::printf("  encode %.3f, decode and error %.3f, gradients %.3f, norms and Adam %.3f\n",
              parts[0], parts[1], parts[2], parts[3]);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--rounds=")) rounds = std::max(std::atoi(argv[i] + 9), 1);
  }
  if (!at::globalContext().hasCUDA()) {
    std::puts("no GPU: not run");
    return 77;
  }
  const c10::AutoGradMode no_grad(false);
  const at::NoTF32Guard full_precision;
  const Kernels& kernels = *saffron_cuda_kernels();
  require(kernels.probe(0), "probe");
  const c10::impl::VirtualGuardImpl cuda(at::kCUDA);
  const c10::StreamGuard guard(cuda.getStreamFromGlobalPool(at::Device(at::kCUDA, 0)));
  const Place place{0, guard.current_stream().native_handle()};
  std::puts(
      "| d, F, k | step, ms | as a graph | product, bf16 | product, f32 | optimiser's traffic "
      "| ratio | ratio of the graph |");
  for (const Shape& shape :
       {Shape{768, 24576, 32, 4096}, Shape{2304, 16384, 64, 4096}, Shape{4096, 65536, 64, 4096}}) {
    measure(shape, kernels, place);
  }
  return 0;
}
