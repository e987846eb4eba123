#include "framework/author/new_plugin.h"

#include "framework/author/folder_writer.h"
#include "framework/loader/catalog.h"
#include "framework/loader/search_path.h"
#include "framework/recipe/kinds.h"
#include "framework/recipe/problems.h"

#include <saffron/build_tag.h>
#include <saffron/error.h>
#include <saffron/io.h>

#include <algorithm>
#include <array>
#include <map>
#include <regex>
#include <string_view>
#include <utility>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

// Each between spaces.
constexpr std::string_view kKeywords =
    " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t "
    "char32_t char8_t class co_await co_return co_yield compl concept const const_cast "
    "consteval constexpr constinit continue decltype default delete do double dynamic_cast else "
    "enum explicit export extern false float for friend goto if inline int long mutable "
    "namespace new noexcept not not_eq nullptr operator or or_eq private protected public "
    "register reinterpret_cast requires return short signed sizeof static static_assert "
    "static_cast struct switch template this thread_local throw true try typedef typeid "
    "typename union unsigned using virtual void volatile wchar_t while xor xor_eq ";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// U+00C0 to U+00FF as they are written without their accents.
constexpr std::array<std::string_view, 64> kLatin = {
    "A", "A", "A", "A", "Ae", "A", "Ae", "C", "E", "E", "E", "E", "I",  "I", "I", "I",
    "D", "N", "O", "O", "O",  "O", "Oe", "",  "O", "U", "U", "U", "Ue", "Y", "",  "ss",
    "a", "a", "a", "a", "ae", "a", "ae", "c", "e", "e", "e", "e", "i",  "i", "i", "i",
    "d", "n", "o", "o", "o",  "o", "oe", "",  "o", "u", "u", "u", "ue", "y", "",  "y"};

// UTF-8 with those letters written so.
std::string without_accents(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool latin = name[i] == '\xC3' && i + 1 < name.size();
    if (latin) {
      out += kLatin[static_cast<unsigned char>(name[++i]) % kLatin.size()];
    } else {
      out += name[i];
    }
  }
  return out;
}

// What `name` could be instead: "Top-K" gives "top_k", "fooBar" gives "foo_bar". "" for nothing.
std::string as_name(std::string_view name) {
  std::string out;
  char before = '_';
  for (const char c : without_accents(name)) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool letter = upper || is_lower(c);
    const bool starts_word = (upper && is_lower(before)) || !(letter || is_digit(c));
    if (starts_word && !out.empty() && out.back() != '_') out += '_';
    if (letter) out += upper ? static_cast<char>(c - 'A' + 'a') : c;
    if (is_digit(c) && !out.empty()) out += c;
    before = c;
  }
  while (!out.empty() && out.back() == '_') out.pop_back();
  return out;
}

constexpr std::size_t kLongestName = 64;

// A class of capitals and digits may be a macro of the headers that sources include: EOF, NAN.
bool may_be_macro(const std::string& name) {
  return name.size() > 1 && std::none_of(name.begin(), name.end(), is_lower);
}

// Why the name cannot be a plugin's; "" when it can.
std::string objection_to(const std::string& name) {
  const bool fits = !name.empty() && is_lower(name[0]) &&
                    std::all_of(name.begin(), name.end(),
                                [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
  if (!fits) {
    return "it becomes a component, a file and a C++ class, and so has lower-case letters, digits "
           "and _, a letter first";
  }
  if (name.size() > kLongestName) {
    return cat("it has ", name.size(), ", and names have at most ", kLongestName, " characters");
  }
  if (kKeywords.find(cat(' ', name, ' ')) != kKeywords.npos) return "it is a word of C++ itself";
  // Every component has a struct Options, and the class would have that name too; the other is a
  // macro of LibTorch's.
  const std::string word = class_name(name);
  if (word == "Options" || word == "MaxTypeIndex") {
    return cat("its class would be named ", word, ", as something else in its source is");
  }
  if (may_be_macro(word)) return cat("its class would be named ", word, ", as macros are");
  return {};
}

void check_name(const std::string& name) {
  const std::string objection = objection_to(name);
  if (objection.empty()) return;
  const std::string near = as_name(name).substr(0, kLongestName);
  const std::vector<std::string> others = {near, near.empty() ? near : "my_" + near, "hoyer"};
  const auto other = std::find_if(others.begin(), others.end(), [](const std::string& word) {
    return objection_to(word).empty();
  });
  throw Error(cat("'", name, "' cannot be a plugin's name: ", objection))
      .with_help(cat("for example: ", *other));
}

void check_kind(const std::string& kind) {
  if (find_kind(kind) != nullptr) return;
  const std::vector<std::string> kinds = kind_names();
  throw Error(cat("'", kind, "' is no kind of component", nearest_kind(kind)))
      .with_help(cat("the kinds are ", listed(kinds, kinds.size())));
}

fs::path template_folder(const std::string& kind) {
  const fs::path folder = program_prefix() / "share" / "saffron" / "template";
  if (fs::is_directory(folder / "common") && fs::is_directory(folder / kind)) return folder;
  throw Error(ErrorKind::io,
              cat("this Saffron's templates are not there: '", folder.string(), "' is missing"))
      .with_help(
          "install Saffron again (make install PREFIX=...); in a build tree, run cmake again");
}

using Words = std::vector<std::pair<std::string_view, std::string>>;

std::string filled_in(std::string text, const Words& words) {
  for (const auto& [marker, word] : words) {
    for (std::size_t at = text.find(marker); at != text.npos;
         at = text.find(marker, at + word.size())) {
      text.replace(at, marker.size(), word);
    }
  }
  return text;
}

// Where a template's file goes in the new folder.
std::string place_of(const std::string& file, const std::string& name) {
  if (file == "plugin.cpp") return name + ".cpp";
  if (file == "plugin_test.cpp") return name + "_test.cpp";
  if (file == "recipe.toml") return name + ".toml";
  if (file == "ci.yml") return ".github/workflows/ci.yml";
  return file;
}

bool is_word_character(char c) {
  return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

// A line of C++ without what its strings hold and without its `//` comment.
std::string code_of(std::string_view line) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (!quoted && line.substr(i, 2) == "//") break;
    if (line[i] == '"' && (i == 0 || line[i - 1] != '\\')) quoted = !quoted;
    out += quoted ? ' ' : line[i];
  }
  return out;
}

// Whether C++ text has that identifier, outside strings and comments.
bool has_identifier(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string line = code_of(text.substr(0, end));
    for (std::size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1)) {
      const std::size_t after = at + word.size();
      if ((at == 0 || !is_word_character(line[at - 1])) &&
          (after == line.size() || !is_word_character(line[after]))) {
        return true;
      }
    }
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return false;
}

// The class of the template would meet another thing of its name.
void check_class(const NewPlugin& wanted, const std::string& file, const std::string& text) {
  const std::string word = class_name(wanted.name);
  if (!file.ends_with(".cpp") || !has_identifier(text, word)) return;
  throw Error(cat("the name '", wanted.name, "' makes the class ", word, ", and the source of ",
                  with_article(wanted.kind), " uses ", word, " for something else"))
      .with_help(cat("choose another name, for example: my_", wanted.name));
}

// A template's recipe may name a component of Saffron's that is no longer the only one of its name.
std::string in_full(const std::string& text, const std::string& name, const std::string& id) {
  const std::regex use("(use *= *\")" + name + "\"");
  return std::regex_replace(text, use, cat("$1", id, "::", name, '"'));
}

// `other`: the id of a plugin that has a component of the name already; "" where there is none.
std::map<std::string, std::string> contents(const NewPlugin& wanted, const Words& words,
                                            const std::string& other) {
  std::map<std::string, std::string> files;
  const fs::path templates = template_folder(wanted.kind);
  for (const fs::path& folder : {templates / "common", templates / wanted.kind}) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string file = entry.path().filename().string();
      std::string text = read_utf8(entry.path());
      check_class(wanted, file, text);
      if (!other.empty() && file == "recipe.toml") text = in_full(text, wanted.name, other);
      files[place_of(file, wanted.name)] = filled_in(text, words);
    }
  }
  return files;
}

// Plugins, other than this id's own earlier builds, with a component of that kind and name.
std::vector<std::string> namesakes(const NewPlugin& wanted, const Catalog& catalog) {
  std::vector<std::string> ids;
  for (const Catalog::Entry& entry : catalog.matches(wanted.kind, wanted.name)) {
    if (entry.file->id != wanted.id) ids.push_back(entry.file->id);
  }
  return ids;
}

}  // namespace

std::string class_name(const std::string& name) {
  std::string out;
  bool start = true;
  for (const char c : name) {
    if (c != '_') out += start && is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c;
    start = c == '_';
  }
  return out;
}

void check_plugin_id(const std::string& id) {
  static const std::regex words("[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*");
  if (std::regex_match(id, words)) return;
  throw Error(cat("'", id,
                  "' cannot be a plugin's id: it has words of letters, digits, '_' and '-', "
                  "and a '.' between two"))
      .with_help("a name that you own, backwards: --id org.example.hoyer");
}

std::string shell_word(const std::string& text) {
  const auto plain = [](char c) {
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') ||
           std::string_view("/._-+,:@%").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

MadePlugin make_plugin(const NewPlugin& asked, const Catalog& catalog) try {
  NewPlugin wanted = asked;
  check_name(wanted.name);
  check_kind(wanted.kind);
  if (wanted.id.empty()) wanted.id = "org.example." + wanted.name;
  check_plugin_id(wanted.id);
  if (wanted.directory.empty()) wanted.directory = wanted.name;
  FolderWriter writer(
      wanted.directory);  // refuses a folder that is in the way before anything else

  MadePlugin made;
  made.folder = wanted.directory;
  made.use = wanted.name;
  const std::vector<std::string> others = namesakes(wanted, catalog);
  if (!others.empty()) {
    made.use = cat(wanted.id, "::", wanted.name);
    made.note = cat("there is ", with_article(wanted.kind), " '", wanted.name, "' already, of ",
                    listed(others), ": recipes must say which one, use = \"", made.use, "\"");
  }
  const std::string version = cat(SAFFRON_SDK_VERSION_MAJOR, '.', SAFFRON_SDK_VERSION_MINOR);
  const Words words = {{"@NAME@", wanted.name},
                       {"@CLASS@", class_name(wanted.name)},
                       {"@ID@", wanted.id},
                       {"@KIND@", wanted.kind},
                       {"@USE@", made.use},
                       {"@VERSION@", version},
                       {"@TORCH@", SAFFRON_TORCH_VERSION}};
  for (const auto& [file, text] : contents(wanted, words, others.empty() ? "" : others.front())) {
    writer.write(file, text);
    made.files.push_back(file);
    made.recipe = made.recipe || file == wanted.name + ".toml";
  }
  writer.commit();
  return made;
} catch (const fs::filesystem_error& error) {
  throw Error(ErrorKind::io,
              cat("cannot write '", error.path1().string(), "': ", error.code().message()));
}

}  // namespace saffron::host
