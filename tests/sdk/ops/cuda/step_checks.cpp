#include "harness.h"

#include <algorithm>
#include <limits>
#include <memory>

namespace saffron::ops_cuda::test {
namespace {

constexpr std::int64_t kNothing = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kRows = 37, kWidth = 68, kF = 1500, kK = 9, kTile = 600;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct Parameter {
  explicit Parameter(const std::vector<float>& start)
      : w(start), m(std::vector<float>(start.size())), v(std::vector<float>(start.size())) {}
  Device<float> w, m, v;
};

// What a training step of a TopK SAE calls, but for the matrix products: the reconstruction itself
// takes the place of the loss's gradient.
class Step {
 public:
  Step(Checks& checks, const std::vector<float>& decoder, const std::vector<float>& encoder)
      : kernels_(checks.kernels()), place_(checks.place()), decoder_(decoder), encoder_(encoder) {
    std::size_t bytes = 0;
    require(kernels_.group_workspace(place_, kRows * kK, kF, &bytes), "group_workspace");
    workspace_ = std::make_unique<Device<unsigned char>>(bytes);
  }
  void set(const std::vector<float>& x, const std::vector<float>& products) {
    x_.set(x);
    products_.set(products);
    status_.set({kNothing, kNothing});
  }
  void queue() {
    select();
    const Support support{indices_.data(), nullptr, kRows, kK, kRows * kK};
    require(kernels_.decode(place_, {Scalar::float32, support, values_.data(), decoder_.w.data(),
                                     nullptr, kWidth, xhat_.data()}),
            "decode");
    require(kernels_.code_gradient(place_, {Scalar::float32, support, decoder_.w.data(),
                                            xhat_.data(), kWidth, df_.data()}),
            "code_gradient");
    require(kernels_.group(place_, {support, kF, offsets_.data(), entries_.data(), rows_.data(),
                                    workspace_->data(), workspace_->size()}),
            "group");
    update(decoder_, Hold::unit_rows, values_, xhat_);
    update(encoder_, Hold::none, df_, x_);
  }
  // All that a step changes, in a row.
  [[nodiscard]] std::vector<float> state() const {
    std::vector<float> all;
    for (const Parameter* p : {&decoder_, &encoder_}) {
      for (const Device<float>* part : {&p->w, &p->m, &p->v}) {
        const std::vector<float> numbers = part->get();
        all.insert(all.end(), numbers.begin(), numbers.end());
      }
    }
    return all;
  }
  [[nodiscard]] double norm() const { return norm_.get()[0]; }

 private:
  void select() {
    for (std::int64_t first = 0; first < kF; first += kTile) {
      const std::int64_t width = std::min(kTile, kF - first);
      require(kernels_.select_topk(place_, {.scalar = Scalar::float32,
                                            .products = products_.data() + first * kRows,
                                            .bias = nullptr,
                                            .scale = nullptr,
                                            .allowed = nullptr,
                                            .rows = kRows,
                                            .width = width,
                                            .first_row = 0,
                                            .first_latent = first,
                                            .k = kK,
                                            .keep = Keep::rectified,
                                            .last = first + width == kF,
                                            .values = values_.data(),
                                            .indices = indices_.data(),
                                            .status = status_.data()}),
              "select_topk");
    }
  }
  void update(Parameter& p, Hold hold, const Device<float>& coefficients,
              const Device<float>& matrix) {
    const Term term{offsets_.data(), entries_.data(), rows_.data(), coefficients.data(),
                    matrix.data()};
    const RowGradient gradient{Scalar::float32, hold, kF, kWidth, kF * kWidth, nullptr, &term, 1};
    require(kernels_.squared_norm(place_, gradient, p.w.data(), partial_.data(), norm_.data()),
            "squared_norm");
    require(kernels_.adam(place_, gradient, {0.01, 0.9, 0.99, 1e-8, 0.1, 0, 1}, p.w.data(),
                          p.m.data(), p.v.data()),
            "adam");
  }

  const Kernels& kernels_;
  const Place& place_;
  Parameter decoder_, encoder_;
  Device<float> x_{at(kRows * kWidth)}, products_{at(kRows * kF)}, values_{at(kRows * kK)},
      xhat_{at(kRows * kWidth)}, df_{at(kRows * kK)};
  Device<std::int32_t> indices_{at(kRows * kK)}, offsets_{at(kF + 1)}, entries_{at(kRows * kK)},
      rows_{at(kRows * kK)};
  Device<std::int64_t> status_{2};
  Device<double> partial_{at(kF)}, norm_{1};
  std::unique_ptr<Device<unsigned char>> workspace_;
};

class Graph {
 public:
  Graph(Checks& checks, Step& step) : stream_(checks.stream()) {
    require(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), "begin capture");
    step.queue();
    require(cudaStreamEndCapture(stream_, &graph_), "end capture");
    require(cudaGraphInstantiate(&executable_, graph_, 0), "instantiate");
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    (void)cudaGraphExecDestroy(executable_);
    (void)cudaGraphDestroy(graph_);
  }
  void replay() {
    require(cudaGraphLaunch(executable_, stream_), "launch");
    require(cudaStreamSynchronize(stream_), "a graph");
  }

 private:
  cudaStream_t stream_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace

// Three batches stepped by calls and by a captured graph, whose inputs are written where it reads
// them.
void check_step(Checks& checks) {
  Random random(70);
  const std::vector<float> decoder = random.numbers<float>(kF * kWidth),
                           encoder = random.numbers<float>(kF * kWidth);
  Step eager(checks, decoder, encoder), captured(checks, decoder, encoder);
  std::unique_ptr<Graph> graph;
  for (int batch = 0; batch < 3; ++batch) {
    const std::vector<float> x = random.numbers<float>(kRows * kWidth),
                             products = random.numbers<float>(kRows * kF);
    eager.set(x, products);
    captured.set(x, products);
    eager.queue();
    if (!graph) graph = std::make_unique<Graph>(checks, captured);
    graph->replay();
    checks.equal(captured.state(), eager.state(),
                 text("step ", batch, ": a replayed graph's parameters and moments"));
    checks.check(captured.norm() == eager.norm(),
                 text("step ", batch, ": a replayed graph's norm"));
  }
}

}  // namespace saffron::ops_cuda::test
