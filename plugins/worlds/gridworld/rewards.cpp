#include "gridworld.h"

#include <saffron/error.h>

#include <algorithm>
#include <cmath>

namespace saffron::plugins::gridworld {

RewardTable::RewardTable(const Gridworld::Reward& reward, const Grid& grid,
                         const std::vector<bool>& terminal, double gamma)
    : before_(terminal.size(), 0), after_(terminal.size(), reward.step) {
  for (const Gridworld::Entered& entered : reward.enter) {
    bool found = false;
    for (std::size_t s = 0; s < after_.size(); ++s) {
      if (grid.marks[s] != entered.cell.front()) continue;
      after_[s] += entered.reward;
      found = true;
    }
    if (!found) {
      throw Error(ErrorKind::data, cat("no cell is '", entered.cell, "', which reward '",
                                       reward.name, "' pays for entering"))
          .within(grid.source);
    }
  }
  if (reward.shaping != 0 || reward.progress != 0) add_moves(reward, grid, terminal, gamma);
  double before = 0, after = 0;
  for (std::size_t s = 0; s < after_.size(); ++s) {
    before = std::max(before, std::abs(before_[s]));
    after = std::max(after, std::abs(after_[s]));
    if (std::isfinite(before_[s]) && std::isfinite(after_[s]) && std::isfinite(before + after)) {
      continue;
    }
    throw Error(ErrorKind::data, cat("reward '", reward.name, "' overflows float64"))
        .within(grid.source)
        .with_help("make step, enter, shaping and progress smaller");
  }
}

void RewardTable::add_moves(const Gridworld::Reward& reward, const Grid& grid,
                            const std::vector<bool>& terminal, double gamma) {
  const std::vector<std::int64_t> moves = moves_to(grid, reward.towards.front(), terminal);
  for (std::size_t s = 0; s < moves.size(); ++s) {
    const auto n = static_cast<double>(moves[s]);
    const double phi = terminal[s] ? 0 : -n;
    after_[s] += reward.shaping * gamma * phi;
    before_[s] += reward.shaping * phi;
    if (reward.progress == 0) continue;
    if (moves[s] < 0) {
      throw Error(ErrorKind::data,
                  cat("no way leads from ", grid.place(static_cast<std::int64_t>(s)), " to any '",
                      reward.towards, "'"))
          .within(grid.source)
          .with_help("wall the cell off with #, or use shaping instead of progress");
    }
    after_[s] -= reward.progress * n;
    before_[s] -= reward.progress * n;
  }
}

}  // namespace saffron::plugins::gridworld
