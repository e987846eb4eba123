// saffron_read_activations FOLDER OUT: all rows of the folder's streams, in the order of the files,
// with their origin, as one safetensors file. How tests/peers sees what our reader made of a folder.

#include "plugins/sources/activations/activations.h"
#include "tests/plugins/sources/fakes.h"

#include <saffron/io.h>

#include <cstdio>
#include <limits>

int main(int count, char** arguments) {
  if (count != 3) {
    std::fputs("usage: saffron_read_activations FOLDER OUT\n", stderr);
    return 2;
  }
  try {
    saffron::plugins::Activations::Options options;
    options.path.value = arguments[1];
    options.shuffle = false;
    options.block_rows = std::numeric_limits<std::int64_t>::max();
    const saffron::source_test::FakeContext context;
    saffron::plugins::Activations source(options, context);
    const saffron::ActivationRows rows = source.block(0);
    saffron::NamedTensors tensors;
    for (std::size_t i = 0; i < rows.streams.size(); ++i) {
      tensors.emplace_back(source.streams()[i].name, rows.streams[i]);
    }
    if (rows.origin.defined()) tensors.emplace_back("origin", rows.origin);
    saffron::write_safetensors(arguments[2], tensors);
  } catch (const saffron::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
