#include <saffron/archives.h>
#include <saffron/error.h>
#include <saffron/reward_samples.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/unique_consecutive.h>
#include <ATen/ops/unique_dim.h>
#include <ATen/ops/zeros.h>

#include <filesystem>
#include <tuple>

namespace saffron::inline sdk_v1::rewards {
namespace {

// float64 [n, width]; -0 becomes 0. Rows without numbers are all equal.
at::Tensor flat(const at::Tensor& x) {
  if (x.numel() == 0) return at::zeros({x.size(0), 1}, at::kDouble);
  return x.to(at::kDouble).reshape({x.size(0), -1}).add(0.0).contiguous();
}

// "[0, 1, ...]": one row of numbers.
std::string row_text(const at::Tensor& x, std::int64_t row) {
  constexpr std::int64_t kShown = 8;
  const at::Tensor values = flat(x.narrow(0, row, 1)).view(-1);
  std::string out;
  for (std::int64_t i = 0; i < std::min(values.size(0), kShown); ++i) {
    out += cat(i == 0 ? "" : ", ", values[i].item<double>());
  }
  return cat("[", out, values.size(0) > kShown ? ", ..." : "", "]");
}

std::string transition_text(const at::Tensor& s, const at::Tensor& a, const at::Tensor& next,
                            std::int64_t row) {
  return cat("from state ", row_text(s, row), " by action ", row_text(a, row), " to state ",
             row_text(next, row));
}

}  // namespace

at::Tensor SampledData::evaluate(const at::Tensor& s, const at::Tensor& a,
                                 const at::Tensor& next) const {
  std::vector<at::Tensor> out;
  for (std::size_t i = 0; i < names().size(); ++i) {
    out.push_back(source->evaluate(static_cast<std::int64_t>(i), s, a, next).to(at::kDouble));
    const at::Tensor wrong = out.back().isfinite().logical_not();
    if (!wrong.any().item<bool>()) continue;
    const auto row = at::nonzero(wrong)[0][0].item<std::int64_t>();
    throw Error(ErrorKind::numeric,
                cat("reward '", names()[i], "' is ", out.back()[row].item<double>(), " ",
                    transition_text(s, a, next, row)))
        .with_help("leave such transitions out, or mend the reward");
  }
  return at::stack(out);
}

const SampledWorld& sampled(const World& world, std::string_view comparator) {
  const auto* found = dynamic_cast<const SampledWorld*>(&world);
  if (found != nullptr) return *found;
  throw Error(cat(comparator, " compares drawn transitions, and this world has none: ",
                  world.info().description))
      .with_help(
          "the world 'transitions' reads them from a file, and 'sampled_mdp' draws them from a "
          "tabular world");
}

SampledData read_samples(const World& world, std::string_view comparator) {
  const SampledWorld& source = sampled(world, comparator);
  if (world.info().rewards.empty()) throw Error(cat(comparator, " needs a reward to compare"));
  SampledData out{.world = &world,
                  .source = &source,
                  .gamma = source.gamma(),
                  .states = source.states().contiguous(),
                  .actions = source.actions().contiguous(),
                  .next_states = source.next_states().contiguous(),
                  .terminal = source.terminal().to(at::kBool).contiguous(),
                  .episode = {},
                  .rewards = {}};
  if (out.count() == 0) throw Error("the world holds no transition");
  const auto [unused, number, counts] =
      at::unique_consecutive(source.episodes().contiguous(), true);
  out.episode = number;
  out.episodes = number[-1].item<std::int64_t>() + 1;
  out.rewards = out.evaluate(out.states, out.actions, out.next_states);
  return out;
}

DistinctRows distinct_rows(const at::Tensor& x) {
  const auto [rows, number, counts] = at::unique_dim(flat(x), 0, true, true);
  const std::int64_t n = x.size(0);
  at::Tensor first = at::full({rows.size(0)}, n, at::kLong);
  auto* at_first = first.mutable_data_ptr<std::int64_t>();
  const at::Tensor of = number.contiguous();
  const auto* p = of.const_data_ptr<std::int64_t>();
  for (std::int64_t i = n - 1; i >= 0; --i) at_first[p[i]] = i;
  return {of, first};
}

DistinctRows distinct_rows(const at::Tensor& x, const at::Tensor& y) {
  return distinct_rows(at::cat({flat(x), flat(y)}));
}

void NeededTransitions::add(const at::Tensor& s, const at::Tensor& a, const at::Tensor& next) {
  asked_ += s.size(0);
  const auto* partial = dynamic_cast<const KnownTransitions*>(data_.source);
  if (partial == nullptr) return;
  const at::Tensor rows = at::nonzero(partial->known(s, a, next).logical_not()).view(-1);
  if (rows.size(0) == 0) return;
  unknown_ += rows.size(0);
  states_.push_back(s.index_select(0, rows));
  actions_.push_back(a.index_select(0, rows));
  next_states_.push_back(next.index_select(0, rows));
}

void NeededTransitions::require_known(const Context& context) const {
  if (unknown_ == 0) return;
  const at::Tensor s = at::cat(states_), a = at::cat(actions_), next = at::cat(next_states_);
  const at::Tensor once = distinct_rows(at::cat({flat(s), flat(a), flat(next)}, 1)).first;
  const std::string folder = context.artifacts();
  std::string help =
      "evaluate the reward models on them and add what they say to the world's file as "
      "further/states, further/actions, further/next_states and further/rewards/<name>; or compare "
      "by ls_minimal, which asks for no others";
  if (!folder.empty()) {
    const auto path = std::filesystem::path(folder) / "needed_transitions.npz";
    write_npz(path, {{"states", s.index_select(0, once)},
                     {"actions", a.index_select(0, once)},
                     {"next_states", next.index_select(0, once)}});
    help = cat("they are in ", path.string(), ", ", once.size(0), " different ones: ", help);
  }
  throw Error(ErrorKind::data,
              cat("the rewards of ", unknown_, " of ", asked_,
                  " transitions are not known; the first leads ", transition_text(s, a, next, 0)))
      .with_help(help);
}

}  // namespace saffron::inline sdk_v1::rewards
