// saffron_synth_rows OPTIONS OUT BLOCKS [SEED]: the generator of `synth_sae_bench` with these
// options (a JSON file): its constants, the coefficients of the first blocks and the rows of block
// 0, as one safetensors file. How tests/peers sees them.
//
// saffron_synth_rows OPTIONS --time THREADS: makes a block for every line of the standard input and
// answers with the seconds that it took; the first answer is what the features took.

#include "plugins/sources/synth_sae_bench/synth_sae_bench.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/testing/fake_context.h>
#include <saffron/value.h>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

namespace {

using saffron::plugins::SynthSaeBench;

SynthSaeBench::Options read_options(const char* path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  SynthSaeBench::Options options;
  saffron::Decoded decoded;
  SynthSaeBench::schema().decode(saffron::from_json(text, path), &options, decoded);
  for (const saffron::Problem& problem : decoded.problems) throw saffron::Error(problem.message);
  return options;
}

void write(SynthSaeBench& source, const char* path, std::int64_t blocks) {
  const saffron::plugins::synth::FeatureModel& model = source.model();
  std::vector<at::Tensor> coefficients;
  for (std::int64_t b = 0; b < blocks; ++b) coefficients.push_back(source.coefficients(b));
  saffron::write_safetensors(path, {{"probabilities", at::tensor(model.probabilities, at::kDouble)},
                                    {"mean", at::tensor(model.mean, at::kDouble)},
                                    {"deviation", at::tensor(model.deviation, at::kDouble)},
                                    {"factor", model.factor},
                                    {"features", source.features(0)},
                                    {"bias", source.bias()},
                                    {"rows", source.block(0).streams.at(0)},
                                    {"coefficients", at::cat(coefficients)}});
}

template <class Work>
void answer(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.6f\n", seconds.count());
  std::fflush(stdout);
}

void serve(SynthSaeBench& source, int threads) {
  at::set_num_threads(threads);
  answer([&] { (void)source.features(0); });
  std::int64_t block = 0;
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') answer([&] { (void)source.block(block++); });
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) {
    std::fputs("usage: saffron_synth_rows OPTIONS OUT BLOCKS [SEED] | OPTIONS --time THREADS\n",
               stderr);
    return 2;
  }
  try {
    const std::uint64_t seed = count > 4 ? std::stoull(arguments[4]) : 1;
    const saffron::testing::FakeContext context(seed);
    SynthSaeBench source(read_options(arguments[1]), context);
    const std::string out = arguments[2];
    if (out == "--time") {
      serve(source, std::stoi(arguments[3]));
    } else {
      write(source, arguments[2], std::stoll(arguments[3]));
    }
  } catch (const saffron::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
