#include "harness.h"

#include <algorithm>
#include <memory>

namespace saffron::ops_cuda::test {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// A factored gradient on the host and, grouped, on the device.
template <class T>
class Factored {
 public:
  Factored(Checks& checks, Random& random, Sparse s, std::int64_t width)
      : sparse(std::move(s)),
        coefficients(random.numbers<T>(sparse.capacity())),
        matrix(random.numbers<T>(sparse.rows * width)),
        support_(sparse),
        device_coefficients_(zeroed(coefficients)),
        device_matrix_(matrix),
        offsets_(at(sparse.F + 1)),
        entries_(at(sparse.capacity())),
        rows_(at(sparse.capacity())) {
    std::size_t bytes = 0;
    require(checks.kernels().group_workspace(checks.place(), sparse.capacity(), sparse.F, &bytes),
            "group_workspace");
    workspace_ = std::make_unique<Device<unsigned char>>(bytes);
    group(checks);
  }
  void group(Checks& checks) {
    require(checks.kernels().group(checks.place(),
                                   {support_.get(), sparse.F, offsets_.data(), entries_.data(),
                                    rows_.data(), workspace_->data(), workspace_->size()}),
            "group");
  }
  [[nodiscard]] Term term() const {
    return {offsets_.data(), entries_.data(), rows_.data(), device_coefficients_.data(),
            device_matrix_.data()};
  }

  Sparse sparse;
  std::vector<T> coefficients, matrix;

 private:
  // Some coefficients are 0.
  static const std::vector<T>& zeroed(std::vector<T>& coefficients) {
    for (std::size_t e = 0; e < coefficients.size(); e += 5) coefficients[e] = 0;
    return coefficients;
  }
  DeviceSupport support_;
  Device<T> device_coefficients_, device_matrix_;
  Device<std::int32_t> offsets_, entries_, rows_;
  std::unique_ptr<Device<unsigned char>> workspace_;
};

template <class T>
struct Setting {
  std::string name;
  std::int64_t rows = 0, width = 0, size = 0;
  Hold hold = Hold::none;
  std::vector<T> dense;  // [size], or empty
  std::vector<std::unique_ptr<Factored<T>>> factored;
  std::unique_ptr<Device<T>> device_dense;
  std::vector<Term> terms;

  // Of this struct, which must stay where it is.
  RowGradient gradient() {
    terms.clear();
    for (const auto& f : factored) terms.push_back(f->term());
    return {kScalar<T>,   hold,
            rows,         width,
            size,         device_dense ? device_dense->data() : nullptr,
            terms.data(), static_cast<std::int64_t>(terms.size())};
  }
};

template <class T>
Setting<T> make(Checks& checks, Random& random, std::int64_t rows, std::int64_t width,
                std::int64_t size, Hold hold, bool dense, int terms) {
  Setting<T> s;
  s.name = text(kName<T>, " F=", rows, " d=", width, size == rows * width ? "" : " ragged",
                hold == Hold::unit_rows ? " unit_rows" : "",
                hold == Hold::non_negative ? " non_negative" : "", dense ? " dense" : "", " + ",
                terms, " terms");
  s.rows = rows;
  s.width = width;
  s.size = size;
  s.hold = hold;
  if (dense) {
    s.dense = random.numbers<T>(size);
    s.device_dense = std::make_unique<Device<T>>(s.dense);
  }
  for (int t = 0; t < terms; ++t) {
    Sparse sparse = t % 2 == 0 ? make_topk(random, 11, rows, std::min<std::int64_t>(rows, 6))
                               : make_csr(random, 9, rows, 8, 4);
    s.factored.push_back(std::make_unique<Factored<T>>(checks, random, std::move(sparse), width));
  }
  return s;
}

template <class T>
std::vector<double> dense_gradient(const Setting<T>& s) {
  std::vector<double> g(s.dense.begin(), s.dense.end());
  g.resize(at(s.size));
  for (const auto& f : s.factored) {
    for (std::int64_t r = 0; r < f->sparse.rows; ++r) {
      for (std::int64_t e = f->sparse.offsets[at(r)]; e < f->sparse.offsets[at(r + 1)]; ++e) {
        for (std::int64_t j = 0; j < s.width; ++j) {
          g[at(f->sparse.latents[at(e)] * s.width + j)] +=
              static_cast<double>(f->coefficients[at(e)]) *
              static_cast<double>(f->matrix[at(r * s.width + j)]);
        }
      }
    }
  }
  return g;
}

// Runs body(begin, end) for the elements of each row.
template <class T, class Body>
void each_row(const Setting<T>& s, Body&& body) {
  for (std::int64_t i = 0; i < s.rows; ++i) {
    body(at(i * s.width), at(std::min((i + 1) * s.width, s.size)));
  }
}

template <class T>
std::vector<double> projected(const Setting<T>& s, std::vector<double> g,
                              const std::vector<double>& w) {
  if (s.hold != Hold::unit_rows) return g;
  each_row(s, [&](std::size_t begin, std::size_t end) {
    double dot = 0;
    for (std::size_t j = begin; j < end; ++j) dot += g[j] * w[j];
    for (std::size_t j = begin; j < end; ++j) g[j] -= dot * w[j];
  });
  return g;
}

template <class T, class Number>
std::vector<Number> unit_rows(const Setting<T>& s, std::vector<Number> w) {
  each_row(s, [&](std::size_t begin, std::size_t end) {
    double squares = 0;
    for (std::size_t j = begin; j < end; ++j) squares += static_cast<double>(w[j] * w[j]);
    for (std::size_t j = begin; j < end; ++j) w[j] /= static_cast<Number>(std::sqrt(squares));
  });
  return w;
}

template <class T>
double norm_on_device(Checks& checks, Setting<T>& s, const Device<T>& w) {
  Device<double> partial(at(s.rows)), total(at(1));
  require(checks.kernels().squared_norm(checks.place(), s.gradient(), w.data(), partial.data(),
                                        total.data()),
          "squared_norm");
  (void)partial.get();
  return total.get()[0];
}

template <class T>
void check_norm(Checks& checks, Random& random, Setting<T>& s) {
  const std::vector<T> start = unit_rows(s, random.numbers<T>(s.size));
  const Device<T> w(start);
  const std::vector<double> g =
      projected(s, dense_gradient(s), std::vector<double>(start.begin(), start.end()));
  double want = 0;
  for (const double value : g) want += value * value;
  const double got = norm_on_device(checks, s, w);
  checks.near<double>({got}, {want}, 100 * kEps<T> * (want + 1), "squared_norm " + s.name);
  checks.check(norm_on_device(checks, s, w) == got, "squared_norm " + s.name + " twice");
}

template <class T>
void check_form(Checks& checks, Setting<T>& s) {
  const auto run = [&] {
    Device<T> out(at(s.size));
    require(checks.kernels().form_gradient(checks.place(), s.gradient(), out.data()),
            "form_gradient");
    return out.get();
  };
  const std::vector<T> got = run();
  checks.near(got, dense_gradient(s), 100 * kEps<T>, "form_gradient " + s.name);
  checks.equal(run(), got, "form_gradient " + s.name + " twice");
}

template <class T>
struct Moments {
  Device<T> w, m, v;
};

// Three steps, compared with the formula in double precision (Kingma, Ba 2015).
template <class T>
void check_adam(Checks& checks, Random& random, Setting<T>& s) {
  const std::vector<T> start = unit_rows(s, random.numbers<T>(s.size)), zero(at(s.size), T(0));
  std::vector<double> w(start.begin(), start.end()), m(at(s.size)), v(at(s.size));
  Moments<T> one{Device<T>(start), Device<T>(zero), Device<T>(zero)};
  Moments<T> two{Device<T>(start), Device<T>(zero), Device<T>(zero)};
  for (int step = 1; step <= 3; ++step) {
    const double correction1 = 1 - std::pow(0.9, step), correction2 = 1 - std::pow(0.99, step);
    const Adam adam{0.01 / correction1, 0.9, 0.99, 1e-6, std::sqrt(correction2), 0.001, 0.5};
    for (const Moments<T>* run : {&one, &two}) {
      require(checks.kernels().adam(checks.place(), s.gradient(), adam, run->w.data(),
                                    run->m.data(), run->v.data()),
              "adam");
    }
    const std::vector<double> g = projected(s, dense_gradient(s), w);
    for (std::size_t j = 0; j < w.size(); ++j) {
      const double gradient = 0.5 * g[j];
      m[j] = 0.9 * m[j] + 0.1 * gradient;
      v[j] = 0.99 * v[j] + 0.01 * gradient * gradient;
      w[j] = 0.999 * w[j] - adam.step_size * m[j] / (std::sqrt(v[j] / correction2) + 1e-6);
      if (s.hold == Hold::non_negative) w[j] = std::max(w[j], 0.0);
    }
    if (s.hold == Hold::unit_rows) w = unit_rows(s, w);
  }
  const double tolerance = kEps<T> == kEps<float> ? 2e-4 : 1e-10;
  checks.near(one.w.get(), w, tolerance, "adam " + s.name + " parameter");
  checks.near(one.m.get(), m, tolerance, "adam " + s.name + " first moment");
  checks.near(one.v.get(), v, tolerance, "adam " + s.name + " second moment");
  const bool same =
      std::memcmp(one.w.get().data(), two.w.get().data(), at(s.size) * sizeof(T)) == 0;
  checks.check(same, "adam " + s.name + " twice", "two runs differ");
}

// Two steps of Bernstein et al. 2018 with weight decay. Where a gradient is all but 0 rounding
// decides the sign, so that the moment starts from numbers of another size.
template <class T>
void check_signum(Checks& checks, Random& random, Setting<T>& s) {
  const std::vector<T> start = unit_rows(s, random.numbers<T>(s.size));
  std::vector<T> moment = random.numbers<T>(s.size);
  for (T& m : moment) m = m < 0 ? T(-1000) : T(1000);
  if (!moment.empty() && s.dense.empty() && s.factored.empty()) moment[0] = 0;  // has no sign
  std::vector<double> w(start.begin(), start.end()), m(moment.begin(), moment.end());
  Device<T> got_w(start), got_m(moment);
  const Signum signum{0.01, 0.75, 0.001, 0.5};
  for (int step = 0; step < 2; ++step) {
    require(
        checks.kernels().signum(checks.place(), s.gradient(), signum, got_w.data(), got_m.data()),
        "signum");
    const std::vector<double> g = projected(s, dense_gradient(s), w);
    for (std::size_t j = 0; j < w.size(); ++j) {
      m[j] = 0.75 * m[j] + 0.25 * 0.5 * g[j];
      w[j] = 0.999 * w[j] - 0.01 * static_cast<double>((m[j] > 0) - (m[j] < 0));
      if (s.hold == Hold::non_negative) w[j] = std::max(w[j], 0.0);
    }
    if (s.hold == Hold::unit_rows) w = unit_rows(s, w);
  }
  checks.near(got_w.get(), w, 100 * kEps<T>, "signum " + s.name + " parameter");
  checks.near(got_m.get(), m, 2000 * kEps<T>, "signum " + s.name + " moment");
}

template <class T>
void check_settings(Checks& checks) {
  Random random(30 + sizeof(T));
  struct Shape {
    std::int64_t rows, width, size;
    bool dense;
    int terms;
  };
  for (const Shape& shape :
       {Shape{1, 1, 1, true, 0}, Shape{13, 7, 91, true, 1}, Shape{20, 64, 1280, false, 2},
        Shape{9, 130, 1170, true, 8}, Shape{3, 9001, 27003, true, 1},
        Shape{2, 8200, 16400, false, 1}, Shape{4, 1024, 3333, true, 0},
        Shape{5, 1024, 4100, true, 0}, Shape{300, 12, 3600, false, 1}, Shape{2, 8, 16, false, 0}}) {
    for (const Hold hold : {Hold::none, Hold::unit_rows, Hold::non_negative}) {
      Setting<T> s = make<T>(checks, random, shape.rows, shape.width, shape.size, hold, shape.dense,
                             shape.terms);
      if (hold == Hold::none) check_form(checks, s);
      check_norm(checks, random, s);
      check_adam(checks, random, s);
      check_signum(checks, random, s);
    }
  }
}

void check_limits(Checks& checks) {
  Random random(33);
  Setting<float> s = make<float>(checks, random, 5, 4, 20, Hold::unit_rows, true, 1);
  Device<float> out(at(20));
  RowGradient g = s.gradient();
  std::vector<Term> many(at(kMaxTerms + 1), s.terms[0]);
  g.terms = many.data();
  g.term_count = kMaxTerms + 1;
  checks.check(
      checks.kernels().form_gradient(checks.place(), g, out.data()) == cudaErrorInvalidValue,
      text("form_gradient refuses ", kMaxTerms + 1, " terms"));
  // A row of zeros stays one: there is no norm to divide by.
  const std::vector<float> zero(20, 0.0f);
  s.factored.clear();
  s.device_dense = std::make_unique<Device<float>>(zero);
  Device<float> w(zero), m(zero), v(zero);
  require(checks.kernels().adam(checks.place(), s.gradient(), {0.1, 0.9, 0.99, 1e-8, 1, 0, 1},
                                w.data(), m.data(), v.data()),
          "adam");
  checks.equal(w.get(), zero, "adam keeps a row of zeros");
}

// Grouping, norm and step of one gradient, captured as a CUDA graph and replayed.
void check_capture(Checks& checks) {
  Random random(34);
  Setting<float> s = make<float>(checks, random, 50, 64, 3200, Hold::unit_rows, true, 2);
  const std::vector<float> start = unit_rows(s, random.numbers<float>(s.size)), zero(at(s.size));
  Device<double> partial(at(50)), total(at(1));
  Device<float> w(start), m(zero), v(zero);
  const Adam adam{0.01, 0.9, 0.99, 1e-8, 0.1, 0, 1};
  const auto queue = [&] {
    for (const auto& f : s.factored) f->group(checks);
    const RowGradient g = s.gradient();
    require(
        checks.kernels().squared_norm(checks.place(), g, w.data(), partial.data(), total.data()),
        "squared_norm");
    require(checks.kernels().adam(checks.place(), g, adam, w.data(), m.data(), v.data()), "adam");
  };
  queue();
  const std::vector<float> eager = w.get();
  const double norm = total.get()[0];
  w.set(start);
  m.set(zero);
  v.set(zero);
  total.set({0});
  bool capturing = false;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  require(cudaStreamBeginCapture(checks.stream(), cudaStreamCaptureModeGlobal), "begin capture");
  require(checks.kernels().capturing(checks.place(), &capturing), "capturing");
  queue();
  require(cudaStreamEndCapture(checks.stream(), &graph), "end capture");
  require(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
  require(cudaGraphLaunch(executable, checks.stream()), "launch");
  require(cudaStreamSynchronize(checks.stream()), "a graph");
  checks.check(capturing, "a capture is seen");
  checks.equal(w.get(), eager, "a replayed graph steps as an eager call");
  checks.check(total.get()[0] == norm, "a replayed graph's norm");
  require(checks.kernels().capturing(checks.place(), &capturing), "capturing");
  checks.check(!capturing, "no capture is seen after it");
  (void)cudaGraphExecDestroy(executable);
  (void)cudaGraphDestroy(graph);
}

}  // namespace

void check_gradients(Checks& checks) {
  check_settings<float>(checks);
  check_settings<double>(checks);
  check_limits(checks);
  check_capture(checks);
}

}  // namespace saffron::ops_cuda::test
