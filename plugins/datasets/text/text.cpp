#include "text.h"

#include <saffron/byte_bpe.h>
#include <saffron/error.h>
#include <saffron/files.h>
#include <saffron/io.h>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iomanip>
#include <limits>
#include <unordered_map>

namespace saffron::plugins {
namespace {

namespace fs = std::filesystem;

// Documents are encoded in batches of about this many bytes: the unit of parallel work.
constexpr std::size_t kBatchBytes = 1 << 16;
constexpr double kMostTokens = std::numeric_limits<std::int32_t>::max();  // of a row

// Each file's name for people: its path where the name alone would be ambiguous.
std::vector<std::string> names_of(const std::vector<std::string>& files) {
  std::vector<std::string> names;
  std::unordered_map<std::string, int> uses;
  for (const std::string& file : files) {
    names.push_back(fs::path(file).filename().string());
    ++uses[names.back()];
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (uses[names[i]] > 1) names[i] = files[i];
  }
  return names;
}

// 1204332 as "1,204,332".
std::string grouped(std::size_t number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

// Valid UTF-8 without the byte order mark that some editors put in front.
std::string_view checked_text(const MappedFile& file) {
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  try {
    check_utf8(text, file.path());
  } catch (Error& error) {
    throw error.with_help("convert the file, e.g.: iconv -f LATIN1 -t UTF-8 FILE");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

std::int32_t separator_id(const Tokenizer& tokenizer, const std::optional<std::string>& wanted) {
  if (!wanted) return tokenizer.eos();
  if (*wanted == "none") return -1;
  if (*wanted == "eos" || *wanted == "bos") {
    const std::int32_t id = *wanted == "eos" ? tokenizer.eos() : tokenizer.bos();
    if (id >= 0) return id;
    throw Error(cat("separator = '", *wanted, "', but the tokenizer has no such token"))
        .with_help("name a token, e.g. separator = '<|endoftext|>', or 'none'");
  }
  const std::vector<std::int32_t> ids = tokenizer.encode(*wanted, true);
  if (ids.size() == 1) return ids[0];
  throw Error(cat("separator = '", *wanted, "' is ", ids.size(), " tokens, not one"));
}

std::int32_t bos_id(const Tokenizer& tokenizer, const std::optional<bool>& wanted) {
  const auto* habit = dynamic_cast<const ExpectsBos*>(&tokenizer);
  if (!wanted.value_or(habit != nullptr && habit->expects_bos())) return -1;
  if (tokenizer.bos() >= 0) return tokenizer.bos();
  throw Error("prepend_bos = true, but the tokenizer has no token that begins a text");
}

// How many lines each token ends.
std::vector<std::int32_t> count_newlines(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> counts(static_cast<std::size_t>(tokenizer.vocabulary()));
  for (std::size_t id = 0; id < counts.size(); ++id) {
    const std::string bytes = tokenizer.bytes(static_cast<std::int32_t>(id));
    counts[id] = static_cast<std::int32_t>(std::count(bytes.begin(), bytes.end(), '\n'));
  }
  return counts;
}

}  // namespace

Schema<Text::Options> Text::schema() {
  return Schema<Options>{}
      .param("files", &Options::files, "text files in UTF-8; patterns such as data/*.txt",
             required(), not_empty(), hashed_file())
      .param("tokenizer", &Options::tokenizer, "a model's name, or a tokenizer", required())
      .param("context", &Options::context, "tokens a row", between(2, kMostTokens), unit("tokens"))
      .choice("document", &Options::document, "what the separator stands between",
              {{"file", Unit::file}, {"line", Unit::line}, {"blank_line", Unit::blank_line}})
      .param("separator", &Options::separator,
             "token between documents: eos, bos, none, or a token's own spelling; by default eos "
             "where the tokenizer has one")
      .param("prepend_bos", &Options::prepend_bos,
             "begin each row with the tokenizer's bos; by default as its model was trained")
      .param("special_tokens", &Options::special_tokens,
             "read the spelling of a special token in the text as that token");
}

Text::Text(const Options& options, const Context& context) : options_(options), context_(context) {
  std::vector<std::string> patterns;
  for (const Path& path : options_.files) patterns.push_back(path.value);
  files_ = expand_files(patterns);
  names_ = names_of(files_);
  separator_ = separator_id(tokenizer(), options_.separator);
  bos_ = bos_id(tokenizer(), options_.prepend_bos);
  row_tokens_ = options_.context - (bos_ >= 0 ? 1 : 0);
}

const Text::Corpus& Text::corpus() const {
  std::call_once(once_, [this] { corpus_ = read(); });
  return corpus_;
}

Text::Corpus Text::read() const {
  std::vector<std::shared_ptr<const MappedFile>> maps;
  std::vector<Document> documents;
  std::size_t bytes = 0;
  for (std::size_t file = 0; file < files_.size(); ++file) {
    maps.push_back(MappedFile::open(files_[file], Access::sequential));
    const std::string_view text = checked_text(*maps.back());
    bytes += text.size();
    cut(text, options_.document, static_cast<std::uint32_t>(file), documents);
  }
  Corpus corpus;
  fill(documents, corpus);
  corpus.info.rows = static_cast<std::int64_t>(corpus.places.size());
  corpus.info.length = options_.context;
  corpus.info.vocabulary = tokenizer().vocabulary();
  corpus.info.description = cat(files_.size(), files_.size() == 1 ? " file, " : " files, ",
                                std::fixed, std::setprecision(1), static_cast<double>(bytes) * 1e-6,
                                " MB, ", grouped(corpus.stream.size()), " tokens");
  if (corpus.info.rows == 0) {
    throw Error(ErrorKind::data, cat("the text has ", corpus.stream.size(),
                                     " tokens, too few for one row of ", options_.context))
        .within(files_.size() == 1 ? files_[0] : cat(files_.size(), " files"))
        .with_help("give more text or a smaller context");
  }
  return corpus;
}

// The ids of each document.
std::vector<std::vector<std::int32_t>> Text::encode(const std::vector<Document>& documents) const {
  std::vector<std::size_t> batches = {0};  // positions in documents
  std::size_t held = 0, total = 0;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    held += documents[i].text.size();
    total += documents[i].text.size();
    if (held < kBatchBytes && i + 1 < documents.size()) continue;
    batches.push_back(i + 1);
    held = 0;
  }
  std::vector<std::vector<std::int32_t>> ids(documents.size());
  std::atomic<std::size_t> done = 0;
  const auto encode_batch = [&](std::size_t batch) {
    if (context_.cancelled()) throw Error(ErrorKind::cancelled, "stopped while tokenizing");
    std::size_t size = 0;
    for (std::size_t i = batches[batch]; i < batches[batch + 1]; ++i) {
      ids[i] = tokenizer().encode(documents[i].text, options_.special_tokens);
      size += documents[i].text.size();
    }
    const std::size_t now = done += size;
    context_.progress("tokenizing", static_cast<std::int64_t>(now),
                      static_cast<std::int64_t>(total));
  };
  at::parallel_for(0, static_cast<std::int64_t>(batches.size()) - 1, 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       encode_batch(static_cast<std::size_t>(i));
                     }
                   });
  return ids;
}

// The stream, and for each full row where its first token begins.
void Text::fill(const std::vector<Document>& documents, Corpus& corpus) const {
  std::vector<std::vector<std::int32_t>> ids = encode(documents);
  std::size_t total = 0;
  for (const auto& document : ids) total += document.size() + 1;
  corpus.stream.reserve(total);
  const std::vector<std::int32_t> newlines = count_newlines(tokenizer());
  const auto row_tokens = static_cast<std::size_t>(row_tokens_);
  const auto add = [&](std::int32_t id, Place place) {
    if (corpus.stream.size() % row_tokens == 0) corpus.places.push_back(place);
    corpus.stream.push_back(id);
  };
  for (std::size_t i = 0; i < documents.size(); ++i) {
    Place place{documents[i].file, documents[i].line};
    if (separator_ >= 0 && !corpus.stream.empty() && !ids[i].empty()) add(separator_, place);
    for (const std::int32_t id : ids[i]) {
      add(id, place);
      place.line += newlines[static_cast<std::size_t>(id)];
    }
    ids[i] = {};
  }
  corpus.places.resize(corpus.stream.size() / row_tokens);
}

void Text::check_row(std::int64_t row) const {
  const std::int64_t rows = corpus().info.rows;
  if (row >= 0 && row < rows) return;
  throw Error(cat("there is no row ", row, ": rows go from 0 to ", rows - 1));
}

DataRows Text::rows(std::span<const std::int64_t> indices) const {
  for (const std::int64_t row : indices) check_row(row);
  const std::vector<std::int32_t>& stream = corpus().stream;
  DataRows out;
  out.values = at::empty({static_cast<std::int64_t>(indices.size()), options_.context}, at::kLong);
  auto* to = out.values.mutable_data_ptr<std::int64_t>();
  for (const std::int64_t row : indices) {
    if (bos_ >= 0) *to++ = bos_;
    to = std::copy_n(stream.begin() + row * row_tokens_, row_tokens_, to);
  }
  return out;
}

std::string Text::where(std::int64_t row) const {
  check_row(row);
  const Place& place = corpus().places[static_cast<std::size_t>(row)];
  return cat(names_[place.file], ", line ", place.line);
}

}  // namespace saffron::plugins
