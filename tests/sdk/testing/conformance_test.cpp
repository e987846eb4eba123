#include <saffron/regularizer.h>
#include <saffron/testing/conformance.h>

// The kit as an author's test program has it: this one is linked with the sources of the plugin `l1`.

SAFFRON_CONFORMANCE_TESTS(.options = {{"regularizer/l1",
                                       saffron::from_json(R"({"weighted": true})", "options")}},
                          .off = {{"regularizer/l1 bfloat16", "a reason"}}, .strictness = 10);

namespace saffron::testing {
namespace {

TEST(ConformanceHeader, ComponentsByName) {
  EXPECT_CONFORMS(component("regularizer", "l1"));
  EXPECT_NE(component("regularizer", "l1").make<Regularizer>(), nullptr);
  EXPECT_THROW(static_cast<void>(component("regularizer", "l2")), Error);
}

}  // namespace
}  // namespace saffron::testing
