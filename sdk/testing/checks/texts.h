#pragma once

#include <saffron/random.h>
#include <saffron/tokenizer.h>

#include <string>
#include <string_view>
#include <vector>

// Texts for tokenizers: tokenizers of models are held to the common ones too.

namespace saffron::testing {

// What people write: words, code, line ends, blanks, accents, scripts, emoji.
[[nodiscard]] std::vector<std::string> common_texts();
// Characters that few texts have: of every plane, assigned or not, and control characters.
[[nodiscard]] std::string rare_text(const Random& random);
// With what cannot be printed escaped, cut after some characters.
[[nodiscard]] std::string quoted(std::string_view text);
// Fails unless the concatenated bytes of the text's tokens are the text.
void check_roundtrip(const Tokenizer& tokenizer, const std::string& text);

}  // namespace saffron::testing
