#include "framework/recipe/vary.h"

#include "framework/recipe/node_decode.h"

#include <algorithm>
#include <cctype>

namespace saffron::host {
namespace {

constexpr const char* kHelp =
    "keys are \"SAE.key\", \"regularizer.NAME.key\" and \"seed\", each with a list of values";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == '.') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

// `train.all.vary."student.k"`: a key with a dot is quoted, as in the recipe.
std::string axis_path(const std::string& train_path, const std::string& key) {
  const bool quoted = key.find('.') != std::string::npos;
  return cat(train_path, ".vary.", quoted ? cat('"', key, '"') : key);
}

// What the key varies, or what is wrong with it.
struct Target {
  std::string problem, help;
};

Target find_target(VaryAxis& axis, const std::vector<std::string>& saes,
                   const std::vector<std::string>& regularizers) {
  std::vector<std::string> parts = split(axis.key);
  if (std::find(parts.begin(), parts.end(), "") != parts.end()) {
    return {"a part of the key is empty", kHelp};
  }
  if (axis.key == "seed") {
    axis.path = {"seed"};
    return {};
  }
  const bool regularizer = parts[0] == "regularizer" && parts.size() >= 2;
  axis.target = regularizer ? VaryAxis::Target::regularizer : VaryAxis::Target::sae;
  if (regularizer) parts.erase(parts.begin());
  axis.node = parts[0];
  axis.path.assign(parts.begin() + 1, parts.end());
  const std::vector<std::string>& names = regularizer ? regularizers : saes;
  if (std::find(names.begin(), names.end(), axis.node) == names.end()) {
    const std::string near = did_you_mean(axis.node, names);
    if (regularizer) {
      return {cat("this train node has no regularizer '", axis.node, '\''),
              near.empty() ? kHelp : near};
    }
    return {cat("'", axis.node, "' is not an SAE of this train node"), near.empty() ? kHelp : near};
  }
  if (axis.path.empty()) return {"the key names no parameter", kHelp};
  if (axis.path[0] == "use") {
    return {"a grid cannot change `use`", "declare an SAE of each kind and list them in `saes`"};
  }
  if (regularizer && axis.path[0] == "over") {
    return {"a grid cannot change `over`", "declare one regularizer for each set of SAEs"};
  }
  return {};
}

bool take_values(VaryAxis& axis, const Value& list, const std::string& path, Problems& problems) {
  if (!list.is_list()) {
    problems.error(list.origin(), path, cat("expected list of values, got ", list.type_name()),
                   cat("write [", to_toml(list), ']'));
    return false;
  }
  if (list.as_list().empty()) {
    problems.error(list.origin(), path, "the list is empty");
    return false;
  }
  if (list.as_list().size() > kLargestGrid) {
    problems.error(list.origin(), path, cat("the list has more than ", kLargestGrid, " values"));
    return false;
  }
  std::vector<std::string> seen;
  for (const Value& value : list.as_list()) {
    const std::string text = coordinate_text(value);
    if (std::find(seen.begin(), seen.end(), text) != seen.end()) {
      problems.error(value.origin(), path, cat("value ", to_toml(value), " is listed twice"));
      return false;
    }
    seen.push_back(text);
    axis.values.push_back(value);
  }
  return true;
}

void set_at(Value& table, const std::vector<std::string>& path, const Value& value,
            const Origin& origin) {
  Value* at = &table;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    Value* next = at->find(path[i]);
    if (next == nullptr || !next->is_table()) {
      next = &at->set(path[i], Value::table().with_origin(origin), origin);
    }
    at = next;
  }
  at->set(path.back(), value, origin);
}

void erase_at(Value& table, const std::vector<std::string>& path) {
  Value* at = &table;
  for (std::size_t i = 0; i + 1 < path.size() && at != nullptr; ++i) {
    at = at->is_table() ? at->find(path[i]) : nullptr;
  }
  if (at != nullptr && at->is_table()) at->erase(path.back());
}

bool same_place(const Origin& a, const Origin& b) {
  return a.source == b.source && a.line == b.line && a.column == b.column;
}

}  // namespace

std::string coordinate_text(const Value& value) {
  if (value.is_string()) {
    const std::string& text = value.as_string();
    const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 ||
             std::string_view("_-.:/").find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (plain) return text;
  }
  std::string text = to_toml(value);
  if (value.type() != Value::Type::real) return text;
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  const std::size_t exponent = text.find('e');  // 1e-04 -> 1e-4, 1e+20 -> 1e20
  if (exponent == text.npos) return text;
  std::size_t digits = exponent + 1;
  if (text[digits] == '+') text.erase(digits, 1);
  if (text[digits] == '-') ++digits;
  while (digits + 1 < text.size() && text[digits] == '0') text.erase(digits, 1);
  return text;
}

std::vector<VaryAxis> parse_axes(const Value& vary, const Value& table,
                                 const std::vector<std::string>& saes, const std::string& path,
                                 Problems& problems) {
  std::vector<VaryAxis> out;
  if (!vary.is_table()) {
    problems.error(vary.origin(), path + ".vary", cat("expected table, got ", vary.type_name()),
                   "write vary = { \"student.k\" = [8, 16] }");
    return out;
  }
  std::vector<std::string> regularizers;
  const Value* declared = table.find("regularizer");
  if (declared != nullptr && declared->is_table()) {
    for (const Value::Entry& entry : declared->as_table()) regularizers.push_back(entry.key);
  }
  for (const Value::Entry& entry : vary.as_table()) {
    VaryAxis axis;
    axis.key = entry.key;
    axis.origin = entry.key_origin;
    const std::string place = axis_path(path, entry.key);
    const Target target = find_target(axis, saes, regularizers);
    if (!target.problem.empty()) {
      // `vary.student.k = [...]`, unquoted, makes nested tables.
      const bool nested = entry.value.is_table() && entry.key.find('.') == std::string::npos;
      problems.error(entry.key_origin, place, target.problem,
                     nested ? "quote the whole key: \"student.k\" = [8, 16]" : target.help);
      continue;
    }
    if (take_values(axis, entry.value, place, problems)) out.push_back(std::move(axis));
  }
  const auto is_seed = [](const VaryAxis& axis) { return axis.target == VaryAxis::Target::seed; };
  const bool every_seed = std::any_of(out.begin(), out.end(), is_seed);
  std::erase_if(out, [&](const VaryAxis& axis) {
    const bool one_seed =
        axis.target == VaryAxis::Target::sae && axis.path == std::vector<std::string>{"seed"};
    if (!every_seed || !one_seed) return false;
    problems.error(axis.origin, axis_path(path, axis.key),
                   "\"seed\" varies every SAE's seed already", "keep one of the two");
    return true;
  });
  return out;
}

Value at_point(const Value& table, const std::vector<const VaryAxis*>& axes,
               const std::vector<std::size_t>& at) {
  Value out = table;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const VaryAxis& axis = *axes[i];
    set_at(out, axis.path, axis.values[at.empty() ? 0 : at[i]], axis.origin);
  }
  return out;
}

const Value* replaced_by(const VaryAxis& axis, const Value& table) {
  const Value* at = &table;
  for (const std::string& part : axis.path) {
    at = at != nullptr && at->is_table() ? at->find(part) : nullptr;
  }
  return at;
}

void restore_written(Value& resolved, const Value& written,
                     const std::vector<const VaryAxis*>& axes) {
  for (const VaryAxis* axis : axes) {
    const Value* before = replaced_by(*axis, written);
    if (before != nullptr) {
      set_at(resolved, axis->path, *before, before->origin());
      continue;
    }
    erase_at(resolved, axis->path);
  }
}

void erase_varied(Value& identity, const std::vector<const VaryAxis*>& axes) {
  for (const VaryAxis* axis : axes) erase_at(identity, axis->path);
}

void add_point_problems(const Problems& found, const std::string& train_path,
                        const std::vector<const VaryAxis*>& axes, Problems& problems) {
  for (Problem problem : found.list()) {
    for (const VaryAxis* axis : axes) {
      const bool here =
          same_place(problem.origin, axis->origin) ||
          std::any_of(axis->values.begin(), axis->values.end(), [&](const Value& value) {
            return same_place(problem.origin, value.origin());
          });
      if (here) problem.path = axis_path(train_path, axis->key);
    }
    problems.add(std::move(problem));
  }
}

}  // namespace saffron::host
