#include "framework/loader/build_tag.h"

#include "tests/framework/loader/support.h"

#include <saffron/build_tag.h>

#include <fstream>

namespace saffron::host {
namespace {

using ::testing::HasSubstr;
using testing::TempFolder;
using Verdict = TagRow::Verdict;

constexpr const char* kHost =
    "abi=1;sdk=0.3.2;torch=2.13.0;cuda=13.0;cxx11abi=1;cxxabi=1017;libstdcxx=12;debug=0;"
    "sanitize=none;gcc=12.2.0";

// The verdict on one key when the plugin has `value` for it and equals the host otherwise.
Verdict verdict(const std::string& key, const std::string& value, std::string host = kHost) {
  std::string plugin = host;
  const std::size_t start = plugin.find(key + '=') + key.size() + 1;
  plugin.replace(start, plugin.find(';', start) - start, value);
  for (const TagRow& row : compare(BuildTag::parse(plugin), BuildTag::parse(host))) {
    if (row.key == key) return row.verdict;
  }
  ADD_FAILURE() << "no row " << key;
  return Verdict::same;
}

TEST(BuildTag, ParsesPairs) {
  const BuildTag tag = BuildTag::parse("abi=1;torch=2.13.0;gcc=Debian Clang 14 (a=b)");
  EXPECT_EQ(tag.get("abi"), "1");
  EXPECT_EQ(tag.get("gcc"), "Debian Clang 14 (a=b)");
  EXPECT_EQ(tag.get("cuda"), "-");
  EXPECT_EQ(tag.items().size(), 3u);
  EXPECT_TRUE(BuildTag::parse("").items().empty());
  EXPECT_TRUE(BuildTag::parse(";;nonsense;").items().empty());
}

TEST(BuildTag, TheHostFitsItself) {
  const auto rows = compare(BuildTag::of_host(), BuildTag::of_host());
  EXPECT_EQ(rows.size(), 10u);
  for (const TagRow& row : rows) {
    EXPECT_EQ(row.verdict, Verdict::same) << row.key;
    EXPECT_NE(row.host, "-") << row.key;
  }
  EXPECT_TRUE(compatible(rows));
  EXPECT_EQ(drift_text(rows), "");
}

TEST(BuildTag, EqualKeys) {
  for (const char* key : {"abi", "torch", "cxx11abi", "debug", "sanitize"}) {
    EXPECT_EQ(verdict(key, "9"), Verdict::mismatch) << key;
  }
  EXPECT_EQ(verdict("torch", "2.13.1"), Verdict::mismatch);
  EXPECT_EQ(verdict("torch", "2.13"), Verdict::mismatch);
}

TEST(BuildTag, SdkOfTheSameSeriesAndNotNewer) {
  EXPECT_EQ(verdict("sdk", "0.3.2"), Verdict::same);
  EXPECT_EQ(verdict("sdk", "0.2.9"), Verdict::mismatch);
  EXPECT_EQ(verdict("sdk", "0.3.1"), Verdict::tolerated);
  EXPECT_EQ(verdict("sdk", "0.3.10"), Verdict::mismatch);
  EXPECT_EQ(verdict("sdk", "0.4.0"), Verdict::mismatch);
  EXPECT_EQ(verdict("sdk", "1.0.0"), Verdict::mismatch);

  const BuildTag stable = BuildTag::parse("sdk=1.3.0");
  EXPECT_TRUE(compatible(compare(BuildTag::parse("sdk=1.2.9"), stable)));
  EXPECT_FALSE(compatible(compare(BuildTag::parse("sdk=1.4.0"), stable)));
  EXPECT_FALSE(compatible(compare(BuildTag::parse("sdk=0.3.0"), stable)));
}

TEST(BuildTag, CudaOfTheSameMajorOrNone) {
  EXPECT_EQ(verdict("cuda", "13.1"), Verdict::tolerated);
  EXPECT_EQ(verdict("cuda", "none"), Verdict::tolerated);
  EXPECT_EQ(verdict("cuda", "12.9"), Verdict::mismatch);
  std::string cpu_host = kHost;
  cpu_host.replace(cpu_host.find("cuda=13.0"), 9, "cuda=none");
  EXPECT_EQ(verdict("cuda", "13.0", cpu_host), Verdict::mismatch);
}

TEST(BuildTag, CompilersDriftWithAWarning) {
  for (const char* key : {"cxxabi", "libstdcxx", "gcc"}) {
    EXPECT_EQ(verdict(key, "13"), Verdict::drift) << key;
  }
  const auto rows = compare(BuildTag::parse("abi=1;sdk=0.3.2;torch=2.13.0;cuda=13.0;cxx11abi=1;"
                                            "cxxabi=1018;libstdcxx=12;debug=0;sanitize=none;"
                                            "gcc=13.3.0"),
                            BuildTag::parse(kHost));
  EXPECT_TRUE(compatible(rows));
  EXPECT_EQ(drift_text(rows), "built with cxxabi 1018 (host: 1017), gcc 13.3.0 (host: 12.2.0)");
}

TEST(BuildTag, MissingKeysDoNotFit) {
  for (const TagRow& row : compare(BuildTag::parse(""), BuildTag::parse(kHost))) {
    EXPECT_NE(row.verdict, Verdict::same) << row.key;
    EXPECT_EQ(row.plugin, "-");
  }
}

TEST(BuildTag, RefusalShowsBothSidesAndTheWayOut) {
  const auto rows = compare(BuildTag::parse("abi=1;sdk=0.3.2;torch=2.10.0;cuda=none;cxx11abi=1;"
                                            "cxxabi=1017;libstdcxx=12;debug=0;sanitize=none;"
                                            "gcc=11.4.0"),
                            BuildTag::parse(kHost));
  const Error error = mismatch_error("org.example.topk", "/plugins/libtopk.so", rows);
  EXPECT_EQ(error.kind(), ErrorKind::plugin);
  EXPECT_EQ(error.message(),
            "plugin 'org.example.topk' was built for a different LibTorch\n"
            "  file      /plugins/libtopk.so\n"
            "            plugin      host\n"
            "  abi       1           1\n"
            "  sdk       0.3.2       0.3.2\n"
            "  torch     2.10.0      2.13.0     <- must be equal\n"
            "  cuda      none        13.0\n"
            "  cxx11abi  1           1\n"
            "  debug     0           0\n"
            "  sanitize  none        none");
  EXPECT_EQ(
      error.help(),
      "rebuild it:  cmake --build <its build folder> --clean-first\n"
      "        (Saffron's own CMake package pins the version: find_package(Saffron " SAFFRON_TEXT(
          SAFFRON_SDK_VERSION_MAJOR) "." SAFFRON_TEXT(SAFFRON_SDK_VERSION_MINOR) " REQUIRED))");
}

TEST(BuildTag, RefusalNamesTheBuildFolderWhereThereIsOne) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path() / "build" / "lib");
  std::ofstream(folder.path() / "build" / "CMakeCache.txt") << "";
  const Error error = mismatch_error("x", folder.path() / "build" / "lib" / "libx.so",
                                     compare(BuildTag::parse("abi=2"), BuildTag::parse(kHost)));
  EXPECT_THAT(error.message(), HasSubstr("was built for a different plugin ABI"));
  EXPECT_THAT(error.help(),
              HasSubstr("cmake --build " + (folder.path() / "build").string() + " --clean-first"));
}

}  // namespace
}  // namespace saffron::host
