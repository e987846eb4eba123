#pragma once

#include <saffron/report.h>
#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

// What a distance is blind to, and what it promises. Printed with every result.
//
//   w12 = max { J1(pi) - J1(pi') : J2(pi') >= J2(pi) } / (max J1 - min J1)
//
// is the worst-case regret of going by reward 2 where reward 1 counts (J: expected return).
struct Certificate {
  std::string metric;                     // the one key that it speaks of: "VAL/2-2"
  std::vector<std::string> needs;         // "transitions", "coverage distribution", "policy"
  std::vector<std::string> invariant_to;  // "potential shaping", "positive scaling",
                                          // "S'-redistribution"
  bool pseudometric = false;              // symmetric, triangle inequality, d(R, R) = 0
  bool sound = false;                     // bounds worst-case regret: w12 <= U * d
  bool complete = false;                  // w12 >= L * d where reward 1 is not trivial
  std::optional<double> U, L;             // where known
  double low = 0, high = 0;               // range of the distance; always said
  std::string covers;  // "all policies of this MDP", "the sampled transitions only"
  std::string caveat;  // what it does not cover; "" for nothing
};

// One metric over all ordered pairs of rewards.
struct PairMatrix {
  std::string key;                   // "VAL/2-2": canonicalisation / normalisation-distance
  at::Tensor values;                 // float64 [R, R]; NaN where undefined
  std::vector<std::string> reasons;  // R * R, row-major, empty where defined; or empty altogether
  std::string definition;
  Better better = Better::lower;
};

struct Comparison {
  std::vector<PairMatrix> metrics;
  std::vector<Certificate> certificates;
  std::vector<std::string> degenerate;  // "reward 'zero' is trivial: no policy beats another"
  Report report;                        // further blocks and metrics
};

// Distances between rewards, with their guarantees. It gets all rewards of a world together, so that
// one factorisation serves all. Error (invalid) when the world lacks a capability that it needs;
// Error (numeric) with the condition number when a system is singular. [host thread]
class SAFFRON_EXPORT Comparator {
 public:
  static constexpr const char* kKind = "comparator";
  static constexpr const char* kInterface = "saffron.comparator/1";
  using Interface = Comparator;

  Comparator() = default;
  Comparator(const Comparator&) = delete;
  Comparator& operator=(const Comparator&) = delete;
  virtual ~Comparator();

  [[nodiscard]] virtual Comparison compare(const World& world) = 0;
};

// Capability of a comparator: says before anything runs that it cannot compare in a world.
class SAFFRON_EXPORT ChecksWorld {
 public:
  virtual ~ChecksWorld();
  // Throws as compare() would for want of a capability; looks at no number that the world holds.
  virtual void check(const World& world) const = 0;
};

}  // namespace saffron::inline sdk_v1
