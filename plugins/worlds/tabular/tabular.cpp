#include "tabular.h"

#include "tables.h"

#include <saffron/error.h>

namespace saffron::plugins {
namespace {

MdpTables read(const std::string& path) {
  const std::filesystem::path extension = std::filesystem::path(path).extension();
  if (extension == ".json") return read_json_tables(path);
  if (extension == ".safetensors" || extension == ".npz") return read_tensor_tables(path);
  throw Error(cat("'", path, "' is no .json, .safetensors or .npz file"));
}

}  // namespace

Schema<Tabular::Options> Tabular::schema() {
  return Schema<Options>{}
      .param(
          "path", &Options::path,
          "a .json, .safetensors or .npz file with gamma, mu0 [S], tau [S, A, S'] and rewards, "
          "and, "
          "optionally, policy [S, A], D_S [S], D_A [A] and terminal [S]. Sparse transitions stand "
          "for "
          "tau as offsets [S A + 1], successors [nnz] and probabilities [nnz]: entries offsets[s A "
          "+ "
          "a] "
          "to offsets[s A + a + 1] are the successors of (s, a). Rewards are an object {name: "
          "table} "
          "in "
          "JSON and tensors rewards/<name> elsewhere, [S, A, S'], or [nnz] where transitions are "
          "sparse",
          required(), not_empty(), hashed_file())
      .choice(
          "states", &Options::states,
          "\"all\" that the file has, or those \"reachable\" from mu0 by some policy, which are "
          "numbered anew in their order: rewards of the others change no policy's return, and "
          "yet most distances, though not span, regret and erc",
          {{"all", States::all}, {"reachable", States::reachable}});
}

Tabular::Tabular(const Options& options)
    : TableWorld(read(options.path.value), options.path.value, "tabular MDP") {
  if (options.states == States::reachable) keep_reachable();
}

}  // namespace saffron::plugins
