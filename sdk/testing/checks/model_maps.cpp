#include "testing/checks/model_checks.h"
#include "testing/made.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

namespace saffron::testing {
namespace {

constexpr double kApplied = 1e-4;
constexpr std::int64_t kInRows = 7, kOutRows = 6, kIn = 3, kOut = 2;  // n1, n2, k1, k2
constexpr std::size_t kMaps = 2;

struct FoundMap {
  SiteInfo from, to;
  std::unique_ptr<LayerMap> map;
};

const HasLayerMaps& maps_of(const Model& model) {
  const auto* maps = dynamic_cast<const HasLayerMaps*>(&model);
  if (maps == nullptr) skip("has no layer maps (it is not HasLayerMaps)");
  return *maps;
}

// Those between two sites of one layer, of the first layers that have any.
std::vector<FoundMap> find_maps(const Model& model) {
  std::vector<FoundMap> out;
  const std::vector<SiteInfo>& sites = model.sites();
  for (std::size_t i = 0; i < sites.size() && out.size() < kMaps; ++i) {
    for (std::size_t j = i + 1; j < sites.size() && sites[j].layer <= sites[i].layer; ++j) {
      try {
        out.push_back({sites[i], sites[j], maps_of(model).layer_map(sites[i].name, sites[j].name)});
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid) throw;
      }
    }
  }
  if (out.empty()) skip("no two sites of one layer have a map");
  return out;
}

// A map with rows x that its model really has, and arguments for its jacobian, which is linear in
// both row matrices.
struct Case {
  const LayerMap& map;
  at::Tensor x, y;  // [B, width]
  at::Tensor in_rows, in_index, out_rows, out_index;

  Case(const Subject& subject, const ModelRuns& runs, const FoundMap& found) : map(*found.map) {
    const c10::AutoGradMode no_grad(false);
    const RunResult result = runs.run({found.from.name, found.to.name}, {}, false);
    x = result.taps.at(0).reshape({-1, found.from.width}).contiguous();
    y = result.taps.at(1).reshape({-1, found.to.width}).contiguous();
    const Random random = subject.random("layer map");
    in_rows = random.fork("in").normal_rows(0, kInRows, found.from.width).to(x);
    out_rows = random.fork("out").normal_rows(0, kOutRows, found.to.width).to(x);
    in_index = indices(random.fork("in index"), kIn, kInRows);
    out_index = indices(random.fork("out index"), kOut, kOutRows);
  }

  [[nodiscard]] at::Tensor indices(const Random& random, std::int64_t count,
                                   std::int64_t rows) const {
    return (random.uniform_rows(0, x.size(0), count) * static_cast<double>(rows)).to(at::kLong);
  }
  [[nodiscard]] at::Tensor jacobian() const {
    return map.jacobian(x, in_rows, in_index, out_rows, out_index);
  }
  // [B, k, width]
  [[nodiscard]] static at::Tensor gathered(const at::Tensor& rows, const at::Tensor& index) {
    return rows.index_select(0, index.reshape(-1)).view({index.size(0), index.size(1), -1});
  }
};

// The same by autograd through apply, or by central differences where it makes no graph.
at::Tensor expected_jacobian(const Case& c, bool doubles) {
  const at::Tensor in = Case::gathered(c.in_rows, c.in_index);     // [B, k1, in]
  const at::Tensor out = Case::gathered(c.out_rows, c.out_index);  // [B, k2, out]
  std::vector<at::Tensor> parts;
  const at::Tensor leaf = c.x.clone().requires_grad_();
  if (c.map.apply(leaf).requires_grad()) {
    for (std::int64_t o = 0; o < kOut; ++o) {
      const at::Tensor at_row = c.x.clone().requires_grad_();
      (c.map.apply(at_row) * out.select(1, o)).sum().backward();
      parts.push_back((at_row.grad().unsqueeze(1) * in).sum(2));  // [B, k1]
    }
    return at::stack(parts, 1);
  }
  const double h = doubles ? 1e-5 : 1e-2;
  for (std::int64_t i = 0; i < kIn; ++i) {
    const at::Tensor step = in.select(1, i) * h;
    const at::Tensor slope = (c.map.apply(c.x + step) - c.map.apply(c.x - step)) / (2 * h);
    parts.push_back((slope.unsqueeze(1) * out).sum(2));  // [B, k2]
  }
  return at::stack(parts, 2);
}

}  // namespace

Verdict layer_map_applies(const Subject& subject) {
  const ModelRuns runs(subject);
  for (const FoundMap& found : find_maps(*runs.model)) {
    const Case c(subject, runs, found);
    const std::string name = cat("the map from '", found.from.name, "' to '", found.to.name, "'");
    if (c.map.in_width() != found.from.width || c.map.out_width() != found.to.width) {
      fail(
          cat(name, " says that it goes from width ", c.map.in_width(), " to ", c.map.out_width()));
    }
    const at::Tensor y = c.map.apply(c.x);
    if (y.sizes() != c.y.sizes() || distance(y, c.y) > kApplied) {
      fail(cat(name, " gives ", describe(y), " apart from the tap there, ", describe(c.y), ", by ",
               distance(y, c.y)));
    }
    const at::Tensor z = c.map.hidden(c.x);
    const bool plain = z.dim() == 2, gated = z.dim() == 3 && z.size(1) == 2;
    if ((!plain && !gated) || z.size(0) != c.x.size(0)) {
      fail(cat("hidden of ", name, " is ", describe(z), ", expected [", c.x.size(0), ", m] or [",
               c.x.size(0), ", 2, m]"));
    }
  }
  return {};
}

Verdict layer_map_matches_autograd(const Subject& subject) {
  const PreciseModel precise = precise_model(subject);
  const ModelRuns runs(subject, precise.model, 2);
  for (const FoundMap& found : find_maps(*runs.model)) {
    const Case c(subject, runs, found);
    const at::Tensor got = c.jacobian(), expected = expected_jacobian(c, precise.doubles);
    const double apart = distance(got, expected);
    if (apart <= (precise.doubles ? 1e-5 : 1e-2)) continue;
    fail(cat("the jacobian of the map from '", found.from.name, "' to '", found.to.name, "', ",
             describe(got), ", is apart from that of its apply, ", describe(expected), ", by ",
             apart));
  }
  return {};
}

// J is linear in the rows on either side: <dS/d rows, rows> = S for S = <W, J>.
Verdict layer_map_rows_differentiable(const Subject& subject) {
  const PreciseModel precise = precise_model(subject);
  const ModelRuns runs(subject, precise.model, 2);
  for (const FoundMap& found : find_maps(*runs.model)) {
    Case c(subject, runs, found);
    c.in_rows.requires_grad_();
    c.out_rows.requires_grad_();
    const at::Tensor J = c.jacobian();
    const at::Tensor weight = subject.random("weights")
                                  .normal_rows(0, J.size(0), kIn * kOut)
                                  .view(J.sizes())
                                  .to(J.detach());
    const at::Tensor sum = (J * weight).sum();
    if (!sum.requires_grad()) fail("a jacobian of rows that require gradients makes no graph");
    sum.backward();
    for (const auto& [name, rows] : {std::pair{"in_rows", &c.in_rows}, {"out_rows", &c.out_rows}}) {
      if (!rows->grad().defined()) fail(cat("no gradient reaches ", name, " of a jacobian"));
      const double apart = distance((rows->grad() * rows->detach()).sum(), sum);
      if (apart <= (precise.doubles ? 1e-6 : 1e-3)) continue;
      fail(cat("the gradient of a jacobian in ", name, " is off by ", apart));
    }
  }
  return {};
}

Verdict unknown_layer_map_refused(const Subject& subject) {
  const auto model = made<Model>(subject);
  const HasLayerMaps& maps = maps_of(*model);
  must_refuse("a layer map from 'layers.0.no_such_site'", "invalid", ErrorKind::invalid,
              [&] { return maps.layer_map("layers.0.no_such_site", model->sites().back().name); });
  return {};
}

}  // namespace saffron::testing
