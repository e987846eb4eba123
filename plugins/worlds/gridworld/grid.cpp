#include "grid.h"

#include <saffron/error.h>

#include <array>
#include <deque>
#include <sstream>

namespace saffron::plugins::gridworld {
namespace {

std::string shown(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (c == ' ') return "a blank";
  if (byte < 0x20 || byte >= 0x7f) return cat("a byte of value ", static_cast<int>(byte));
  return cat("'", c, "'");
}

// Without blanks at both ends, so that a map may be indented.
std::string trimmed(const std::string& line) {
  constexpr const char* kBlank = " \t\r";
  const std::size_t begin = line.find_first_not_of(kBlank);
  if (begin == std::string::npos) return {};
  return line.substr(begin, line.find_last_not_of(kBlank) + 1 - begin);
}

[[noreturn]] void fail(const Grid& grid, std::int64_t line, std::string message,
                       std::string_view help = {}) {
  throw Error(ErrorKind::data, std::move(message))
      .at({.source = grid.source, .line = line, .column = 0})
      .with_help(help);
}

void add_row(Grid& grid, const std::string& row, std::int64_t line) {
  const auto width = static_cast<std::int64_t>(row.size());
  if (grid.rows == 0) grid.columns = width;
  if (width != grid.columns) {
    fail(grid, line, cat("this row has ", width, " cells, and the first has ", grid.columns));
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    const char c = row[i];
    if (c != Grid::kWall && !is_mark(c)) {
      fail(grid, line, cat("cell ", i + 1, " is ", shown(c), ", which means nothing on a map"),
           "# is a wall, . floor, S a start, G a goal, T a trap, a to z floor that rewards can "
           "name");
    }
    grid.states_of.push_back(c == Grid::kWall ? -1 : grid.states());
    if (c == Grid::kWall) continue;
    grid.cells.push_back(grid.rows * grid.columns + static_cast<std::int64_t>(i));
    grid.marks += c;
  }
  ++grid.rows;
}

}  // namespace

bool is_mark(char c) {
  return c == Grid::kFloor || c == Grid::kStart || c == Grid::kGoal || c == Grid::kTrap ||
         (c >= 'a' && c <= 'z');
}

std::int64_t Grid::moved(std::int64_t state, std::int64_t direction) const {
  constexpr std::array<std::int64_t, kDirections + 1> kDown = {-1, 0, 1, 0, 0};
  constexpr std::array<std::int64_t, kDirections + 1> kRight = {0, 1, 0, -1, 0};
  const auto d = static_cast<std::size_t>(direction);
  const std::int64_t cell = cells[static_cast<std::size_t>(state)];
  const std::int64_t row = cell / columns + kDown[d], column = cell % columns + kRight[d];
  if (row < 0 || row >= rows || column < 0 || column >= columns) return state;
  const std::int64_t next = states_of[static_cast<std::size_t>(row * columns + column)];
  return next < 0 ? state : next;
}

std::string Grid::place(std::int64_t state) const {
  const std::int64_t cell = cells[static_cast<std::size_t>(state)];
  return cat("row ", cell / columns + 1, ", column ", cell % columns + 1);
}

Grid parse_grid(const std::string& text, const std::string& source) {
  Grid grid;
  grid.source = source;
  std::istringstream lines(text);
  std::string line;
  std::int64_t number = 0, blank = 0;
  while (std::getline(lines, line)) {
    ++number;
    const std::string row = trimmed(line);
    if (row.empty()) {
      if (grid.rows > 0 && blank == 0) blank = number;
      continue;
    }
    if (blank > 0) fail(grid, blank, "an empty line within the map", "a wall is #");
    add_row(grid, row, number);
  }
  if (grid.rows == 0) fail(grid, 0, "the map is empty");
  if (grid.states() == 0) fail(grid, 0, "the map has walls alone: there is no state");
  return grid;
}

std::vector<std::int64_t> moves_to(const Grid& grid, char mark, const std::vector<bool>& terminal) {
  std::vector<std::int64_t> moves(static_cast<std::size_t>(grid.states()), -1);
  std::deque<std::int64_t> open;
  for (std::int64_t s = 0; s < grid.states(); ++s) {
    if (grid.mark(s) != mark) continue;
    moves[static_cast<std::size_t>(s)] = 0;
    open.push_back(s);
  }
  if (open.empty()) fail(grid, 0, cat("no cell is '", mark, "', towards which a reward leads"));
  while (!open.empty()) {
    const std::int64_t s = open.front();
    const std::int64_t far = moves[static_cast<std::size_t>(s)];
    open.pop_front();
    if (far > 0 && terminal[static_cast<std::size_t>(s)]) continue;  // no way leads on
    for (std::int64_t d = 0; d < Grid::kDirections; ++d) {
      const std::int64_t next = grid.moved(s, d);  // a move back leads here
      if (moves[static_cast<std::size_t>(next)] >= 0) continue;
      moves[static_cast<std::size_t>(next)] = far + 1;
      open.push_back(next);
    }
  }
  for (std::int64_t s = 0; s < grid.states(); ++s) {
    const auto i = static_cast<std::size_t>(s);
    if (moves[i] >= 0 || terminal[i]) continue;
    fail(grid, 0, cat("no way leads from ", grid.place(s), " to any '", mark, "'"),
         "wall the cell off with #, or use neither shaping nor progress");
  }
  return moves;
}

}  // namespace saffron::plugins::gridworld
