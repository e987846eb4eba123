#include "framework/author/reference_pages.h"

#include "framework/loader/describe.h"
#include "framework/loader/describe_rows.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>

namespace saffron::host {
namespace {

constexpr const char* kMade =
    "<!-- Made by `make docs` from the components' schemas. Change those, not this page. -->\n\n";

// Text as Markdown shows it, on one line; what stands in backticks is left alone.
std::string escaped(std::string_view text) {
  std::string out;
  bool code = false;
  for (const char c : text) {
    if (c == '`') code = !code;
    if (c == '|' || (!code && (c == '*' || c == '<'))) out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string code(std::string_view text) {
  if (text.empty()) return {};
  std::string out = "`";
  for (const char c : text) out += cat(c == '|' ? "\\" : "", c);
  return out + '`';
}

std::string sentence(std::string text) {
  if (text.empty()) return text;
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  if (std::string_view(".!?").find(text.back()) == std::string_view::npos) text += '.';
  return text;
}

std::string link_to(std::string_view kind) { return cat('[', kind, "](", kind, ".md)"); }

std::string line_of(std::initializer_list<std::string> cells) {
  std::string out = "|";
  for (const std::string& cell : cells) out += cat(cell.empty() ? "" : " ", cell, " |");
  return out + '\n';
}

// "list of [sae](sae.md) node"
std::string type_of(std::string type) {
  for (const std::string& kind : kind_names()) {
    const std::size_t at = type.find(kind);
    const bool whole = at != type.npos && (at == 0 || type[at - 1] == ' ') &&
                       (at + kind.size() == type.size() || type[at + kind.size()] == ' ');
    if (whole) return type.replace(at, kind.size(), link_to(kind));
  }
  return type;
}

std::string table_of(const std::string& heading, const Value::List& params) {
  std::string out = line_of({heading, "type", "default", "range", "meaning"}) +
                    line_of({"---", "---", "---", "---", "---"});
  for (const ParamRow& row : param_rows(params)) {
    const bool words = row.standard == "required" || row.standard == "-";
    out += line_of({code(row.name), type_of(row.type), words ? row.standard : code(row.standard),
                    escaped(row.range), escaped(row.meaning)});
  }
  return out + '\n';
}

std::string toml(const std::vector<std::string>& lines) {
  std::string out = "```toml\n";
  for (const std::string& line : lines) out += line + '\n';
  return out + "```\n\n";
}

std::string component_part(const Value& component, const std::string& command) {
  const Value* revision = component.find("revision");
  std::string out = cat("## ", text_at(component, "name"), "\n\n",
                        sentence(escaped(text_at(component, "summary"))));
  const std::string doc = text_at(component, "doc"), citation = text_at(component, "citation");
  if (!doc.empty()) out += ' ' + escaped(doc);
  out += "\n\n";
  if (!citation.empty()) out += cat("*", escaped(citation), "*\n\n");
  out += cat("Plugin ", code(text_at(component, "plugin")), ", revision ",
             revision == nullptr ? "?" : to_toml(*revision), ", ", flags_text(component), ".\n\n");
  const Value::List& params = list_at(component, "params");
  out += params.empty() ? std::string("It has no parameters.\n\n") : table_of("parameter", params);
  if (!command.empty()) {
    return cat(out, "```\n", command, ' ', text_at(component, "use"), "\n```\n\n");
  }
  return out + toml(snippet(component));
}

std::string nested_part(const Value& kind) {
  const Value::List& takers = list_at(kind, "taken_by");
  std::string out;
  for (const Value& taker : takers) {
    const std::string name = text_at(taker, "name"), of = text_at(taker, "kind");
    out += cat(out.empty() ? "Nested: as " : ", as ", code(text_at(taker, "parameter")), " of ",
               name.empty() ? cat('[', of, " nodes](", of, ".md)")
                            : cat('[', name, "](", of, ".md#", name, ')'));
  }
  if (!out.empty()) out += ".\n\n";
  for (const Value& section : list_at(kind, "provided_by")) {
    out += cat("A recipe may write the name of a ", link_to(section.as_string()),
               " node instead, which brings its own.\n\n");
  }
  return out;
}

std::string kind_page(const Value& kind) {
  const std::string word = text_at(kind, "kind"), header = text_at(kind, "header"),
                    table = text_at(kind, "table"), command = text_at(kind, "command");
  std::string out = cat("# ", word, "\n\n", kMade, sentence(text_at(kind, "summary")),
                        " Interface ", code(text_at(kind, "interface")), ", header [", code(header),
                        "](../../sdk/include/", header, ").");
  out += table.empty() ? "\n\n" : cat(" Tables ", code(table), ".\n\n");
  out += nested_part(kind);
  const Value::List& components = list_at(kind, "components");
  if (components.empty()) out += "No component of this kind comes with Saffron.\n\n";
  for (const Value& component : components) {
    Value whole = component;
    whole.set("table", Value(table));
    whole.set("keys", kind.at("keys"));
    out += component_part(whole, command);
  }
  if (!list_at(kind, "keys").empty()) {
    out += cat("## Keys of every ", word, "\n\nBeside the component's parameters.\n\n",
               table_of("key", list_at(kind, "keys")));
  }
  return out;
}

std::string section_page(const Value& section) {
  std::string out =
      cat("# ", text_at(section, "section"), "\n\n", kMade, sentence(text_at(section, "summary")),
          "\n\n", table_of("key", list_at(section, "keys")));
  const std::string inner = text_at(section, "regularizer_table");
  if (!inner.empty()) {
    out +=
        cat("## Keys of every ", code(inner), "\n\nBeside the parameters of the ",
            link_to("regularizer"), ".\n\n", table_of("key", list_at(section, "regularizer_keys")));
  }
  return out + toml(snippet(section));
}

std::string index_page(const Value& inventory, const std::vector<Value>& sections) {
  std::string out =
      cat("# Reference\n\n", kMade,
          "Every component that comes with Saffron, its parameters, and the keys of a recipe's "
          "tables: what `saffron inspect` shows of one, a page for each kind. "
          "[recipes.md](../recipes.md) says how they make a recipe, [plugins.md](../plugins.md) "
          "how to write one.\n\n",
          line_of({"page", "", "components"}), line_of({"---", "---", "---"}));
  for (const Value& section : sections) {
    out +=
        line_of({link_to(text_at(section, "section")), escaped(text_at(section, "summary")), ""});
  }
  for (const Value& kind : list_at(inventory, "kinds")) {
    const std::string word = text_at(kind, "kind");
    std::string names;
    for (const Value& component : list_at(kind, "components")) {
      const std::string name = text_at(component, "name");
      names += cat(names.empty() ? "" : ", ", '[', name, "](", word, ".md#", name, ')');
    }
    out += line_of({link_to(word), escaped(text_at(kind, "summary")), names});
  }
  return out;
}

}  // namespace

std::map<std::string, std::string> reference_pages(const Value& inventory) {
  std::map<std::string, std::string> out;
  const std::vector<Value> sections{describe_recipe(), describe_train()};
  out["README.md"] = index_page(inventory, sections);
  for (const Value& section : sections) {
    out[text_at(section, "section") + ".md"] = section_page(section);
  }
  for (const Value& kind : list_at(inventory, "kinds")) {
    out[text_at(kind, "kind") + ".md"] = kind_page(kind);
  }
  // Pages end with one line's end.
  for (auto& [name, page] : out) page.resize(page.find_last_not_of('\n') + 2);
  return out;
}

}  // namespace saffron::host
