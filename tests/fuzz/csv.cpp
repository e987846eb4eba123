#include "plugins/worlds/preferences/preferences.h"
#include "tests/fuzz/fuzz.h"

// A table of scores.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  plugins::Preferences::Options options;
  options.path.value = fuzz::write("scores.csv", fuzz::text_of(data, size)).string();
  fuzz::accepts([&] { (void)plugins::Preferences(options); });
  return 0;
}
