#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <algorithm>
#include <array>
#include <utility>

namespace saffron::inline sdk_v1::rewards {
namespace {

using Kind = Measure::Kind;

constexpr std::array<std::pair<const char*, Norm>, 7> kNorms = {
    {{"0", Norm::none},
     {"1", Norm::one},
     {"2", Norm::two},
     {"inf", Norm::inf},
     {"weighted_1", Norm::weighted_one},
     {"weighted_2", Norm::weighted_two},
     {"weighted_inf", Norm::weighted_inf}}};

constexpr std::array<std::pair<const char*, Kind>, 4> kWords = {
    {{"angle", Kind::angle},
     {"weighted_angle", Kind::weighted_angle},
     {"pearson-uniform", Kind::pearson_uniform},
     {"pearson-reachable", Kind::pearson_reachable}}};

constexpr const char* kHelp =
    "write normalisation-distance, as in \"2-2\" or \"weighted_1-inf\", with the norms 1, 2, inf, "
    "weighted_1, weighted_2, weighted_inf (and none, or 0, first only); or angle, weighted_angle";

const char* word(Norm norm) {
  for (const auto& [text, value] : kNorms) {
    if (value == norm) return text;
  }
  return "?";
}

Norm parse_norm(std::string_view part, std::string_view whole, const std::string& help) {
  if (part == "none") return Norm::none;
  for (const auto& [text, value] : kNorms) {
    if (text == part) return value;
  }
  throw Error(cat("'", whole, "' is not a distance: '", part, "' is not a norm")).with_help(help);
}

std::vector<Measure> all_measures() {
  std::vector<Measure> out;
  for (const auto& [n_text, n] : kNorms) {
    for (const auto& [m_text, m] : kNorms) {
      if (m != Norm::none) out.push_back({Kind::norms, n, m});
    }
  }
  out.push_back({Kind::angle});
  out.push_back({Kind::weighted_angle});
  return out;
}

}  // namespace

std::string Measure::text() const {
  for (const auto& [text, value] : kWords) {
    if (value == kind) return text;
  }
  return cat(word(normalise), "-", word(distance));
}

bool Measure::pearson() const {
  return kind == Kind::pearson_uniform || kind == Kind::pearson_reachable;
}

bool Measure::weighted() const {
  if (kind != Kind::norms) return kind == Kind::weighted_angle || kind == Kind::pearson_reachable;
  return normalise >= Norm::weighted_one || distance >= Norm::weighted_one;
}

bool Measure::scale_invariant() const { return kind != Kind::norms || normalise != Norm::none; }

std::string Measure::definition() const {
  switch (kind) {
    case Kind::norms: break;
    case Kind::angle: return "angle between the canonical rewards, in radians";
    case Kind::weighted_angle:
      return "angle between the canonical rewards, in radians, inner product sum tau x y";
    case Kind::pearson_uniform:
      return "sqrt((1 - rho) / 2), rho = correlation of the canonical rewards over "
             "(s, a, s') ~ D_S x D_A x D_S";
    case Kind::pearson_reachable:
      return "sqrt((1 - rho) / 2), rho = correlation of the canonical rewards over "
             "(s, a, s') ~ D_S x D_A x tau";
  }
  if (normalise == Norm::none) return cat("||c1 - c2||_", word(distance), ", c = canonical reward");
  return cat("||c1 / ||c1||_", word(normalise), " - c2 / ||c2||_", word(normalise), "||_",
             word(distance), ", c = canonical reward");
}

Measure parse_measure(std::string_view text, bool pearson) {
  for (const auto& [name, kind] : kWords) {
    if (name == text) return {kind};
  }
  const std::string help = cat(kHelp, pearson ? ", pearson-uniform, pearson-reachable" : "");
  const std::size_t dash = text.find('-');
  if (dash == text.npos) throw Error(cat("'", text, "' is not a distance")).with_help(help);
  const Measure measure{Kind::norms, parse_norm(text.substr(0, dash), text, help),
                        parse_norm(text.substr(dash + 1), text, help)};
  if (measure.distance == Norm::none) {
    throw Error(cat("'", text, "' measures with no norm")).with_help(help);
  }
  return measure;
}

std::vector<Measure> parse_measures(const std::vector<std::string>& texts, bool pearson) {
  std::vector<Measure> out;
  const bool all = std::find(texts.begin(), texts.end(), "all") != texts.end();
  const auto add = [&](const Measure& measure, const std::string& text) {
    if (std::find(out.begin(), out.end(), measure) != out.end()) {
      throw Error(cat("the distance '", text, "' is listed twice"));
    }
    out.push_back(measure);
  };
  for (const std::string& text : texts) {
    if (text == "all") {
      for (const Measure& measure : all_measures()) add(measure, text);
      continue;
    }
    const Measure measure = parse_measure(text, pearson);
    if (measure.pearson() && !pearson) {
      throw Error(cat("'", text, "' is not offered here"))
          .with_help("the comparator epic offers correlations");
    }
    const bool listed = all && !measure.pearson();
    if (listed) throw Error(cat("'", text, "' is listed beside \"all\", which has it"));
    add(measure, text);
  }
  return out;
}

std::string check_distinct(const char* option, const std::vector<std::string>& words) {
  if (words.empty()) return cat(option, " lists nothing");
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (std::find(words.begin(), word, *word) != word) {
      return cat(option, " lists \"", *word, "\" twice");
    }
  }
  return "";
}

const char* measures_doc(bool pearson) {
  return pearson
             ? "distances: \"pearson-uniform\" over D_S x D_A x D_S, \"pearson-reachable\" over "
               "D_S x D_A x tau; normalisation-distance such as \"2-2\" or \"weighted_1-inf\" of "
               "the norms 1, 2, inf, weighted_1, weighted_2, weighted_inf, or \"none-2\" without "
               "normalisation, whose key is 0-2; \"angle\", \"weighted_angle\"; \"all\" but the "
               "first two"
             : "distances: normalisation-distance such as \"2-2\" or \"weighted_1-inf\" of the "
               "norms 1, 2, inf, weighted_1, weighted_2, weighted_inf, or \"none-2\" without "
               "normalisation, whose key is 0-2; \"angle\", \"weighted_angle\"; \"all\" of these";
}

std::string check_measures(const std::vector<std::string>& texts, bool pearson) {
  try {
    return parse_measures(texts, pearson).empty() ? "no distance is listed" : "";
  } catch (const Error& error) {
    return error.help().empty() ? error.message() : error.message() + "; " + error.help();
  }
}

}  // namespace saffron::inline sdk_v1::rewards
