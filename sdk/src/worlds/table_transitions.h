#pragma once

#include "src/worlds/table_checks.h"

#include <saffron/tabular_world.h>

namespace saffron::inline sdk_v1::worlds {

// Transitions as a world holds them, and each reward on them.
struct Dynamics {
  Transitions tau;
  at::Tensor terminal;  // bool [S]
  at::Tensor rewards;   // float64 [R, S, A, S] or [R, nnz]
};

[[nodiscard]] Dynamics dense_dynamics(const MdpTables& tables, const TableChecks& check);
[[nodiscard]] Dynamics sparse_dynamics(const MdpTables& tables, const TableChecks& check);

// bool [S]; none where the tables do not say.
[[nodiscard]] at::Tensor checked_terminal(const MdpTables& tables, std::int64_t states,
                                          const TableChecks& check);
// Each of them as float64 of that shape, finite, under a name of its own.
[[nodiscard]] std::vector<at::Tensor> checked_rewards(const MdpTables& tables,
                                                      at::IntArrayRef shape, const char* letters,
                                                      const TableChecks& check);

}  // namespace saffron::inline sdk_v1::worlds
