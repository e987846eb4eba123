#include <saffron/byte_bpe.h>

#include <saffron/error.h>
#include <saffron/io.h>

#include "added_tokens.h"
#include "byte_alphabet.h"
#include "merger.h"
#include "piece_cache.h"
#include "pre_tokenizer.h"

#include <array>
#include <limits>
#include <unordered_map>

namespace saffron::inline sdk_v1 {
namespace {

using tokenizer_detail::AddedTokens;
using tokenizer_detail::Merger;
using tokenizer_detail::MergeTable;
using tokenizer_detail::PieceCache;
using tokenizer_detail::PieceScanner;
using tokenizer_detail::TextPart;

using Ids = std::unordered_map<std::string_view, std::int32_t>;  // views of the spec's tokens

std::vector<AddedToken> take_added(const ByteBpeSpec& spec, bool normalized) {
  std::vector<AddedToken> taken;
  for (const AddedToken& token : spec.added) {
    if (token.normalized == normalized) taken.push_back(token);
  }
  return taken;
}

class ByteBpe final : public Tokenizer, public ExpectsBos {
 public:
  explicit ByteBpe(ByteBpeSpec spec)
      : spec_(std::move(spec)),
        pre_tokenizer_(tokenizer_detail::pre_tokenizer_of_name(spec_.pre_tokenizer, spec_.source)),
        merges_(spec_.merges.size()) {
    check_ids();
    is_added_.resize(spec_.tokens.size());
    for (const AddedToken& token : spec_.added)
      is_added_[static_cast<std::size_t>(token.id)] = true;
    Ids ids;
    for (std::size_t id = 0; id < spec_.tokens.size(); ++id) {
      if (!spec_.tokens[id].empty()) {
        ids.insert_or_assign(spec_.tokens[id], static_cast<std::int32_t>(id));
      }
    }
    read_bytes(ids);
    read_merges(ids);
    if (spec_.ignore_merges) read_whole_pieces();
    added_first_ = AddedTokens(take_added(spec_, false));
    added_then_ = AddedTokens(take_added(spec_, true));
    spec_.merges.clear();
    spec_.merges.shrink_to_fit();
  }

  std::int64_t vocabulary() const override {
    return static_cast<std::int64_t>(spec_.tokens.size());
  }

  std::vector<std::int32_t> encode(std::string_view text, bool special) const override {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw Error(cat("a text of ", text.size(), " bytes is too long to encode at once"))
          .with_help("encode parts of at most 2 GiB");
    }
    check_utf8(text, "text");
    std::vector<TextPart> parts, between;
    added_first_.split(text, special, parts);
    std::vector<std::int32_t> out;
    out.reserve(text.size() / 3);
    Work work{Merger(merges_), {}};
    for (const TextPart& part : parts) {
      if (part.id >= 0) {
        out.push_back(part.id);
        continue;
      }
      between.clear();
      added_then_.split(part.text, special, between);
      for (const TextPart& inner : between) {
        if (inner.id >= 0) {
          out.push_back(inner.id);
        } else {
          encode_plain(inner.text, work, out);
        }
      }
    }
    return out;
  }

  std::string bytes(std::int32_t id) const override {
    const std::string& text = token(id);
    return is_added_[static_cast<std::size_t>(id)] ? text : tokenizer_detail::spelled_bytes(text);
  }
  std::string spelling(std::int32_t id) const override { return token(id); }
  std::int32_t bos() const override { return spec_.bos; }
  std::int32_t eos() const override { return spec_.eos; }
  bool expects_bos() const override { return spec_.add_bos; }

 private:
  struct Work {
    Merger merger;
    std::vector<std::int32_t> ids;
  };

  [[nodiscard]] Error wrong(std::string message) const {
    return Error(ErrorKind::data, std::move(message)).within(spec_.source);
  }

  void check_id(const char* what, std::int32_t id, std::int32_t lowest) const {
    if (id >= lowest && id < vocabulary()) return;
    throw wrong(cat(what, " has the id ", id, ", but there are ", vocabulary(), " tokens"));
  }

  void check_ids() const {
    if (spec_.tokens.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw wrong("the vocabulary is too large");
    }
    check_id("the unknown token", spec_.unknown, -1);
    check_id("the token that begins a text", spec_.bos, -1);
    check_id("the token that ends a text", spec_.eos, -1);
    for (const AddedToken& token : spec_.added) {
      check_id("an added token", token.id, 0);
      check_utf8(token.text, spec_.source);
    }
  }

  void read_bytes(const Ids& ids) {
    for (int byte = 0; byte < 256; ++byte) {
      const auto found = ids.find(tokenizer_detail::byte_spelling(static_cast<std::uint8_t>(byte)));
      byte_id_[static_cast<std::size_t>(byte)] = found == ids.end() ? spec_.unknown : found->second;
    }
  }

  void read_merges(const Ids& ids) {
    const auto id_of = [&](const std::string& text, std::size_t rank) {
      const auto found = ids.find(text);
      if (found != ids.end()) return found->second;
      throw wrong(cat("merge ", rank + 1, " of ", spec_.merges.size(), " needs the token '", text,
                      "', which is not in the vocabulary"));
    };
    for (std::size_t rank = 0; rank < spec_.merges.size(); ++rank) {
      const auto& [left, right] = spec_.merges[rank];
      const std::int32_t left_id = id_of(left, rank), right_id = id_of(right, rank);
      const std::int32_t product = id_of(left + right, rank);
      merges_.set(left_id, right_id, {static_cast<std::uint32_t>(rank), product});
    }
  }

  void read_whole_pieces() {
    for (std::size_t id = 0; id < spec_.tokens.size(); ++id) {
      if (is_added_[id] || spec_.tokens[id].empty()) continue;
      whole_pieces_.insert_or_assign(tokenizer_detail::spelled_bytes(spec_.tokens[id]),
                                     static_cast<std::int32_t>(id));
    }
  }

  [[nodiscard]] const std::string& token(std::int32_t id) const {
    if (id < 0 || id >= vocabulary()) {
      throw Error(cat("there is no token ", id, ": ids go from 0 to ", vocabulary() - 1))
          .within(spec_.source);
    }
    return spec_.tokens[static_cast<std::size_t>(id)];
  }

  void encode_plain(std::string_view text, Work& work, std::vector<std::int32_t>& out) const {
    PieceScanner scanner(pre_tokenizer_, text);
    while (!scanner.done()) {
      const std::string_view piece = scanner.next();
      const bool remember = piece.size() <= PieceCache::kLongest;
      if (remember && cache_.append(piece, out)) continue;
      encode_piece(piece, work);
      out.insert(out.end(), work.ids.begin(), work.ids.end());
      if (remember) cache_.insert(piece, work.ids);
    }
  }

  void encode_piece(std::string_view piece, Work& work) const {
    work.ids.clear();
    if (spec_.ignore_merges) {
      const auto whole = whole_pieces_.find(std::string(piece));
      if (whole != whole_pieces_.end()) {
        work.ids.push_back(whole->second);
        return;
      }
    }
    for (const char c : piece) {
      const std::int32_t id = byte_id_[static_cast<unsigned char>(c)];
      if (id >= 0) work.ids.push_back(id);
    }
    work.merger.run(work.ids);
  }

  ByteBpeSpec spec_;
  tokenizer_detail::PreTokenizer pre_tokenizer_;
  std::array<std::int32_t, 256> byte_id_{};
  MergeTable merges_;
  std::unordered_map<std::string, std::int32_t> whole_pieces_;  // by bytes; ignore_merges only
  std::vector<bool> is_added_;
  AddedTokens added_first_, added_then_;
  mutable PieceCache cache_;
};

}  // namespace

ExpectsBos::~ExpectsBos() = default;

std::shared_ptr<Tokenizer> make_byte_bpe(ByteBpeSpec spec) {
  return std::make_shared<ByteBpe>(std::move(spec));
}

}  // namespace saffron::inline sdk_v1
