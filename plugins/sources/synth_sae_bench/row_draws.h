#pragma once

#include <saffron/random.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

namespace saffron::plugins::synth {

// The draws of one row one after another, as many as it needs: word j is word j mod 4 of
// philox(key, row, j / 4). Uniforms are (word + 1/2) 2^-32.
class RowDraws {
 public:
  RowDraws(std::uint64_t key, std::uint64_t row) : key_(key), row_(row) {}

  double uniform() {
    if (word_ == words_.size()) {
      words_ = philox(key_, row_, block_++);
      word_ = 0;
    }
    return (static_cast<double>(words_[word_++]) + 0.5) * 0x1p-32;
  }
  double exponential() { return -std::log(uniform()); }
  // Box and Muller 1958; the second of a pair is kept.
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(2 * exponential());
    const double angle = 2 * std::numbers::pi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  std::uint64_t key_, row_, block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  std::size_t word_ = 4;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace saffron::plugins::synth
