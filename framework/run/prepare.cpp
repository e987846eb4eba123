#include "framework/run/prepare.h"

#include "framework/loader/component.h"
#include "framework/recipe/kinds.h"
#include "framework/recipe/resolve.h"

#include <saffron/comparator.h>
#include <saffron/io.h>
#include <saffron/log.h>
#include <saffron/objective.h>
#include <saffron/regularizer.h>
#include <saffron/scorer.h>

#include <filesystem>
#include <functional>
#include <set>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

SearchOptions search_options(const RecipeRequest& request, const Document& document,
                             const Settings& settings) {
  SearchOptions options;
  const Value* listed = document.root.find("plugins");
  for (std::size_t i = 0; i < settings.plugins.size(); ++i) {
    Origin origin;
    if (listed != nullptr && listed->is_list() && i < listed->as_list().size()) {
      origin = listed->as_list()[i].origin();
    }
    options.recipe.push_back({.path = settings.plugins[i],
                              .reason = "the recipe's plugins",
                              .required = true,
                              .origin = origin});
  }
  options.recipe_folder = fs::path(request.recipe).parent_path();
  options.plugin_path = request.plugin_path;
  return options;
}

bool is_data(const NodeSpec& node) {
  return node.section == "dataset" || node.section == "model" || node.section == "source" ||
         node.section == "world";
}

// What `where` says beside the recipe's position and the node's path, which its problem has.
std::string unsaid(std::string where, const std::string& path, const Origin& origin) {
  if (origin.known() && where.starts_with(origin.source + ":")) {
    const std::size_t end = where.find(": ");
    where.erase(0, end == where.npos ? end : end + 2);
  }
  if (const std::string node = cat(" (", path, ")"); where.ends_with(node)) {
    where.resize(where.size() - node.size());
  }
  return where;
}

// Whether `create` succeeds; adds its error otherwise.
bool attempt(Problems& problems, const std::string& path, const Origin& origin,
             const std::function<void()>& create) {
  try {
    create();
    return true;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    const std::string where = unsaid(error.where(), path, origin);
    problems.error(origin, path,
                   where.empty() ? error.message() : cat(where, ": ", error.message()),
                   error.help());
  } catch (const std::exception& error) {
    problems.error(origin, path, error.what());
  }
  return false;
}

void require_blocks(Objects& objects, const std::string& source, Split split) {
  if (objects.split(source).count(split) != 0) return;
  const std::int64_t blocks = objects.source(source)->info().blocks;
  const bool train = split == Split::train;
  throw Error(ErrorKind::data,
              cat("of the ", blocks, blocks == 1 ? " block" : " blocks", " that source '", source,
                  "' has, none is ", train ? "left for training" : "held out"))
      .with_help(train || blocks > 1
                     ? "change the source's held_out share"
                     : "give it more data or smaller blocks, or write split = \"train\" here");
}

}  // namespace

Prepared::Prepared(const RecipeRequest& request)
    : document_(read_document(request.recipe, request.sets)) {
  document_.problems.throw_errors(document_.sources);
  if (request.runs) document_.root.set("runs", *request.runs);
  if (request.cache) document_.root.set("cache", *request.cache);
  const Settings settings = decode_settings(document_);
  catalog_ = std::make_unique<Catalog>(scan(search_options(request, document_, settings)));
  for (const Error& problem : catalog_->problems()) throw problem;
  for (const std::string& note : catalog_->notes()) logging::info(note);
  PluginCatalog components(*catalog_);
  recipe_ = decode_recipe(document_, components);
  for (const NodeSpec* sae : recipe_.untrained()) report_untrained(recipe_, *sae);
  if (const std::string& device = recipe_.settings.device; device != "auto" && device != "cpu") {
    recipe_.problems.error(document_.root.at("device").origin(), "device",
                           cat("\"", device, "\" is not available in this build"),
                           "write device = \"cpu\" or leave it out");
  }
  recipe_.problems.throw_errors(document_.sources);
  for (const Problem& problem : recipe_.problems.list()) {
    if (problem.warning) {
      logging::warning(cat(problem.origin.text(), ": ",
                           problem.path.empty() ? "" : problem.path + ": ", problem.message,
                           problem.help.empty() ? "" : " (" + problem.help + ")"));
    }
  }
  host_.seed = recipe_.settings.seed;
  host_.device = at::kCPU;
  host_.dtype = recipe_.settings.dtype == "float64" ? at::kDouble : at::kFloat;
  objects_ = std::make_unique<Objects>(recipe_, *catalog_, host_);
  hash_ = sha256(to_json(resolved_value(recipe_), JsonStyle::canonical));
}

void Prepared::check() {
  // Stage by stage, as what stands on a broken node would repeat its error.
  for (const auto stage : {&Prepared::check_data, &Prepared::check_saes, &Prepared::check_users}) {
    Problems problems;
    (this->*stage)(problems);
    problems.throw_errors(document_.sources);
  }
}

void Prepared::check_data(Problems& problems) {
  std::set<std::string> looked_at, broken;
  const std::function<void(const NodeSpec&)> look = [&](const NodeSpec& node) {
    if (!looked_at.insert(node.path()).second) return;
    bool sound = true;
    for (const Decoded::Reference& reference : node.references) {
      const std::string_view section = section_of(reference.kind);
      for (const NodeSpec& other : recipe_.nodes) {
        // A kind that no section has (tokenizer) is of a node that provides one.
        if (!is_data(other) || other.name != reference.node) continue;
        if (!section.empty() && other.section != section) continue;
        look(other);
        sound = sound && !broken.contains(other.path());
      }
    }
    if (!sound || !attempt(problems, node.path(), node.origin, [&] { look_into(node); })) {
      broken.insert(node.path());
    }
  };
  for (const NodeSpec& node : recipe_.nodes) {
    if (is_data(node)) look(node);
  }
}

void Prepared::check_saes(Problems& problems) {
  for (const Member& member : recipe_.members) {
    attempt(problems, "sae." + member.sae, member.component.origin,
            [&] { (void)objects_->sae(member.name); });
  }
}

void Prepared::check_users(Problems& problems) {
  for (const NodeSpec& node : recipe_.nodes) {
    if (node.section == "score") {
      attempt(problems, node.path(), node.origin, [&] {
        const auto scorer = objects_->create<Scorer>(node.component, node.path(), node.seed());
        const ScorerNeeds needs = scorer->needs();
        if (needs.rows_wanted && !needs.saes.empty()) {
          require_blocks(*objects_, needs.saes.front()->source_name,
                         node.score().split == SplitName::train ? Split::train : Split::held_out);
        }
      });
    } else if (node.section == "compare") {
      attempt(problems, node.path(), node.origin, [&] {
        const auto made = objects_->create<Comparator>(node.component, node.path(), node.seed());
        const auto world = objects_->world(node.compare().world);
        const auto* asks = dynamic_cast<const ChecksWorld*>(made.get());
        if (asks == nullptr) return;
        const Place place("comparator " + node.component.use, node.path(), node.origin);
        guard(place, [&] { asks->check(*world); });
      });
    } else if (node.section == "train") {
      const TrainSpec& train = node.train();
      attempt(problems, node.path(), node.origin, [&] {
        (void)objects_->create<Objective>(train.objective, node.path(), train.seed);
        require_blocks(*objects_, train.source, Split::train);
      });
      for (const RegularizerSpec& r : train.regularizers) {
        attempt(problems, cat(node.path(), ".regularizer.", r.name), r.component.origin,
                [&] { check_regularizer(node, r.name); });
      }
    }
  }
}

// Creates a dataset, model, source or world, and asks for what it learns from its data.
void Prepared::look_into(const NodeSpec& node) {
  const std::shared_ptr<void> made = objects_->node(node);
  const Place place(cat(node.section, " ", node.component.use), node.path(), node.origin);
  if (node.section == "dataset") {
    guard(place, [&] { (void)std::static_pointer_cast<Dataset>(made)->info(); });
  }
  if (node.section == "source") (void)objects_->blocks(node.name)->info();
}

// A penalty acts through gradients.
void Prepared::require_stepped(const NodeSpec& train, const RegularizerSpec& r,
                               const TrainGroup& group) {
  for (std::size_t i : members_over(recipe_, group, r)) {
    const Member& member = recipe_.members[group.members[i]];
    if (dynamic_cast<const Fitted*>(objects_->sae(member.name)->sae.get()) == nullptr) continue;
    throw Error(ErrorKind::recipe,
                cat("'", member.sae, "' (", member.component.use,
                    ") is fitted by passes over the data, not stepped: no penalty moves it"))
        .with_help(cat("leave it out of ", train.path(), ".regularizer.", r.name, ".over"));
  }
}

// At every point of the grid, as `vary` may change the SAEs and the regularizer's own parameters.
void Prepared::check_regularizer(const NodeSpec& train, const std::string& name) {
  for (const TrainGroup& group : train.train().groups) {
    for (const RegularizerSpec& r : group.regularizers) {
      if (r.name != name) continue;
      const auto regularizer =
          objects_->create<Regularizer>(r.component, cat(train.path(), ".", r.name), train.seed());
      require_stepped(train, r, group);
      const auto* asks = dynamic_cast<const ChecksSaes*>(regularizer.get());
      std::vector<const TrainedSae*> saes;
      for (std::size_t i : members_over(recipe_, group, r)) {
        saes.push_back(objects_->sae(recipe_.members[group.members[i]].name).get());
      }
      if (asks == nullptr || saes.empty()) continue;
      const Place place("regularizer " + r.component.use, cat(train.path(), ".regularizer.", name),
                        r.component.origin);
      guard(place, [&] { asks->check(saes); });
    }
  }
}

}  // namespace saffron::host
