#pragma once

#include "framework/recipe/component_catalog.h"
#include "framework/recipe/layers.h"
#include "framework/recipe/node_keys.h"
#include "framework/recipe/problems.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// A recipe as the host works with it: settings, nodes with everything decoded but nothing created,
// grids expanded into members, references known to lead somewhere.
//
//   Document document = read_document(path, sets);
//   Settings settings = decode_settings(document);      // says which plugins to look at
//   Recipe recipe = decode_recipe(document, catalog);   // every problem is in recipe.problems
//   recipe.problems.throw_errors(document.sources);

namespace saffron::host {

struct Settings {
  std::int64_t saffron = 1;  // the recipe format
  std::string name;          // of the run directory; the file's name when the recipe has none
  std::int64_t seed = 0;
  std::string device = "auto";
  std::int64_t threads = 0;  // 0 = all processors
  std::string dtype = "float32";
  std::vector<std::string> plugins;  // files or folders, resolved against the recipe's folder
  std::string runs = "runs";
  std::string cache = "cache";  // "" = nothing is cached
  static Schema<Settings> schema();
};

// A component as a recipe configures it: a node's, or one nested in it.
struct ComponentUse {
  std::string kind;                 // "sae"
  std::string use;                  // as written
  std::string id;                   // "org.saffron.topk::topk"; empty when it is unknown
  Origin origin;                    // of its table
  Value config = Value::table();    // its parameters as written: what its factory takes
  Value resolved = Value::table();  // all of them, defaults filled in, nested components too
  Value identity = Value::table();  // `resolved` less what cannot change a result
  std::vector<Decoded::Reference> references;  // also those of nested components
  std::vector<std::string> hashed_files;       // paths or globs whose content is an input
  struct Nested {
    std::string kind, id;
  };
  std::vector<Nested> nested;  // components in its parameters, at every depth
};

using Coordinates = std::vector<std::pair<std::string, std::string>>;  // {"k", "8"}

// One SAE of a grid; an SAE that no `vary` touches is its own only member.
struct Member {
  std::string name;   // "student[k=8]", or "student"
  std::string sae;    // "student"
  std::string train;  // the node that trains it; empty when none does
  Coordinates coordinates;
  ComponentUse component;
  SaeKeys keys;
  Value resolved = Value::table();  // own keys and parameters together, with `use`
  Value identity = Value::table();  // the same for hashing; `use` is the component's full name
};

struct RegularizerSpec {
  std::string name;  // "hoyer", of [train.all.regularizer.hoyer]
  ComponentUse component;
  RegularizerKeys keys;
  Value resolved = Value::table();
  Value identity = Value::table();
};

// The members that are trained together because a regularizer takes several SAEs (else one member):
// the unit of stacking, caching and resuming. A point of the grid for all of them.
struct TrainGroup {
  Coordinates coordinates;
  std::vector<std::size_t> members;  // indices into Recipe::members, in the order of `saes`
  std::vector<RegularizerSpec> regularizers;  // with this point's values; `over` names SAEs
};

struct VaryAxis {
  enum class Target : std::uint8_t { seed, sae, regularizer };
  std::string key;  // "student.k", as written
  Target target = Target::seed;
  std::string node;               // "student", or the regularizer's name
  std::vector<std::string> path;  // {"k"}: where in the node's table
  std::vector<Value> values;
  Origin origin;  // of the key
};

struct TrainSpec : TrainKeys {
  ComponentUse objective;
  std::vector<RegularizerSpec> regularizers;  // at the grid's first point
  std::vector<VaryAxis> vary;
  std::vector<TrainGroup> groups;
  std::string source;  // the one that all its SAEs read
};

struct NodeSpec {
  std::string section;     // "sae"
  std::string name;        // "student"
  Origin origin;           // of [sae.student]
  Value table;             // as written
  ComponentUse component;  // of every section but train
  std::variant<PlainKeys, SourceKeys, SaeKeys, TrainSpec, ScoreKeys, CompareKeys> keys;
  // Of own keys, parameters and nested components; kinds are component kinds ("scorer"). A kind
  // that no section has (tokenizer) means: from a node that provides one.
  std::vector<Decoded::Reference> references;
  Value resolved = Value::table();  // own keys and parameters together, with `use`
  Value identity = Value::table();  // the same for hashing; `use` is the component's full name

  [[nodiscard]] std::string path() const { return section + "." + name; }
  [[nodiscard]] const SourceKeys& source() const { return std::get<SourceKeys>(keys); }
  [[nodiscard]] const SaeKeys& sae() const { return std::get<SaeKeys>(keys); }
  [[nodiscard]] const TrainSpec& train() const { return std::get<TrainSpec>(keys); }
  [[nodiscard]] const ScoreKeys& score() const { return std::get<ScoreKeys>(keys); }
  [[nodiscard]] const CompareKeys& compare() const { return std::get<CompareKeys>(keys); }
  [[nodiscard]] std::int64_t seed() const;
};

struct Recipe {
  std::string path;
  Settings settings;
  Value settings_resolved = Value::table();
  std::vector<NodeSpec> nodes;  // in the order of the file
  std::vector<Member> members;  // of every sae node, grids in order
  Problems problems;            // also the document's

  [[nodiscard]] const NodeSpec* find(std::string_view section, std::string_view name) const;
  [[nodiscard]] std::vector<const NodeSpec*> section(std::string_view section) const;
  // The members that a reference to an SAE stands for: "student" all, "student[k=8]" those at
  // k = 8. Empty when there is none.
  [[nodiscard]] std::vector<const Member*> expand(std::string_view reference) const;
  // The train node whose `saes` lists this one; nullptr when none does.
  [[nodiscard]] const NodeSpec* trainer_of(std::string_view sae) const;
  // SAEs that no train node lists. Only those whose component makes its own state (fitted,
  // pretrained) may be: whoever can tell reports the rest with report_untrained.
  [[nodiscard]] std::vector<const NodeSpec*> untrained() const;
};

// Which of a group's members a regularizer stands over, as indices into group.members, in the order of
// its `over`.
[[nodiscard]] std::vector<std::size_t> members_over(const Recipe& recipe, const TrainGroup& group,
                                                    const RegularizerSpec& regularizer);

// The settings alone, problems left aside: decode_recipe reports them.
[[nodiscard]] Settings decode_settings(const Document& document);
// Decodes and checks everything that can be known without creating a component.
[[nodiscard]] Recipe decode_recipe(const Document& document, ComponentCatalog& catalog);
// Adds the error "no train node trains 'student'" to the recipe's problems.
void report_untrained(Recipe& recipe, const NodeSpec& sae);

}  // namespace saffron::host
