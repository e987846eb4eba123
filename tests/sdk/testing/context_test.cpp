#include <saffron/plugin.h>
#include <saffron/regularizer.h>
#include <saffron/testing/checks.h>
#include <saffron/testing/fake_context.h>

#include <gtest/gtest.h>

namespace saffron::testing {
namespace {

const at::Device kSecondGpu(at::kCUDA, 1);

TEST(FakeContext, HasTheDeviceThatItIsGiven) {
  EXPECT_EQ(FakeContext().device(), at::Device(at::kCPU));
  EXPECT_EQ(FakeContext(1, at::kFloat, kSecondGpu).device(), kSecondGpu);
}

// A component that shows its context.
class Shows final : public Regularizer {
 public:
  struct Options {};
  static Schema<Options> schema() { return {}; }
  Shows(const Options&, const Context& context)
      : device(context.device()), dtype(context.dtype()), key(context.random("").key()) {}
  [[nodiscard]] at::Tensor penalty(const TrainStep&) override { return {}; }

  at::Device device;
  at::ScalarType dtype;
  std::uint64_t key;
};

// What cuda-matches-cpu, float64 and two-instances-independent stand on.
TEST(Subject, SetupReachesTheComponent) {
  const ComponentSpec spec = saffron::component<Shows>("shows", "Shows its context");
  const saffron_plugin* plugin = detail::make_descriptor(
      "org.saffron.test.shows", "0.1.0", SAFFRON_BUILD_TAG, detail::layout_fingerprint(), &spec, 1);
  ASSERT_NE(plugin, nullptr);
  const Subject subject(plugin->components[0], Value::table());
  const auto shows = [&](const Subject::Setup& setup) {
    return std::static_pointer_cast<Shows>(subject.make<Regularizer>(setup));
  };
  EXPECT_EQ(shows({})->device, at::Device(at::kCPU));
  EXPECT_EQ(shows({.device = kSecondGpu})->device, kSecondGpu);
  EXPECT_EQ(shows({.dtype = at::kDouble})->dtype, at::kDouble);
  EXPECT_NE(shows({.seed = 2})->key, shows({.seed = 3})->key);
}

}  // namespace
}  // namespace saffron::testing
