#include "framework/run/prepare.h"

#include "framework/loader/component.h"
#include "framework/recipe/resolve.h"

#include <saffron/comparator.h>
#include <saffron/io.h>
#include <saffron/log.h>
#include <saffron/objective.h>
#include <saffron/regularizer.h>
#include <saffron/scorer.h>

#include <filesystem>
#include <functional>

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

at::Device device_of(const std::string& name) {
  if (name == "auto" || name == "cpu") return at::kCPU;
  throw Error(ErrorKind::recipe, cat("device \"", name, "\" is not available in this build"))
      .with_help("write device = \"cpu\" or leave it out");
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
  recipe_.problems.throw_errors(document_.sources);
  for (const Problem& problem : recipe_.problems.list()) {
    if (problem.warning) {
      logging::warning(cat(problem.origin.text(), ": ", problem.path, ": ", problem.message,
                           problem.help.empty() ? "" : " (" + problem.help + ")"));
    }
  }
  host_.seed = recipe_.settings.seed;
  host_.device = device_of(recipe_.settings.device);
  host_.dtype = recipe_.settings.dtype == "float64" ? at::kDouble : at::kFloat;
  objects_ = std::make_unique<Objects>(recipe_, *catalog_, host_);
  hash_ = sha256(to_json(resolved_value(recipe_), JsonStyle::canonical));
}

void Prepared::check() {
  Problems problems;
  const auto attempt = [&](const std::string& path, const Origin& origin,
                           const std::function<void()>& create) {
    try {
      create();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      const std::string where = unsaid(error.where(), path, origin);
      problems.error(origin, path,
                     where.empty() ? error.message() : cat(where, ": ", error.message()),
                     error.help());
    } catch (const std::exception& error) {
      problems.error(origin, path, error.what());
    }
  };
  for (const NodeSpec& node : recipe_.nodes) {
    if (node.section == "dataset" || node.section == "model" || node.section == "source" ||
        node.section == "world") {
      attempt(node.path(), node.origin, [&] { (void)objects_->node(node); });
    }
  }
  // What stands on a broken node would only repeat its error.
  problems.throw_errors(document_.sources);
  for (const Member& member : recipe_.members) {
    attempt("sae." + member.sae, member.component.origin, [&] {
      const auto sae = objects_->sae(member.name);
      if (dynamic_cast<const Fitted*>(sae->sae.get()) == nullptr) return;
      throw Error(ErrorKind::recipe,
                  "is fitted by passes over the data, which this Saffron "
                  "cannot do yet");
    });
  }
  problems.throw_errors(document_.sources);
  for (const NodeSpec& node : recipe_.nodes) {
    if (node.section == "score") {
      attempt(node.path(), node.origin, [&] {
        const auto scorer = objects_->create<Scorer>(node.component, node.path(), node.seed());
        const ScorerNeeds needs = scorer->needs();
        if (needs.rows_wanted && !needs.saes.empty()) {
          require_blocks(*objects_, needs.saes.front()->source_name,
                         node.score().split == SplitName::train ? Split::train : Split::held_out);
        }
      });
    } else if (node.section == "compare") {
      attempt(node.path(), node.origin, [&] {
        (void)objects_->create<Comparator>(node.component, node.path(), node.seed());
      });
    } else if (node.section == "train") {
      const TrainSpec& train = node.train();
      attempt(node.path(), node.origin, [&] {
        (void)objects_->create<Objective>(train.objective, node.path(), train.seed);
        require_blocks(*objects_, train.source, Split::train);
      });
      for (const RegularizerSpec& r : train.regularizers) {
        attempt(cat(node.path(), ".regularizer.", r.name), r.component.origin,
                [&] { check_regularizer(node, r.name); });
      }
    }
  }
  problems.throw_errors(document_.sources);
}

// At every point of the grid, as `vary` may change the SAEs and the regularizer's own parameters.
void Prepared::check_regularizer(const NodeSpec& train, const std::string& name) {
  for (const TrainGroup& group : train.train().groups) {
    for (const RegularizerSpec& r : group.regularizers) {
      if (r.name != name) continue;
      const auto regularizer =
          objects_->create<Regularizer>(r.component, cat(train.path(), ".", r.name), train.seed());
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
