#include "plugins/comparators/dard/dard.h"
#include "plugins/comparators/epic/epic.h"
#include "plugins/comparators/minimal/minimal.h"
#include "plugins/comparators/regret_correlation/regret_correlation.h"
#include "plugins/comparators/val/val.h"
#include "plugins/worlds/random_mdp/random_mdp.h"

#include <saffron/error.h>
#include <saffron/testing/fake_context.h>

#include <gtest/gtest.h>

#include <map>
#include <memory>

// The published comparison of reward distances (Skalse et al. 2024, section 4.1) on a 16th of its pairs:
// distances that are sound go with regret more closely than those that are not.

namespace saffron::plugins {
namespace {

TEST(Protocol, SoundDistancesGoWithRegret) {
  RandomMdp::Options options;
  options.interpolate = 16;
  options.environments = 96;
  options.draws = 2;
  const RandomMdp world(options, testing::FakeContext(1));
  const std::vector<std::string> two = {"2-2"};
  RegretCorrelation::Options study;
  study.pairs = "first";
  study.of = {Child<Comparator>(std::make_shared<Val>(Val::Options{two})),
              Child<Comparator>(std::make_shared<Epic>(Epic::Options{two})),
              Child<Comparator>(std::make_shared<Dard>(Dard::Options{.pairs = two})),
              Child<Comparator>(
                  std::make_shared<Minimal>(Minimal::Options{.pairs = two, .weights = {"tau"}}))};
  std::map<std::string, double> found;
  for (const Metric& metric :
       RegretCorrelation(study, testing::FakeContext(1)).compare(world).report.metrics) {
    found[metric.subject + " " + metric.key] = metric.value;
  }
  EXPECT_GE(found.at("span pairs"), 2700);
  const double val = found.at("VAL/2-2 pearson_regret");
  EXPECT_GT(val, found.at("EPIC/2-2 pearson_regret") + 0.04);
  EXPECT_GT(val, found.at("DARD/2-2 pearson_regret") + 0.04);
  EXPECT_GT(found.at("span pearson_regret"), val);
  EXPECT_GE(found.at("VAL/2-2 pearson_w"), 0.97);
  EXPECT_GE(found.at("Minimal_tauL2/2-2 pearson_w"), 0.97);
  EXPECT_GE(found.at("span least_ratio"), 0.5 - 1e-9);
  EXPECT_LE(found.at("span largest_ratio"), 1 + 1e-9);
  EXPECT_GT(found.at("EPIC/2-2 largest_ratio"), 3);
  EXPECT_LT(found.at("VAL/2-2 largest_ratio"), 3);
}

}  // namespace
}  // namespace saffron::plugins
