#pragma once

#include "framework/recipe/key_index.h"
#include "framework/recipe/recipe.h"

#include <string>
#include <string_view>
#include <vector>

namespace saffron::host {

// Decodes tables of a recipe against the schemas of components and of the host's own keys, and
// collects what is wrong with words about where a misplaced key belongs.
class ComponentDecoder {
 public:
  ComponentDecoder(ComponentCatalog& catalog, const KeyIndex& index, Problems& problems)
      : catalog_(catalog), index_(index), problems_(problems) {}

  // The component that `table` configures with `use` and its parameters; keys in `own` are somebody
  // else's and left aside. Nested components are decoded too.
  [[nodiscard]] ComponentUse component(std::string_view kind, const Value& table,
                                       const std::vector<std::string>& own,
                                       const std::string& path);

  // The keys of `table` that are in `own`, decoded by their schema. The result's problems have been
  // reported.
  template <class Keys>
  [[nodiscard]] Decoded own_keys(const Value& table, const std::vector<std::string>& own,
                                 Keys& keys, const std::string& path) {
    Decoded out;
    out.path = path;
    Keys::schema().decode(subset(table, own), &keys, out);
    report(out.problems, path, own);
    return out;
  }

  // Reports unknown keys of `table`: those that are not in `known`.
  void only(const Value& table, const std::vector<std::string>& known, const std::string& path);
  [[nodiscard]] Problems& problems() { return problems_; }
  // The same, with problems going elsewhere.
  [[nodiscard]] ComponentDecoder reporting_to(Problems& problems) const {
    return {catalog_, index_, problems};
  }

 private:
  [[nodiscard]] static Value subset(const Value& table, const std::vector<std::string>& keys);
  void report(std::vector<Problem>& problems, const std::string& path,
              const std::vector<std::string>& known);
  [[nodiscard]] std::string find(std::string_view kind, const Value::Entry& use,
                                 const std::string& path);
  void unknown_component(std::string_view kind, const Value& use, const std::string& path);
  void decode_parameters(ComponentUse& out, const std::vector<std::string>& own,
                         const std::string& path);
  void decode_nested(ComponentUse& out, const Decoded::Nested& nested, const std::string& path);

  ComponentCatalog& catalog_;
  const KeyIndex& index_;
  Problems& problems_;
  int depth_ = 0;
};

// `resolved` without what cannot change a result: parameters declared so, and secrets.
[[nodiscard]] Value without_unhashed(const Value& resolved, const std::vector<ParamInfo>& params);

// The value at a path of a table: "aux.tokenizer", "judges[0]"; nullptr when there is none.
[[nodiscard]] Value* value_at(Value& table, std::string_view path);

}  // namespace saffron::host
