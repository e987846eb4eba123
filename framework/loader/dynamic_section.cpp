#include "framework/loader/dynamic_section.h"

#include <saffron/abi.h>
#include <saffron/error.h>
#include <saffron/io.h>

#include <link.h>

#include <set>

namespace saffron::host {
namespace {

// File names of the libraries in this process; for LibTorch's, the sonames.
std::set<std::string> loaded_sonames() {
  std::set<std::string> names;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        const std::filesystem::path path(info->dlpi_name);
        static_cast<std::set<std::string>*>(out)->insert(path.filename().string());
        return 0;
      },
      &names);
  return names;
}

bool is_libtorch(const std::string& soname) {
  return soname.starts_with("libtorch") || soname.starts_with("libc10");
}

}  // namespace

DynamicSection read_dynamic_section(const PluginFile& file) {
  const auto mapped = MappedFile::open(file.path, Access::random);
  const ElfFile elf(mapped->bytes(), file.path.string());
  const auto tag = elf.section(SAFFRON_ABI_SECTION);
  if (!tag || parse_plugin_tag(*tag, file.path).tag_text != file.tag_text) {
    throw Error(ErrorKind::plugin,
                cat("plugin '", file.id, "' has changed on disk since it was found"))
        .with_help("run the command again");
  }
  DynamicSection out;
  const auto sonames = loaded_sonames();
  for (const std::string& needed : elf.needed()) {
    if (is_libtorch(needed) && !sonames.contains(needed)) out.foreign_libtorch.push_back(needed);
  }
  const auto symbols = elf.dynamic_symbols();
  for (const std::string& symbol : symbols.imported) {
    if (symbol.starts_with("_ZN5torch7LibraryC")) out.registers_operators = true;
  }
  for (const std::string& symbol : symbols.exported) {
    if (!symbol.starts_with("saffron_")) out.foreign_exports.push_back(symbol);
  }
  return out;
}

}  // namespace saffron::host
