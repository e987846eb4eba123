#include <saffron/byte_bpe.h>

#include <saffron/error.h>
#include <saffron/io.h>

namespace saffron::inline sdk_v1 {
namespace {

// llama_token_type of llama.cpp.
constexpr std::int64_t kControl = 3, kUserDefined = 4;

std::vector<std::pair<std::string, std::string>> read_merges(const GgufFile& file) {
  std::vector<std::pair<std::string, std::string>> merges;
  for (const std::string& line : file.texts("tokenizer.ggml.merges")) {
    const std::size_t space = line.find(' ');
    if (space == 0 || space == line.npos || line.find(' ', space + 1) != line.npos ||
        space + 1 == line.size()) {
      throw Error(ErrorKind::data, cat("tokenizer.ggml.merges[", merges.size(), "] is '", line,
                                       "', not two tokens and a space between"))
          .within(file.path());
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

std::vector<AddedToken> read_added(const GgufFile& file, const std::vector<std::string>& tokens) {
  std::vector<AddedToken> added;
  if (!file.has("tokenizer.ggml.token_type")) return added;
  const std::vector<std::int64_t> types = file.integers("tokenizer.ggml.token_type");
  if (types.size() != tokens.size()) {
    throw Error(ErrorKind::data, cat("tokenizer.ggml.token_type has ", types.size(),
                                     " entries, but there are ", tokens.size(), " tokens"))
        .within(file.path());
  }
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (types[id] != kControl && types[id] != kUserDefined) continue;
    added.push_back({.text = tokens[id],
                     .id = static_cast<std::int32_t>(id),
                     .special = types[id] == kControl});
  }
  return added;
}

std::int32_t read_id(const GgufFile& file, const char* key, std::size_t tokens) {
  const std::int64_t id = file.integer(key, -1);
  if (id < -1 || id >= static_cast<std::int64_t>(tokens)) {
    throw Error(ErrorKind::data, cat(key, " is ", id, ", but there are ", tokens, " tokens"))
        .within(file.path());
  }
  return static_cast<std::int32_t>(id);
}

}  // namespace

std::shared_ptr<Tokenizer> byte_bpe_from_gguf(const GgufFile& file) {
  if (const std::string model = file.text("tokenizer.ggml.model"); model != "gpt2") {
    throw Error(ErrorKind::data,
                cat("the tokenizer is of the kind '", model, "', not byte-level BPE ('gpt2')"))
        .within(file.path());
  }
  ByteBpeSpec spec;
  spec.source = file.path();
  spec.tokens = file.texts("tokenizer.ggml.tokens");
  spec.merges = read_merges(file);
  spec.added = read_added(file, spec.tokens);
  spec.pre_tokenizer = file.text("tokenizer.ggml.pre");
  // Files do not say so; Llama 3's own tokenizer does (ignore_merges, and a BOS by default).
  const bool llama3 = spec.pre_tokenizer == "llama-bpe";
  spec.ignore_merges = llama3;
  spec.bos = read_id(file, "tokenizer.ggml.bos_token_id", spec.tokens.size());
  spec.eos = read_id(file, "tokenizer.ggml.eos_token_id", spec.tokens.size());
  spec.add_bos = file.flag("tokenizer.ggml.add_bos_token", llama3) && spec.bos >= 0;
  return make_byte_bpe(std::move(spec));
}

}  // namespace saffron::inline sdk_v1
