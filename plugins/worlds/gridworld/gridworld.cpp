#include "gridworld.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace saffron::plugins {
namespace {

using gridworld::Grid;
using gridworld::RewardTable;

constexpr std::int64_t kDenseStates = 1024;
constexpr double kMostEntries = 1 << 30;  // of a dense table: 8 GiB

at::Tensor doubles(const std::vector<double>& values) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, at::kDouble);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<double>());
  return out;
}

at::Tensor longs(const std::vector<std::int64_t>& values) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<std::int64_t>());
  return out;
}

// The tables of one map.
class Maker {
 public:
  explicit Maker(const Gridworld::Options& options)
      : options_(options),
        grid_(options.map.empty()
                  ? gridworld::parse_grid(read_utf8(options.file.value), options.file.value)
                  : gridworld::parse_grid(options.map, "map")),
        S_(grid_.states()),
        A_(Grid::kDirections + (options.stay ? 1 : 0)) {
    for (const char mark : grid_.marks) {
      terminal_.push_back(options.terminal.find(mark) != std::string::npos);
    }
    for (const Gridworld::Reward& reward : options.rewards) {
      rewards_.emplace_back(reward, grid_, terminal_, options.gamma);
    }
  }

  MdpTables tables() {
    MdpTables out;
    out.gamma = at::full({}, options_.gamma, at::kDouble);
    out.mu0 = start();
    out.terminal = at::zeros({S_}, at::kBool);
    std::copy(terminal_.begin(), terminal_.end(), out.terminal.mutable_data_ptr<bool>());
    const bool dense = options_.transitions == Gridworld::Layout::by_size
                           ? S_ <= kDenseStates
                           : options_.transitions == Gridworld::Layout::dense;
    dense ? add_dense(out) : add_sparse(out);
    return out;
  }

 private:
  // Uniform over S, or, without one, over where an episode can go on.
  at::Tensor start() const {
    const bool marked = grid_.marks.find(Grid::kStart) != std::string::npos;
    std::vector<double> mu0;
    double count = 0;
    for (std::int64_t s = 0; s < S_; ++s) {
      const bool starts =
          marked ? grid_.mark(s) == Grid::kStart : !terminal_[static_cast<std::size_t>(s)];
      mu0.push_back(starts ? 1 : 0);
      count += mu0.back();
    }
    if (count == 0) {
      throw Error(ErrorKind::data, "every cell is terminal: no episode can start")
          .within(grid_.source);
    }
    for (double& p : mu0) p /= count;
    return doubles(mu0);
  }

  // The successors of (s, a) with their probabilities; none after the end.
  std::map<std::int64_t, double> successors(std::int64_t s, std::int64_t a) const {
    std::map<std::int64_t, double> out;
    if (terminal_[static_cast<std::size_t>(s)]) return out;
    const auto add = [&](std::int64_t direction, double p) {
      if (p > 0) out[grid_.moved(s, direction)] += p;
    };
    if (a == Grid::kStay) {
      add(a, 1);
      return out;
    }
    add(a, 1 - options_.slip);
    add((a + 1) % Grid::kDirections, options_.slip / 2);
    add((a + Grid::kDirections - 1) % Grid::kDirections, options_.slip / 2);
    return out;
  }

  void add_dense(MdpTables& out) const {
    if (static_cast<double>(S_) * static_cast<double>(S_ * A_) > kMostEntries) {
      throw Error(cat("a dense table of ", S_, " states, ", A_, " actions and ", S_,
                      " next states would take more than 8 GiB"))
          .with_help("use transitions = \"sparse\"");
    }
    out.tau = at::zeros({S_, A_, S_}, at::kDouble);
    auto* p = out.tau.mutable_data_ptr<double>();
    for (std::int64_t row = 0; row < S_ * A_; ++row) {
      for (const auto& [next, probability] : successors(row / A_, row % A_)) {
        p[row * S_ + next] = probability;
      }
    }
    for (std::size_t i = 0; i < rewards_.size(); ++i) {
      at::Tensor r = at::empty({S_, S_}, at::kDouble);
      auto* value = r.mutable_data_ptr<double>();
      for (std::int64_t n = 0; n < S_ * S_; ++n) value[n] = rewards_[i](n / S_, n % S_);
      out.rewards.emplace_back(options_.rewards[i].name, r.unsqueeze(1).expand({S_, A_, S_}));
    }
  }

  void add_sparse(MdpTables& out) const {
    std::vector<std::int64_t> offsets = {0}, next_states;
    std::vector<double> probabilities;
    std::vector<std::vector<double>> values(rewards_.size());
    for (std::int64_t row = 0; row < S_ * A_; ++row) {
      for (const auto& [next, probability] : successors(row / A_, row % A_)) {
        next_states.push_back(next);
        probabilities.push_back(probability);
        for (std::size_t i = 0; i < rewards_.size(); ++i) {
          values[i].push_back(rewards_[i](row / A_, next));
        }
      }
      offsets.push_back(static_cast<std::int64_t>(next_states.size()));
    }
    out.offsets = longs(offsets);
    out.successors = longs(next_states);
    out.probabilities = doubles(probabilities);
    for (std::size_t i = 0; i < rewards_.size(); ++i) {
      out.rewards.emplace_back(options_.rewards[i].name, doubles(values[i]));
    }
  }

  const Gridworld::Options& options_;
  Grid grid_;
  std::int64_t S_, A_;
  std::vector<bool> terminal_;
  std::vector<RewardTable> rewards_;
};

bool one_mark(const std::string& text) { return text.size() == 1 && gridworld::is_mark(text[0]); }

std::string check(const Gridworld::Options& o) {
  if (o.map.empty() == o.file.value.empty()) return "give one of map and file";
  for (const char c : o.terminal) {
    if (!gridworld::is_mark(c) || c == Grid::kStart || c == Grid::kFloor) {
      return cat("terminal = \"", o.terminal, "\": '", c, "' is none of G, T and a to z");
    }
  }
  std::set<std::string> names;
  for (const Gridworld::Reward& reward : o.rewards) {
    if (!names.insert(reward.name).second) return cat("two rewards are named '", reward.name, "'");
  }
  return {};
}

}  // namespace

Schema<Gridworld::Entered> Gridworld::Entered::schema() {
  return Schema<Entered>{}
      .param("cell", &Entered::cell, "a mark of the map: ., S, G, T, or a to z", required())
      .param("reward", &Entered::reward, "for every transition whose next state has that mark",
             required())
      .check([](const Entered& o) {
        return one_mark(o.cell) ? std::string() : cat("'", o.cell, "' is no mark of a map");
      });
}

Schema<Gridworld::Reward> Gridworld::Reward::schema() {
  return Schema<Reward>{}
      .param("name", &Reward::name, "its name in results", required(), not_empty())
      .param("step", &Reward::step, "for every transition")
      .param("enter", &Reward::enter, "what next states add, by their marks")
      .param("shaping", &Reward::shaping,
             "times gamma Phi(s') - Phi(s), where -Phi is the number of moves to the nearest "
             "`towards` cell, and 0 in terminal states: changes no policy's rank")
      .param("progress", &Reward::progress,
             "times the number of moves that a transition comes nearer to `towards`: no potential "
             "shaping, as it is not discounted")
      .param("towards", &Reward::towards, "the mark that shaping and progress lead to")
      .check([](const Reward& o) {
        return one_mark(o.towards) ? std::string()
                                   : cat("towards = \"", o.towards, "\" is no mark of a map");
      });
}

Schema<Gridworld::Options> Gridworld::schema() {
  return Schema<Options>{}
      .param(
          "map", &Options::map,
          "a line a row, a character a cell, blanks around lines do not count: # is a wall, . "
          "floor, S where episodes start (one of them at random; anywhere without one), G a goal, "
          "T a trap, a to z floor that rewards can name. States are the cells that are no walls, "
          "in reading order; actions are up, right, down, left. Who runs into a wall or off the "
          "map stays in place")
      .param("file", &Options::file, "a text file with the map, instead of `map`", hashed_file())
      .param("terminal", &Options::terminal, "marks of the cells that end an episode when entered")
      .param("slip", &Options::slip,
             "probability that a move goes to one of its sides instead, half each", fraction())
      .param("stay", &Options::stay, "a fifth action, which stays in place and does not slip")
      .param("gamma", &Options::gamma, "discount", below_one())
      .choice("transitions", &Options::transitions,
              "by_size: dense up to 1,024 states, sparse above",
              {{"by_size", Layout::by_size}, {"dense", Layout::dense}, {"sparse", Layout::sparse}})
      .param("rewards", &Options::rewards,
             "R(s, a, s') = step + enter of the mark of s' + shaping + progress, of all s and s', "
             "also where no transition leads from one to the other",
             required(), not_empty())
      .check(check);
}

Gridworld::Gridworld(const Options& options)
    : TableWorld(Maker(options).tables(), "gridworld", "gridworld") {}

}  // namespace saffron::plugins
