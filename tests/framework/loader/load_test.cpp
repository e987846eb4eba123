#include "framework/loader/load.h"

#include "framework/loader/validate.h"
#include "tests/framework/loader/support.h"

#include <saffron/plugin.h>
#include <saffron/range.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace saffron::host {
namespace {

using testing::error_of;
using testing::fixture;
using ::testing::HasSubstr;
using testing::LogCapture;
using testing::TempFolder;

const LoadedPlugin& load(const std::string& name) {
  return load_plugin(read_plugin_file(fixture(name)));
}

// The refusal of a broken plugin: "FILE: plugin 'org.example.NAME' ...".
std::string refusal(const std::string& name) {
  const Error error = error_of([&] { return load(name); });
  EXPECT_EQ(error.kind(), ErrorKind::plugin);
  EXPECT_THAT(error.where(), HasSubstr(fixture(name).string()));
  const std::string start = cat("plugin 'org.example.", name, "' ");
  EXPECT_EQ(error.message().substr(0, start.size()), start) << error.what();
  return error.message().substr(std::min(start.size(), error.message().size()));
}

TEST(Load, GoodPlugin) {
  const LoadedPlugin& plugin = load("good");
  EXPECT_EQ(std::string(plugin.descriptor->id), "org.example.good");
  EXPECT_EQ(plugin.descriptor->component_count, 3u);
  EXPECT_EQ(plugin.digest.size(), 64u);
  EXPECT_EQ(&load("good"), &plugin);
}

TEST(Load, StrippedAndMovedPlugin) {
  const TempFolder folder;
  const auto copy = folder.copy(fixture("good"), "moved/libanything.so");
  ASSERT_EQ(std::system(cat(SAFFRON_STRIP, " --strip-all ", copy.string()).c_str()), 0);
  EXPECT_EQ(load_plugin(read_plugin_file(copy)).descriptor->component_count, 3u);
}

TEST(Load, WrongMagic) {
  EXPECT_EQ(refusal("wrong_magic"),
            "returned no plugin descriptor: its magic number is 0xdeadbeef, not 0x4e524653");
}

TEST(Load, FutureAbiIsRefusedBeforeItIsLoaded) {
  const std::size_t before = loaded_count();
  const Error error = error_of([] { return load("future_abi"); });
  EXPECT_EQ(error.kind(), ErrorKind::plugin);
  EXPECT_THAT(error.message(),
              HasSubstr("plugin 'org.example.future_abi' was built for a different plugin ABI"));
  EXPECT_THAT(error.message(),
              HasSubstr("\n  abi       2           1          <- must be equal\n"));
  EXPECT_EQ(loaded_count(), before);
}

TEST(Load, FutureAbiOfTheDescriptor) {
  EXPECT_EQ(refusal("future_abi_inside"), "speaks plugin ABI 2.0; this Saffron speaks 1.0");
}

TEST(Load, OtherLibTorchIsRefusedBeforeItIsLoaded) {
  const std::size_t before = loaded_count();
  const Error error = error_of([] { return load("other_torch"); });
  EXPECT_THAT(error.message(),
              HasSubstr("plugin 'org.example.other_torch' was built for a different LibTorch\n  "
                        "file      " +
                        fixture("other_torch").string()));
  EXPECT_THAT(error.message(), HasSubstr("\n  torch     2.10.0      "));
  EXPECT_THAT(error.message(), HasSubstr("<- must be equal"));
  EXPECT_THAT(error.help(), HasSubstr("rebuild it:  cmake --build "));
  EXPECT_EQ(loaded_count(), before);
}

TEST(Load, MissingEntry) {
  EXPECT_EQ(refusal("missing_entry"), "exports no function saffron_plugin_entry");
}

TEST(Load, EntryReturningNull) {
  EXPECT_EQ(refusal("null_entry"),
            "returned no descriptor: it does not serve plugin ABI 1, or a schema of it is wrong");
}

TEST(Load, EntryThrowing) {
  const Error error = error_of([] { return load("throwing_entry"); });
  EXPECT_EQ(error.kind(), ErrorKind::plugin);
  EXPECT_EQ(std::string(error.what()), cat("loading ", fixture("throwing_entry").string(),
                                           ": threw std::runtime_error: no licence file"));
}

TEST(Load, DuplicateComponent) {
  EXPECT_EQ(refusal("duplicate"), "has a bad descriptor:\n  regularizer 'same': is listed twice");
}

TEST(Load, TorchLibraryIsRefusedBeforeItIsLoaded) {
  const std::size_t before = loaded_count();
  EXPECT_EQ(refusal("torch_library"),
            "registers LibTorch operators (TORCH_LIBRARY): when two libraries register the same "
            "one, the process aborts");
  EXPECT_EQ(loaded_count(), before);
}

TEST(Load, ForeignLibTorchIsRefusedBeforeItIsLoaded) {
  const std::size_t before = loaded_count();
  EXPECT_EQ(refusal("two_torches"),
            "is linked to 'libtorch_of_somebody_else.so', which is not this program's LibTorch: "
            "two of them in one process abort it");
  EXPECT_EQ(loaded_count(), before);
}

TEST(Load, UnknownKind) {
  EXPECT_EQ(refusal("unknown_kind"),
            "has a bad descriptor:\n  regulariser 'raw': this Saffron knows no kind 'regulariser' "
            "(did you mean 'regularizer'?)");
}

TEST(Load, FutureInterface) {
  EXPECT_EQ(refusal("future_interface"),
            "has a bad descriptor:\n  regularizer 'raw': implements saffron.regularizer/2; this "
            "Saffron knows saffron.regularizer/1");
}

TEST(Load, OtherLayout) {
  EXPECT_THAT(refusal("other_layout"),
              HasSubstr("lays out the types that cross the boundary otherwise than this Saffron "
                        "(fingerprint 0x1, here 0x"));
}

TEST(Load, DescriptorThatContradictsTheFile) {
  EXPECT_EQ(refusal("other_components"),
            "has a bad descriptor:\n  descriptor: lists other components than the file's section "
            ".saffron.abi");
  EXPECT_THAT(refusal("changed_tag"), HasSubstr("has two build tags:\n  in its section     abi=1"));
  EXPECT_EQ(refusal("bad_rows"),
            "has a bad descriptor:\n  descriptor: has component rows of an unknown size");
}

TEST(Load, BadParametersAreAllReported) {
  EXPECT_EQ(
      refusal("bad_params"),
      "has a bad descriptor:\n"
      "  regularizer 'raw': parameter 'undocumented' has no documentation\n"
      "  regularizer 'raw': parameter 'fractional' has a default of another type: 1.5\n"
      "  regularizer 'raw': parameter 'negative' has a default outside its range: -0.5 is not "
      "[0, 1]\n"
      "  regularizer 'raw': parameter 'activation' has a default that is none of its "
      "choices: \"gelu\"\n"
      "  regularizer 'raw': has two parameters 'twice'\n"
      "  regularizer 'raw': parameter 'coef' has the name of a key that the host reads\n"
      "  regularizer 'raw': parameter 'garbled' has an unreadable default: {\n"
      "  regularizer 'raw': parameter 'to_nothing' takes unknown kind ''");
}

TEST(Load, AFileThatChangedSinceTheScan) {
  const TempFolder folder;
  const auto path = folder.copy(fixture("good"), "plugin.so");
  PluginFile file = read_plugin_file(path);
  file.tag_text += ";more=1";
  EXPECT_THAT(error_of([&] { return load_plugin(file); }).message(),
              HasSubstr("has changed on disk since it was found"));
}

TEST(Load, MissingSymbolsAreNamedReadably) {
  const TempFolder folder;
  // A library that the plugin needs is renamed away in its list of needed libraries.
  const auto path = folder.copy(fixture("twin"), "plugin.so");
  std::string bytes;
  {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const std::size_t at = bytes.find("libsaffron_sdk.so");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 17, "libsaffron_sdx.so");
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_THAT(error_of([&] { return load_plugin(read_plugin_file(path)); }).message(),
              HasSubstr("could not be loaded: libsaffron_sdx.so: cannot open shared object file"));
}

TEST(Descriptor, ABadSchemaIsLoggedAndGivesNull) {
  const LogCapture log;
  const ComponentSpec spec{
      .kind = "regularizer",
      .interface = "saffron.regularizer/1",
      .name = "x",
      .summary = "",
      .params = []() -> std::vector<ParamInfo> { throw Error("two defaults"); }};
  EXPECT_EQ(detail::make_descriptor("org.x", "1", "abi=1", 0, &spec, 1), nullptr);
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0].message, "plugin 'org.x': schema of regularizer 'x': two defaults");
}

// A newer SDK's descriptor has longer rows; its parameters are read all the same.
TEST(AbiRowsOf, StrideIsWhatTheRowsSay) {
  struct Longer {
    saffron_param row;
    std::uint64_t appended;
  };
  Longer rows[3] = {};
  const char* names[] = {"a", "b", "c"};
  for (int i = 0; i < 3; ++i) {
    rows[i].row.size = sizeof(Longer);
    rows[i].row.name = names[i];
  }
  const AbiRows<saffron_param> view(&rows[0].row, 3);
  ASSERT_TRUE(view.valid());
  std::string all;
  for (const saffron_param& row : view) all += row.name;
  EXPECT_EQ(all, "abc");
  rows[1].row.size = sizeof(saffron_param);
  EXPECT_FALSE(view.valid());
  EXPECT_EQ(AbiRows<saffron_param>(nullptr, 7).size(), 0u);
}

TEST(Range, ReadsWhatSchemasPrint) {
  EXPECT_TRUE(in_range("", -5));
  EXPECT_TRUE(in_range(">= 1", 1));
  EXPECT_FALSE(in_range("> 1", 1));
  EXPECT_TRUE(in_range("<= 1e-8", 1e-8));
  EXPECT_FALSE(in_range("< 0.5", 0.5));
  EXPECT_TRUE(in_range("[0, 1)", 0));
  EXPECT_FALSE(in_range("[0, 1)", 1));
  EXPECT_FALSE(in_range("(0, 1]", 0));
  EXPECT_TRUE(in_range("(0, 1]", 1));
  EXPECT_TRUE(in_range(">= 1, < 5", 4));
  EXPECT_FALSE(in_range(">= 1, < 5", 5));
  EXPECT_TRUE(in_range("a power of two", 3));
  EXPECT_TRUE(in_range("> something", 3));
}

}  // namespace
}  // namespace saffron::host
