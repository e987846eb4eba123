// Megabytes of text a second through SmolLM2's tokenizer, on one thread: prose that repeats itself,
// the same with no piece remembered from before, and text whose pieces never repeat.

#include <saffron/byte_bpe.h>
#include <saffron/io.h>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>

namespace {

const std::string kModel = SAFFRON_SOURCE_DIR "/models/SmolLM2-135M-Instruct.Q4_1.gguf";

std::string prose() {
  return saffron::read_text(SAFFRON_SOURCE_DIR "/data/king_james_bible.txt").substr(0, 1 << 20);
}

// Words of 1 to 12 random letters (a linear congruential generator: Knuth's MMIX).
std::string noise() {
  std::string text;
  std::uint64_t state = 7;
  const auto draw = [&](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  while (text.size() < (1 << 20)) {
    for (std::uint64_t n = 1 + draw(12); n > 0; --n) text += static_cast<char>('a' + draw(26));
    text += ' ';
  }
  return text;
}

void count(benchmark::State& state, const std::string& text) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void prose_warm(benchmark::State& state) {
  const auto tokenizer = saffron::byte_bpe_from_gguf(saffron::GgufFile::open(kModel));
  const std::string text = prose();
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(text, false));
  count(state, text);
}
BENCHMARK(prose_warm)->Unit(benchmark::kMillisecond);

void prose_cold(benchmark::State& state) {
  const std::string text = prose();
  for (auto _ : state) {
    state.PauseTiming();
    const auto tokenizer = saffron::byte_bpe_from_gguf(saffron::GgufFile::open(kModel));
    state.ResumeTiming();
    benchmark::DoNotOptimize(tokenizer->encode(text, false));
  }
  count(state, text);
}
BENCHMARK(prose_cold)->Unit(benchmark::kMillisecond);

void random_words(benchmark::State& state) {
  const auto tokenizer = saffron::byte_bpe_from_gguf(saffron::GgufFile::open(kModel));
  const std::string text = noise();
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(text, false));
  count(state, text);
}
BENCHMARK(random_words)->Unit(benchmark::kMillisecond);

void open_model(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(saffron::byte_bpe_from_gguf(saffron::GgufFile::open(kModel)));
  }
}
BENCHMARK(open_model)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
