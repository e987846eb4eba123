#include "testing/checks/groups.h"
#include "testing/made.h"
#include "testing/uses.h"

#include <saffron/dataset.h>
#include <saffron/tokenizer.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <exception>
#include <latch>
#include <numeric>
#include <thread>

namespace saffron::testing {
namespace {

constexpr std::int64_t kAsked = 12;  // rows
constexpr std::int64_t kMany = 512;  // rows
constexpr int kRepeats = 8;          // of what threads ask for
using Rows = std::vector<std::int64_t>;

std::shared_ptr<Dataset> dataset_of(const Subject& subject) {
  auto dataset = made<Dataset>(subject);
  const std::int64_t rows = or_skip(subject, [&] { return dataset->info().rows; });
  if (rows < 1) skip("the dataset has no rows");
  return dataset;
}

// The first rows, the last one, and others between them, all different.
Rows some_rows(const Subject& subject, const Dataset& dataset, const char* purpose) {
  const std::int64_t rows = dataset.info().rows;
  Rows out = {0, rows - 1};
  const Random random = subject.random(purpose);
  for (std::int64_t i = 0; i < kAsked; ++i) {
    out.push_back(static_cast<std::int64_t>(
        random.below(static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(i))));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// All rows, or the same where they are many.
Rows all_or_some_rows(const Subject& subject, const Dataset& dataset, const char* purpose) {
  const std::int64_t rows = dataset.info().rows;
  if (rows > kMany) return some_rows(subject, dataset, purpose);
  Rows out(static_cast<std::size_t>(rows));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

DataRows copied(const DataRows& rows) {
  const auto copy = [](const at::Tensor& t) { return t.defined() ? t.clone() : t; };
  return {.values = copy(rows.values), .mask = copy(rows.mask), .labels = copy(rows.labels)};
}

// Time is the last dimension of values and mask; padding is left out, because how long the rows of
// a request are padded depends on the request.
at::Tensor unpadded(const DataRows& rows, std::int64_t i) {
  const at::Tensor values = rows.values[i];
  if (!rows.mask.defined()) return values;
  return values.index_select(-1, rows.mask[i].nonzero().squeeze(1));
}

// Whether request `a` has at `i` the row that request `b` has at `j`.
std::string difference(const DataRows& a, std::int64_t i, const DataRows& b, std::int64_t j) {
  Observed left, right;
  left.add("values", unpadded(a, i));
  right.add("values", unpadded(b, j));
  if (a.labels.defined()) left.add("labels", a.labels[i]);
  if (b.labels.defined()) right.add("labels", b.labels[j]);
  return difference(left, right);
}

Verdict rows_are_pure(const Subject& subject) {
  need_deterministic(subject);
  const auto dataset = dataset_of(subject), other = dataset_of(subject);
  const Rows rows = some_rows(subject, *dataset, "rows-are-pure");
  const DataRows together = copied(dataset->rows(rows));
  const auto count = static_cast<std::int64_t>(rows.size());
  need_reproducible(subject);
  const auto compare = [&](const DataRows& got, std::int64_t at, std::int64_t i, const char* when) {
    const std::string differs = difference(together, i, got, at);
    if (differs.empty()) return;
    fail(cat("row ", rows[static_cast<std::size_t>(i)], " differs ", when, ": ", differs));
  };
  Rows back(rows.rbegin(), rows.rend());
  back.push_back(rows.front());
  const DataRows turned = other->rows(back);
  for (std::int64_t i = 0; i < count; ++i) {
    compare(turned, count - 1 - i, i, "on another instance, asked for in another order");
  }
  compare(turned, count, 0, "when it is asked for twice at once");
  for (std::int64_t i = 0; i < count; ++i) {
    const Rows one = {rows[static_cast<std::size_t>(i)]};
    compare(dataset->rows(one), 0, i, "when it is asked for alone");
  }
  return {};
}

Verdict rows_stay(const Subject& subject) {
  const auto dataset = dataset_of(subject);
  const Rows rows = some_rows(subject, *dataset, "rows-stay");
  if (rows.size() < 2) skip("has one row");
  const Rows first = {rows[0], rows[0]}, second = {rows[1], rows[1]};
  const DataRows held = dataset->rows(first), before = copied(held);
  static_cast<void>(dataset->rows(second));
  for (const auto& [name, was, is] : {std::tuple{"values", before.values, held.values},
                                      {"mask", before.mask, held.mask},
                                      {"labels", before.labels, held.labels}}) {
    if (!identical(was, is))
      fail(cat("a later request writes over the ", name, " of an earlier one"));
  }
  return {};
}

Verdict rows_from_two_threads(const Subject& subject) {
  need_deterministic(subject);
  const auto dataset = dataset_of(subject);
  const Rows rows = some_rows(subject, *dataset, "rows-from-two-threads");
  const Rows back(rows.rbegin(), rows.rend());
  const Rows* requests[] = {&rows, &back};
  const DataRows expected[] = {copied(dataset->rows(rows)), copied(dataset->rows(back))};
  std::string differs[2];
  std::latch both(2);
  const auto work = [&](std::size_t t) {
    both.arrive_and_wait();
    try {
      for (int n = 0; n < kRepeats && differs[t].empty(); ++n) {
        const DataRows got = dataset->rows(*requests[t]);
        for (std::size_t i = 0; i < rows.size() && differs[t].empty(); ++i) {
          const auto at = static_cast<std::int64_t>(i);
          differs[t] = difference(expected[t], at, got, at);
        }
      }
    } catch (const std::exception& error) {
      differs[t] = cat("threw ", words_of(error));
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  for (const std::string& text : differs) {
    if (!text.empty()) fail(cat("two threads that ask at once get other rows: ", text));
  }
  return {};
}

void check_tokens(const DatasetInfo& info, const DataRows& rows, std::int64_t count) {
  const at::Tensor& values = rows.values;
  if (values.scalar_type() != at::kLong || values.dim() != 2 || values.size(0) != count) {
    fail(cat("tokens are ", describe(values), ", expected int64 [", count, ", T]"));
  }
  if (info.vocabulary < 1) fail(cat("info().vocabulary is ", info.vocabulary));
  if (values.numel() == 0) return;
  const auto low = values.min().item<std::int64_t>(), high = values.max().item<std::int64_t>();
  if (low < 0 || high >= info.vocabulary) {
    fail(cat("token ", low < 0 ? low : high, " is outside the vocabulary, 0 to ",
             info.vocabulary - 1));
  }
}

void check_signal(const DatasetInfo& info, const DataRows& rows, std::int64_t count) {
  const at::Tensor& values = rows.values;
  const bool whole = values.scalar_type() == at::kFloat && values.size(0) == count;
  const bool signal = values.dim() == 3 && values.size(1) == info.channels;
  if (!whole || (info.type == DataType::signal ? !signal : values.dim() < 2)) {
    fail(cat(info.type == DataType::signal ? "signals are " : "labelled rows are ",
             describe(values), ", expected float32 [", count, ", ",
             info.type == DataType::signal ? cat(info.channels, ", T]") : std::string("...]")));
  }
  if (!all_finite(values)) fail("a value is not finite");
}

Verdict declared_shape_and_range(const Subject& subject) {
  const auto dataset = dataset_of(subject);
  const DatasetInfo& info = dataset->info();
  const Rows asked = all_or_some_rows(subject, *dataset, "declared-shape-and-range");
  const auto count = static_cast<std::int64_t>(asked.size());
  const DataRows rows = dataset->rows(asked);
  if (!rows.values.defined() || rows.values.dim() < 2)
    fail(cat("values are ", describe(rows.values)));
  if (info.type == DataType::tokens) {
    check_tokens(info, rows, count);
  } else {
    check_signal(info, rows, count);
  }
  const std::int64_t length = rows.values.size(-1);
  if (info.length > 0 && length > info.length) {
    fail(cat("rows of ", length, "; info().length is ", info.length));
  }
  if (rows.mask.defined() && (rows.mask.scalar_type() != at::kBool ||
                              rows.mask.sizes() != at::IntArrayRef({count, length}))) {
    fail(cat("the mask is ", describe(rows.mask), ", expected bool [", count, ", ", length, "]"));
  }
  if (rows.mask.defined() && length > 1) {
    const at::Tensor before = rows.mask.narrow(1, 0, length - 1);
    const at::Tensor after = rows.mask.narrow(1, 1, length - 1);
    if (after.gt(before).any().item<bool>()) fail("the mask has padding before values of a row");
  }
  const at::Tensor& labels = rows.labels;
  if (labels.defined() &&
      ((labels.scalar_type() != at::kFloat && labels.scalar_type() != at::kLong) ||
       labels.dim() < 1 || labels.size(0) != count)) {
    fail(cat("labels are ", describe(labels), ", expected float32 or int64 [", count, ", ...]"));
  }
  return {};
}

Verdict row_out_of_range_refused(const Subject& subject) {
  const auto dataset = dataset_of(subject);
  const std::int64_t rows = dataset->info().rows;
  for (const std::int64_t row : {rows, std::int64_t{-1}}) {
    for (const Rows& asked : {Rows{row}, Rows{0, row}}) {
      must_refuse(cat("row ", row, " of ", rows), "invalid", ErrorKind::invalid,
                  [&] { return dataset->rows(asked); });
    }
  }
  return {};
}

Verdict where_is_said(const Subject& subject) {
  const auto dataset = dataset_of(subject);
  for (const std::int64_t row : some_rows(subject, *dataset, "where-is-said")) {
    const std::string where = dataset->where(row);
    if (where.empty()) fail(cat("where(", row, ") says nothing"));
    if (where.find('\n') != std::string::npos) fail(cat("where(", row, ") is more than a line"));
  }
  return {};
}

Verdict tokenizer_knows_the_ids(const Subject& subject) {
  const auto dataset = dataset_of(subject);
  const auto* has = dynamic_cast<const HasTokenizer*>(dataset.get());
  if (has == nullptr) skip("has no tokenizer");
  const Tokenizer& tokenizer = *or_skip(subject, [&] { return &has->tokenizer(); });
  const DataRows rows =
      dataset->rows(all_or_some_rows(subject, *dataset, "tokenizer-knows-the-ids"));
  const at::Tensor ids = rows.values.reshape(-1).contiguous();
  if (ids.ge(dataset->info().vocabulary).any().item<bool>()) skip("see declared-shape-and-range");
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    const auto id = static_cast<std::int32_t>(ids.const_data_ptr<std::int64_t>()[i]);
    if (id < tokenizer.vocabulary()) {
      static_cast<void>(tokenizer.bytes(id));
      continue;
    }
    fail(cat("token ", id, " of its rows is outside its tokenizer's vocabulary, 0 to ",
             tokenizer.vocabulary() - 1));
  }
  return {};
}

constexpr Check kChecks[] = {
    {"declared-shape-and-range", "dataset",
     "values, mask and labels have the declared type, shape and length, ids are in the vocabulary, "
     "padding is at the end",
     1, declared_shape_and_range},
    {"rows-are-pure", "dataset",
     "a row is a function of its number: the same in any order, alone, twice, on any instance", 1,
     rows_are_pure},
    {"row-out-of-range-refused", "dataset", "rows that there are not are refused", 2,
     row_out_of_range_refused},
    {"rows-stay", "dataset", "what a request returned stays when the next one comes", 3, rows_stay},
    {"rows-from-two-threads", "dataset", "two threads may ask at once", 3, rows_from_two_threads},
    {"where-is-said", "dataset", "where() says in a line where a row comes from", 3, where_is_said},
    {"tokenizer-knows-the-ids", "dataset", "its tokenizer has every id of its rows", 3,
     tokenizer_knows_the_ids},
};

}  // namespace

std::span<const Check> dataset_checks() { return kChecks; }

}  // namespace saffron::testing
