#include "framework/loader/elf_tag.h"

#include <saffron/abi.h>
#include <saffron/error.h>
#include <saffron/io.h>

#include <elf.h>

#include <cstring>
#include <utility>

namespace saffron::host {
namespace {

constexpr std::size_t kLongestTag = 1u << 20;

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#endif

std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// Ids and names appear in recipes as "id::name" and in messages: letters, digits and . _ - only.
bool is_identifier(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789._-") == std::string_view::npos;
}

PluginFile::Component parse_component(std::string_view text, const std::string& file) {
  const std::size_t first = text.find('/');
  const std::size_t second = text.find('/', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) {
    throw Error(ErrorKind::plugin, cat("the plugin tag has a component without kind, name and "
                                       "interface: '",
                                       text, "'"))
        .within(file);
  }
  PluginFile::Component component{std::string(text.substr(0, first)),
                                  std::string(text.substr(first + 1, second - first - 1)),
                                  std::string(text.substr(second + 1))};
  if (!is_identifier(component.kind) || !is_identifier(component.name)) {
    throw Error(ErrorKind::plugin, cat("component '", text,
                                       "' has a kind or name that recipes cannot write "
                                       "(letters, digits, '.', '_' and '-' only)"))
        .within(file);
  }
  return component;
}

}  // namespace

void ElfFile::fail(const std::string& message) const {
  throw Error(ErrorKind::plugin, message).within(name_);
}

template <class T>
T ElfFile::read(std::uint64_t offset, const char* what) const {
  if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) {
    fail(cat("truncated: ", what, " at byte ", offset, " lies beyond the file's ", bytes_.size(),
             " bytes"));
  }
  T value;
  std::memcpy(&value, bytes_.data() + offset, sizeof(T));
  return value;
}

ElfFile::ElfFile(std::span<const std::byte> bytes, std::string name)
    : bytes_(bytes), name_(std::move(name)) {
  if (bytes_.size() < SELFMAG || std::memcmp(bytes_.data(), ELFMAG, SELFMAG) != 0) {
    fail("not a shared library: the file has no ELF header");
  }
  const auto header = read<Elf64_Ehdr>(0, "the ELF header");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != kMachine) {
    fail(cat("a library for another machine (ELF class ", int{header.e_ident[EI_CLASS]},
             ", machine ", header.e_machine, ")"));
  }
  if (header.e_type != ET_DYN) fail("not a shared library: an ELF file of another type");
  check_segments(header.e_phoff, header.e_phnum, header.e_phentsize);
  if (header.e_shoff == 0 || header.e_shnum == 0) return;  // no sections, hence no tag
  if (header.e_shentsize != sizeof(Elf64_Shdr)) fail("damaged: section headers of unknown size");
  if (header.e_shoff > bytes_.size()) fail("truncated: the section table lies beyond the file");
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto s = read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr), "the section table");
    sections_.push_back({s.sh_name, s.sh_type, s.sh_link, s.sh_offset, s.sh_size, s.sh_entsize});
  }
  names_ = header.e_shstrndx;
  if (names_ >= sections_.size()) fail("damaged: no section holds the section names");
}

// The dynamic loader maps segments: one that ends beyond the file is a bus error when touched.
void ElfFile::check_segments(std::uint64_t offset, std::uint64_t count,
                             std::uint64_t entry_size) const {
  if (count != 0 && entry_size != sizeof(Elf64_Phdr)) {
    fail("damaged: program headers of unknown size");
  }
  if (offset > bytes_.size()) fail("truncated: the program headers lie beyond the file");
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto segment = read<Elf64_Phdr>(offset + i * sizeof(Elf64_Phdr), "the program headers");
    if (segment.p_type != PT_LOAD) continue;
    if (segment.p_offset > bytes_.size() || segment.p_filesz > bytes_.size() - segment.p_offset) {
      fail(cat("truncated: a segment of ", segment.p_filesz, " bytes at byte ", segment.p_offset,
               " lies beyond the file's ", bytes_.size(), " bytes"));
    }
  }
}

std::string_view ElfFile::content(const Section& section) const {
  if (section.type == SHT_NOBITS) return {};
  if (section.offset > bytes_.size() || section.size > bytes_.size() - section.offset) {
    fail(cat("truncated: a section of ", section.size, " bytes at byte ", section.offset,
             " lies beyond the file's ", bytes_.size(), " bytes"));
  }
  return {reinterpret_cast<const char*>(bytes_.data()) + section.offset,
          static_cast<std::size_t>(section.size)};
}

std::string ElfFile::string_at(const Section& table, std::uint64_t offset) const {
  const std::string_view text = content(table);
  if (offset >= text.size())
    fail(cat("damaged: a name at byte ", offset, " of a table of ", text.size()));
  const std::size_t end = text.find('\0', offset);
  if (end == std::string_view::npos) fail("damaged: a name without an end");
  return std::string(text.substr(offset, end - offset));
}

std::optional<std::string_view> ElfFile::section(std::string_view name) const {
  for (const Section& s : sections_) {
    if (s.type != SHT_NULL && string_at(sections_[names_], s.name) == name) return content(s);
  }
  return std::nullopt;
}

const ElfFile::Section* ElfFile::find(std::uint32_t type) const {
  for (const Section& s : sections_) {
    if (s.type == type) return &s;
  }
  return nullptr;
}

const ElfFile::Section& ElfFile::linked(const Section& section) const {
  if (section.link >= sections_.size()) fail("damaged: a link to a section that is not there");
  return sections_[section.link];
}

template <class T>
std::vector<T> ElfFile::entries(const Section& section, const char* what) const {
  if (section.entry_size != sizeof(T)) fail(cat("damaged: entries of unknown size in ", what));
  const std::string_view text = content(section);
  std::vector<T> out(text.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), text.data(), out.size() * sizeof(T));
  return out;
}

std::vector<std::string> ElfFile::needed() const {
  std::vector<std::string> out;
  const Section* dynamic = find(SHT_DYNAMIC);
  if (dynamic == nullptr) return out;
  for (const auto& entry : entries<Elf64_Dyn>(*dynamic, "the dynamic section")) {
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_NEEDED) out.push_back(string_at(linked(*dynamic), entry.d_un.d_val));
  }
  return out;
}

ElfFile::Symbols ElfFile::dynamic_symbols() const {
  Symbols out;
  const Section* table = find(SHT_DYNSYM);
  if (table == nullptr) return out;
  for (const auto& symbol : entries<Elf64_Sym>(*table, "the dynamic symbols")) {
    std::string name = string_at(linked(*table), symbol.st_name);
    if (name.empty() || ELF64_ST_BIND(symbol.st_info) == STB_LOCAL) continue;
    (symbol.st_shndx == SHN_UNDEF ? out.imported : out.exported).push_back(std::move(name));
  }
  return out;
}

PluginFile parse_plugin_tag(std::string_view text, const std::filesystem::path& path) {
  const std::string file = path.string();
  if (text.size() > kLongestTag) {
    throw Error(ErrorKind::plugin, cat("the plugin tag has ", text.size(), " bytes")).within(file);
  }
  text = text.substr(0, text.find('\0'));
  const std::string_view format = next_line(text);
  if (format != "saffron-plugin/1") {
    throw Error(ErrorKind::plugin, cat("its plugin tag has format '", format.substr(0, 40),
                                       "'; this Saffron reads 'saffron-plugin/1'"))
        .within(file)
        .with_help("rebuild the plugin with this Saffron's SDK, or use a Saffron of its age");
  }
  PluginFile out;
  out.path = path;
  out.tag_text = next_line(text);
  out.tag = BuildTag::parse(out.tag_text);
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    const std::size_t split = line.find('=');
    const std::string_view key = line.substr(0, split);
    const std::string_view value =
        split == std::string_view::npos ? std::string_view() : line.substr(split + 1);
    if (key == "id") out.id = value;
    if (key == "version") out.version = value;
    if (key == "component") out.components.push_back(parse_component(value, file));
  }
  if (!is_identifier(out.id)) {
    throw Error(ErrorKind::plugin, cat("the plugin id '", out.id,
                                       "' is empty or has characters "
                                       "other than letters, digits, '.', '_' and '-'"))
        .within(file);
  }
  return out;
}

PluginFile read_plugin_file(const std::filesystem::path& path) {
  std::error_code problem;
  const auto status = std::filesystem::status(path, problem);
  // Asked before opening: opening a pipe would wait for its other end.
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw Error(ErrorKind::plugin, "not a regular file").within(path.string());
  }
  const auto file = MappedFile::open(path, Access::random);
  const ElfFile elf(file->bytes(), path.string());
  const auto text = elf.section(SAFFRON_ABI_SECTION);
  if (!text) {
    throw Error(ErrorKind::plugin, "not a Saffron plugin: it has no section " SAFFRON_ABI_SECTION)
        .within(path.string())
        .with_help("a plugin has one SAFFRON_PLUGIN line (saffron/plugin.h)");
  }
  return parse_plugin_tag(*text, path);
}

}  // namespace saffron::host
