#pragma once

#include "testing/drivers/compared.h"

#include <saffron/comparator.h>
#include <saffron/testing/checks.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// What the files of comparator checks share: comparator.cpp what holds of every comparison,
// comparator_rewards.cpp what of rewards that are 0, comparator_claims.cpp what certificates promise.

namespace saffron::testing {

// Of distances, relative to max(1, the largest of their matrix): an angle by acos near 0 has half
// of a number's digits.
inline constexpr double kDistanceTolerance = 1e-6;

// A toy world that the comparator takes, and what it says of it.
class CompareBench {
 public:
  explicit CompareBench(const Subject& subject);

  [[nodiscard]] const std::shared_ptr<World>& world() const { return first_.world; }
  [[nodiscard]] const Comparison& found() const { return first_.comparison; }
  [[nodiscard]] const std::vector<std::string>& names() const {
    return first_.world->info().rewards;
  }
  // The number of the toy world's reward of that name.
  [[nodiscard]] std::int64_t reward(const std::string& name) const;
  // By a new instance.
  [[nodiscard]] Comparison compare(const World& world) const;

 private:
  const Subject& subject_;
  Compared first_;
};

// One metric, read easily, and what is promised of it.
class Distances {
 public:
  Distances(const PairMatrix& metric, const Certificate* certificate);
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const Certificate* certificate() const { return certificate_; }
  [[nodiscard]] bool pseudometric() const {
    return certificate_ != nullptr && certificate_->pseudometric;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] double operator()(std::size_t a, std::size_t b) const {
    return values_[a * size_ + b];
  }
  [[nodiscard]] double tolerance() const { return tolerance_; }
  // Equal up to the tolerance, or both undefined.
  [[nodiscard]] bool same(double x, double y) const;

 private:
  std::string key_;
  const Certificate* certificate_;
  std::size_t size_;
  std::vector<double> values_;
  double tolerance_ = kDistanceTolerance;
};

// Those metrics of a comparison of so many rewards that are matrices over them.
[[nodiscard]] std::vector<Distances> distances_of(const Comparison& comparison,
                                                  std::size_t rewards);

// Whether the certificate declares that positive factors do not count.
[[nodiscard]] bool ignores_scale(const Certificate& certificate);

Verdict degenerate_is_reported(const Subject& subject);
Verdict degenerate_names_rewards(const Subject& subject);
Verdict identical_runs_tie(const Subject& subject);
Verdict symmetric(const Subject& subject);
Verdict triangle_inequality(const Subject& subject);
Verdict range_holds(const Subject& subject);
Verdict invariances_hold(const Subject& subject);
Verdict invariances_known(const Subject& subject);
Verdict bounds_ordered(const Subject& subject);
Verdict soundness_holds(const Subject& subject);
Verdict completeness_holds(const Subject& subject);

}  // namespace saffron::testing
