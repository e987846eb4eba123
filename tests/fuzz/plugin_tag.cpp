#include "framework/loader/elf_tag.h"
#include "tests/fuzz/fuzz.h"

#include <saffron/abi.h>

#include <span>

// A shared library's sections and symbols, and the plugin tag in one of them. Bytes that are no ELF
// file are read as a tag.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  const auto read_tag = [](std::string_view text) {
    const host::PluginFile file = host::parse_plugin_tag(text, "x.so");
    const auto rows = host::compare(file.tag, host::BuildTag::of_host());
    fuzz::require(!rows.empty(), "a build tag compares row by row");
    (void)host::compatible(rows);
  };
  fuzz::accepts([&] {
    const host::ElfFile elf(std::as_bytes(std::span(data, size)), "x.so");
    fuzz::accepts([&] { (void)elf.needed(); });
    fuzz::accepts([&] { (void)elf.dynamic_symbols(); });
    if (const auto text = elf.section(SAFFRON_ABI_SECTION)) read_tag(*text);
  });
  fuzz::accepts([&] { read_tag(fuzz::text_of(data, size)); });
  return 0;
}
