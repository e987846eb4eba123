#include "testing/driver.h"

#include "testing/elsewhere.h"
#include "testing/expect.h"

#include <saffron/error.h>
#include <saffron/random.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <sstream>

namespace saffron::testing {

void keep(std::shared_ptr<void> component) {
  static auto& kept = *new std::vector<std::shared_ptr<void>>;
  kept.push_back(std::move(component));
}

std::string words_of(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  return torch == nullptr ? error.what() : torch->what_without_backtrace();
}

std::ptrdiff_t threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

std::string describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "no tensor";
  std::ostringstream out;
  out << c10::toString(tensor.scalar_type()) << ' ' << tensor.sizes();
  return out.str();
}

bool all_finite(const at::Tensor& tensor) {
  return !tensor.defined() || !tensor.is_floating_point() ||
         tensor.detach().isfinite().all().item<bool>();
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  if (!a.defined() || !b.defined()) return a.defined() == b.defined() ? 0 : kFar;
  if (a.sizes() != b.sizes()) return kFar;
  if (a.numel() == 0) return 0;
  const at::Tensor x = a.detach().to(at::kCPU, at::kDouble).reshape(-1);
  const at::Tensor y = b.detach().to(at::kCPU, at::kDouble).reshape(-1);
  const double *p = x.const_data_ptr<double>(), *q = y.const_data_ptr<double>();
  double worst = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    if (p[i] == q[i] || (std::isnan(p[i]) && std::isnan(q[i]))) continue;
    const double apart = std::abs(p[i] - q[i]) / std::max({1.0, std::abs(p[i]), std::abs(q[i])});
    worst = std::isfinite(apart) ? std::max(worst, apart) : kFar;
  }
  return worst;
}

bool identical(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const at::Tensor x = a.detach().cpu().contiguous(), y = b.detach().cpu().contiguous();
  return x.numel() == 0 || std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

at::Tensor Inputs::give(const std::string& name, const at::Tensor& tensor) {
  at::Tensor out = tensor.is_floating_point() ? tensor.to(variant_.dtype) : tensor;
  numbers_ = numbers_ || tensor.is_floating_point();
  if (variant_.nudge != 0 && tensor.is_floating_point() && tensor.dim() > 0) {
    const Random random = Random(variant_.nudged).fork("nudge").fork(name);
    const at::Tensor u = random.uniform_rows(0, 1, out.numel(), at::kDouble).view(out.sizes());
    out = out * (1 + variant_.nudge * u).to(out.scalar_type());
  }
  if (variant_.strided && out.dim() > 0) {
    // Every second element of something twice as long: no dimension is dense.
    std::vector<std::int64_t> sizes = out.sizes().vec();
    sizes.push_back(2);
    at::Tensor roomy = at::empty(sizes, out.options());
    roomy.fill_(-77);
    at::Tensor view = roomy.select(-1, 0);
    view.copy_(out);
    out = view;
    watch(name, roomy);  // what lies between is somebody's too
  } else if (out.is_same(tensor)) {
    out = out.clone();
  }
  watch(name, out);
  return out;
}

void Inputs::watch(const std::string& name, const at::Tensor& tensor) {
  at::Tensor copy = tensor.detach().clone();
  tensors_ = true;
  if (tensor.is_floating_point()) copy.requires_grad_(tensor.requires_grad());
  given_.push_back({name, tensor, copy});
}

void Inputs::watch(const std::string& name, const Codes& codes) {
  watch(name, codes.values());
  if (codes.layout() == Codes::Layout::dense) return;
  watch(cat(name, ", by their indices"), codes.indices());
  if (codes.layout() == Codes::Layout::csr) {
    watch(cat(name, ", by their offsets"), codes.offsets());
  }
}

std::string Inputs::changed() const {
  if (!settled_.empty()) return settled_;
  for (const Given& given : given_) {
    if (!identical(given.tensor, given.copy)) return given.name;
    if (given.copy.requires_grad() && !given.tensor.requires_grad()) {
      return cat(given.name, ", whose gradient it switches off");
    }
  }
  return {};
}

void Inputs::settle() {
  settled_ = changed();
  given_.clear();
}

void Observed::note(std::string name, const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  if (tensor.is_meta()) fail(cat(name, " is on the device meta: it has a shape and no numbers"));
  tensors.emplace_back(std::move(name), tensor.detach().clone());
}

void Observed::add(std::string name, const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  note(name, tensor);
  handed.push_back({std::move(name), tensor, tensors.back().second});
}

std::string difference(const Observed& a, const Observed& b, double tolerance) {
  if (a.tensors.size() != b.tensors.size() || a.texts.size() != b.texts.size()) {
    return cat(a.tensors.size() + a.texts.size(), " results and ",
               b.tensors.size() + b.texts.size());
  }
  for (std::size_t i = 0; i < a.texts.size(); ++i) {
    if (a.texts[i] != b.texts[i]) {
      return cat(a.texts[i].first, ": ", first_difference(a.texts[i].second, b.texts[i].second));
    }
  }
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    const auto& [name, x] = a.tensors[i];
    const auto& [other, y] = b.tensors[i];
    if (name != other) return cat(name, " and ", other);
    if (tolerance == 0 ? identical(x, y) : distance(x, y) <= tolerance) continue;
    if (x.sizes() != y.sizes()) return cat(name, ": ", describe(x), " and ", describe(y));
    return cat(name, ": apart by ", distance(x, y), " (relative to max(1, |value|))");
  }
  return {};
}

Driver::~Driver() = default;

void Driver::restore(const Driver& other) {
  if (const Stateful* from = other.stateful()) mutable_state()->load(from->save());
}

void need_deterministic(const Subject& subject) {
  if (!subject.deterministic()) skip("declares that it is not deterministic");
}

const KindDriver& driver_of(const Subject& subject) {
  const KindDriver* driver = find_driver(subject.kind());
  if (driver == nullptr) skip(cat("no checks of this sort for a ", subject.kind()));
  if (!subject.lacking().empty()) {
    skip(cat("needs a value for '", subject.lacking().front(),
             "': give it under [options] in test-plugin.toml"));
  }
  return *driver;
}

}  // namespace saffron::testing
