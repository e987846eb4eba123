#include <saffron/testing/checks.h>

#include "testing/drivers/toy_folder.h"
#include "testing/expect.h"

#include <saffron/plugin.h>
#include <saffron/testing/fake_context.h>
#include <saffron/testing/toys.h>

#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace saffron::testing {
namespace {

constexpr const char* kToy = "toy";

bool has(const saffron_param& param, std::uint32_t flag) { return (param.flags & flag) != 0; }

Value in_list(const saffron_param& param, Value value) {
  if (!has(param, SAFFRON_PARAM_LIST)) return value;
  Value list = Value::list();
  list.push(std::move(value));
  return list;
}

// A folder of its own for what a component writes.
class ToyContext final : public FakeContext {
 public:
  using FakeContext::FakeContext;
  [[nodiscard]] std::string artifacts() const override {
    std::call_once(asked_, [this] { folder_.emplace(); });
    return folder_->path().string();
  }

 private:
  mutable std::once_flag asked_;
  mutable std::optional<ToyFolder> folder_;
};

// The toy world behind every reference of one component; equal names are one object.
class ToyServices final : public Services {
 public:
  explicit ToyServices(const Subject::Setup& setup)
      : context_(setup.seed, setup.dtype, setup.device) {}

  [[nodiscard]] std::shared_ptr<void> reference(std::string_view kind, const std::string& node,
                                                const Origin&) override {
    std::shared_ptr<void>& object = objects_[cat(kind, '/', node)];
    if (object == nullptr) object = toy(kind, node);
    return object;
  }
  [[nodiscard]] std::vector<std::string> expand(std::string_view, const std::string& node,
                                                const Origin&) override {
    return {node};
  }
  [[nodiscard]] std::shared_ptr<void> child(std::string_view kind, const Value&) override {
    if (auto object = toy_child(kind)) return object;
    throw Error(cat("the toy world has no ", kind));
  }
  [[nodiscard]] const Context& context() const override { return context_; }

 private:
  // SAEs of other names are other SAEs over the same source; two names stand for bounds of quality.
  std::shared_ptr<void> toy(std::string_view kind, const std::string& node) {
    if (kind == Dataset::kKind) return std::shared_ptr<Dataset>(std::make_shared<ToyDataset>());
    if (kind == Model::kKind) return std::shared_ptr<Model>(std::make_shared<ToyModel>());
    if (kind == Source::kKind) return source();
    if (kind == World::kKind) return toy_tabular_world();
    if (kind == Sae::kKind) {
      if (node == kPerfectSae) return toy_perfect_sae(1, source());
      if (node == kNullSae) return toy_null_sae(1, source());
      return toy_sae(node, node == kToy ? 1 : Random(2).fork(node).key(), source());
    }
    throw Error(cat("the toy world has no ", kind, " '", node, "'"));
  }
  std::shared_ptr<Source> source() {
    if (source_ == nullptr) source_ = std::make_shared<ToySource>();
    return source_;
  }

  ToyContext context_;
  std::shared_ptr<Source> source_;
  std::map<std::string, std::shared_ptr<void>> objects_;
};

}  // namespace

Subject::Subject(const saffron_component& row, const Value& options, std::uint64_t seed)
    : row_(&row), options_(options), seed_(seed) {
  for (const saffron_param& param : params()) {
    if (!has(param, SAFFRON_PARAM_REQUIRED) || options_.find(param.name) != nullptr) continue;
    if (param.type == SAFFRON_TYPE_REFERENCE || param.type == SAFFRON_TYPE_COMPONENT) {
      options_.set(param.name, in_list(param, Value(kToy)));
    } else {
      lacking_.emplace_back(param.name);
    }
  }
}

Subject Subject::with(const Value& options) const {
  Subject out = *this;
  out.options_ = options;
  return out;
}

Decoded Subject::decode(const Value& options) const {
  Decoded out;
  out.path = name();
  row_->decode(&options, &out);
  return out;
}

std::shared_ptr<void> Subject::create(const Value& options, const Setup& setup) const {
  Setup drawn = setup;
  drawn.seed = nth(setup.seed);
  auto services = std::make_shared<ToyServices>(drawn);
  saffron_error error{};
  error.size = sizeof error;
  void* made = nullptr;
  try {
    made = row_->create(&options, services.get(), &error);
  } catch (...) {
    fail("create lets an exception through; it must fill the error and return null");
  }
  if (made == nullptr) throw detail::to_error(error);
  // A component may keep its context: the services live as long.
  return {made, [services, destroy = row_->destroy](void* object) { destroy(object); }};
}

}  // namespace saffron::testing
