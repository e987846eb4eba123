#include "plugins/sources/model_activations/content_key.h"
#include "tests/plugins/sources/model_activations/support.h"

#include <saffron/io.h>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <set>

namespace saffron::source_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Cached : testing::Test {
  Cached() {
    bench.options.centre = Centring::mean;
    bench.options.scale = Scaling::sqrt_d;
    bench.options.normalise_contexts = 5;
    plain = bench.make()->block(1);
    bench.options.cache.value = (folder / "cache").string();
  }

  // The folder of the one key that there is.
  fs::path key() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder / "cache")) found.push_back(entry);
    EXPECT_EQ(found.size(), 1u);
    return found.at(0);
  }
  fs::path file() const { return key() / "block-00000001.safetensors"; }
  std::vector<std::string> warnings() { return log.lines[LogLevel::warning]; }

  // Expects the right block after `spoil` changed the file, one warning, and the file mended.
  void expect_recovery(const std::function<void(const fs::path&)>& spoil,
                       const std::string& warning) {
    (void)bench.make()->block(1);
    const std::string good = read_text(file());
    spoil(file());
    ASSERT_NE(read_text(file()), good);
    log.lines.clear();
    EXPECT_TRUE(identical(bench.make()->block(1), plain));
    ASSERT_EQ(warnings().size(), 1u);
    EXPECT_THAT(warnings()[0], HasSubstr("block-00000001.safetensors anew: "));
    EXPECT_THAT(warnings()[0], HasSubstr(warning));
    EXPECT_EQ(read_text(file()), good);
  }

  Bench bench;
  TemporaryFolder folder;
  ActivationRows plain;
  LogRecord log;
};

TEST_F(Cached, RowsAreTheSameBitsWithAndWithoutAndTheModelRestsTheSecondTime) {
  EXPECT_TRUE(identical(bench.make()->block(1), plain));
  bench.model->contexts = 0;
  EXPECT_TRUE(identical(bench.make()->block(1), plain));
  EXPECT_EQ(bench.model->contexts, 4);  // the probe for the key, not the block or the sample
  EXPECT_TRUE(warnings().empty());
}

TEST_F(Cached, FilesHoldRawRowsWithTheirOrigin) {
  (void)bench.make()->block(1);
  const SafetensorsFile held = SafetensorsFile::open(file());
  EXPECT_EQ(*held.metadata("format"), "saffron-activations/1");
  ActivationRows rows;
  for (const std::string& site : bench.options.sites) rows.streams.push_back(held.tensor(site));
  rows.origin = held.tensor("origin");
  expect_raw(bench, rows);
  EXPECT_TRUE(identical(rows.origin, plain.origin));
  EXPECT_EQ(held.tensor("tokens")[0][3].item<std::int64_t>(), bench.dataset->token(4, 3));
  const Value index = from_json(read_text(key() / "index.json"), "index.json");
  EXPECT_EQ(index.at("format").as_string(), "saffron-activations/1");
  EXPECT_THAT(index.at("description").as_string(), HasSubstr("Fake (exact) over counted tokens"));
}

TEST_F(Cached, NormalisationDoesNotChangeTheKey) {
  (void)bench.make()->block(1);
  bench.options.scale = Scaling::unit_norm;
  bench.model->contexts = 0;
  (void)bench.make()->block(1);
  EXPECT_EQ(bench.model->contexts, 4);
  EXPECT_TRUE(fs::exists(file()));
}

TEST_F(Cached, WhatChangesTheRowsChangesTheKey) {
  const auto folders = [&] {
    (void)bench.make()->block(1);
    return std::distance(fs::directory_iterator(folder / "cache"), fs::directory_iterator());
  };
  EXPECT_EQ(folders(), 1);
  bench.options.skip_first = 2;
  EXPECT_EQ(folders(), 2);
  bench.options.block_contexts = 3;
  EXPECT_EQ(folders(), 3);
  bench.options.batch_contexts = 2;
  EXPECT_EQ(folders(), 4);
  bench.options.sites = {"embed"};
  EXPECT_EQ(folders(), 5);
  bench.options.dtype = ModelActivations::Precision::bfloat16;
  EXPECT_EQ(folders(), 6);
  bench.model->gain = 1.5;  // other weights under the same name
  EXPECT_EQ(folders(), 7);
  bench.dataset->shift = 1;
  EXPECT_EQ(folders(), 8);
  EXPECT_EQ(folders(), 8);
}

TEST_F(Cached, TruncatedFileIsMadeAnew) {
  expect_recovery([](const fs::path& path) { fs::resize_file(path, fs::file_size(path) - 1); }, "");
}

TEST_F(Cached, EmptyFileIsMadeAnew) {
  expect_recovery([](const fs::path& path) { fs::resize_file(path, 0); }, "");
}

TEST_F(Cached, FlippedBitIsMadeAnew) {
  expect_recovery(
      [](const fs::path& path) {
        const SafetensorsFile held = SafetensorsFile::open(path);
        std::fstream bytes(path, std::ios::binary | std::ios::in | std::ios::out);
        const auto at = static_cast<std::streamoff>(held.info("layers.1.mlp_out").offset);
        bytes.seekg(at);
        const char byte = static_cast<char>(bytes.get() ^ 1);
        bytes.seekp(at);
        bytes.put(byte);
      },
      "does not have the digest that it was written with");
}

TEST_F(Cached, FileOfAnotherFormIsMadeAnew) {
  expect_recovery(
      [&](const fs::path& path) {
        write_safetensors(path, {{"layers.0.resid_post", plain.streams[0].to(at::kHalf)}});
      },
      "tensor 'layers.0.resid_post' is Half [20, 4]");
}

// A dataset of more rows than the key's sample has.
struct CachedAtLength : Cached {
  CachedAtLength() {
    bench.dataset = std::make_shared<FakeDataset>(80, 6);
    bench.options.dataset = Ref<Dataset>("text", bench.dataset);
  }
  std::string key_with_changed(std::int64_t row) {
    bench.dataset->changed_row = row;
    return plugins::content_key(*bench.model, *bench.dataset, bench.options.sites, Value::table());
  }
};

TEST_F(CachedAtLength, TheKeySeesTheTokensOf64Rows) {
  std::set<std::string> keys = {key_with_changed(-1)};
  for (std::int64_t row = 0; row < 80; ++row) keys.insert(key_with_changed(row));
  EXPECT_EQ(keys.size(), 65u);
}

// A change in another row is seen in the file.
TEST_F(CachedAtLength, FileOfChangedTokensIsMadeAnew) {
  const std::string before = key_with_changed(-1);
  std::int64_t row = 0;
  while (key_with_changed(row) != before) ASSERT_LT(++row, 80);
  const std::int64_t block = row / 4;

  bench.options.centre = Centring::none;
  bench.options.scale = Scaling::none;
  bench.dataset->changed_row = -1;
  const ActivationRows old = bench.make()->block(block);
  log.lines.clear();
  bench.dataset->changed_row = row;
  const ActivationRows rows = bench.make()->block(block);
  EXPECT_FALSE(identical(rows, old));
  expect_raw(bench, rows);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_THAT(warnings()[0], HasSubstr("it is of other tokens"));
}

TEST_F(Cached, FileOfAnotherBlockIsMadeAnew) {
  (void)bench.make()->block(0);
  expect_recovery(
      [&](const fs::path& path) {
        fs::copy_file(path.parent_path() / "block-00000000.safetensors", path,
                      fs::copy_options::overwrite_existing);
      },
      "it is of other tokens");
}

TEST_F(Cached, AFolderThatCannotBeWrittenIsOneWarning) {
  write_file_atomic(folder / "cache", "a file where the folder should be");
  const auto source = bench.make();
  EXPECT_TRUE(identical(source->block(1), plain));
  (void)source->block(0);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_THAT(warnings()[0], HasSubstr("activations are no longer kept: cannot make the folder"));
}

// Writes fail in the middle of a file here, as they do on a full disk.
TEST_F(Cached, AFullDiskIsOneWarningAndLeavesNothingHalfWritten) {
  (void)bench.make()->block(0);
  const fs::path folder_of_key = key();
  const auto source = bench.make();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{300, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const ActivationRows first = source->block(1), second = source->block(2);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  static_cast<void>(std::signal(SIGXFSZ, handler));

  EXPECT_TRUE(identical(first, plain));
  EXPECT_EQ(second.streams[0].size(0), 10);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_THAT(warnings()[0], HasSubstr("activations are no longer kept: "));
  EXPECT_THAT(warnings()[0], HasSubstr("File too large"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_of_key)) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(names,
              testing::UnorderedElementsAre("index.json", "sample", "block-00000000.safetensors"));
}

TEST_F(Cached, AFileThatCannotBeReplacedLeavesNothingBehind) {
  (void)bench.make()->block(1);
  const fs::path path = file();
  fs::remove(path);
  fs::create_directories(path / "in the way");
  log.lines.clear();
  const auto source = bench.make();
  EXPECT_TRUE(identical(source->block(1), plain));
  (void)source->block(0);
  ASSERT_EQ(warnings().size(), 2u);  // cannot be read; cannot be replaced
  EXPECT_THAT(warnings()[1], HasSubstr("activations are no longer kept: "));
  EXPECT_FALSE(fs::exists(key() / "block-00000000.safetensors"));
  for (const auto& entry : fs::directory_iterator(key())) {
    EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr("tmp")));
  }
}

}  // namespace
}  // namespace saffron::source_test
