#include "plugins/worlds/gridworld/gridworld.h"
#include "tests/caught.h"

#include <saffron/value.h>

#include <gtest/gtest.h>

namespace saffron::plugins {
namespace {

using test::caught;

std::string refusal(const std::string& map, const Gridworld::Reward& reward = {.name = "r"}) {
  Gridworld::Options options;
  options.map = map;
  options.rewards = {reward};
  const Error error = caught([&] { (void)Gridworld(options); });
  const std::string out = error.where() + ": " + error.message();
  return error.help().empty() ? out : out + " | " + error.help();
}

TEST(GridworldRefusals, Maps) {
  const char* const marks =
      " | # is a wall, . floor, S a start, G a goal, T a trap, a to z floor that rewards can name";
  EXPECT_EQ(refusal("S.\n.x\n.X\n"),
            cat("map:3: cell 2 is 'X', which means nothing on a map", marks));
  EXPECT_EQ(refusal("S .\n"), cat("map:1: cell 2 is a blank, which means nothing on a map", marks));
  EXPECT_EQ(refusal("S\xc3\xa4\n"),
            cat("map:1: cell 2 is a byte of value 195, which means nothing on a map", marks));
  EXPECT_EQ(refusal("S..\n..\n"), "map:2: this row has 2 cells, and the first has 3");
  EXPECT_EQ(refusal("S.\n\n..\n"), "map:2: an empty line within the map | a wall is #");
  EXPECT_EQ(refusal("\n\n"), "map: the map is empty");
  EXPECT_EQ(refusal("##\n##\n"), "map: the map has walls alone: there is no state");
  EXPECT_EQ(refusal("GT\n"), "map: every cell is terminal: no episode can start");
}

TEST(GridworldRefusals, CellsThatAreNotThere) {
  const Gridworld::Reward paid{.name = "r", .enter = {{"q", 1}}};
  EXPECT_EQ(refusal("S.G\n", paid), "map: no cell is 'q', which reward 'r' pays for entering");
}

TEST(GridworldRefusals, RewardsBeyondFloat64) {
  const auto said = [](const Gridworld::Reward& reward) { return refusal("S.G\n", reward); };
  const std::string beyond =
      "map: reward 'r' overflows float64 | make step, enter, shaping and progress smaller";
  EXPECT_EQ(said({.name = "r", .step = 1e308, .shaping = 1e308}), beyond);
  EXPECT_EQ(said({.name = "r", .step = 1e308, .enter = {{"G", 1e308}}}), beyond);
}

TEST(GridworldRefusals, Ways) {
  const Gridworld::Reward shaped{.name = "r", .shaping = 1}, progress{.name = "r", .progress = 1};
  EXPECT_EQ(refusal("S..\n", shaped), "map: no cell is 'G', towards which a reward leads");
  EXPECT_EQ(refusal("S#G\n", shaped),
            "map: no way leads from row 1, column 1 to any 'G' | wall the cell off with #, or use "
            "neither shaping nor progress");
  EXPECT_EQ(refusal("STG\n", shaped),
            "map: no way leads from row 1, column 1 to any 'G' | wall the cell off with #, or use "
            "neither shaping nor progress");
  EXPECT_EQ(refusal("SG#T\n", progress),
            "map: no way leads from row 1, column 4 to any 'G' | wall the cell off with #, or use "
            "shaping instead of progress");
}

TEST(GridworldRefusals, DenseTablesOfLargeMaps) {
  Gridworld::Options options;
  for (int i = 0; i < 200; ++i) options.map += std::string(200, '.') + "\n";
  options.rewards = {{.name = "r"}};
  options.transitions = Gridworld::Layout::dense;
  const Error error = caught([&] { (void)Gridworld(options); });
  EXPECT_EQ(error.message(),
            "a dense table of 40000 states, 4 actions and 40000 next states would take more than 8 "
            "GiB");
  EXPECT_EQ(error.help(), "use transitions = \"sparse\"");
}

// What the schema says of options.
std::vector<std::string> problems(const char* json) {
  Decoded decoded;
  Gridworld::Options options;
  Gridworld::schema().decode(from_json(json, "options"), &options, decoded);
  std::vector<std::string> out;
  for (const Problem& problem : decoded.problems) out.push_back(problem.message);
  return out;
}

TEST(GridworldRefusals, Options) {
  using Messages = std::vector<std::string>;
  EXPECT_EQ(problems(R"({"map": "SG", "rewards": [{"name": "r"}]})"), Messages{});
  EXPECT_EQ(problems(R"({"rewards": [{"name": "r"}]})"), Messages{"give one of map and file"});
  EXPECT_EQ(problems(R"({"map": "S", "file": "x", "rewards": [{"name": "r"}]})"),
            Messages{"give one of map and file"});
  EXPECT_EQ(problems(R"({"map": "S", "terminal": "GS", "rewards": [{"name": "r"}]})"),
            Messages{"terminal = \"GS\": 'S' is none of G, T and a to z"});
  EXPECT_EQ(problems(R"({"map": "S", "rewards": [{"name": "r"}, {"name": "r"}]})"),
            Messages{"two rewards are named 'r'"});
  EXPECT_EQ(problems(R"({"map": "S", "rewards": [{"name": "r", "towards": "GT"}]})"),
            Messages{"towards = \"GT\" is no mark of a map"});
  EXPECT_EQ(problems(R"({"map": "S", "rewards": [{"name": "r", "enter":
                        [{"cell": "#", "reward": 1}]}]})"),
            Messages{"'#' is no mark of a map"});
}

}  // namespace
}  // namespace saffron::plugins
