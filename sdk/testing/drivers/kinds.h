#pragma once

#include "testing/driver.h"

// One driver a kind; table.cpp lists them.

namespace saffron::testing {

extern const KindDriver kRegularizerDriver, kObjectiveDriver, kSaeDriver, kSourceDriver,
    kDatasetDriver, kModelDriver, kTokenizerDriver, kScorerDriver, kWorldDriver, kComparatorDriver,
    kFormatDriver, kExplainerDriver, kJudgeDriver;

}  // namespace saffron::testing
