#pragma once

#include <saffron/tokenizer.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace saffron::inline sdk_v1 {

class GgufFile;

// A token that is found in the text before anything else is done to it.
struct AddedToken {
  std::string text;
  std::int32_t id = -1;
  bool special = true;      // only where encode() is asked for special tokens
  bool lstrip = false;      // takes the blanks to its left with it
  bool rstrip = false;      // and to its right
  bool normalized = false;  // looked for after all tokens that are not
};

// Byte-level byte-pair encoding (Sennrich et al. 2016; on bytes: Radford et al. 2019, GPT-2).
//
//   text -> added tokens and what lies between -> pieces (pre_tokenizer) -> bytes -> merges
//
// In each piece, of all neighbours that a merge joins, the pair of the first merge in the list is
// joined, the leftmost one first, until no merge applies.
//
// Ids are exactly those of Hugging Face's `tokenizers` 0.23 on every valid UTF-8 text. That
// includes a vocabulary that lacks some bytes (SmolLM2's lacks six control characters and the bytes
// F1 and F2, which begin planes 4 to 11, all unassigned): without an `unknown` token such bytes are
// dropped, so a text with them does not round-trip.
struct ByteBpeSpec {
  std::string source;               // the file, for messages
  std::vector<std::string> tokens;  // by id; in GPT-2's byte alphabet ("Ġthe"), but for added ones
  std::vector<std::pair<std::string, std::string>> merges;  // first to last
  std::vector<AddedToken> added;
  std::string pre_tokenizer = "gpt-2";  // or "smollm", "llama-bpe", "qwen2"
  bool ignore_merges = false;  // a piece that is a token is that token, whatever its merges
  std::int32_t unknown = -1;   // for bytes that are no token
  std::int32_t bos = -1, eos = -1;
  bool add_bos = false;  // what expects_bos() says
};

// Error (data) when a merge's parts or product are not tokens, or an id is out of range.
// The object remembers the ids of short pieces that it has met (at most some 20 MB).
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<Tokenizer> make_byte_bpe(ByteBpeSpec spec);

// From a model's GGUF file: its "tokenizer.ggml.*" keys.
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<Tokenizer> byte_bpe_from_gguf(const GgufFile& file);
// From a folder with tokenizer.json and, for bos and eos, tokenizer_config.json or config.json.
// Error (data) that names what is not supported (a normalizer, an unknown pre-tokenizer, ...).
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<Tokenizer> byte_bpe_from_huggingface(
    const std::filesystem::path& folder);

// Capability: a tokenizer that knows whether its model was trained with bos() before each text.
class SAFFRON_EXPORT ExpectsBos {
 public:
  virtual ~ExpectsBos();
  [[nodiscard]] virtual bool expects_bos() const = 0;
};

}  // namespace saffron::inline sdk_v1
