#include "framework/loader/elf_tag.h"

#include "tests/framework/loader/support.h"

#include <saffron/build_tag.h>
#include <saffron/io.h>

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <random>

namespace saffron::host {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::error_of;
using testing::fixture;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::TempFolder;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  return path.string();
}

TEST(PluginTag, SaysWhatTheFileHolds) {
  const PluginFile file = read_plugin_file(fixture("good"));
  EXPECT_EQ(file.id, "org.example.good");
  EXPECT_EQ(file.version, "0.1.0");
  EXPECT_EQ(file.tag_text, SAFFRON_BUILD_TAG);
  EXPECT_EQ(file.tag.get("torch"), SAFFRON_TORCH_VERSION);
  ASSERT_EQ(file.components.size(), 3u);
  EXPECT_EQ(file.components[0].kind, "regularizer");
  EXPECT_EQ(file.components[0].name, "hoyer");
  EXPECT_EQ(file.components[0].interface, "saffron.regularizer/1");
}

TEST(PluginTag, SurvivesStrip) {
  const TempFolder folder;
  const auto copy = folder.copy(fixture("good"), "libstripped.so");
  const std::string command = cat(SAFFRON_STRIP, " --strip-all ", copy.string());
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_LT(std::filesystem::file_size(copy), std::filesystem::file_size(fixture("good")));
  EXPECT_EQ(read_plugin_file(copy).id, "org.example.good");
}

TEST(PluginTag, IgnoresLinesOfLaterFormats) {
  const PluginFile file = parse_plugin_tag(
      "saffron-plugin/1\nabi=1;torch=2.13.0\nid=a.b\nnews=yes\ngarbage\nversion=2\n"
      "component=sae/x/saffron.sae/1\n",
      "f.so");
  EXPECT_EQ(file.version, "2");
  ASSERT_EQ(file.components.size(), 1u);
  EXPECT_EQ(file.components[0].interface, "saffron.sae/1");
}

TEST(PluginTag, RefusesWhatItCannotRead) {
  const auto message = [](const char* text) {
    return std::string(error_of([&] { return parse_plugin_tag(text, "f.so"); }).what());
  };
  EXPECT_THAT(message("saffron-plugin/2\n"),
              StartsWith("f.so: its plugin tag has format 'saffron-plugin/2'; this Saffron reads "
                         "'saffron-plugin/1'"));
  EXPECT_THAT(message(""), HasSubstr("has format ''"));
  EXPECT_THAT(message("saffron-plugin/1\nabi=1\nversion=1\n"),
              HasSubstr("the plugin id '' is empty"));
  EXPECT_THAT(message("saffron-plugin/1\nabi=1\nid=a::b\n"), HasSubstr("the plugin id 'a::b'"));
  EXPECT_THAT(message("saffron-plugin/1\nabi=1\nid=a\ncomponent=sae/x\n"),
              HasSubstr("without kind, name and interface: 'sae/x'"));
  EXPECT_THAT(message("saffron-plugin/1\nabi=1\nid=a\ncomponent=sae/x y/saffron.sae/1\n"),
              HasSubstr("recipes cannot write"));
}

TEST(PluginFileOf, TextFile) {
  const TempFolder folder;
  const std::string path = write(folder.path() / "notes.so", "these are notes\n");
  EXPECT_STREQ(error_of([&] { return read_plugin_file(path); }).what(),
               cat(path, ": not a shared library: the file has no ELF header").c_str());
}

TEST(PluginFileOf, EmptyFileFolderPipeAndNothing) {
  const TempFolder folder;
  const std::string empty = write(folder.path() / "empty.so", "");
  EXPECT_THAT(error_of([&] { return read_plugin_file(empty); }).what(),
              HasSubstr("has no ELF header"));
  EXPECT_THAT(error_of([&] { return read_plugin_file(folder.path()); }).what(),
              HasSubstr("not a regular file"));
  const std::string pipe = (folder.path() / "pipe.so").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { return read_plugin_file(pipe); }).what(),
              HasSubstr("not a regular file"));
  const Error missing = error_of([&] { return read_plugin_file(folder.path() / "no.so"); });
  EXPECT_EQ(missing.kind(), ErrorKind::io);
}

TEST(PluginFileOf, LibraryWithoutATag) {
  const Error error = error_of([] { return read_plugin_file(fixture("no_tag")); });
  EXPECT_EQ(error.kind(), ErrorKind::plugin);
  EXPECT_EQ(error.message(), "not a Saffron plugin: it has no section .saffron.abi");
  EXPECT_EQ(error.where(), fixture("no_tag").string());
}

TEST(PluginFileOf, TruncatedLibrary) {
  const TempFolder folder;
  const std::string whole = read_text(fixture("good"));
  const std::string path = write(folder.path() / "half.so", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(error_of([&] { return read_plugin_file(path); }).what(),
              StartsWith(path + ": truncated: "));
}

TEST(PluginFileOf, ProgramsAndOtherMachines) {
  std::string whole = read_text(fixture("good"));
  std::string other = whole;
  other[18] = 40;  // e_machine: ARM
  EXPECT_THAT(error_of([&] { return ElfFile(bytes_of(other), "f.so"); }).what(),
              HasSubstr("f.so: a library for another machine"));
  other = whole;
  other[16] = 1;  // e_type: a relocatable object
  EXPECT_THAT(error_of([&] { return ElfFile(bytes_of(other), "f.so"); }).what(),
              HasSubstr("not a shared library"));
}

TEST(ElfFileOf, NeededLibrariesAndSymbols) {
  const std::string whole = read_text(fixture("good"));
  const ElfFile elf(bytes_of(whole), "good");
  EXPECT_THAT(elf.needed(), Contains("libc10.so"));
  EXPECT_THAT(elf.needed(), Contains("libsaffron_sdk.so"));
  const ElfFile::Symbols symbols = elf.dynamic_symbols();
  EXPECT_THAT(symbols.exported, ElementsAre("saffron_plugin_entry"));
  EXPECT_THAT(symbols.imported, Contains(StartsWith("_ZN7saffron6sdk_v1")));
  const std::string registering = read_text(fixture("torch_library"));
  EXPECT_THAT(ElfFile(bytes_of(registering), "t").dynamic_symbols().imported,
              Contains(StartsWith("_ZN5torch7LibraryC")));
}

// Everything that the loader reads of a file before dlopen.
void read_all(std::span<const std::byte> bytes) {
  const ElfFile elf(bytes, "f.so");
  if (const auto text = elf.section(".saffron.abi")) {
    static_cast<void>(parse_plugin_tag(*text, "f.so"));
  }
  static_cast<void>(elf.needed());
  static_cast<void>(elf.dynamic_symbols());
}

// Any prefix is refused in words; none is read beyond its end (the sanitizers watch). Buffers are
// exact copies, so that one byte too many is outside the allocation.
TEST(ElfFileOf, EveryTruncationIsAnError) {
  const std::string whole = read_text(fixture("wrong_magic"));
  for (std::size_t size = 0; size < whole.size(); size += size < 4096 ? 7 : 509) {
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(read_all(std::as_bytes(std::span(part))), Error) << size;
  }
}

TEST(ElfFileOf, DamagedFilesAreReadOrRefusedNeverOverrun) {
  const std::string whole = read_text(fixture("wrong_magic"));
  std::mt19937 random(20'240'229);
  int refused = 0;
  constexpr int kRounds = 3000;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<char> damaged(whole.begin(), whole.end());
    // Headers are at the start, the section table at the end: most damage goes there.
    const std::size_t span = std::min<std::size_t>(2200, damaged.size());
    for (int change = 0; change < 4; ++change) {
      const bool front = random() % 4 == 0;
      const std::size_t i = front ? random() % 64 : damaged.size() - 1 - random() % span;
      damaged[i] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    try {
      read_all(std::as_bytes(std::span(damaged)));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, kRounds / 10);
  EXPECT_LT(refused, kRounds);
}

}  // namespace
}  // namespace saffron::host
