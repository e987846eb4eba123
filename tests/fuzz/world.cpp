#include "plugins/worlds/tabular/tables.h"
#include "tests/fuzz/fuzz.h"

// A tabular world with its rewards: JSON, or what does not start with '{' as safetensors.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  const std::string_view input = fuzz::text_of(data, size);
  fuzz::accepts([&] {
    if (input.starts_with('{')) {
      const auto path = fuzz::write("world.json", input);
      (void)plugins::check_tables(plugins::read_json_tables(path), path.string());
    } else {
      const auto path = fuzz::write("world.safetensors", input);
      (void)plugins::check_tables(plugins::read_safetensors_tables(path), path.string());
    }
  });
  return 0;
}
