#include "framework/run/run_directory.h"
#include "framework/run/metrics_log.h"
#include "framework/run/training_lines.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace saffron;
using namespace saffron::host;

namespace {

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    root = fs::temp_directory_path() /
           cat("saffron-run-", ::getpid(), "-",
               testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root);
    fs::create_directories(root);
  }
  void TearDown() override { fs::remove_all(root); }
  fs::path root;
};

using RunDirectoryTest = Folder;
using MetricsLogTest = Folder;

TEST_F(RunDirectoryTest, IsNamedByRecipeAndHash) {
  const RunDirectory run(root / "runs", "quick", "0123456789abcdef");
  EXPECT_EQ(run.id(), "quick-0123456789");
  EXPECT_TRUE(fs::is_directory(root / "runs" / "quick-0123456789"));
  EXPECT_TRUE(run.manifest().is_null());
}

TEST_F(RunDirectoryTest, ASecondProcessIsToldWhoHasIt) {
  const RunDirectory run(root, "quick", "0123456789");
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      const RunDirectory other(root, "quick", "0123456789");
      ::_exit(1);
    } catch (const Error& error) {
      const bool right = error.kind() == ErrorKind::busy &&
                         error.message().find(cat("another process (", ::getppid(), ")")) == 0;
      ::_exit(right ? 0 : 2);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(RunDirectoryTest, TheLockGoesWithItsHolder) {
  {
    const RunDirectory run(root, "quick", "0123456789");
  }
  EXPECT_NO_THROW(RunDirectory(root, "quick", "0123456789"));
}

TEST_F(RunDirectoryTest, FreshKeepsWhatWasThere) {
  RunDirectory run(root, "quick", "0123456789");
  Value manifest = Value::table();
  manifest.set("status", "done");
  run.write_manifest(manifest);
  run.start_fresh();
  EXPECT_TRUE(run.manifest().is_null());
  EXPECT_TRUE(fs::exists(root / "quick-0123456789.replaced-1" / "manifest.json"));
  run.write_manifest(manifest);
  run.start_fresh();
  EXPECT_TRUE(fs::exists(root / "quick-0123456789.replaced-2" / "manifest.json"));
}

TEST_F(RunDirectoryTest, ADamagedManifestIsRefusedWithAWayOut) {
  const RunDirectory run(root, "quick", "0123456789");
  for (const char* text : {"", "{", "[]", "{}", R"({"status": "done"})", R"({"status": 1})"}) {
    write_file_atomic(run.file("manifest.json"), text);
    try {
      (void)run.manifest();
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      EXPECT_NE(error.where().find("manifest.json"), std::string::npos) << error.what();
      EXPECT_NE(error.help().find("--fresh"), std::string::npos) << error.what();
    }
  }
}

TEST_F(MetricsLogTest, ReadsItsLinesAndNamesADamagedOne) {
  const fs::path file = root / "metrics.jsonl";
  EXPECT_TRUE(read_metrics(file).empty());
  write_file_atomic(file, "{\"step\":1}\n{\"step\":2}");  // the last line's end was lost
  ASSERT_EQ(read_metrics(file).size(), 2u);
  EXPECT_EQ(read_metrics(file)[1].at("step").as_int(), 2);
  write_file_atomic(file, "{\"step\":1}\n{\"st");
  try {
    (void)read_metrics(file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), file.string());
    EXPECT_EQ(error.message().find("line 2 is damaged"), 0u) << error.what();
  }
}

TEST_F(MetricsLogTest, KeepsWholeLinesAndTheLinesGiven) {
  const fs::path file = root / "metrics.jsonl";
  Value record = Value::table();
  record.set("step", 1);
  write_file_atomic(file, "{\"step\":1}\n{\"st");
  MetricsLog log(file);
  EXPECT_EQ(log.records(), std::vector<Value>{record});
  log.replace(log.records());
  EXPECT_EQ(read_text(file), "{\"step\":1}\n");
  record.set("step", 2);
  log.append(record);
  EXPECT_EQ(read_text(file), "{\"step\":1}\n{\"step\":2}\n");
  EXPECT_EQ(log.records().size(), 2u);
}

struct TrainingLines : ::testing::Test {
  TrainingLines() {
    for (const char* name : {"one", "two"}) {
      NodeSpec node;
      node.section = "train";
      node.name = name;
      recipe.nodes.push_back(node);
    }
    for (const char* name : {"b", "a"}) {
      Member member;
      member.name = name;
      recipe.members.push_back(member);
    }
    checkpoint.values.set("step", 10);
    Value counted = Value::table();
    counted.set("a", 1);
    checkpoint.values.set("lines", std::move(counted));
  }
  static Value line(const char* node, const char* sae, std::int64_t step) {
    Value out = Value::table();
    out.set("node", node);
    out.set("sae", sae);
    out.set("step", step);
    return out;
  }
  Recipe recipe;
  State checkpoint;
};

TEST_F(TrainingLines, AreArrangedByNodeStepAndSae) {
  const std::vector<Value> wanted = {line("train.one", "b", 10), line("train.one", "a", 10),
                                     line("train.one", "b", 20), line("train.two", "a", 5)};
  std::vector<Value> lines = {wanted[3], wanted[2], wanted[1], wanted[0]};
  arrange_lines(lines, recipe);
  EXPECT_EQ(lines, wanted);
}

TEST_F(TrainingLines, AreCutBackToTheCheckpointForOneNodeAlone) {
  std::vector<Value> lines = {line("train.one", "a", 10), line("train.one", "a", 20),
                              line("train.one", "b", 10), line("train.two", "a", 30)};
  keep_lines(lines, "train.one", {"a"}, checkpoint, "metrics.jsonl");
  EXPECT_EQ(lines, (std::vector<Value>{line("train.one", "a", 10), line("train.two", "a", 30)}));
  drop_lines(lines, "train.one");
  EXPECT_EQ(lines, std::vector<Value>{line("train.two", "a", 30)});
}

TEST_F(TrainingLines, AreMissedWhereTheCheckpointCountedThem) {
  std::vector<Value> lines = {line("train.one", "a", 20)};
  try {
    keep_lines(lines, "train.one", {"a"}, checkpoint, "metrics.jsonl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "has 0 lines of 'a', its checkpoint speaks of 1");
    EXPECT_EQ(error.where(), "metrics.jsonl");
  }
}

}  // namespace
