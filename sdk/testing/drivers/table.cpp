#include "testing/drivers/kinds.h"

#include <string_view>

namespace saffron::testing {

const KindDriver* find_driver(std::string_view kind) {
  for (const KindDriver* driver :
       {&kRegularizerDriver, &kObjectiveDriver, &kSaeDriver, &kSourceDriver, &kDatasetDriver,
        &kModelDriver, &kTokenizerDriver, &kScorerDriver, &kWorldDriver, &kComparatorDriver,
        &kFormatDriver, &kExplainerDriver, &kJudgeDriver}) {
    if (kind == driver->kind) return driver;
  }
  return nullptr;
}

}  // namespace saffron::testing
