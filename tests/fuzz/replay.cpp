#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

// Where libFuzzer is not: runs a target on every file of its corpus and on damaged copies of them,
// the same ones each time. No coverage guides it; it holds what fuzzing has found and made sound.
//
// usage: fuzz_NAME FILE-OR-FOLDER... [--mutations N] [--seconds S]

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Seed {
  std::string name, bytes;
};

// What runs now, for the message of a crash.
char current[512] = "";
std::string input;
constexpr const char* kFinding = "finding.bin";

void say(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) ::_exit(70);
}

// Only async-signal-safe calls: the heap may be what broke.
void say_input() {
  const int file = ::open(kFinding, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const bool kept = file >= 0 && ::write(file, input.data(), input.size()) >= 0;
  say("\nfuzz: a finding with ");
  say(current);
  say(kept ? "; the input is in " : "; the input could not be written to ");
  say(kFinding);
  say("\n");
}

extern "C" void on_signal(int signal) {
  say_input();
  std::signal(signal, SIG_DFL);
  ::raise(signal);
}

void catch_crashes() {
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(say_input);
    std::signal(SIGABRT, on_signal);
    return;
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    std::signal(signal, on_signal);
  }
}

std::vector<Seed> read_corpus(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(path)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Seed> seeds;
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + file.string());
    seeds.push_back({file.filename().string(), {std::istreambuf_iterator<char>(in), {}}});
  }
  return seeds;
}

class Mutator {
 public:
  Mutator(const std::vector<Seed>& seeds, std::uint64_t seed) : seeds_(seeds), random_(seed) {}

  std::string mutate(std::string bytes) {
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) edit(bytes);
    return bytes;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  // Half of the time near the start, where a format has its structure.
  std::size_t place(const std::string& bytes) {
    constexpr std::size_t kHead = 256;
    return below(below(2) != 0 ? std::min(kHead, bytes.size()) : bytes.size());
  }

  std::string chunk(const std::string& from) {
    return from.substr(below(from.size()), 1 + below(below(8) == 0 ? 1024 : 32));
  }

  void edit(std::string& bytes) {
    if (bytes.empty()) bytes = "\n";
    const std::size_t at = place(bytes);
    switch (below(9)) {
      case 0: bytes[at] = static_cast<char>(random_()); break;
      case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8))); break;
      case 2: bytes.resize(at); break;
      case 3: bytes.erase(at, 1 + below(16)); break;
      case 4: bytes.insert(at, chunk(bytes)); break;
      case 5: bytes.insert(at, chunk(seeds_[below(seeds_.size())].bytes)); break;
      case 6: {  // the rest of another file
        const std::string& other = seeds_[below(seeds_.size())].bytes;
        bytes.replace(at, bytes.npos, other.substr(below(other.size())));
        break;
      }
      case 7: {  // a number at an edge of its range
        constexpr std::uint64_t kEdges[] = {0,          1,           ~0ull,      1ull << 63,
                                            0x7FFFFFFF, 0xFFFFFFFFu, ~0ull >> 1, 1ull << 32};
        std::uint64_t edge = kEdges[below(std::size(kEdges))] + below(3) - 1;
        const std::size_t width = std::min<std::size_t>(std::size_t{1} << below(4), bytes.size());
        std::memcpy(bytes.data() + std::min(at, bytes.size() - width), &edge, width);
        break;
      }
      default: {  // the same in digits
        constexpr const char* kNumbers[] = {"0", "-1", "1e999", "9223372036854775808", "NaN",
                                            "[", "{",  "\"",    "4294967295",          "null"};
        bytes.replace(at, below(4), kNumbers[below(std::size(kNumbers))]);
      }
    }
  }

  const std::vector<Seed>& seeds_;
  std::mt19937_64 random_;
};

void run(const std::string& bytes, const std::string& what) {
  std::snprintf(current, sizeof current, "%s", what.c_str());
  input = bytes;
  // As long as its content, so that the sanitizers see a byte read past the end.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

int replay(const std::vector<std::string>& paths, std::size_t mutations, double seconds) {
  const std::vector<Seed> seeds = read_corpus(paths);
  if (seeds.empty()) {
    std::cerr << "the corpus is empty\n";
    return 2;
  }
  for (const Seed& seed : seeds) run(seed.bytes, seed.name);
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  std::size_t done = 0, round = 0;
  // Round by round, so that a slow machine still damages every file.
  for (; round < mutations && Clock::now() < end; ++round) {
    for (std::size_t i = 0; i < seeds.size(); ++i, ++done) {
      Mutator mutator(seeds, (round << 16) + i);
      run(mutator.mutate(seeds[i].bytes), seeds[i].name + ", mutation " + std::to_string(round));
    }
  }
  std::cout << seeds.size() << " files, " << done << " mutations\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> paths;
  std::size_t mutations = 2000;
  double seconds = 3;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--mutations" && i + 1 < argc) {
      mutations = std::stoul(argv[++i]);
    } else if (word == "--seconds" && i + 1 < argc) {
      seconds = std::stod(argv[++i]);
    } else {
      paths.push_back(word);
    }
  }
  catch_crashes();
  try {
    return replay(paths, mutations, seconds);
  } catch (const std::exception& error) {
    std::cerr << "fuzz: " << error.what() << "\n";
    say_input();
    return 1;
  }
}
