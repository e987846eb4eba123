#include "framework/recipe/layers.h"

#include "framework/recipe/kinds.h"
#include "framework/recipe/node_keys.h"
#include "framework/recipe/toml_reader.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

namespace saffron::host {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDeepestChain = 16;
constexpr std::uintmax_t kLargestFile = 1u << 20;

// ---- merging ----

// The keys that stay when the component at this place is replaced by another.
std::vector<std::string> kept_keys(const std::vector<std::string>& path) {
  if (path.size() == 2) return own_key_names(path[0]);
  const bool regularizer = path.size() == 4 && path[0] == "train" && path[2] == "regularizer";
  return regularizer ? own_key_names("regularizer") : std::vector<std::string>{};
}

bool component_changes(const Value& base, const Value& over) {
  const Value* before = base.find("use");
  const Value* after = over.find("use");
  return before != nullptr && after != nullptr && !(*before == *after);
}

std::string dotted(const std::vector<std::string>& path, const std::string& key) {
  std::string out;
  for (const std::string& part : path) out += part + '.';
  return out + key;
}

// A section and its nodes are tables in every layer: `sae.student = 3` would leave nothing of it.
bool must_stay_table(const std::vector<std::string>& path, const std::string& key) {
  return path.size() <= 1 && kind_of_section(path.empty() ? key : path[0]) != nullptr;
}

// `vary = {}` leaves out the grid of the layers below, as no key of a table could.
bool clears_grid(const std::vector<std::string>& path, const Value::Entry& entry) {
  return path.size() == 2 && path[0] == "train" && entry.key == "vary" &&
         entry.value.as_table().empty();
}

void merge(Value& base, Value over, std::vector<std::string>& path, Document& document) {
  if (component_changes(base, over)) {
    const std::vector<std::string> kept = kept_keys(path);
    std::erase_if(base.as_table(), [&](const Value::Entry& entry) {
      if (std::find(kept.begin(), kept.end(), entry.key) != kept.end()) return false;
      document.dropped.push_back(dotted(path, entry.key));
      return true;
    });
    base.with_origin(over.origin());
  }
  for (Value::Entry& entry : over.as_table()) {
    Value* present = base.find(entry.key);
    const bool table = present != nullptr && present->is_table();
    if (table && entry.value.is_table() && !clears_grid(path, entry)) {
      path.push_back(entry.key);
      merge(*present, std::move(entry.value), path, document);
      path.pop_back();
    } else if (table && !entry.value.is_table() && must_stay_table(path, entry.key)) {
      const std::string place = dotted(path, entry.key);
      document.problems.error(entry.value.origin(), place,
                              cat("expected table, got ", entry.value.type_name()),
                              cat(place, " is a table of keys: write ", place,
                                  path.empty() ? ".NAME" : "", ".KEY = VALUE"));
    } else {
      base.set(entry.key, std::move(entry.value), std::move(entry.key_origin));
    }
  }
}

void merge_root(Value& base, Value over, Document& document) {
  std::vector<std::string> path;
  merge(base, std::move(over), path, document);
}

// ---- files and what they extend ----

std::string read_text(const std::string& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) throw Error(ErrorKind::io, "it is a folder, not a file");
  if (fs::file_size(path, code) > kLargestFile && !code) {
    throw Error(ErrorKind::io, "it is larger than 1 MB: this is not a recipe");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorKind::io, std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) throw Error(ErrorKind::io, std::strerror(errno));
  return std::move(text).str();
}

fs::path identity_of(const std::string& path) {
  std::error_code code;
  const fs::path canonical = fs::weakly_canonical(path, code);
  return code ? fs::path(path) : canonical;
}

class Reader {
 public:
  explicit Reader(Document& document) : document_(document) {}

  // The file merged over what it extends; `from` is where its name was written.
  Value read(const std::string& path, const Origin& from) {
    std::string text;
    try {
      text = read_text(path);
    } catch (const Error& error) {
      document_.complete = false;
      const bool extended = from.known();
      document_.problems.error(
          from, extended ? "extends" : "", cat("cannot read '", path, "': ", error.message()),
          extended ? "the path is relative to the file that it is written in" : "");
      return Value::table();
    }
    document_.files.push_back(path);
    document_.sources.add(path, text);
    TomlText parsed = parse_toml(text, path);
    document_.complete &= parsed.parsed;
    for (Problem& problem : parsed.problems) document_.problems.add(std::move(problem));
    chain_.push_back(path);
    Value parent = read_parent(path, parsed.root);
    chain_.pop_back();
    parsed.root.erase("extends");
    if (parent.as_table().empty()) return std::move(parsed.root);
    merge_root(parent, std::move(parsed.root), document_);
    return parent;
  }

 private:
  Value read_parent(const std::string& path, const Value& root) {
    const Value* extends = root.find("extends");
    if (extends == nullptr) return Value::table();
    const auto fail = [&](std::string message, std::string help = {}) {
      document_.problems.error(extends->origin(), "extends", std::move(message), std::move(help));
      return Value::table();
    };
    if (!extends->is_string()) {
      return fail(cat("expected string, got ", extends->type_name()),
                  "a recipe extends one other file: extends = \"base.toml\"");
    }
    const fs::path named(extends->as_string());
    const std::string parent =
        named.is_absolute() ? named.string()
                            : (fs::path(path).parent_path() / named).lexically_normal().string();
    const auto same = [&](const std::string& file) {
      return identity_of(file) == identity_of(parent);
    };
    if (std::any_of(chain_.begin(), chain_.end(), same)) {
      std::string shown;
      for (const std::string& file : chain_) shown += file + " -> ";
      return fail(cat("the files extend one another: ", shown, parent));
    }
    if (chain_.size() >= kDeepestChain) {
      return fail(cat("more than ", kDeepestChain, " files extend one another"));
    }
    return read(parent, extends->origin());
  }

  Document& document_;
  std::vector<std::string> chain_;
};

// ---- --set ----

std::int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

struct Assignment {
  std::vector<std::string> path;
  std::size_t value = 0;  // where the right side begins
};

// a.b."c.d"=...: nullopt when there is no '=' outside quotes, or a quote does not close.
std::optional<Assignment> split_assignment(std::string_view text) {
  Assignment out;
  std::string part;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        part += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '.' || c == '=') {
      out.path.push_back(std::move(part));
      part.clear();
      if (c == '.') continue;
      out.value = i + 1;
      return out;
    } else if (c != ' ') {
      part += c;
    }
  }
  return std::nullopt;
}

std::string_view trim(std::string_view text) {
  const char* blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

template <class Number>
bool is_out_of_range(std::string_view digits) {
  Number number{};
  const char* end = digits.data() + digits.size();
  const auto [rest, code] = std::from_chars(digits.data(), end, number);
  return code == std::errc::result_out_of_range && rest == end;
}

// A number that TOML refuses for its size alone, and not a word.
bool is_too_large(std::string_view word) {
  std::string digits(word);
  std::erase(digits, '_');
  if (digits.starts_with('+')) digits.erase(0, 1);
  return is_out_of_range<std::int64_t>(digits) || is_out_of_range<double>(digits);
}

// The right side: TOML, or else a string, unless it clearly tries to be TOML.
std::optional<Value> right_side(std::string_view text, const Origin& origin, Problems& problems) {
  TomlValue parsed = parse_toml_value(text, origin.source, origin.column);
  if (parsed.value && parsed.problems.empty()) return std::move(parsed.value);
  const std::string_view word = trim(text);
  const bool structured = !word.empty() && std::string_view("[{\"'").find(word[0]) != word.npos;
  if (!parsed.value && is_too_large(word)) {
    problems.error(origin, "", "the number is too large for 64 bits",
                   "a string of digits stands in quotes");
    return std::nullopt;
  }
  if (!parsed.value && !structured && !word.empty()) {
    return Value(word).with_origin(origin);
  }
  if (word.empty()) {
    problems.error(origin, "", "there is no value after '='", "the empty string is \"\"");
  } else if (parsed.problems.empty()) {
    problems.error(origin, "", "one value is wanted after '='");
  }
  for (Problem& problem : parsed.problems) {
    if (!word.empty()) problems.add(std::move(problem));
  }
  return std::nullopt;
}

void apply_set(Document& document, const std::string& argument, std::size_t number) {
  const std::string source = cat("--set #", number);
  document.sources.add(source, argument);
  const Origin start{source, 0, 1};
  const std::optional<Assignment> assignment = split_assignment(argument);
  if (!assignment) {
    document.problems.error(start, "", "expected PATH=VALUE", "for example sae.student.k=64");
    return;
  }
  const std::vector<std::string>& path = assignment->path;
  if (std::find(path.begin(), path.end(), "") != path.end()) {
    document.problems.error(start, "", "a part of the path is empty",
                            "parts are separated by single dots: sae.student.k=64");
    return;
  }
  if (path[0] == "extends") {
    document.problems.error(start, "extends", "only a file can say what it extends");
    return;
  }
  const std::string_view text = std::string_view(argument).substr(assignment->value);
  const Origin at{source, 0,
                  characters(std::string_view(argument).substr(0, assignment->value)) + 1};
  std::optional<Value> value = right_side(text, at, document.problems);
  if (!value) return;
  for (auto part = path.rbegin(); part != path.rend(); ++part) {
    Value table = Value::table().with_origin(start);
    table.set(*part, std::move(*value), start);
    value = std::move(table);
  }
  merge_root(document.root, std::move(*value), document);
}

}  // namespace

Document read_document(const std::string& path, const std::vector<std::string>& sets) {
  Document document;
  document.path = path;
  document.root = Reader(document).read(path, {});
  document.root.with_origin({path, 1, 1});
  for (std::size_t i = 0; i < sets.size(); ++i) apply_set(document, sets[i], i + 1);
  return document;
}

}  // namespace saffron::host
