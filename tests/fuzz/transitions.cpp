#include "plugins/worlds/transitions/transitions.h"
#include "tests/fuzz/fuzz.h"

// Sampled transitions with their rewards: an npz, or what does not start as one as safetensors.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  const std::string_view input = fuzz::text_of(data, size);
  plugins::SampledTransitions::Options options;
  options.gamma = 0.9;
  options.path.value =
      fuzz::write(input.starts_with("PK") ? "sample.npz" : "sample.safetensors", input).string();
  fuzz::accepts([&] {
    const plugins::SampledTransitions world(options);
    (void)world.evaluate(0, world.states(), world.actions(), world.next_states());
  });
  return 0;
}
