#include "testing/checks/format.h"
#include "testing/made.h"

#include <saffron/io.h>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <optional>
#include <set>

namespace saffron::testing {
namespace fs = std::filesystem;
namespace {

bool equal(const CanonicalSae& a, const CanonicalSae& b) {
  for (at::Tensor CanonicalSae::* tensor :
       {&CanonicalSae::W_enc, &CanonicalSae::b_enc, &CanonicalSae::W_dec, &CanonicalSae::b_dec,
        &CanonicalSae::threshold, &CanonicalSae::W_skip, &CanonicalSae::b_gate,
        &CanonicalSae::b_mag, &CanonicalSae::r_mag, &CanonicalSae::input_mean,
        &CanonicalSae::input_scale, &CanonicalSae::output_mean, &CanonicalSae::output_scale}) {
    if (!identical(a.*tensor, b.*tensor)) return false;
  }
  return a.activation == b.activation && a.k == b.k && a.subtract_b_dec == b.subtract_b_dec;
}

// Two toy SAEs, the first of them written whole.
class FolderBench {
 public:
  explicit FolderBench(const Subject& subject) : format_(made<Format>(subject)) {
    write_toy(*format_, toy, whole());
    reference_ = format_->read(whole());
  }

  [[nodiscard]] const Format& format() const { return *format_; }
  [[nodiscard]] std::string whole() const { return folder_ / "whole"; }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  // Files of the whole folder, by their paths within it.
  [[nodiscard]] std::vector<fs::path> files() const {
    std::vector<fs::path> out;
    for (const fs::path& file : files_below(whole())) out.push_back(fs::relative(file, whole()));
    return out;
  }
  // A copy of the whole folder, to be broken.
  [[nodiscard]] fs::path copy() {
    const fs::path to = path(cat("copy ", ++copies_));
    fs::copy(whole(), to, fs::copy_options::recursive);
    return to;
  }
  [[nodiscard]] bool is_reference(const CanonicalSae& sae) const { return equal(sae, reference_); }
  [[nodiscard]] std::set<std::string> entries() const {
    std::set<std::string> out;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path())) {
      out.insert(entry.path().filename().string());
    }
    return out;
  }

  const ToyWeights toy{1}, other{2};

 private:
  std::shared_ptr<Format> format_;
  ToyFolder folder_;
  CanonicalSae reference_;
  int copies_ = 0;
};

// While it lives, no file grows beyond `bytes`: writing fails as it does on a full disk.
class FullDisk {
 public:
  explicit FullDisk(std::uintmax_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit small = before_;
    small.rlim_cur = std::min<rlim_t>(bytes, before_.rlim_max);
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

// Sizes that one of the format's files is too large for.
std::vector<std::uintmax_t> too_small(const FolderBench& bench) {
  std::uintmax_t largest = 0;
  for (const fs::path& file : bench.files()) {
    largest = std::max(largest, fs::file_size(bench.whole() / file));
  }
  if (largest == 0) skip("writes no bytes");
  return {0, largest / 2, largest - 1};
}

// What the write threw; "" when it went through.
std::string write(const FolderBench& bench, const ToyWeights& toy, const std::string& folder) {
  try {
    bench.format().write(*toy.trained, copied(toy.canonical), folder);
    return {};
  } catch (const std::exception& error) {
    const std::string text = words_of(error);
    return text.empty() ? "an exception" : text;
  }
}

// Reads what must be whole.
CanonicalSae read_whole(const FolderBench& bench, const std::string& folder, const char* when) {
  try {
    return bench.format().read(folder);
  } catch (const std::exception& error) {
    fail(cat("a folder is left that is not whole ", when, ": ", words_of(error)));
  }
}

}  // namespace

Verdict recognises_own_files(const Subject& subject) {
  const FolderBench bench(subject);
  if (!bench.format().recognises(bench.whole()))
    fail("does not recognise the folder that it wrote");
  return {};
}

Verdict recognises_no_others(const Subject& subject) {
  const FolderBench bench(subject);
  const std::string empty = bench.path("empty"), text = bench.path("text");
  fs::create_directories(empty);
  fs::create_directories(text);
  write_file_atomic(fs::path(text) / "notes.txt", "Nothing but a note.\n");
  const std::string file = (fs::path(text) / "notes.txt").string();
  for (const auto& [folder, what] : {std::pair{empty, "an empty folder"},
                                     {text, "a folder with a text file"},
                                     {file, "a text file"},
                                     {bench.path("none"), "a folder that does not exist"}}) {
    bool recognised = false;
    try {
      recognised = bench.format().recognises(folder);
    } catch (const std::exception& error) {
      fail(cat("throws when it is asked about ", what, ": ", words_of(error)));
    }
    if (recognised) fail(cat("recognises ", what));
  }
  return {};
}

Verdict damaged_file_refused(const Subject& subject) {
  FolderBench bench(subject);
  for (const fs::path& file : bench.files()) {
    const std::uintmax_t size = fs::file_size(bench.whole() / file);
    for (const std::uintmax_t left : std::set<std::uintmax_t>{0, size / 2, size - (size > 0)}) {
      if (left == size) continue;
      const fs::path folder = bench.copy();
      fs::resize_file(folder / file, left);
      const std::string what = cat(file.string(), ", cut to ", left, " of ", size, " bytes,");
      try {
        if (!bench.is_reference(bench.format().read(folder.string()))) {
          fail(cat(what, " is read as another SAE"));
        }
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::data) {
          fail(cat(what, " is an error that is not `data`: ", error.what()));
        }
        if (std::string(error.what()).find(file.filename().string()) == std::string::npos) {
          fail(cat(what, " is an error that does not name the file: ", error.what()));
        }
      } catch (const Finding&) {
        throw;
      } catch (const std::exception& error) {
        fail(cat(what, " is no saffron::Error: ", words_of(error)));
      }
    }
  }
  return {};
}

Verdict missing_file_refused(const Subject& subject) {
  FolderBench bench(subject);
  for (const fs::path& file : bench.files()) {
    const fs::path folder = bench.copy();
    fs::remove(folder / file);
    try {
      if (!bench.is_reference(bench.format().read(folder.string()))) {
        fail(cat("without ", file.string(), " another SAE is read"));
      }
    } catch (const Error&) {
      continue;
    } catch (const Finding&) {
      throw;
    } catch (const std::exception& error) {
      fail(cat("without ", file.string(), " there is no saffron::Error: ", words_of(error)));
    }
  }
  return {};
}

Verdict write_is_atomic(const Subject& subject) {
  const FolderBench bench(subject);
  int attempts = 0;
  for (const std::uintmax_t bytes : too_small(bench)) {
    const std::string target = bench.path(cat("full ", ++attempts));
    std::string thrown;
    {
      const FullDisk full(bytes);
      thrown = write(bench, bench.toy, target);
    }
    if (!fs::exists(target)) {
      if (thrown.empty()) fail("a write on a full disk says nothing and writes nothing");
      continue;
    }
    if (!bench.is_reference(read_whole(bench, target, "after a write on a full disk"))) {
      fail("a write on a full disk leaves a folder that is read as another SAE");
    }
  }
  // Over one that is there: refused, or replaced as a whole.
  const CanonicalSae old = bench.format().read(bench.whole());
  const std::string refused = write(bench, bench.other, bench.whole());
  const CanonicalSae now = read_whole(bench, bench.whole(), "after another write to it");
  if (refused.empty() == equal(old, now)) {
    fail(refused.empty()
             ? "a write over an existing folder says nothing and changes nothing"
             : cat("a write over an existing folder is refused and changes it: ", refused));
  }
  return {};
}

Verdict failed_write_cleans_up(const Subject& subject) {
  const FolderBench bench(subject);
  const std::set<std::string> before = bench.entries();
  for (const std::uintmax_t bytes : too_small(bench)) {
    const FullDisk full(bytes);
    static_cast<void>(write(bench, bench.toy, bench.path("full")));
  }
  for (const std::string& name : bench.entries()) {
    if (before.contains(name) || name == "full") continue;
    fail(cat("a write that failed leaves '", name, "' beside the folder"));
  }
  return {};
}

Verdict unwritable_place_refused(const Subject& subject) {
  const FolderBench bench(subject);
  const std::string file = bench.path("file");
  write_file_atomic(file, "Not a folder.\n");
  try {
    bench.format().write(*bench.toy.trained, copied(bench.toy.canonical), file + "/sae");
  } catch (const Error&) {
    return {};
  } catch (const std::exception& error) {
    fail(cat("a folder below a file is no saffron::Error: ", words_of(error)));
  }
  fail("writes a folder below a file and says nothing");
}

}  // namespace saffron::testing
