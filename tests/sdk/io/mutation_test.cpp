#include "io_testing.h"

#include <saffron/value.h>

#include <random>

// Valid files, damaged at random: every reader must either read them or throw Error, and never
// touch a byte outside the buffer (which the sanitizer build sees: each buffer is exactly as long
// as its content).

namespace saffron::io_test {
namespace {

constexpr int kRounds = 3000;

std::string mutate(const std::string& valid, std::size_t head, std::mt19937_64& random) {
  std::string bytes = valid;
  const auto below = [&](std::size_t limit) { return random() % limit; };
  for (std::size_t edits = 1 + below(4); edits > 0 && !bytes.empty(); --edits) {
    // Mostly in the directory at the start, where the structure is.
    const std::size_t place = below(below(4) ? std::min(head, bytes.size()) : bytes.size());
    switch (below(6)) {
      case 0: bytes[place] = static_cast<char>(random()); break;
      case 1: bytes[place] ^= static_cast<char>(1 << below(8)); break;
      case 2: bytes.resize(place); break;
      case 3: bytes.erase(place, 1 + below(16)); break;
      case 4: bytes.insert(place, bytes.substr(below(bytes.size()), 1 + below(32))); break;
      default: {  // a number at the edge of its range
        const std::uint64_t edges[] = {0, ~std::uint64_t{0}, std::uint64_t{1} << 63, 0x7FFFFFFF};
        const std::string edge = raw(edges[below(4)]);
        bytes.replace(place, std::min(edge.size(), bytes.size() - place), edge);
      }
    }
  }
  return bytes;
}

// Rounds in which `use` accepted the damaged bytes; whatever it throws must be an Error of data.
template <class Use>
int survived(const std::string& valid, std::size_t head, const Use& use) {
  use(valid);
  std::mt19937_64 random(7);
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string damaged = mutate(valid, head, random);
    const std::vector<char> exact(damaged.begin(), damaged.end());
    try {
      use(std::string_view(exact.data(), exact.size()));
      ++accepted;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
    }
  }
  return accepted;
}

ByteView view(std::string_view bytes) { return {std::as_bytes(std::span(bytes)), nullptr}; }

// Reads every tensor that can be read; an unsupported dtype does not stop the others.
void read_all(const TensorReader& reader) {
  for (const TensorInfo& info : reader.tensors()) {
    try {
      const at::Tensor tensor = reader.tensor(info.name);
      if (tensor.dim() > 0) (void)reader.rows(info.name, tensor.size(0) / 2, tensor.size(0) / 4);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
    }
  }
}

TEST(Mutations, SafetensorsNeverCrashes) {
  const int accepted =
      survived(read_text(fixture("all_dtypes.safetensors")), 1216,
               [](std::string_view bytes) { read_all(SafetensorsFile::parse(view(bytes), "x")); });
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, kRounds);
}

TEST(Mutations, SafetensorsWithUnknownKeysNeverCrashes) {
  const std::string json =
      R"({"__metadata__":{"a":"b","c":"d"},"t":{"x":{"y":[1,[{}],null]},"dtype":"BOOL","z":[],)"
      R"("shape":[2],"data_offsets":[0,2]},"u":{"dtype":"Q","shape":[],"data_offsets":[2,3]}})";
  const std::string valid = raw(std::uint64_t{json.size()}) + json + std::string(3, '\1');
  const int accepted = survived(valid, valid.size(), [](std::string_view bytes) {
    read_all(SafetensorsFile::parse(view(bytes), "x"));
  });
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, kRounds);
}

TEST(Mutations, JsonNeverCrashesAndRoundTrips) {
  const std::string valid =
      R"({"a": [1, -2.5e3, true, null, "\u00fc\n"], "b": {"c": {}, "d": [[], [{}]]}})";
  const int accepted = survived(valid, valid.size(), [](std::string_view bytes) {
    const Value value = from_json(bytes, "x");
    EXPECT_EQ(from_json(to_json(value, JsonStyle::pretty), "y"), value);
  });
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, kRounds);
}

TEST(Mutations, GgufNeverCrashes) {
  const int accepted = survived(read_text(fixture("types.gguf")), 1600, [](std::string_view bytes) {
    const auto file = GgufFile::parse(view(bytes), "x");
    for (const GgufEntry& entry : file.metadata()) {
      try {
        if (entry.type == GgufType::array && entry.element == GgufType::string) {
          (void)file.texts(entry.key);
        } else if (entry.type == GgufType::array) {
          (void)file.reals(entry.key);
        } else if (entry.type == GgufType::string) {
          (void)file.text(entry.key);
        } else {
          (void)file.real(entry.key);
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
      }
    }
    read_all(file);
  });
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, kRounds);
}

TEST(Mutations, NpyNeverCrashes) {
  for (const char* name : {"npy/fortran.npy", "npy/version2.npy", "npy/b1.npy"}) {
    const int accepted = survived(read_text(fixture(name)), 128, [](std::string_view bytes) {
      (void)read_npy(view(bytes), "x").contiguous();
    });
    EXPECT_GT(accepted, 0);
    EXPECT_LT(accepted, kRounds);
  }
}

}  // namespace
}  // namespace saffron::io_test
