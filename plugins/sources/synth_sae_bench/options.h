#pragma once

#include <saffron/schema.h>

#include <cstdint>

// What the generator is made from. Defaults are those of SynthSAEBench-16k.

namespace saffron::plugins::synth {

struct Firing {
  double exponent = 0.5;
  double maximum = 0.4;
  double minimum = 5e-4;
  static Schema<Firing> schema();
};

// Trees of one shape, numbered breadth first: roots are features 0 .. roots - 1, the children of
// feature i are roots + branching i + (0 .. branching - 1), and features past the last leaf stand
// alone.
struct Hierarchy {
  std::int64_t roots = 128;
  std::int64_t branching = 4;
  std::int64_t depth = 3;
  double exclusive = 1;
  std::int64_t exclusive_from = 0;
  bool compensate = true;
  bool scale_children = true;
  static Schema<Hierarchy> schema();

  [[nodiscard]] std::int64_t nodes() const { return count(depth); }        // saturates at 2^31
  [[nodiscard]] std::int64_t parents() const { return count(depth - 1); }  // nodes with children
  [[nodiscard]] std::int64_t first_child(std::int64_t i) const { return roots + branching * i; }
  [[nodiscard]] std::int64_t parent(std::int64_t i) const { return (i - roots) / branching; }
  [[nodiscard]] std::int64_t count(std::int64_t down_to) const;  // nodes of depth 0 .. down_to
};

struct Correlation {
  std::int64_t rank = 25;
  double scale = 0.1;
  static Schema<Correlation> schema();
};

struct Orthogonalization {
  std::int64_t steps = 100;
  double lr = 3e-4;
  static Schema<Orthogonalization> schema();
};

struct Magnitude {
  double first = 5;
  double last = 4;
  double deviation = 0.5;
  double deviation_spread = 0.5;
  static Schema<Magnitude> schema();
};

struct Options {
  std::int64_t features = 16'384;
  std::int64_t width = 768;
  Firing firing;
  Hierarchy hierarchy;
  Correlation correlation;
  Orthogonalization orthogonalization;
  Magnitude magnitude;
  double bias = 0.5;
  std::int64_t model_seed = 42;
  std::int64_t block_rows = 1024;
  static Schema<Options> schema();
};

}  // namespace saffron::plugins::synth
