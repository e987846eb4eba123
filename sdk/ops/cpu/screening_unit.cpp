#include "ops/cpu/screening_unit.h"

#include <atomic>

namespace saffron::ops_cpu {
namespace {

std::atomic<const ScreeningUnit*>& in_use() {
  static std::atomic<const ScreeningUnit*> unit = amx_unit() != nullptr ? amx_unit() : vnni_unit();
  return unit;
}

}  // namespace

const ScreeningUnit* screening_unit() { return in_use().load(std::memory_order_relaxed); }
void use_screening_unit(const ScreeningUnit* unit) { in_use() = unit; }

}  // namespace saffron::ops_cpu
