#pragma once

#include "grid.h"

#include <saffron/schema.h>
#include <saffron/tabular_world.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// A gridworld drawn in characters, as a finite MDP.
//
// States are the cells that are no walls, in reading order. Actions 0 to 3 move up, right, down and left,
// 4 stays (with `stay`). A move into a wall or off the map stays in place. With probability `slip` a move
// goes to one of its two sides instead, half each; staying does not slip.
//
// A reward, of any two cells s and s' and any action, also where no transition leads from s to s':
//
//   R(s, a, s') = step + sum of `enter` for the mark of s'
//               + shaping (gamma Phi(s') - Phi(s)) + progress (n(s) - n(s'))
//
// n(s) are the moves from s to the nearest `towards` cell, not through terminal ones. Phi = -n, and 0 where
// an episode ends: so `shaping` is potential shaping, which changes no policy's rank, and `progress`, the
// same without the discount, is not.
class Gridworld final : public TableWorld {
 public:
  struct Entered {
    std::string cell;
    double reward = 0;
    static Schema<Entered> schema();
  };
  struct Reward {
    std::string name;
    double step = 0, shaping = 0, progress = 0;
    std::vector<Entered> enter = {};
    std::string towards = {gridworld::Grid::kGoal};
    static Schema<Reward> schema();
  };
  enum class Layout : std::uint8_t { by_size, dense, sparse };
  struct Options {
    std::string map;
    Path file;
    std::string terminal = {gridworld::Grid::kGoal, gridworld::Grid::kTrap};
    double slip = 0;
    bool stay = false;
    double gamma = 0.95;
    Layout transitions = Layout::by_size;
    std::vector<Reward> rewards;
  };
  static Schema<Options> schema();

  explicit Gridworld(const Options& options);
};

namespace gridworld {

// One reward of every pair of cells; actions do not matter to it.
class RewardTable {
 public:
  RewardTable(const Gridworld::Reward& reward, const Grid& grid, const std::vector<bool>& terminal,
              double gamma);
  [[nodiscard]] double operator()(std::int64_t s, std::int64_t next) const {
    const auto i = static_cast<std::size_t>(s), j = static_cast<std::size_t>(next);
    return after_[j] - before_[i];
  }

 private:
  void add_moves(const Gridworld::Reward& reward, const Grid& grid,
                 const std::vector<bool>& terminal, double gamma);
  std::vector<double> before_, after_;  // its two parts: R = after(s') - before(s)
};

}  // namespace gridworld

}  // namespace saffron::plugins
