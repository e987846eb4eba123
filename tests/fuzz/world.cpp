#include "plugins/worlds/tabular/tables.h"
#include "tests/fuzz/fuzz.h"

// A tabular world with its rewards: JSON, an npz, or what starts as neither as safetensors.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  const std::string_view input = fuzz::text_of(data, size);
  fuzz::accepts([&] {
    if (input.starts_with('{')) {
      const auto path = fuzz::write("world.json", input);
      (void)TableWorld(plugins::read_json_tables(path), path.string(), "tabular MDP");
    } else {
      const auto path =
          fuzz::write(input.starts_with("PK") ? "world.npz" : "world.safetensors", input);
      (void)TableWorld(plugins::read_tensor_tables(path), path.string(), "tabular MDP");
    }
  });
  return 0;
}
