#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins::gridworld {

// The cells of a map that are no walls, as states in reading order.
struct Grid {
  static constexpr char kWall = '#', kFloor = '.', kStart = 'S', kGoal = 'G', kTrap = 'T';
  static constexpr std::int64_t kDirections = 4;  // up, right, down, left: a quarter turn apart
  static constexpr std::int64_t kStay = kDirections;

  std::string source;  // "map", or the file, for messages
  std::int64_t rows = 0, columns = 0;
  std::string marks;                    // the character of each state
  std::vector<std::int64_t> cells;      // of each state, row * columns + column
  std::vector<std::int64_t> states_of;  // of each cell; -1 is a wall

  [[nodiscard]] std::int64_t states() const { return static_cast<std::int64_t>(cells.size()); }
  [[nodiscard]] char mark(std::int64_t s) const { return marks[static_cast<std::size_t>(s)]; }
  // Where a move leads: to the next cell, or nowhere where that is a wall or outside.
  [[nodiscard]] std::int64_t moved(std::int64_t state, std::int64_t direction) const;
  // "row 2, column 3", from 1.
  [[nodiscard]] std::string place(std::int64_t state) const;
};

// Marks that a map may have beside walls: . S G T and a to z.
[[nodiscard]] bool is_mark(char c);

// Throws Error (data) with line and column.
[[nodiscard]] Grid parse_grid(const std::string& text, const std::string& source);

// Moves from each state to the nearest cell of that mark, not through terminal ones. Error (data) where
// there is no such cell, or no way from some state; those that are terminal themselves need none (-1).
[[nodiscard]] std::vector<std::int64_t> moves_to(const Grid& grid, char mark,
                                                 const std::vector<bool>& terminal);

}  // namespace saffron::plugins::gridworld
