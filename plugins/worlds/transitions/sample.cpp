#include "sample.h"

#include <saffron/archives.h>
#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace saffron::plugins {
namespace {

constexpr std::string_view kReward = "rewards/", kFurther = "further/";
constexpr std::int64_t kExact = std::int64_t{1} << 53;  // whole numbers that float64 holds

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : file_(open_tensors(path)) {}

  Sample read() {
    Sample out;
    for (const TensorInfo& info : file_->tensors()) take(info.name, out);
    if (!out.data.states.defined()) fail("there is no 'states'", kParts);
    complete(out.data, "", out.data);
    if (further_) complete(out.further, kFurther, out.data);
    finish_episodes(out);
    return out;
  }

 private:
  static constexpr const char* kParts =
      "there are states, actions, next_states and rewards/<name>; optionally terminal, episodes, "
      "gamma, "
      "and further/states, further/actions, further/next_states, further/rewards/<name>";

  [[noreturn]] void fail(std::string message, std::string_view help = {}) const {
    throw Error(ErrorKind::data, std::move(message)).within(file_->path()).with_help(help);
  }

  void take(const std::string& name, Sample& out) {
    const bool further = name.starts_with(kFurther);
    further_ = further_ || further;
    TransitionSet& set = further ? out.further : out.data;
    const std::string part = further ? name.substr(kFurther.size()) : name;
    if (part == "states") {
      set.states = coordinates(name);
    } else if (part == "actions") {
      set.actions = coordinates(name);
    } else if (part == "next_states") {
      set.next_states = coordinates(name);
    } else if (part.starts_with(kReward) && part.size() > kReward.size()) {
      set.rewards.emplace_back(part.substr(kReward.size()), finite(name));
    } else if (name == "terminal") {
      out.terminal = finite(name);
    } else if (name == "episodes") {
      out.episodes = whole(name, file_->tensor(name));
    } else if (name == "gamma") {
      out.gamma = gamma(finite(name));
    } else {
      fail(cat("the tensor '", name, "' is no part of sampled transitions"), kParts);
    }
  }

  at::Tensor finite(const std::string& name) const {
    at::Tensor values = file_->tensor(name).to(at::kDouble).contiguous();
    const auto* p = values.const_data_ptr<double>();
    for (std::int64_t i = 0; i < values.numel(); ++i) {
      if (!std::isfinite(p[i])) {
        fail(cat(element_name(name, values, i), " = ", p[i], " is not a finite number"));
      }
    }
    return values;
  }

  at::Tensor whole(const std::string& name, const at::Tensor& given) const {
    if (given.is_floating_point()) {
      fail(
          cat(name, " holds floating-point numbers (", file_->info(name).dtype, "), not integers"));
    }
    at::Tensor values = given.to(at::kLong).contiguous();
    const auto* p = values.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < values.numel(); ++i) {
      if (p[i] < -kExact || p[i] > kExact) {
        fail(cat(element_name(name, values, i), " = ", p[i], " is beyond 2^53"),
             "number things from 0");
      }
    }
    return values;
  }

  // Of states and actions: float64, or int64 where they are integers.
  at::Tensor coordinates(const std::string& name) const {
    const at::Tensor given = file_->tensor(name);
    if (given.dim() == 0 || given.size(0) == 0) {
      fail(cat(name, " has the shape ", given.sizes(), ", not [N, ...] with N > 0"));
    }
    return given.is_floating_point() ? finite(name) : whole(name, given);
  }

  double gamma(const at::Tensor& given) const {
    if (given.numel() != 1) fail(cat("gamma has the shape ", given.sizes(), ", not one number"));
    const auto value = given.item<double>();
    if (!(value >= 0 && value < 1)) fail(cat("gamma = ", value, " is not in [0, 1)"));
    return value;
  }

  // Everything there, of one number of rows, and of the shapes and rewards of the data.
  void complete(TransitionSet& set, std::string_view prefix, const TransitionSet& data) const {
    const auto row = [](const at::Tensor& x) { return x.sizes().slice(1).vec(); };
    const auto check = [&](const at::Tensor& x, const char* name, const at::Tensor& like,
                           const char* shape_of) {
      if (!x.defined()) fail(cat("there is no '", prefix, name, "'"), kParts);
      if (x.size(0) != set.count()) {
        fail(cat(prefix, name, " has the shape ", x.sizes(), ", and ", prefix, "states ",
                 set.states.sizes(), ": their first sizes, of transitions, differ"));
      }
      if (row(x) != row(like)) {
        fail(cat(prefix, name, " has the shape ", x.sizes(), ", not that of ", shape_of, ", ",
                 like.sizes(), ", but for the first size"));
      }
    };
    if (!set.states.defined()) fail(cat("there is no '", prefix, "states'"), kParts);
    check(set.states, "states", data.states, "states");
    if (!data.actions.defined()) fail("there is no 'actions'", kParts);
    check(set.actions, "actions", data.actions, "actions");
    check(set.next_states, "next_states", data.states, "states");
    if (data.rewards.empty()) fail("there are no rewards", kParts);
    std::vector<std::pair<std::string, at::Tensor>> in_order;
    for (const auto& [name, unused] : data.rewards) {
      const auto found = std::find_if(set.rewards.begin(), set.rewards.end(),
                                      [&, &name = name](const auto& r) { return r.first == name; });
      if (found == set.rewards.end()) fail(cat("there is no '", prefix, kReward, name, "'"));
      if (found->second.dim() != 1 || found->second.size(0) != set.count()) {
        fail(cat(prefix, kReward, name, " has the shape ", found->second.sizes(), ", not [",
                 set.count(), "]"));
      }
      in_order.push_back(*found);
    }
    for (const auto& [name, unused] : set.rewards) {
      const bool there = std::any_of(in_order.begin(), in_order.end(),
                                     [&, &name = name](const auto& r) { return r.first == name; });
      if (!there) fail(cat(prefix, kReward, name, " is of no reward of the data"));
    }
    set.rewards = std::move(in_order);
  }

  void finish_episodes(Sample& out) const {
    const std::int64_t N = out.data.count();
    const auto check = [&](const at::Tensor& x, const char* name) {
      if (x.dim() == 1 && x.size(0) == N) return;
      fail(cat(name, " has the shape ", x.sizes(), ", not [", N, "]"));
    };
    if (!out.terminal.defined()) out.terminal = at::zeros({N}, at::kDouble);
    check(out.terminal, "terminal");
    const auto* ends = out.terminal.const_data_ptr<double>();
    for (std::int64_t i = 0; i < N; ++i) {
      if (ends[i] != 0 && ends[i] != 1) {
        fail(cat("terminal[", i, "] = ", ends[i], " is neither true nor false"));
      }
    }
    if (!out.episodes.defined()) out.episodes = ended_by(out.terminal);
    check(out.episodes, "episodes");
    check_order(out.episodes, out.terminal);
    out.terminal = out.terminal != 0;
  }

  // An episode ends with a terminal transition.
  static at::Tensor ended_by(const at::Tensor& terminal) {
    at::Tensor out = at::empty(terminal.sizes(), at::kLong);
    auto* episode = out.mutable_data_ptr<std::int64_t>();
    std::int64_t number = 0;
    for (std::int64_t i = 0; i < terminal.size(0); ++i) {
      episode[i] = number;
      if (terminal.const_data_ptr<double>()[i] != 0) ++number;
    }
    return out;
  }

  void check_order(const at::Tensor& episodes, const at::Tensor& terminal) const {
    const auto* episode = episodes.const_data_ptr<std::int64_t>();
    const auto* ends = terminal.const_data_ptr<double>();
    std::unordered_set<std::int64_t> seen;
    for (std::int64_t i = 0; i < episodes.size(0); ++i) {
      if (i > 0 && episode[i] == episode[i - 1]) {
        if (ends[i - 1] == 0) continue;
        fail(cat("row ", i, " follows the terminal one of its episode, ", episode[i]),
             "an episode ends with its terminal transition; the next has another number");
      }
      if (seen.insert(episode[i]).second) continue;
      fail(cat("row ", i, " is of episode ", episode[i], ", which had ended before"),
           "sort the rows by episode, and by time in each");
    }
  }

  std::unique_ptr<TensorReader> file_;
  bool further_ = false;
};

}  // namespace

Sample read_sample(const std::filesystem::path& path) { return Reader(path).read(); }

}  // namespace saffron::plugins
