#include "preference_distance.h"

#include "measurement.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <algorithm>

namespace saffron::plugins {

using preferences::ScoreTable;

Schema<PreferenceDistance::Options> PreferenceDistance::schema() {
  using preferences::ResponseWeights;
  return Schema<Options>{}
      .param("metrics", &Options::metrics,
             "\"d_starc\", half the \"2-2\" distance; \"angle\"; \"span\"; \"w12\" and \"w21\", "
             "exact worst-case regret",
             not_empty(), one_of({"d_starc", "2-2", "angle", "span", "w12", "w21"}))
      .choice("weights", &Options::weights,
              "how the responses to a prompt count in d_starc, 2-2 and angle: all the same, or by "
              "the world's log_reference",
              {{"uniform", ResponseWeights::uniform}, {"reference", ResponseWeights::reference}})
      .choice("responses", &Options::responses,
              "the observed responses are \"all\" that count, or \"sampled\" from a policy: then "
              "covariances within prompts are divided by K - 1 instead of K responses",
              {{"all", Responses::all}, {"sampled", Responses::sampled}})
      .param(
          "control", &Options::control,
          "columns of numbers (`numbers` of the world), such as a length, that are regressed out "
          "of the scores within prompts: d_starc/controlled")
      .param("slices", &Options::slices,
             "a column of words (`groups` of the world), such as a domain: everything also for the "
             "prompts of each word, as d_starc[domain=code]")
      .param("closest_to", &Options::closest_to,
             "a reward model that the others are ranked by their d_starc from")
      .param("prompts", &Options::prompts,
             "how many prompts a pair the report shows that carry a distance, or cost most",
             at_least(0), at_most(1000))
      .include(&Options::intervals, preferences::interval_schema())
      .include(&Options::ranking, preferences::ranking_schema())
      .check([](const Options& o) {
        if (std::string wrong = rewards::check_distinct("metrics", o.metrics); !wrong.empty()) {
          return wrong;
        }
        if (!o.control.empty()) {
          if (std::string wrong = rewards::check_distinct("control", o.control); !wrong.empty()) {
            return wrong;
          }
        }
        if (o.responses == Responses::sampled && o.weights == ResponseWeights::reference) {
          return std::string(
              "responses that a policy sampled are weighted by it already: use "
              "weights = \"uniform\" with responses = \"sampled\"");
        }
        const bool d_starc =
            std::find(o.metrics.begin(), o.metrics.end(), "d_starc") != o.metrics.end();
        if (o.closest_to && !d_starc) {
          return std::string("closest_to ranks by d_starc, which `metrics` lacks");
        }
        return std::string();
      });
}

void PreferenceDistance::require_names(const ScoreTable& table) const {
  if (options_.closest_to) static_cast<void>(table.model(*options_.closest_to, "closest_to"));
  for (const std::string& name : options_.control) {
    static_cast<void>(table.column(name, "control", false));
  }
  if (options_.slices) static_cast<void>(table.column(*options_.slices, "slices", true));
  if (options_.weights == preferences::ResponseWeights::reference) {
    preferences::require_reference(table);
  }
}

void PreferenceDistance::check(const World& world) const {
  require_names(ScoreTable(world, "preference_distance"));
}

Comparison PreferenceDistance::compare(const World& world) {
  const ScoreTable table(world, "preference_distance");
  require_names(table);
  std::vector<ScoreTable::Slice> slices;
  if (options_.slices) slices = table.slices(*options_.slices, "slices");
  Comparison out;
  Measurement whole(table, options_, random_);
  whole.add_distances();
  whole.show_details();
  whole.move_to(out, "");
  for (const ScoreTable::Slice& slice : slices) {
    Measurement part(slice.table, options_, random_);
    part.add_distances();
    part.move_to(out, "[" + slice.key + "]");
  }
  return out;
}

}  // namespace saffron::plugins
