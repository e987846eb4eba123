#include "framework/run/cache.h"
#include "framework/run/digests.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <gtest/gtest.h>

#include <unistd.h>

namespace fs = std::filesystem;
using namespace saffron;
using namespace saffron::host;

namespace {

class CacheTest : public testing::Test {
 protected:
  void SetUp() override {
    root = fs::temp_directory_path() / cat("saffron-cache-", ::getpid());
    fs::remove_all(root);
    fs::create_directories(root);
  }
  void TearDown() override { fs::remove_all(root); }
  fs::path root;
};

Value document(std::int64_t k, const std::string& input) {
  Value inner = Value::table();
  inner.set("k", k);
  Value out = Value::table();
  out.set("sae", std::move(inner));
  out.set("input", input);
  return out;
}

// An environment.
Value here(std::int64_t threads) {
  Value out = Value::table();
  out.set("threads", threads);
  return out;
}

TEST_F(CacheTest, HitsWhatWasCommittedAndSaysWhyItMisses) {
  const ResultCache cache(root);
  const auto empty = cache.find("train", "train.all", document(32, "a"));
  EXPECT_FALSE(empty.folder);
  EXPECT_EQ(empty.reason, "no earlier result");

  cache.keep("train", "train.all", document(32, "a"), here(2), [&](const fs::path& folder) {
    write_file_atomic(folder / "weights", "w");
    EXPECT_FALSE(cache.find("train", "train.all", document(32, "a")).folder) << "not kept yet";
  });

  const auto hit = cache.find("train", "train.all", document(32, "a"));
  ASSERT_TRUE(hit.folder);
  EXPECT_EQ(read_text(*hit.folder / "weights"), "w");
  EXPECT_EQ(hit.environment, here(2));
  EXPECT_EQ(cache.find("train", "train.all", document(64, "a")).reason, "sae.k 32 -> 64");
  EXPECT_EQ(cache.find("train", "train.all", document(64, "b")).reason,
            "sae.k 32 -> 64, input \"a\" -> \"b\"");
}

TEST_F(CacheTest, WhatFailsLeavesNothing) {
  const ResultCache cache(root);
  const auto fail = [](const fs::path& folder) {
    write_file_atomic(folder / "weights", "w");
    throw Error(ErrorKind::io, "no space left");
  };
  EXPECT_THROW(cache.keep("train", "train.all", document(32, "a"), here(2), fail), Error);
  EXPECT_TRUE(fs::is_empty(root / "train"));
  EXPECT_EQ(cache.find("train", "train.all", document(32, "a")).reason, "no earlier result");
}

TEST_F(CacheTest, ADamagedResultIsMadeAgain) {
  const ResultCache cache(root);
  const Value what = document(32, "a");
  const auto fill = [](const fs::path& folder) { write_file_atomic(folder / "weights", "w"); };
  cache.keep("train", "train.all", what, here(2), fill);
  const fs::path folder = *cache.find("train", "train.all", what).folder;
  const auto damage_with = [&](const std::string& name, const std::optional<std::string>& content) {
    fs::remove(folder / name);
    if (content) write_file_atomic(folder / name, *content);
    const auto damaged = cache.find("train", "train.all", what);
    EXPECT_FALSE(damaged.folder) << name;
    EXPECT_EQ(damaged.reason, "the earlier result is damaged");
    cache.keep("train", "train.all", what, here(2), fill);
    EXPECT_TRUE(cache.find("train", "train.all", what).folder) << name;
  };
  damage_with("weights", "v");
  damage_with("weights", std::nullopt);
  damage_with("environment.json", std::nullopt);
  damage_with("files.json", "{");
  damage_with("files.json", "[]");
  damage_with("files.json", std::nullopt);
}

// The index of what was last asked for only explains a miss.
TEST_F(CacheTest, ADamagedIndexDoesNoHarm) {
  const ResultCache cache(root);
  cache.keep("train", "train.all", document(32, "a"), here(2), [](const fs::path&) {});
  for (const auto& entry : fs::directory_iterator(root / "train" / "latest")) {
    write_file_atomic(entry.path(), "{");
  }
  EXPECT_EQ(cache.find("train", "train.all", document(64, "a")).reason, "no earlier result");
}

TEST_F(CacheTest, ChangesAreNamedInFewWords) {
  Value a = document(1, "x"), b = document(1, "x");
  EXPECT_EQ(describe_change(a, b), "");
  b.set("new", 1);
  EXPECT_EQ(describe_change(a, b), "new added");
  EXPECT_EQ(describe_change(b, a), "new removed");
  b = document(1, std::string(64, 'f'));
  EXPECT_EQ(describe_change(a, b), "input changed");
  for (int i = 0; i < 5; ++i) b.set(cat("key", i), i);
  EXPECT_EQ(describe_change(a, b), "input changed, key0 added, key1 added and 3 more");
}

TEST_F(CacheTest, DigestsFollowTheContent) {
  const fs::path file = root / "data.txt";
  write_file_atomic(file, "one");
  {
    Digests digests(root);
    EXPECT_EQ(digests.of(file), sha256(std::string_view("one")));
    digests.save();
  }
  write_file_atomic(file, "two!");
  Digests digests(root);
  EXPECT_EQ(digests.of(file), sha256(std::string_view("two!")));
  // Another content of that size, and the time set back as `cp -p` does.
  const auto time = fs::last_write_time(file);
  write_file_atomic(file, "six!");
  fs::last_write_time(file, time);
  EXPECT_EQ(digests.of(file), sha256(std::string_view("six!")));
  write_file_atomic(file, "two!");
  write_file_atomic(root / "digests.json", cat("{\"", file.string(), "\": {\"size\": 4}}"));
  Digests halved(root);
  EXPECT_EQ(halved.of(file), sha256(std::string_view("two!")));
  write_file_atomic(root / "digests.json", "{ broken");
  Digests recovered(root);
  EXPECT_EQ(recovered.of(file), sha256(std::string_view("two!")));
}

TEST_F(CacheTest, FilesOfAPatternAreSortedAndOnce) {
  for (const char* name : {"b.txt", "a.txt", "c.npy"}) write_file_atomic(root / name, "x");
  const auto found = files_of((root / "*.txt").string());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].filename(), "a.txt");
  EXPECT_EQ(files_of(root.string()).size(), 3u);
  EXPECT_TRUE(files_of((root / "none*").string()).empty());
}

}  // namespace
