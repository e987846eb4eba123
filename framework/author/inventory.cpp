#include "framework/author/inventory.h"

#include "framework/loader/describe.h"
#include "framework/loader/text_table.h"
#include "framework/recipe/node_keys.h"

#include <algorithm>

namespace saffron::host {
namespace {

Value taker(std::string_view kind, std::string_view name, const std::string& parameter) {
  Value out = Value::table();
  out.set("kind", Value(kind));
  out.set("name", Value(name));
  out.set("parameter", Value(parameter));
  return out;
}

// Parameters, at any depth, that take a nested component of a kind.
void add_takers(const std::vector<ParamInfo>& params, std::string_view wanted,
                std::string_view kind, std::string_view name, const std::string& outer,
                Value& out) {
  for (const ParamInfo& param : params) {
    const std::string path = outer + param.name;
    if (param.type == ParamType::component && param.component_kind == wanted) {
      out.push(taker(kind, name, path));
    }
    add_takers(param.fields, wanted, kind, name, path + '.', out);
  }
}

Value takers_of(std::string_view wanted, const std::vector<Offer>& offers) {
  Value out = Value::list();
  add_takers(own_params("train"), wanted, "train", "", "", out);
  for (const Offer& offer : offers) {
    add_takers(offer.params, wanted, offer.kind, offer.name, "", out);
  }
  return out;
}

Offer offer_of(const Value& component) {
  Offer out{text_at(component, "kind"),
            text_at(component, "plugin"),
            text_at(component, "name"),
            text_at(component, "summary"),
            {}};
  for (const Value& param : list_at(component, "params")) out.params.push_back(param_of(param));
  return out;
}

bool before(const Value& a, const Value& b) {
  return std::pair(text_at(a, "name"), text_at(a, "plugin")) <
         std::pair(text_at(b, "name"), text_at(b, "plugin"));
}

std::size_t component_count(const Value& inventory) {
  std::size_t out = 0;
  for (const Value& kind : list_at(inventory, "kinds")) out += list_at(kind, "components").size();
  return out;
}

std::string plugin_text(const Value& component) {
  return cat(text_at(component, "plugin"), ' ', text_at(component, "version"));
}

// "dataset text" or "[train.NAME]": where such a component may be nested.
std::string taker_text(const Value& taker) {
  const std::string name = text_at(taker, "name"), kind = text_at(taker, "kind");
  return name.empty() ? cat('[', kind, ".NAME]") : cat(kind, ' ', name);
}

std::string placement_text(const Value& kind) {
  const std::string word = text_at(kind, "kind"), command = text_at(kind, "command");
  std::vector<std::string> lines;
  for (const Value& taker : list_at(kind, "taken_by")) {
    lines.push_back(
        cat(text_at(taker, "parameter"), " = { use = \"NAME\" }   of ", taker_text(taker)));
  }
  std::string out = lines.empty() ? "" : labelled("nested in", lines);
  lines.clear();
  for (const Value& section : list_at(kind, "provided_by")) {
    lines.push_back(cat("by nodes [", section.as_string(), ".NAME]: ", word,
                        " = \"NAME\" takes the one that such a node brings"));
  }
  if (!lines.empty()) out += labelled("provided", lines);
  if (!command.empty()) out += labelled("command", {command + " NAME"});
  if (!text_at(kind, "table").empty()) {
    Value example = kind;
    example.set("use", Value("COMPONENT"));
    out += labelled("recipe", snippet(example));
  }
  if (out.empty()) out = labelled("nested in", {"no component that was found"});
  return out;
}

}  // namespace

Value inventory_of(const Value& listing) {
  Value out = Value::table(), all = Value::list(), problems = Value::list();
  std::int64_t plugins = 0;
  std::vector<Value> components;
  std::vector<Offer> offers;
  for (const Value& plugin : list_at(listing, "plugins")) {
    if (plugin.find("problem") != nullptr) {
      problems.push(plugin);
      continue;
    }
    ++plugins;
    for (Value component : list_at(plugin, "components")) {
      component.set("plugin", plugin.at("id"));
      component.set("version", plugin.at("version"));
      offers.push_back(offer_of(component));
      components.push_back(std::move(component));
    }
  }
  for (std::size_t i = 0; i < components.size(); ++i) {
    components[i].set("use", Value(uses_of(offers[i], offers)[0]));
  }
  std::sort(components.begin(), components.end(), before);
  for (const Value& file : list_at(listing, "rejected")) problems.push(file);
  for (const Kind& kind : kinds()) {
    if (*kind.name == 0) continue;
    Value described = describe(kind), mine = Value::list();
    for (const Value& component : components) {
      if (component.at("kind").as_string() == kind.name) mine.push(component);
    }
    described.set("components", std::move(mine));
    described.set("taken_by", takers_of(kind.name, offers));
    all.push(std::move(described));
  }
  out.set("kinds", std::move(all));
  out.set("plugins", Value(plugins));
  out.set("problems", std::move(problems));
  return out;
}

const Value& kind_in(const Value& inventory, std::string_view kind) {
  const Value::List& all = inventory.at("kinds").as_list();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Value& each) {
    return each.at("kind").as_string() == kind;
  });
  if (found == all.end()) throw Error(ErrorKind::internal, cat("no kind '", kind, '\''));
  return *found;
}

std::string inventory_text(const Value& inventory) {
  std::vector<std::vector<std::string>> rows;
  for (const Value& kind : list_at(inventory, "kinds")) {
    for (const Value& component : list_at(kind, "components")) {
      rows.push_back(
          {text_at(component, "name"), plugin_text(component), text_at(component, "summary")});
    }
  }
  // One table, so that the columns of all kinds stand under one another.
  const std::string lines = text_table(rows);
  std::string out;
  std::size_t at = 0;
  for (const Value& kind : list_at(inventory, "kinds")) {
    out += cat(text_at(kind, "kind"), ": ", text_at(kind, "summary"), '\n');
    const std::size_t count = list_at(kind, "components").size();
    if (count == 0) out += "  (none)\n";
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t end = lines.find('\n', at) + 1;
      out += lines.substr(at, end - at);
      at = end;
    }
    out += '\n';
  }
  const auto plugins = static_cast<std::size_t>(inventory.at("plugins").as_int());
  out += cat(counted(component_count(inventory), "component"), " of ",
             counted(list_at(inventory, "kinds").size(), "kind"), " in ",
             counted(plugins, "plugin"), '\n');
  for (const Value& problem : list_at(inventory, "problems")) {
    const std::string words = text_at(problem, "problem");
    out +=
        cat("not used: ", text_at(problem, "file"), "  ", words.substr(0, words.find('\n')), '\n');
  }
  return out;
}

std::string kind_text(const Value& kind) {
  const std::string word = text_at(kind, "kind");
  std::string out = cat(word, "  (kind)   ", text_at(kind, "interface"), "   <",
                        text_at(kind, "header"), ">\n  ", text_at(kind, "summary"), "\n\n");
  std::vector<std::vector<std::string>> rows{{"component", "plugin", "summary"}};
  for (const Value& component : list_at(kind, "components")) {
    rows.push_back(
        {text_at(component, "use"), plugin_text(component), text_at(component, "summary")});
  }
  out += rows.size() == 1 ? cat("  no plugin that was found offers ", with_article(word), '\n')
                          : text_table(rows);
  const Value::List& keys = list_at(kind, "keys");
  if (!keys.empty()) {
    out += cat("\n  beside its component's parameters, every ", word, " has\n",
               param_table("key", keys));
  }
  out += cat('\n', placement_text(kind), '\n', counted(rows.size() - 1, "component"));
  return cat(out, rows.size() == 1
                      ? "\n"
                      : cat("; saffron inspect ", word, " NAME shows one with its parameters\n"));
}

std::vector<Offer> offers_in(const Value& inventory) {
  std::vector<Offer> out;
  for (const Value& kind : list_at(inventory, "kinds")) {
    for (const Value& component : list_at(kind, "components")) {
      out.push_back(offer_of(component));
    }
  }
  return out;
}

std::vector<std::string> uses_of(const Offer& offer, const std::vector<Offer>& offers) {
  const std::string full = cat(offer.plugin, "::", offer.name);
  const auto rivals = std::count_if(offers.begin(), offers.end(), [&](const Offer& other) {
    return other.kind == offer.kind && other.name == offer.name;
  });
  return rivals > 1 ? std::vector<std::string>{full} : std::vector<std::string>{offer.name, full};
}

}  // namespace saffron::host
