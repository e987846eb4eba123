#include "testing/checks/groups.h"
#include "testing/checks/texts.h"
#include "testing/made.h"

#include <saffron/tokenizer.h>

#include <algorithm>
#include <latch>
#include <set>
#include <thread>

namespace saffron::testing {
namespace {

constexpr std::int32_t kSpelled = 4096;  // ids looked at one by one
constexpr std::uint64_t kRareTexts = 40;
constexpr int kRepeats = 20;  // of what threads encode

using Ids = std::vector<std::int32_t>;

// "12 5 9 ... (30 ids)"
std::string shown(const Ids& ids) {
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(ids.size(), 12); ++i) out += cat(ids[i], ' ');
  return cat(out, ids.size() > 12 ? "... " : "", '(', ids.size(), " ids)");
}

Verdict roundtrip(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  for (const std::string& text : common_texts()) check_roundtrip(*tokenizer, text);
  return {};
}

Verdict roundtrip_of_rare_characters(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  const Random random = subject.random("roundtrip-of-rare-characters");
  for (std::uint64_t n = 0; n < kRareTexts; ++n) {
    check_roundtrip(*tokenizer, rare_text(random.fork(n)));
  }
  return {};
}

Verdict ids_in_range(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  const std::int64_t vocabulary = tokenizer->vocabulary();
  if (vocabulary < 1) fail(cat("the vocabulary has ", vocabulary, " tokens"));
  for (const auto& [name, id] :
       {std::pair{"bos()", tokenizer->bos()}, {"eos()", tokenizer->eos()}}) {
    if (id < -1 || id >= vocabulary) {
      fail(cat(name, " is ", id, "; ids go from 0 to ", vocabulary - 1, ", and -1 means none"));
    }
  }
  for (const std::string& text : common_texts()) {
    for (const std::int32_t id : tokenizer->encode(text, false)) {
      if (id < 0 || id >= vocabulary) {
        fail(cat("id ", id, " in ", quoted(text), "; ids go from 0 to ", vocabulary - 1));
      }
    }
  }
  return {};
}

Verdict every_id_is_spelled(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  const std::int64_t vocabulary = tokenizer->vocabulary();
  const std::int64_t step = std::max<std::int64_t>(1, vocabulary / kSpelled);
  for (std::int64_t n = 0; n < vocabulary; n += step) {
    const auto id = static_cast<std::int32_t>(n);
    try {
      static_cast<void>(tokenizer->bytes(id));
      static_cast<void>(tokenizer->spelling(id));
    } catch (const Error& error) {
      fail(cat("id ", id, " of ", vocabulary, " has no bytes or spelling: ", words_of(error)));
    }
  }
  return {};
}

// The ids and spellings of those that there are.
std::vector<std::pair<std::int32_t, std::string>> special_tokens(const Tokenizer& tokenizer) {
  std::vector<std::pair<std::int32_t, std::string>> out;
  for (const std::int32_t id : std::set<std::int32_t>{tokenizer.bos(), tokenizer.eos()}) {
    if (id >= 0 && !tokenizer.spelling(id).empty()) out.emplace_back(id, tokenizer.spelling(id));
  }
  if (out.empty()) skip("has neither bos() nor eos()");
  return out;
}

Verdict special_spelled_as_text(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  for (const auto& [id, spelling] : special_tokens(*tokenizer)) {
    const Ids ids = tokenizer->encode("a" + spelling + "b", false);
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) continue;
    fail(cat("without `special`, the text ", quoted("a" + spelling + "b"),
             " has the special token ", id, ": ", shown(ids)));
  }
  return {};
}

Verdict special_where_asked(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  for (const auto& [id, spelling] : special_tokens(*tokenizer)) {
    const Ids ids = tokenizer->encode(spelling, true);
    if (ids != Ids{id}) {
      fail(
          cat("with `special`, ", quoted(spelling), " is ", shown(ids), " and not the token ", id));
    }
  }
  return {};
}

Verdict adds_no_special(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  for (const bool special : {false, true}) {
    for (const std::string& text : {std::string(), std::string("a"), std::string("some words")}) {
      for (const std::int32_t id : tokenizer->encode(text, special)) {
        if (id != tokenizer->bos() && id != tokenizer->eos()) continue;
        fail(cat("encode adds the special token ", id, " to ", quoted(text)));
      }
    }
  }
  return {};
}

struct Invalid {
  std::string text;
  std::size_t offset;  // of the first byte that is wrong
};

// Unicode 16, table 3-7: stray and missing continuation bytes, overlong forms, surrogates, numbers
// beyond 10FFFF.
std::vector<Invalid> invalid_texts() {
  return {{"\xFF", 0},
          {"abc\x80", 3},
          {"ab\xC3", 2},
          {"a\xC0\xAF z", 1},
          {"\xE0\x80\xAF", 0},
          {"word \xED\xA0\x80", 5},
          {"\xF4\x90\x80\x80", 0},
          {"na\xC3\xAFve \xE2\x82", 7}};
}

Verdict invalid_utf8_refused(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  for (const Invalid& invalid : invalid_texts()) {
    must_refuse(cat("the text ", quoted(invalid.text)), "data", ErrorKind::data,
                [&] { return tokenizer->encode(invalid.text, false); });
  }
  return {};
}

// All numbers of a text, apart.
std::set<std::size_t> numbers_in(const std::string& text) {
  std::set<std::size_t> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') continue;
    std::size_t number = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      number = number * 10 + static_cast<std::size_t>(text[i] - '0');
    }
    out.insert(number);
  }
  return out;
}

Verdict invalid_utf8_offset(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  for (const Invalid& invalid : invalid_texts()) {
    try {
      static_cast<void>(tokenizer->encode(std::string(40, 'a') + invalid.text, false));
    } catch (const Error& error) {
      const std::size_t offset = 40 + invalid.offset;
      if (numbers_in(error.what()).count(offset) > 0) continue;
      fail(cat("the error for a byte that is not UTF-8 does not say its offset, ", offset, ": ",
               error.what()));
    }
  }
  return {};
}

Verdict encode_is_pure(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  const std::vector<std::string> texts = common_texts();
  std::vector<Ids> first;
  for (const std::string& text : texts) first.push_back(tokenizer->encode(text, false));
  for (std::size_t i = texts.size(); i-- > 0;) {
    const Ids again = tokenizer->encode(texts[i], false);
    if (again == first[i]) continue;
    fail(cat("after other texts, ", quoted(texts[i]), " is ", shown(again), " instead of ",
             shown(first[i])));
  }
  return {};
}

Verdict thread_safe(const Subject& subject) {
  const auto tokenizer = made<Tokenizer>(subject);
  const std::vector<std::string> texts = common_texts();
  std::vector<Ids> expected;
  for (const std::string& text : texts) {
    expected.push_back(tokenizer->encode(text, false));
    if (tokenizer->encode(text, false) != expected.back()) skip("see encode-is-pure");
  }
  std::string wrong[2];
  std::latch both(2);
  const auto work = [&](std::size_t t) {
    both.arrive_and_wait();
    try {
      for (std::size_t n = 0; n < kRepeats * texts.size() && wrong[t].empty(); ++n) {
        const std::size_t i = t == 0 ? n % texts.size() : texts.size() - 1 - n % texts.size();
        const Ids ids = tokenizer->encode(texts[i], false);
        if (ids != expected[i]) wrong[t] = cat(quoted(texts[i]), " is ", shown(ids));
      }
    } catch (const std::exception& error) {
      wrong[t] = cat("threw ", words_of(error));
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  for (const std::string& text : wrong) {
    if (!text.empty()) fail(cat("two threads that encode at once get other ids: ", text));
  }
  return {};
}

constexpr Check kChecks[] = {
    {"roundtrip", "tokenizer", "the bytes of a text's tokens are the text", 1, roundtrip},
    {"ids-in-range", "tokenizer", "ids are below the vocabulary's size", 1, ids_in_range},
    {"encode-is-pure", "tokenizer", "earlier texts change nothing", 1, encode_is_pure},
    {"every-id-is-spelled", "tokenizer", "every id has bytes and a spelling", 2,
     every_id_is_spelled},
    {"adds-no-special", "tokenizer", "encode adds no special token to a text", 2, adds_no_special},
    {"special-spelled-as-text", "tokenizer",
     "the spelling of a special token is plain text unless `special` is asked for", 2,
     special_spelled_as_text},
    {"special-where-asked", "tokenizer",
     "the spelling of a special token is that token where `special` is asked for", 3,
     special_where_asked},
    {"invalid-utf8-refused", "tokenizer", "bytes that are no UTF-8 are refused as data", 2,
     invalid_utf8_refused},
    {"invalid-utf8-offset", "tokenizer", "the refusal says where the wrong byte is", 5,
     invalid_utf8_offset},
    {"thread-safe", "tokenizer", "two threads may encode at once", 3, thread_safe},
    {"roundtrip-of-rare-characters", "tokenizer",
     "control characters and those of every plane come back too", 7, roundtrip_of_rare_characters},
};

}  // namespace

std::span<const Check> tokenizer_checks() { return kChecks; }

}  // namespace saffron::testing
