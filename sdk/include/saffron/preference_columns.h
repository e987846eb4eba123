#pragma once

#include <saffron/namespace.h>

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

// Something that is known of every response beside its scores: a number, such as its length, or one of
// several words, such as its prompt's domain.
struct ResponseColumn {
  std::string name;
  at::Tensor values;               // float64 [N]; of words int64 [N], their numbers
  std::vector<std::string> words;  // by number; none where values are numbers
  [[nodiscard]] bool categorical() const { return !words.empty(); }
};

// Capability of a preference world (world.h): what prompts and responses are called, and further columns.
class SAFFRON_EXPORT PreferenceColumns {
 public:
  virtual ~PreferenceColumns();
  [[nodiscard]] virtual const std::vector<std::string>& prompt_names() const = 0;    // [P]
  [[nodiscard]] virtual const std::vector<std::string>& response_names() const = 0;  // [N]
  [[nodiscard]] virtual const std::vector<ResponseColumn>& columns() const = 0;
};

}  // namespace saffron::inline sdk_v1
