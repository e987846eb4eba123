#pragma once

#include <saffron/context.h>
#include <saffron/schema.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

// Options with a member of every type, and what the tests of their schemas share.

namespace saffron::schema_test {

struct Model {
  static constexpr const char* kKind = "model";
};
struct Sae {
  static constexpr const char* kKind = "sae";
};
struct Judge {
  static constexpr const char* kKind = "judge";
};

enum class Convention { sum, mean };

struct Inner {
  double coef = 0.5;
  std::int64_t steps = 10;
  Child<Judge> judge;
  static Schema<Inner> schema() {
    return Schema<Inner>{}
        .param("coef", &Inner::coef, "weight", non_negative())
        .param("steps", &Inner::steps, "how many", at_least(1))
        .param("judge", &Inner::judge, "who answers")
        .check([](const Inner& o) { return o.coef > 100 ? "coef is absurd" : ""; });
  }
};

struct Options {
  std::int64_t k = 32;
  double rate = 1e-3;
  bool tied = false;
  std::string activation = "relu";
  std::vector<std::string> names = {"a"};
  std::optional<std::int64_t> limit;
  std::optional<Inner> extra;
  Inner inner{.coef = 0.25, .steps = 5, .judge = {}};
  std::vector<Inner> several;
  std::vector<double> weights;
  Convention convention = Convention::mean;
  Path file{"a.txt"};
  Ref<Model> model;
  RefList<Sae> saes;
  Child<Judge> judge{"http"};
  std::vector<Child<Judge>> panel;
  Secret key;
  std::string internal = "x";

  static auto schema() {
    return Schema<Options>{}
        .param("k", &Options::k, "active latents", at_least(1), at_most(100), unit("latents"))
        .param("rate", &Options::rate, "learning rate", positive(), formerly("lr"))
        .param("tied", &Options::tied, "one matrix")
        .param("activation", &Options::activation, "before selection", one_of({"relu", "identity"}))
        .param("names", &Options::names, "some names", not_empty())
        .param("limit", &Options::limit, "at most", at_least(0))
        .param("extra", &Options::extra, "more of it")
        .param("inner", &Options::inner, "a table")
        .param("several", &Options::several, "tables")
        .param("weights", &Options::weights, "numbers", fraction())
        .choice("convention", &Options::convention, "of the sum",
                {{"sum", Convention::sum}, {"mean", Convention::mean}})
        .param("file", &Options::file, "an input", hashed_file())
        .param("model", &Options::model, "a model")
        .param("saes", &Options::saes, "SAEs")
        .param("judge", &Options::judge, "a judge")
        .param("panel", &Options::panel, "judges")
        .param("key", &Options::key, "a key")
        .param("internal", &Options::internal, "for tests", hidden(), not_in_hash())
        .check([](const Options& o) { return o.tied && o.k == 7 ? "k = 7 cannot be tied" : ""; });
  }
};

struct Strict {
  std::string path;
  std::vector<std::string> streams;
  static auto schema() {
    return Schema<Strict>{}
        .param("path", &Strict::path, "where it is", required(), not_empty())
        .param("streams", &Strict::streams, "what it reads", required());
  }
};

struct Outer {
  Strict strict;
  static auto schema() {
    return Schema<Outer>{}.param("strict", &Outer::strict, "a table with required keys");
  }
};

// A table whose values stand at line 1, 2, ... of "r.toml", keys in column 1.
inline Value table(std::vector<std::pair<std::string, Value>> entries) {
  Value out = Value::table().with_origin({"r.toml", 99, 1});
  std::int64_t line = 0;
  for (auto& [key, value] : entries) {
    ++line;
    value.with_origin({"r.toml", line, 5});
    out.set(key, std::move(value), {"r.toml", line, 1});
  }
  return out;
}

inline Value list(std::vector<Value> items) {
  Value out = Value::list();
  for (Value& item : items) out.push(std::move(item));
  return out;
}

template <class T>
Decoded decode(const Value& config, T* options = nullptr) {
  Decoded out;
  out.path = "sae.s";
  T::schema().decode(config, options, out);
  return out;
}

inline std::string said(const Decoded& decoded) {
  std::string out;
  for (const Problem& p : decoded.problems) {
    out += cat(p.warning ? "warning " : "", p.origin.text(), ' ', p.path, ": ", p.message,
               p.help.empty() ? "" : cat(" | ", p.help), '\n');
  }
  return out;
}

}  // namespace saffron::schema_test
