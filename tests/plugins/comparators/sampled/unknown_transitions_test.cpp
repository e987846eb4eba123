#include "plugins/comparators/epic/epic_sample.h"
#include "tests/caught.h"
#include "tests/plugins/comparators/sampled/sampled_testing.h"
#include "tests/plugins/worlds/transitions/support.h"

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

// A context that has a folder.
struct FolderContext final : FakeContext {
  std::string artifacts() const override { return folder.path().string(); }
  test::TemporaryFolder folder;
};

// What a comparator needs is written down; evaluated and added, it gives what a world gives that knows
// all rewards.
TEST(UnknownTransitions, AreWrittenDownAndCanBeAdded) {
  RandomWorlds random(61);
  const at::Tensor a = random.normal({6, 3, 6});
  const MemoryWorld world(random.transitions(6, 3), uniform({6}), 0.9,
                          {{"a", a}, {"b", a + random.normal({6, 3, 6})}});
  const auto all = drawn(world, 12, 4, 1);
  const auto* of = dynamic_cast<const SampledWorld*>(all.get());
  const auto value = [&](std::int64_t i, const at::Tensor& s, const at::Tensor& u,
                         const at::Tensor& next) { return of->evaluate(i, s, u, next); };
  NamedTensors file = {{"states", of->states()},
                       {"actions", of->actions()},
                       {"next_states", of->next_states()},
                       {"terminal", of->terminal()},
                       {"episodes", of->episodes()},
                       {"gamma", at::full({1}, 0.9, at::kDouble)},
                       {"rewards/a", value(0, of->states(), of->actions(), of->next_states())},
                       {"rewards/b", value(1, of->states(), of->actions(), of->next_states())}};
  const EpicSample::Options options{
      .transitions = 30, .pairs = 20, .estimate = quick({"2-2", "pearson"})};
  const FolderContext context;
  const Error error = test::caught([&] {
    static_cast<void>(
        EpicSample(options, context).compare(SampledTransitions(SampleFile(file).options)));
  });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_NE(error.message().find("are not known; the first leads from state ["), std::string::npos)
      << error.what();
  EXPECT_NE(error.help().find("needed_transitions.npz"), std::string::npos) << error.what();

  const NpzFile needed = NpzFile::open(context.folder / "needed_transitions.npz");
  const at::Tensor s = needed.tensor("states"), u = needed.tensor("actions"),
                   next = needed.tensor("next_states");
  set(file, "further/states", s);
  set(file, "further/actions", u);
  set(file, "further/next_states", next);
  set(file, "further/rewards/a", value(0, s, u, next));
  set(file, "further/rewards/b", value(1, s, u, next));
  const Comparison found =
      EpicSample(options, context).compare(SampledTransitions(SampleFile(file).options));
  const Comparison whole = EpicSample(options, context).compare(*all);
  for (std::size_t i = 0; i < whole.metrics.size(); ++i) {
    EXPECT_TRUE(found.metrics[i].values.nan_to_num(7).equal(whole.metrics[i].values.nan_to_num(7)))
        << whole.metrics[i].key;
  }
}

}  // namespace
}  // namespace saffron::plugins
