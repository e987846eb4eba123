#pragma once

#include <saffron/namespace.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

struct WorldInfo {
  std::string description;           // "tabular MDP, 32 states, 4 actions, gamma 0.95"
  std::vector<std::string> rewards;  // names, in order
};

// An environment and the reward functions to compare in it. What it holds is a capability:
// TabularWorld, SampledWorld, PreferenceWorld. Const and thread-safe; float64.
class SAFFRON_EXPORT World {
 public:
  static constexpr const char* kKind = "world";
  static constexpr const char* kInterface = "saffron.world/1";
  using Interface = World;

  World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  virtual ~World();

  [[nodiscard]] virtual const WorldInfo& info() const = 0;
};

// Transitions tau[s, a, s'] = P(s' | s, a), dense or over their support only. Rows of terminal states may
// be all 0.
struct Transitions {
  std::int64_t states = 0, actions = 0;
  at::Tensor dense;          // float64 [S, A, S], or undefined
  at::Tensor offsets;        // int64 [S * A + 1]   } CSR over (s, a): successors and
  at::Tensor successors;     // int64 [nnz]         } their probabilities
  at::Tensor probabilities;  // float64 [nnz]       }
  [[nodiscard]] bool sparse() const { return !dense.defined(); }
};

// Capability: a finite MDP without its reward, and named rewards R[s, a, s'].
class SAFFRON_EXPORT TabularWorld {
 public:
  virtual ~TabularWorld();
  [[nodiscard]] virtual double gamma() const = 0;           // in [0, 1)
  [[nodiscard]] virtual const at::Tensor& mu0() const = 0;  // [S], sums to 1
  [[nodiscard]] virtual const Transitions& transitions() const = 0;
  // [R, S, A, S] dense, or [R, nnz] on the support of sparse transitions.
  [[nodiscard]] virtual const at::Tensor& rewards() const = 0;
  [[nodiscard]] virtual const at::Tensor& policy() const = 0;  // [S, A]; uniform by default
  [[nodiscard]] virtual const at::Tensor& state_distribution() const = 0;   // D_S [S]
  [[nodiscard]] virtual const at::Tensor& action_distribution() const = 0;  // D_A [A]
  [[nodiscard]] virtual const at::Tensor& terminal() const = 0;             // bool [S]
};

// Capability: transitions drawn from an environment, and each reward's value on them. Rows of an episode
// follow each other in its order, and none follows its terminal one. States, actions and next states are
// float64, or int64 where they are numbers of things.
class SAFFRON_EXPORT SampledWorld {
 public:
  virtual ~SampledWorld();
  [[nodiscard]] virtual double gamma() const = 0;
  [[nodiscard]] virtual const at::Tensor& states() const = 0;       // [N, ...]
  [[nodiscard]] virtual const at::Tensor& actions() const = 0;      // [N, ...]
  [[nodiscard]] virtual const at::Tensor& next_states() const = 0;  // [N, ...]
  [[nodiscard]] virtual const at::Tensor& terminal() const = 0;     // bool [N]
  [[nodiscard]] virtual const at::Tensor& episodes() const = 0;     // int64 [N]
  // Reward i, float64 [n], on n transitions, those of the data or others (which canonicalisations that
  // average over successors or actions ask for). Thread-safe.
  [[nodiscard]] virtual at::Tensor evaluate(std::int64_t reward, const at::Tensor& states,
                                            const at::Tensor& actions,
                                            const at::Tensor& next_states) const = 0;
};

// Capability of a sampled world whose rewards are known on some transitions alone, those of its data among
// them: a table of values that others have computed. Without it they are known on all. evaluate() of a
// transition that is not known is Error (data), which names the first.
class SAFFRON_EXPORT KnownTransitions {
 public:
  virtual ~KnownTransitions();
  // Which of these n transitions the rewards are known of: bool [n].
  [[nodiscard]] virtual at::Tensor known(const at::Tensor& states, const at::Tensor& actions,
                                         const at::Tensor& next_states) const = 0;
};

// Capability: scores of responses to prompts, one column a reward model (a contextual bandit: each
// prompt's offset is unidentifiable). Every prompt has two different responses at least.
class SAFFRON_EXPORT PreferenceWorld {
 public:
  virtual ~PreferenceWorld();
  [[nodiscard]] virtual const at::Tensor& prompts() const = 0;  // int64 [N], 0..P-1, sorted
  [[nodiscard]] virtual const at::Tensor& scores() const = 0;   // [R, N]
  [[nodiscard]] virtual const at::Tensor& labels() const = 0;   // [N] or undefined
  // log pi_ref(response | prompt) [N] or undefined; at most 0, a prompt's probabilities sum to at most 1.
  [[nodiscard]] virtual const at::Tensor& log_reference() const = 0;
};

}  // namespace saffron::inline sdk_v1
