#pragma once

#include "tests/places.h"

#include <saffron/byte_bpe.h>
#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/value.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace saffron::tokenizer_test {

inline const std::filesystem::path kFixtures =
    std::string(kSourceDir) + "/tests/fixtures/tokenizer";
inline const std::string kSmolLm2 =
    std::string(kSourceDir) + "/models/SmolLM2-135M-Instruct.Q4_1.gguf";

inline Value read_fixture(const std::string& name) {
  const std::string path = kFixtures / name;
  return from_json(read_text(path), path);
}

inline std::vector<std::int32_t> ids_of(const Value& list) {
  std::vector<std::int32_t> ids;
  for (const Value& id : list.as_list()) ids.push_back(static_cast<std::int32_t>(id.as_int()));
  return ids;
}

// Every text's ids are the recorded ones.
inline void expect_ids(const Tokenizer& tokenizer, const Value& fixture, const std::string& key,
                       bool special) {
  const Value::List& texts = fixture.at("texts").as_list();
  const Value::List& wanted = fixture.at(key).as_list();
  ASSERT_EQ(texts.size(), wanted.size());
  ASSERT_GT(texts.size(), 20u);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer.encode(texts[i].as_string(), special), ids_of(wanted[i]))
        << key << ": " << to_json(texts[i]);
  }
}

inline std::string concatenated(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  std::string text;
  for (const std::int32_t id : ids) text += tokenizer.bytes(id);
  return text;
}

// The spec of tests/fixtures/tokenizer/small, for a pre-tokenizer that is not the file's own.
inline ByteBpeSpec small_spec(const std::string& pre_tokenizer) {
  const Value root = read_fixture("small/tokenizer.json");
  ByteBpeSpec spec;
  spec.source = "small";
  spec.pre_tokenizer = pre_tokenizer;
  const Value::Table& vocabulary = root.at("model").at("vocab").as_table();
  spec.tokens.resize(vocabulary.size());
  for (const Value::Entry& entry : vocabulary) {
    spec.tokens.at(static_cast<std::size_t>(entry.value.as_int())) = entry.key;
  }
  for (const Value& merge : root.at("model").at("merges").as_list()) {
    spec.merges.emplace_back(merge.as_list()[0].as_string(), merge.as_list()[1].as_string());
  }
  for (const Value& token : root.at("added_tokens").as_list()) {
    spec.added.push_back({.text = token.at("content").as_string(),
                          .id = static_cast<std::int32_t>(token.at("id").as_int())});
  }
  return spec;
}

// The message of the Error that `act` throws; its kind must be `kind`.
template <class F>
std::string message_of(F&& act, ErrorKind kind = ErrorKind::data) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace saffron::tokenizer_test
