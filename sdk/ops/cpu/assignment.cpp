#include <saffron/ops.h>

#include "ops/cpu/vector.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <limits>
#include <vector>

// Jonker and Volgenant 1987, "A shortest augmenting path algorithm for dense and sparse linear
// assignment problems", for n <= m as in Crouse 2016, "On implementing 2D rectangular assignment
// algorithms". The cost is -score, in float64. Duals hold u[i] + v[j] <= cost[i, j], with equality
// on assigned pairs, v <= 0, and v = 0 for columns that no row has.

namespace saffron::inline sdk_v1::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kNone = -1;

// Smallest of cost[j] - v[j].
SAFFRON_CLONES double smallest_reduced(std::int64_t m, const double* cost, const double* v) {
  double lanes[8] = {kInfinity, kInfinity, kInfinity, kInfinity,
                     kInfinity, kInfinity, kInfinity, kInfinity};
  std::int64_t j = 0;
  for (; j + 8 <= m; j += 8) {
    for (int l = 0; l < 8; ++l) {
      const double r = cost[j + l] - v[j + l];
      lanes[l] = r < lanes[l] ? r : lanes[l];
    }
  }
  double least = kInfinity;
  for (; j < m; ++j) least = std::min(least, cost[j] - v[j]);
  for (const double lane : lanes) least = std::min(least, lane);
  return least;
}

// One step of Dijkstra from a row: distance[j] = min(distance[j], cost[j] - v[j] + base) over open
// columns (closed[j] is 0 or infinity), from[j] = row where it fell. Returns the smallest distance
// of an open column.
SAFFRON_CLONES double relax(std::int64_t m, const double* cost, const double* v, double base,
                            std::int64_t row, const double* closed, double* distance,
                            std::int64_t* from) {
  double lanes[8] = {kInfinity, kInfinity, kInfinity, kInfinity,
                     kInfinity, kInfinity, kInfinity, kInfinity};
  std::int64_t j = 0;
  for (; j + 8 <= m; j += 8) {
    for (int l = 0; l < 8; ++l) {
      const double r = cost[j + l] - v[j + l] + base + closed[j + l];
      const bool nearer = r < distance[j + l];
      distance[j + l] = nearer ? r : distance[j + l];
      from[j + l] = nearer ? row : from[j + l];
      const double open = distance[j + l] + closed[j + l];
      lanes[l] = open < lanes[l] ? open : lanes[l];
    }
  }
  double least = kInfinity;
  for (; j < m; ++j) {
    const double r = cost[j] - v[j] + base + closed[j];
    if (r < distance[j]) {
      distance[j] = r;
      from[j] = row;
    }
    least = std::min(least, distance[j] + closed[j]);
  }
  for (const double lane : lanes) least = std::min(least, lane);
  return least;
}

class Assignment {
 public:
  Assignment(const double* cost, std::int64_t n, std::int64_t m)
      : cost_(cost),
        n_(n),
        m_(m),
        u_(size(n)),
        v_(size(m)),
        column_of_(size(n), kNone),
        row_of_(size(m), kNone),
        closed_(size(m)),
        distance_(size(m)),
        from_(size(m)) {}

  void solve(std::int64_t* assignment) {
    std::vector<std::int64_t> free_rows(size(n_));
    for (std::int64_t i = 0; i < n_; ++i) free_rows[size(i)] = i;
    for (int pass = 0; pass < 2; ++pass) free_rows = reduce(free_rows);
    for (const std::int64_t row : free_rows) augment(row);
    std::copy(column_of_.begin(), column_of_.end(), assignment);
  }

 private:
  static std::size_t size(std::int64_t i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] const double* costs(std::int64_t row) const { return cost_ + row * m_; }

  // Augmenting row reduction: each row takes its cheapest column and lowers that column's dual
  // until its second cheapest is as good. A row that loses its column tries again, but only while
  // the duals move, so that ties end. Returns the rows left without a column.
  std::vector<std::int64_t> reduce(const std::vector<std::int64_t>& rows) {
    std::vector<std::int64_t> left;
    for (const std::int64_t first : rows) {
      std::int64_t row = first;
      while (row != kNone) {
        const auto [best, least, second] = two_smallest(row);
        u_[size(row)] = second;
        const bool moved = v_[size(best)] + (least - second) < v_[size(best)];
        if (moved) v_[size(best)] += least - second;
        const std::int64_t loser = row_of_[size(best)];
        if (!moved && loser != kNone) {
          left.push_back(row);
          break;
        }
        assign(row, best);
        row = loser;
        if (row != kNone) column_of_[size(row)] = kNone;
      }
    }
    return left;
  }

  struct Two {
    std::int64_t best;
    double least, second;
  };
  // The column with the smallest reduced cost of a row, and the two smallest such costs.
  [[nodiscard]] Two two_smallest(std::int64_t row) {
    const double* c = costs(row);
    const double least = smallest_reduced(m_, c, v_.data());
    std::int64_t best = 0;
    while (c[best] - v_[size(best)] != least) ++best;
    const double kept = v_[size(best)];
    v_[size(best)] = -kInfinity;
    const double second = m_ > 1 ? smallest_reduced(m_, c, v_.data()) : least;
    v_[size(best)] = kept;
    return {best, least, second};
  }

  void assign(std::int64_t row, std::int64_t column) {
    column_of_[size(row)] = column;
    row_of_[size(column)] = row;
  }

  // Shortest augmenting path from a row without a column.
  void augment(std::int64_t start) {
    std::fill(closed_.begin(), closed_.end(), 0.0);
    std::fill(distance_.begin(), distance_.end(), kInfinity);
    scanned_.clear();
    u_[size(start)] = smallest_reduced(m_, costs(start), v_.data());
    std::int64_t row = start, end = kNone;
    double reached = 0;
    while (end == kNone) {
      const double base = reached - u_[size(row)];
      reached = relax(m_, costs(row), v_.data(), base, row, closed_.data(), distance_.data(),
                      from_.data());
      const std::int64_t column = nearest_open(reached);
      closed_[size(column)] = kInfinity;
      if (row_of_[size(column)] == kNone) {
        end = column;
      } else {
        scanned_.push_back(column);
        row = row_of_[size(column)];
      }
    }
    u_[size(start)] += reached;
    for (const std::int64_t column : scanned_) {
      const double change = reached - distance_[size(column)];
      u_[size(row_of_[size(column)])] += change;
      v_[size(column)] -= change;
    }
    for (std::int64_t column = end, last = kNone; last != start;) {
      last = from_[size(column)];
      const std::int64_t next = column_of_[size(last)];
      assign(last, column);
      column = next;
    }
  }

  // The open column at this distance; one without a row if there is any, then the first.
  [[nodiscard]] std::int64_t nearest_open(double distance) const {
    std::int64_t found = kNone;
    for (std::int64_t j = 0; j < m_; ++j) {
      if (distance_[size(j)] + closed_[size(j)] != distance) continue;
      if (row_of_[size(j)] == kNone) return j;
      if (found == kNone) found = j;
    }
    return found;
  }

  const double* cost_;
  std::int64_t n_, m_;
  std::vector<double> u_, v_;
  std::vector<std::int64_t> column_of_, row_of_;
  std::vector<double> closed_, distance_;  // of one augmentation
  std::vector<std::int64_t> from_, scanned_;
};

}  // namespace

at::Tensor assign_maximum(const at::Tensor& score) {
  if (score.dim() != 2 || score.size(0) > score.size(1)) {
    throw Error(cat("assign_maximum: score ", score.sizes(), " is not [n, m] with n <= m"));
  }
  const at::Tensor cost = score.detach().to(at::kCPU, at::kDouble).neg().contiguous();
  if (!at::isfinite(cost).all().item<bool>()) {
    throw Error(ErrorKind::numeric, "assign_maximum: a score is not finite");
  }
  at::Tensor assignment = at::empty({score.size(0)}, at::TensorOptions().dtype(at::kLong));
  Assignment(cost.const_data_ptr<double>(), score.size(0), score.size(1))
      .solve(assignment.mutable_data_ptr<std::int64_t>());
  return assignment;
}

}  // namespace saffron::inline sdk_v1::ops
