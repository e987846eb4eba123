#pragma once

#include "sdk/ops/cpu/screening_unit.h"
#include "tests/sdk/ops/encode_cases.h"

#include <ATen/ops/full.h>

#include <string>

// Screening on every unit that the processor has, by plain loops, and not at all.

namespace saffron::test {

using ops_cpu::ScreeningUnit;

// Those that there are here; "none" is a null one.
inline std::vector<std::string> units() {
  std::vector<std::string> names = {"none", "plain_bf16", "plain_int8"};
  if (ops_cpu::amx_unit() != nullptr) names.emplace_back("amx");
  if (ops_cpu::vnni_unit() != nullptr) names.emplace_back("vnni");
  return names;
}

inline const ScreeningUnit* unit_named(const std::string& name) {
  if (name == "amx") return ops_cpu::amx_unit();
  if (name == "vnni") return ops_cpu::vnni_unit();
  if (name == "plain_bf16") return ops_cpu::plain_bf16_unit();
  return name == "plain_int8" ? ops_cpu::plain_int8_unit() : nullptr;
}

class OnUnit : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ops_cpu::use_screening_unit(unit_named(GetParam())); }
  void TearDown() override { ops_cpu::use_screening_unit(before_); }
  [[nodiscard]] std::uint64_t trials() const {
    return GetParam() == "amx" || GetParam() == "vnni" ? 40 : 12;
  }
  [[nodiscard]] bool screens() const { return GetParam() != "none"; }
  [[nodiscard]] bool int8() const { return GetParam() == "vnni" || GetParam() == "plain_int8"; }

 private:
  const ScreeningUnit* before_ = ops_cpu::screening_unit();
};

#define SAFFRON_ON_UNITS(fixture)                                           \
  INSTANTIATE_TEST_SUITE_P(Unit, fixture, testing::ValuesIn(test::units()), \
                           [](const auto& each) { return each.param; })

// Rows whose last 96 numbers are equal, beside more large ones than a unit keeps apart: what rounding takes
// from them adds up as far as the bound says with latents that are equal there too. These look at the first
// of the large ones only.
inline EncodeCase aligned_case(double others) {
  EncodeCase c;
  c.x = at::full({40, 128}, others).to(at::kFloat);
  c.x.slice(1, 0, 32).fill_(127);
  c.W = at::ones({600, 128});
  c.W.slice(1, 1, 32).zero_();
  c.k = 3;
  return c;
}

}  // namespace saffron::test
