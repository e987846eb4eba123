#include "testing/checks/groups.h"
#include "testing/checks/try_options.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>
#include <saffron/range.h>

#include <algorithm>
#include <cmath>
#include <optional>

// Parameters: what a component's schema says, beside what decoding and creating it does.

namespace saffron::testing {
namespace {

constexpr int kFuzzed = 40;
constexpr double kReach = 8;  // fuzzed numbers stay near the default: wide ranges name no sizes
constexpr std::int64_t kNear = 8;  // of integers without a default

bool has(const saffron_param& param, std::uint32_t flag) { return (param.flags & flag) != 0; }

// Bounds that a double cannot step past, as of an int64, are no sizes that anybody gives.
constexpr double kExact = 9007199254740992;  // 2^53

bool is_number(const saffron_param& param) {
  return (param.type == SAFFRON_TYPE_INT || param.type == SAFFRON_TYPE_FLOAT) &&
         !has(param, SAFFRON_PARAM_LIST);
}

Value number(const saffron_param& param, double x) {
  if (param.type == SAFFRON_TYPE_INT) return Value(static_cast<std::int64_t>(x));
  return Value(x);
}

std::optional<double> default_of(const saffron_param& param) {
  if (param.default_json == nullptr) return std::nullopt;
  const Value value = from_json(param.default_json, "default");
  if (!value.is_number()) return std::nullopt;
  return value.as_real();
}

Value with(const Subject& subject, const saffron_param& param, const Value& value) {
  Value options = subject.options();
  options.set(param.name, value);
  return options;
}

std::string problems(const Decoded& decoded) {
  std::string text;
  for (const Problem& problem : decoded.problems) {
    if (!problem.warning)
      text += cat(text.empty() ? "" : "; ", problem.path, ": ", problem.message);
  }
  return text;
}

// Whether a problem is one of this parameter: its name is a whole part of the path, below the
// component's own ("regularizer.slow.low" is of `low`).
bool names(const Decoded& decoded, const char* name) {
  return std::any_of(decoded.problems.begin(), decoded.problems.end(), [&](const Problem& problem) {
    if (problem.warning) return false;
    const std::string path = problem.path + '.';
    const std::string own = decoded.path.empty() ? std::string() : decoded.path + '.';
    const std::size_t below = path.starts_with(own) ? own.size() : 0;
    return ('.' + path.substr(below)).find(cat('.', name, '.')) != std::string::npos ||
           path.find(cat('.', name, '[')) != std::string::npos;
  });
}

void need_options(const Subject& subject) {
  if (subject.lacking().empty()) return;
  skip(cat("needs a value for '", subject.lacking().front(),
           "': give it under [options] in test-plugin.toml"));
}

// Creating it may refuse a combination in words (kind invalid); anything else is not clean.
void create_cleanly(const Subject& subject, const Value& options) {
  try {
    make_and_try(subject, options);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::plugin || error.kind() == ErrorKind::internal) {
      fail(cat("with ", to_toml(options), ": ", error.what()));
    }
  }
}

// Files that do not go with a bound (kinds data and io) say nothing against it.
void create_at_bound(const Subject& subject, const saffron_param& param, const Value& options) {
  try {
    make_and_try(subject, options);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::data || error.kind() == ErrorKind::io) return;
    fail(cat("'", param.name, "' allows ", param.range, ", and ",
             to_toml(*options.find(param.name)), " makes no component: ", error.what(),
             " (a rule across parameters belongs into the schema's check())"));
  }
}

Verdict defaults_valid(const Subject& subject) {
  need_options(subject);
  const std::string wrong = problems(subject.decode(subject.options()));
  if (!wrong.empty()) fail(cat("the defaults do not decode: ", wrong));
  keep(subject.create(subject.options(), {}));
  return {};
}

Verdict destroy_without_use(const Subject& subject) {
  need_options(subject);
  static_cast<void>(subject.create(subject.options(), {}));
  return {};
}

Verdict can_be_used(const Subject& subject) {
  // What sets up the process once, and is refused the second time, fails at the second.
  for (const char* what : {"a plain use", "a plain use of a second instance"}) {
    try {
      static_cast<void>(use_fresh(subject));
    } catch (const Finding&) {
      throw;
    } catch (const std::exception& error) {
      fail(cat(what, " throws: ", words_of(error)));
    } catch (...) {
      fail(cat(what, " throws something that is not a std::exception"));
    }
  }
  return {};
}

Verdict defaults_match_schema(const Subject& subject) {
  need_options(subject);
  const Decoded decoded = subject.decode(subject.options());
  for (const saffron_param& param : subject.params()) {
    if (param.default_json == nullptr || subject.options().find(param.name) != nullptr) continue;
    const Value declared = from_json(param.default_json, param.name);
    const Value* resolved = decoded.resolved.find(param.name);
    if (resolved == nullptr || !(*resolved == declared)) {
      fail(cat("'", param.name, "' is declared with default ", param.default_json,
               " and decodes to ", resolved == nullptr ? "nothing" : to_json(*resolved)));
    }
  }
  return {};
}

// A bound that the range includes must decode, and creating must not fail because of it alone.
Verdict every_bound_accepted(const Subject& subject) {
  need_options(subject);
  int tried = 0;
  for (const saffron_param& param : subject.params()) {
    if (!is_number(param) || param.range == nullptr) continue;
    const Bounds bounds = bounds_of(param.range);
    for (const auto& [bound, open] :
         {std::pair{bounds.low, bounds.low_open}, {bounds.high, bounds.high_open}}) {
      if (open || !(std::abs(bound) < kExact)) continue;
      const Value options = with(subject, param, number(param, bound));
      const std::string wrong = problems(subject.decode(options));
      if (names(subject.decode(options), param.name)) {
        fail(cat("'", param.name, "' allows ", param.range, " and refuses ", bound, ": ", wrong));
      }
      ++tried;
      if (wrong.empty()) create_at_bound(subject, param, options);
    }
  }
  if (tried == 0) skip("no parameter has an inclusive bound");
  return {};
}

Verdict past_bound_rejected(const Subject& subject) {
  int tried = 0;
  for (const saffron_param& param : subject.params()) {
    if (!is_number(param) || param.range == nullptr) continue;
    const Bounds bounds = bounds_of(param.range);
    const bool whole = param.type == SAFFRON_TYPE_INT;
    for (const double sign : {-1.0, 1.0}) {
      const double bound = sign < 0 ? bounds.low : bounds.high;
      if (!(std::abs(bound) < kExact)) continue;
      const double past = whole ? (sign < 0 ? std::floor(bound) - 1 : std::ceil(bound) + 1)
                                : bound + sign * std::max(1e-9, std::abs(bound) * 1e-9);
      ++tried;
      if (!names(subject.decode(with(subject, param, number(param, past))), param.name)) {
        fail(cat("'", param.name, "' allows ", param.range, " and takes ", past));
      }
    }
  }
  if (tried == 0) skip("no parameter has a bound");
  return {};
}

Verdict unknown_key_rejected(const Subject& subject) {
  constexpr const char* kUnknown = "zz_no_such_parameter";
  Value options = subject.options();
  options.set(kUnknown, Value(1));
  if (!names(subject.decode(options), kUnknown)) {
    fail(cat("a parameter '", kUnknown, "' is taken without a word"));
  }
  return {};
}

// Of another type than any parameter has: a list of tables.
Verdict error_names_parameter(const Subject& subject) {
  Value odd = Value::list();
  odd.push(Value::table()).set("odd", Value(true));
  int tried = 0;
  for (const saffron_param& param : subject.params()) {
    if (param.type == SAFFRON_TYPE_TABLE || param.type == SAFFRON_TYPE_COMPONENT) continue;
    ++tried;
    const Decoded decoded = subject.decode(with(subject, param, odd));
    if (!names(decoded, param.name)) {
      fail(cat("a list of tables for '", param.name,
               "' gives: ", decoded.problems.empty() ? "no error" : problems(decoded)));
    }
  }
  if (tried == 0) skip("has no parameters of a plain type");
  return {};
}

std::optional<Value> draw(const saffron_param& param, const Random& random, std::uint64_t n) {
  if (has(param, SAFFRON_PARAM_LIST)) return std::nullopt;
  if (param.type == SAFFRON_TYPE_BOOL) return Value(random.below(2, n) == 1);
  if (param.choice_count > 0) return Value(param.choices[random.below(param.choice_count, n)]);
  if (!is_number(param)) return std::nullopt;
  const Bounds bounds = param.range == nullptr ? Bounds() : bounds_of(param.range);
  const double middle = default_of(param).value_or(static_cast<double>(kNear));
  const double reach = std::max(1.0, kReach * std::abs(middle));
  const double low = std::max(bounds.low, middle - reach);
  const double high = std::min(bounds.high, middle + reach);
  double x = low + (high - low) * random.uniform(n, 1);
  if (param.type == SAFFRON_TYPE_INT) x = std::floor(x);
  if (!bounds.contain(x)) x = middle;
  return number(param, x);
}

Verdict fuzz_in_range(const Subject& subject) {
  need_options(subject);
  for (std::uint64_t n = 0; n < kFuzzed; ++n) {
    Value options = subject.options();
    for (const saffron_param& param : subject.params()) {
      if (subject.options().find(param.name) != nullptr) continue;
      const Random random = subject.random("fuzz-in-range").fork(param.name);
      if (random.below(2, n, 2) == 0) continue;  // about half of them keep their defaults
      if (auto value = draw(param, random, n)) options.set(param.name, *value);
    }
    create_cleanly(subject, options);
  }
  return {};
}

constexpr Check kChecks[] = {
    {"defaults-valid", "parameters", "a component can be made of its defaults", 1, defaults_valid},
    {"destroy-without-use", "component", "it can be created and destroyed without being used", 1,
     destroy_without_use},
    {kCanBeUsed, "component", "it can be used: a plain use throws nothing", 1, can_be_used},
    {"defaults-match-schema", "parameters", "the defaults listed are those that are used", 2,
     defaults_match_schema},
    {"every-bound-accepted", "parameters", "a bound that a range includes is taken", 2,
     every_bound_accepted},
    {"past-bound-rejected", "parameters", "a value just outside a range is refused", 2,
     past_bound_rejected},
    {"unknown-key-rejected", "parameters", "a misspelt parameter is an error", 1,
     unknown_key_rejected},
    {"error-names-parameter", "parameters",
     "the error for a value of another type names its parameter", 2, error_names_parameter},
    {"fuzz-in-range", "parameters",
     "random options in range make a component or are refused in words", 3, fuzz_in_range},
};

}  // namespace

std::span<const Check> parameter_checks() { return kChecks; }

}  // namespace saffron::testing
