#include <saffron/byte_bpe.h>

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/value.h>

#include "pre_tokenizer.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace saffron::inline sdk_v1 {
namespace {

namespace fs = std::filesystem;

// Far above every published vocabulary; bounds the memory that an id alone can ask for.
constexpr std::int64_t kMostTokens = 1 << 22;

[[noreturn]] void unsupported(std::string what) {
  throw Error(ErrorKind::data, std::move(what) + " is not supported")
      .with_help(
          "byte-level BPE with the pre-tokenizers of GPT-2, SmolLM, Llama 3 and Qwen 2 is, without "
          "a normalizer");
}

// The value under `key`; nullptr where it is absent or null.
const Value* find(const Value& table, std::string_view key) {
  const Value* value = table.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool flag(const Value& table, std::string_view key, bool otherwise) {
  const Value* value = find(table, key);
  return value == nullptr ? otherwise : value->as_bool();
}

std::string type_of(const Value& table) { return table.at("type").as_string(); }

std::int32_t id_of(const Value& value) {
  const std::int64_t id = value.as_int();
  if (id < 0 || id >= kMostTokens) {
    throw Error(ErrorKind::data,
                cat("a token has the id ", id, ", not one in [0, ", kMostTokens, ")"))
        .at(value.origin());
  }
  return static_cast<std::int32_t>(id);
}

void place_token(std::vector<std::string>& tokens, std::int32_t id, const std::string& text) {
  const auto at = static_cast<std::size_t>(id);
  if (at >= tokens.size()) tokens.resize(at + 1);
  tokens[at] = text;
}

std::pair<std::string, std::string> read_merge(const Value& value) {
  if (value.is_list() && value.as_list().size() == 2) {
    return {value.as_list()[0].as_string(), value.as_list()[1].as_string()};
  }
  if (value.is_string()) {
    const std::string& line = value.as_string();
    const std::size_t space = line.find(' ');
    if (space != line.npos && line.find(' ', space + 1) == line.npos) {
      return {line.substr(0, space), line.substr(space + 1)};
    }
  }
  throw Error(ErrorKind::data, cat("a merge is ", to_json(value), ", not a pair of tokens"))
      .at(value.origin());
}

void read_model(const Value& model, ByteBpeSpec& spec) {
  if (const Value* type = find(model, "type"); type != nullptr && type->as_string() != "BPE") {
    unsupported(cat("a model of the type '", type->as_string(), "'"));
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Value* affix = find(model, key);
    if (affix != nullptr && !affix->as_string().empty()) {
      unsupported(cat("model.", key, " = '", affix->as_string(), "'"));
    }
  }
  if (flag(model, "byte_fallback", false)) unsupported("model.byte_fallback");
  if (flag(model, "fuse_unk", false)) unsupported("model.fuse_unk");
  if (const Value* dropout = find(model, "dropout"); dropout && dropout->as_real() != 0) {
    unsupported(cat("model.dropout = ", dropout->as_real()));
  }
  spec.ignore_merges = flag(model, "ignore_merges", false);
  for (const Value::Entry& entry : model.at("vocab").as_table()) {
    place_token(spec.tokens, id_of(entry.value), entry.key);
  }
  for (const Value& merge : model.at("merges").as_list()) spec.merges.push_back(read_merge(merge));
  if (const Value* unknown = find(model, "unk_token")) {
    const Value* id = model.at("vocab").find(unknown->as_string());
    if (id == nullptr) {
      throw Error(ErrorKind::data,
                  cat("model.unk_token '", unknown->as_string(), "' is not in the vocabulary"))
          .at(unknown->origin());
    }
    spec.unknown = id_of(*id);
  }
}

void read_added(const Value& root, ByteBpeSpec& spec) {
  const Value* list = find(root, "added_tokens");
  if (list == nullptr) return;
  for (const Value& item : list->as_list()) {
    AddedToken token;
    token.text = item.at("content").as_string();
    token.id = id_of(item.at("id"));
    token.special = flag(item, "special", false);
    token.lstrip = flag(item, "lstrip", false);
    token.rstrip = flag(item, "rstrip", false);
    token.normalized = flag(item, "normalized", !token.special);
    if (flag(item, "single_word", false)) {
      unsupported(cat("single_word of the added token '", token.text, "'"));
    }
    place_token(spec.tokens, token.id, token.text);
    spec.added.push_back(std::move(token));
  }
}

// The steps of a Sequence, or the one step that stands alone.
std::vector<const Value*> steps_of(const Value& value, const char* list) {
  std::vector<const Value*> steps;
  if (type_of(value) != "Sequence") return {&value};
  for (const Value& step : value.at(list).as_list()) steps.push_back(&step);
  return steps;
}

void check_normalizer(const Value& root) {
  const Value* normalizer = find(root, "normalizer");
  if (normalizer == nullptr) return;
  for (const Value* step : steps_of(*normalizer, "normalizers")) {
    unsupported(cat("the normalizer '", type_of(*step), "'"));
  }
}

// The pre-tokenizer that a Split or Digits step stands for, as far as it is one of ours.
std::string read_splitter(const Value& step) {
  const std::string type = type_of(step);
  if (type == "Digits" && flag(step, "individual_digits", false)) return "smollm";
  if (type == "Split" && step.at("behavior").as_string() == "Isolated" &&
      !flag(step, "invert", false)) {
    if (const Value* regex = step.at("pattern").find("Regex")) {
      const std::string name = tokenizer_detail::pre_tokenizer_of_regex(regex->as_string());
      if (!name.empty()) return name;
    }
  }
  unsupported(cat("the pre-tokenizer step ", to_json(step)));
}

std::string read_pre_tokenizer(const Value& root) {
  const Value* value = find(root, "pre_tokenizer");
  if (value == nullptr) unsupported("a tokenizer without a pre-tokenizer");
  const std::vector<const Value*> steps = steps_of(*value, "pretokenizers");
  if (steps.empty() || steps.size() > 2 || type_of(*steps.back()) != "ByteLevel") {
    unsupported(cat("the pre-tokenizer ", to_json(*value)));
  }
  const Value& bytes = *steps.back();
  if (flag(bytes, "add_prefix_space", true)) unsupported("add_prefix_space of the pre-tokenizer");
  const std::string splitter = steps.size() == 2 ? read_splitter(*steps[0]) : "";
  // Digits come before GPT-2's regular expression, the others in its place.
  const bool wants_regex = splitter.empty() || splitter == "smollm";
  if (flag(bytes, "use_regex", true) != wants_regex) {
    unsupported(cat("the pre-tokenizer ", to_json(*value)));
  }
  return splitter.empty() ? "gpt-2" : splitter;
}

// The first token that the post-processor puts before a single text; "" when there is none.
std::string leading_token(const Value& root) {
  const Value* processor = find(root, "post_processor");
  if (processor == nullptr) return {};
  for (const Value* step : steps_of(*processor, "processors")) {
    if (type_of(*step) != "TemplateProcessing") continue;
    const Value::List& single = step->at("single").as_list();
    const Value* token = single.empty() ? nullptr : find(single[0], "SpecialToken");
    if (token != nullptr) return token->at("id").as_string();
  }
  return {};
}

std::optional<Value> read_json(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  return from_json(read_text(path), path.string());
}

// "bos_token" of tokenizer_config.json is a text or a table that has one; "bos_token_id" of
// config.json is an id or a list of them.
std::int32_t read_edge(const std::string& key, const std::optional<Value>& tokenizer_config,
                       const std::optional<Value>& config, const ByteBpeSpec& spec) {
  if (const Value* named = tokenizer_config ? find(*tokenizer_config, key) : nullptr) {
    const std::string& text = (named->is_table() ? named->at("content") : *named).as_string();
    const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), text);
    if (found == spec.tokens.end()) {
      throw Error(ErrorKind::data, cat(key, " '", text, "' is not in the vocabulary"))
          .at(named->origin());
    }
    return static_cast<std::int32_t>(found - spec.tokens.begin());
  }
  const Value* id = config ? find(*config, key + "_id") : nullptr;
  if (id != nullptr && id->is_list()) {
    id = id->as_list().empty() ? nullptr : &id->as_list().front();
  }
  return id == nullptr ? -1 : id_of(*id);
}

ByteBpeSpec read_folder(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json";
  const Value root = from_json(read_text(file), file.string());
  ByteBpeSpec spec;
  spec.source = file.string();
  check_normalizer(root);
  spec.pre_tokenizer = read_pre_tokenizer(root);
  read_model(root.at("model"), spec);
  read_added(root, spec);

  const std::optional<Value> tokenizer_config = read_json(folder / "tokenizer_config.json");
  const std::optional<Value> config = read_json(folder / "config.json");
  spec.bos = read_edge("bos_token", tokenizer_config, config, spec);
  spec.eos = read_edge("eos_token", tokenizer_config, config, spec);
  const auto bos = static_cast<std::size_t>(spec.bos);  // -1 is past the end
  const bool template_adds = bos < spec.tokens.size() && leading_token(root) == spec.tokens[bos];
  spec.add_bos =
      tokenizer_config ? flag(*tokenizer_config, "add_bos_token", template_adds) : template_adds;
  return spec;
}

}  // namespace

std::shared_ptr<Tokenizer> byte_bpe_from_huggingface(const fs::path& folder) {
  try {
    return make_byte_bpe(read_folder(folder));
  } catch (const Error& error) {
    // A value of another type than its key has: the file is wrong, not the caller.
    if (error.kind() == ErrorKind::invalid) {
      throw Error(ErrorKind::data, error.message()).within(error.where()).with_help(error.help());
    }
    if (error.kind() == ErrorKind::data && error.where().empty()) {
      throw Error(error).within((folder / "tokenizer.json").string());
    }
    throw;
  }
}

}  // namespace saffron::inline sdk_v1
