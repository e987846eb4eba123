#include "framework/loader/validate.h"

#include "framework/loader/abi_rows.h"
#include "framework/recipe/kinds.h"

#include <saffron/plugin.h>
#include <saffron/range.h>

#include <algorithm>
#include <set>

namespace saffron::host {
namespace {

constexpr std::size_t kMostProblems = 10;

[[noreturn]] void refuse(const PluginFile& file, const std::string& message,
                         const std::string& help = {}) {
  Error error(ErrorKind::plugin, cat("plugin '", file.id, "' ", message));
  if (!help.empty()) error.with_help(help);
  throw error;
}

std::string text(const char* string) { return string == nullptr ? std::string() : string; }

std::string hex(std::uint64_t number) {
  std::ostringstream out;
  out << "0x" << std::hex << number;
  return out.str();
}

bool is_type(const Value& value, const saffron_param& param) {
  switch (param.type) {
    case SAFFRON_TYPE_BOOL: return value.is_bool();
    case SAFFRON_TYPE_INT: return value.is_int();
    case SAFFRON_TYPE_FLOAT: return value.is_number();
    case SAFFRON_TYPE_STRING:
    case SAFFRON_TYPE_PATH:
    case SAFFRON_TYPE_SECRET:
    case SAFFRON_TYPE_REFERENCE: return value.is_string();
    case SAFFRON_TYPE_TABLE: return value.is_table();
    case SAFFRON_TYPE_COMPONENT: return value.is_string() || value.is_table();
    default: return false;
  }
}

class Checker {
 public:
  explicit Checker(const PluginFile& file) : file_(file) {}

  void component(const saffron_component& row) {
    const std::string kind = text(row.kind), name = text(row.name);
    what_ = cat(kind, " '", name, "'");
    const Kind* info = find_kind(kind);
    if (info == nullptr) {
      problem(cat("this Saffron knows no kind '", kind, "'", nearest_kind(kind)));
    } else if (text(row.interface) != info->interface) {
      problem(cat("implements ", text(row.interface), "; this Saffron knows ", info->interface));
    }
    if (name.empty()) problem("has no name");
    if (!names_.insert(kind + '/' + name).second) problem("is listed twice");
    if (text(row.summary).empty()) problem("has no summary", true);
    if (row.create == nullptr || row.destroy == nullptr || row.decode == nullptr) {
      problem("lacks a factory function");
    }
    own_keys_.clear();
    for (const ParamInfo& key : keys_beside(kind)) own_keys_.insert(key.name);
    params(params_of(row), "");
  }

  // The file said before it was loaded which components it has; recipes were checked against that.
  void same_as_file(const saffron_plugin& plugin) {
    std::size_t i = 0;
    bool same = plugin.component_count == file_.components.size();
    for (const saffron_component& row : components_of(plugin)) {
      if (!same) break;
      const PluginFile::Component& told = file_.components[i++];
      same = told.kind == text(row.kind) && told.name == text(row.name) &&
             told.interface == text(row.interface);
    }
    what_ = "descriptor";
    if (!same) problem("lists other components than the file's section " SAFFRON_ABI_SECTION);
  }

  [[nodiscard]] std::vector<DescriptorProblem> problems() const { return problems_; }

 private:
  void problem(const std::string& message, bool documentation = false) {
    problems_.push_back({cat(what_, ": ", message), documentation});
  }

  void params(const AbiRows<saffron_param>& rows, const std::string& outer) {
    if (!rows.valid()) return problem("has parameter rows of an unknown size");
    std::set<std::string> names;
    for (const saffron_param& row : rows) {
      const std::string name = outer + text(row.name);
      if (text(row.name).empty()) {
        problem(outer.empty() ? "has a parameter without a name"
                              : cat("'", outer, "' has a parameter without a name"));
        continue;
      }
      if (!names.insert(text(row.name)).second) problem(cat("has two parameters '", name, "'"));
      if (row.alias != nullptr && !names.insert(row.alias).second) {
        problem(cat("has two parameters '", outer, row.alias, "'"));
      }
      if (outer.empty()) reserved(name);
      if (text(row.doc).empty()) {
        problem(cat("parameter '", name, "' has no documentation"), true);
      }
      param(row, name);
    }
  }

  // A recipe's table holds the node's own keys and the component's parameters side by side.
  void reserved(const std::string& name) {
    if (name == "use" || own_keys_.contains(name)) {
      problem(cat("parameter '", name, "' has the name of a key that the host reads"));
    }
  }

  void param(const saffron_param& row, const std::string& name) {
    if (row.type > SAFFRON_TYPE_COMPONENT) {
      return problem(cat("parameter '", name, "' has unknown type ", row.type));
    }
    if (row.type == SAFFRON_TYPE_REFERENCE || row.type == SAFFRON_TYPE_COMPONENT) {
      if (find_kind(text(row.component_kind)) == nullptr) {
        problem(cat("parameter '", name, "' takes unknown kind '", text(row.component_kind), "'"));
      }
    }
    if (row.type == SAFFRON_TYPE_TABLE) params(fields_of(row), name + '.');
    if (row.default_json == nullptr) return;
    Value value;
    try {
      value = from_json(row.default_json, "default");
    } catch (const Error&) {
      return problem(cat("parameter '", name, "' has an unreadable default: ", row.default_json));
    }
    if (value.is_null()) return;
    if ((row.flags & SAFFRON_PARAM_LIST) == 0) return item(row, name, value);
    if (!value.is_list()) return wrong_type(row, name);
    for (const Value& element : value.as_list()) item(row, name, element);
  }

  void wrong_type(const saffron_param& row, const std::string& name) {
    problem(cat("parameter '", name, "' has a default of another type: ", row.default_json));
  }

  void item(const saffron_param& row, const std::string& name, const Value& value) {
    if (!is_type(value, row)) return wrong_type(row, name);
    if (value.is_number() && !in_range(text(row.range), value.as_real())) {
      problem(cat("parameter '", name, "' has a default outside its range: ", row.default_json,
                  " is not ", row.range));
    }
    if (row.choice_count == 0 || !value.is_string()) return;
    for (std::uint32_t i = 0; i < row.choice_count; ++i) {
      if (value.as_string() == text(row.choices[i])) return;
    }
    problem(cat("parameter '", name,
                "' has a default that is none of its choices: ", row.default_json));
  }

  const PluginFile& file_;
  std::string what_;
  std::set<std::string> names_, own_keys_;
  std::vector<DescriptorProblem> problems_;
};

}  // namespace

void check_identity(const saffron_plugin& plugin, const PluginFile& file) {
  if (plugin.magic != SAFFRON_ABI_MAGIC) {
    refuse(file, cat("returned no plugin descriptor: its magic number is ", hex(plugin.magic),
                     ", not ", hex(SAFFRON_ABI_MAGIC)));
  }
  if (plugin.abi_major != SAFFRON_ABI_MAJOR) {
    refuse(file,
           cat("speaks plugin ABI ", plugin.abi_major, '.', plugin.abi_minor,
               "; this Saffron speaks ", SAFFRON_ABI_MAJOR, '.', SAFFRON_ABI_MINOR),
           "rebuild the plugin with this Saffron's SDK");
  }
  if (plugin.size < sizeof(saffron_plugin)) {
    refuse(file, cat("returned a descriptor of ", plugin.size, " bytes; ABI ", SAFFRON_ABI_MAJOR,
                     '.', SAFFRON_ABI_MINOR, " has ", sizeof(saffron_plugin)));
  }
  if (text(plugin.build_tag) != file.tag_text) {
    refuse(file,
           cat("has two build tags:\n  in its section     ", file.tag_text,
               "\n  in its descriptor  ", text(plugin.build_tag)),
           "its objects were compiled with different settings: rebuild all of it");
  }
  if (plugin.layout != detail::layout_fingerprint()) {
    refuse(file,
           cat("lays out the types that cross the boundary otherwise than this Saffron "
               "(fingerprint ",
               hex(plugin.layout), ", here ", hex(detail::layout_fingerprint()), ")"),
           "it is compiled with a macro or header that changes at::Tensor, std::string or "
           "saffron::Value: build it with saffron_add_plugin()");
  }
  if (text(plugin.id) != file.id || text(plugin.version) != file.version) {
    refuse(file, cat("calls itself '", text(plugin.id), "' ", text(plugin.version),
                     " once loaded, but '", file.id, "' ", file.version, " in its file"));
  }
}

std::vector<DescriptorProblem> descriptor_problems(const saffron_plugin& plugin,
                                                   const PluginFile& file) {
  const auto rows = components_of(plugin);
  if (rows.size() == 0) return {{"descriptor: has no components"}};
  if (!rows.valid()) return {{"descriptor: has component rows of an unknown size"}};
  Checker checker(file);
  checker.same_as_file(plugin);
  for (const saffron_component& row : rows) checker.component(row);
  return checker.problems();
}

void check_descriptor(const saffron_plugin& plugin, const PluginFile& file) {
  const std::vector<DescriptorProblem> problems = descriptor_problems(plugin, file);
  if (problems.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < std::min(problems.size(), kMostProblems); ++i) {
    list += "\n  " + problems[i].text;
  }
  if (problems.size() > kMostProblems) {
    list += cat("\n  and ", problems.size() - kMostProblems, " more");
  }
  refuse(file, "has a bad descriptor:" + list);
}

}  // namespace saffron::host
