#pragma once

#include <saffron/abi.h>
#include <saffron/random.h>
#include <saffron/schema.h>
#include <saffron/value.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The conformance kit: what every component promises by being a plugin, as checks that one can run.
// `saffron test-plugin` runs them, each in a process of its own; testing/conformance.h makes
// GoogleTest cases of them. Components get a small toy world (testing/toys.h) for what they refer to.

namespace saffron::testing {

enum class Outcome : std::uint8_t { passed, failed, crashed, skipped, warning };
[[nodiscard]] SAFFRON_EXPORT const char* name_of(Outcome outcome);

struct Verdict {
  Outcome outcome = Outcome::passed;
  std::string message;  // why; "" when passed
};

// A component under test: its declaration, the options that it is tried with, and fresh instances.
class SAFFRON_EXPORT Subject {
 public:
  struct Setup {
    std::uint64_t seed = 1;  // of the instance's Context, as nth() counts
    at::ScalarType dtype = at::kFloat;
    at::Device device = at::kCPU;
  };

  // `options` as a recipe's table without `use`. References that are required and not given refer to
  // the toy world, as any name given does.
  Subject(const saffron_component& row, const Value& options, std::uint64_t seed = 1);

  [[nodiscard]] std::string kind() const { return row_->kind; }
  [[nodiscard]] std::string name() const { return row_->name; }
  [[nodiscard]] const saffron_component& row() const { return *row_; }
  [[nodiscard]] const Value& options() const { return options_; }
  [[nodiscard]] std::span<const saffron_param> params() const {
    return {row_->params, row_->param_count};
  }
  // The same with other options.
  [[nodiscard]] Subject with(const Value& options) const;
  [[nodiscard]] bool deterministic() const {
    return (row_->flags & SAFFRON_COMPONENT_DETERMINISTIC) != 0;
  }
  // The seed of everything that a check draws, by purpose.
  [[nodiscard]] Random random(std::string_view purpose) const {
    return Random(seed_).fork(purpose);
  }
  // The n-th of whatever is counted, in a run of this seed: other seeds have other ones, those of
  // seed 1 are 0, 1, 2, ... themselves.
  [[nodiscard]] std::uint64_t nth(std::uint64_t n) const {
    constexpr std::uint64_t kSeeds = 1 << 20, kApart = 5;
    return (seed_ - 1) % kSeeds * kApart + n;
  }
  // Parameters that have no default, are no references, and are not among the options.
  [[nodiscard]] const std::vector<std::string>& lacking() const { return lacking_; }

  [[nodiscard]] Decoded decode(const Value& options) const;
  // The interface's pointer, as a pointer to the kind's interface class. Throws what creating reports.
  [[nodiscard]] std::shared_ptr<void> create(const Value& options, const Setup& setup) const;

  template <class Kind>
  [[nodiscard]] std::shared_ptr<Kind> make(const Setup& setup) const {
    return std::static_pointer_cast<Kind>(create(options_, setup));
  }
  template <class Kind>
  [[nodiscard]] std::shared_ptr<Kind> make() const {
    return make<Kind>(Setup());
  }
  template <class Kind>
  [[nodiscard]] std::shared_ptr<Kind> make_with(const Value& options) const {
    return std::static_pointer_cast<Kind>(create(options, Setup()));
  }

 private:
  const saffron_component* row_;
  Value options_;
  std::uint64_t seed_;
  std::vector<std::string> lacking_;
};

struct Check {
  const char* id;        // "state-roundtrip": never changes, never means something else
  const char* group;     // "parameters", "component", or the kind that it is for
  const char* sentence;  // what is true when it passes
  int strictness;        // 1..10: left out below
  Verdict (*run)(const Subject& subject);
};

// "Good enough to share."
inline constexpr int kDefaultStrictness = 5;

// How a plugin is tested: `test-plugin.toml`, or what a test of one's own says in C++.
struct SAFFRON_EXPORT Settings {
  struct Options {
    std::string component;  // "dataset/text"
    Value options;
  };
  struct Off {
    std::string what;  // "bfloat16", or for one component "dataset/text bfloat16"
    std::string reason;
  };
  std::vector<Options> options = {};
  std::vector<Off> off = {};
  int strictness = kDefaultStrictness;
  std::uint64_t seed = 1;

  // An empty table where nothing is said.
  [[nodiscard]] Value options_of(std::string_view kind, std::string_view name) const;
  // Why a check is switched off; "" when it is not.
  [[nodiscard]] std::string off_reason(std::string_view kind, std::string_view name,
                                       std::string_view id) const;
};

// Something that Settings name and that there is not, or that is switched off without a reason.
struct NameProblem {
  bool of_options = false;  // in Settings::options, else in Settings::off
  std::size_t at = 0;       // which of them
  std::string message, help;
};
// `components` are the plugin's, as "kind/name"; `library` are the ids of checks of its file, where
// there are any.
[[nodiscard]] SAFFRON_EXPORT std::vector<NameProblem> name_problems(
    const Settings& settings, const std::vector<std::string>& components,
    const std::vector<std::string>& library = {});
// What is wrong with the name of a component, or of a check among these; nothing where there is it.
[[nodiscard]] SAFFRON_EXPORT std::optional<NameProblem> component_problem(
    const std::string& name, const std::vector<std::string>& components);
[[nodiscard]] SAFFRON_EXPORT std::optional<NameProblem> check_problem(
    const std::string& id, const std::vector<std::string>& ids, const std::string& of = {});
// The subject of the checks of a plugin's file, in reports and in test-plugin.toml.
inline constexpr const char* kLibrary = "library";
// The check that no check of a component leaves a process behind; `saffron test-plugin` decides it.
inline constexpr const char* kNoProcessLeft = "no-process-left";

// Every check of components, group by group.
[[nodiscard]] SAFFRON_EXPORT std::span<const Check> checks();
// Those for components of a kind, in order.
[[nodiscard]] SAFFRON_EXPORT std::vector<const Check*> checks_for(std::string_view kind);
// Runs one in this process. What the component throws is its failure. Skipped are checks that lack
// options, those of a component that its options do not make (but for `defaults-valid` itself), and
// those that have found something which another check finds in any use ("see can-be-used").
[[nodiscard]] SAFFRON_EXPORT Verdict run(const Check& check, const Subject& subject);
// Whether the others say nothing of a component that fails this one.
[[nodiscard]] SAFFRON_EXPORT bool comes_first(std::string_view id);

// The check of a component that its other checks decide: that something of its kind could be tried,
// and that what one check left to another ("see float64") was found there.
class SAFFRON_EXPORT KindTried {
 public:
  static constexpr const char* kId = "kind-tried";
  static constexpr const char* kSentence = "something that its kind promises could be tried";
  static constexpr int kStrictness = kDefaultStrictness;

  // What a check of a component of that kind came to. Those switched off are not added.
  void add(const Check& check, std::string_view kind, const Verdict& verdict);
  // Whether it has passed, whatever is still added.
  [[nodiscard]] bool settled() const;
  // `ended`: because of what no more checks were run; "" when all were.
  [[nodiscard]] Verdict verdict(const std::string& ended = {}) const;

 private:
  std::string unusable_;  // the first check that finds that it cannot be made or used
  bool tried_ = false;    // a check of its kind ran, or left it to one that did
  int not_tried_ = 0;     // those of its kind that did not run
  std::string reason_;    // of the first of them
  struct LeftTo {
    std::string from, to, found;  // two ids, and what the first has found
  };
  std::vector<LeftTo> left_;
  std::set<std::string, std::less<>> found_, unfound_;
};

// The check of a plugin that all checks of it decide: that none of them printed.
class SAFFRON_EXPORT Silence {
 public:
  static constexpr const char* kId = "silent-stdout";
  static constexpr const char* kSentence = "nothing of it prints to standard output";
  static constexpr int kStrictness = 1;

  // What one of them printed, or the beginning of it, and of what it is a check: "sae/relu".
  void add(const std::string& subject, const std::string& printed);
  [[nodiscard]] Verdict verdict() const;

 private:
  std::string first_;
};

}  // namespace saffron::testing
