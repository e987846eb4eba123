#include "framework/run/cache.h"

#include "framework/run/run_directory.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/log.h>

#include <unistd.h>

#include <vector>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kChangesNamed = 3;
constexpr const char* kDocument = "key.json";
constexpr const char* kEnvironment = "environment.json";
constexpr const char* kFiles = "files.json";  // {name: SHA-256} of the result's files

void differences(const Value& before, const Value& after, const std::string& path,
                 std::vector<std::string>& out) {
  if (before == after) return;
  if (before.is_table() && after.is_table()) {
    const auto join = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
    for (const Value::Entry& entry : after.as_table()) {
      const Value* old = before.find(entry.key);
      if (old == nullptr) {
        out.push_back(join(entry.key) + " added");
      } else {
        differences(*old, entry.value, join(entry.key), out);
      }
    }
    for (const Value::Entry& entry : before.as_table()) {
      if (after.find(entry.key) == nullptr) out.push_back(join(entry.key) + " removed");
    }
    return;
  }
  const std::string a = to_toml(before), b = to_toml(after);
  constexpr std::size_t kShown = 24;
  out.push_back(a.size() > kShown || b.size() > kShown ? path + " changed"
                                                       : cat(path, " ", a, " -> ", b));
}

fs::path by_node(const fs::path& root, const std::string& kind, const std::string& node) {
  return root / kind / "latest" / (sha256(node).substr(0, 16) + ".json");
}

Value files_in(const fs::path& folder) {
  Value files = Value::table();
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    files.set(entry.path().filename().string(), sha256_file(entry.path()));
  }
  return files;
}

// What is wrong with an entry that is there; "" for a whole one.
std::string damage(const fs::path& folder) {
  try {
    const Value files = from_json(read_text(folder / kFiles), (folder / kFiles).string());
    if (files.find(kEnvironment) == nullptr) return cat(kEnvironment, " is missing");
    for (const Value::Entry& file : files.as_table()) {
      if (!(Value(sha256_file(folder / file.key)) == file.value)) {
        return (folder / file.key).string() + " is not what was stored";
      }
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

// A folder beside an entry until `keep` is done with it.
class Staged {
 public:
  explicit Staged(fs::path path) : path_(std::move(path)) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    create_folder(path_,
                  "choose another place with --cache DIR, or keep no results with --cache \"\"");
  }
  ~Staged() {
    std::error_code ignored;  // a full disk must get its room back, whatever else fails
    fs::remove_all(path_, ignored);
  }
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  // False when there is a folder of that name already.
  [[nodiscard]] bool becomes(const fs::path& folder, std::error_code& failure) const {
    fs::rename(path_, folder, failure);
    return !failure;
  }

 private:
  fs::path path_;
};

}  // namespace

std::string describe_change(const Value& before, const Value& after) {
  std::vector<std::string> changes;
  differences(before, after, "", changes);
  std::string text;
  for (std::size_t i = 0; i < changes.size() && i < kChangesNamed; ++i) {
    text += (i == 0 ? "" : ", ") + changes[i];
  }
  if (changes.size() > kChangesNamed) text += cat(" and ", changes.size() - kChangesNamed, " more");
  return text;
}

ResultCache::Lookup ResultCache::find(const std::string& kind, const std::string& node,
                                      const Value& document) const {
  Lookup lookup;
  lookup.key = sha256(to_json(document, JsonStyle::canonical));
  const fs::path folder = root_ / kind / lookup.key;
  if (fs::exists(folder)) {
    const std::string damaged = damage(folder);
    if (damaged.empty()) {
      lookup.folder = folder;
      lookup.reason = "hit";
      const fs::path made_in = folder / kEnvironment;
      lookup.environment = from_json(read_text(made_in), made_in.string());
      return lookup;
    }
    lookup.reason = "the earlier result is damaged";
    logging::warning(cat("passing over a damaged result of ", node, ": ", damaged));
    return lookup;
  }
  const fs::path latest = by_node(root_, kind, node);
  lookup.reason = "no earlier result";
  if (!fs::exists(latest)) return lookup;
  try {
    lookup.reason = describe_change(from_json(read_text(latest), latest.string()), document);
    if (lookup.reason.empty()) lookup.reason = "the earlier result was removed";
  } catch (const Error& error) {  // it only explains
    logging::info(error.what());
  }
  return lookup;
}

void ResultCache::keep(const std::string& kind, const std::string& node, const Value& document,
                       const Value& environment,
                       const std::function<void(const fs::path& folder)>& fill) const {
  const std::string key = sha256(to_json(document, JsonStyle::canonical));
  const Staged staged(root_ / kind / cat(key, ".partial-", ::getpid()));
  fill(staged.path());
  write_file_atomic(staged.path() / kEnvironment, to_json(environment, JsonStyle::pretty) + "\n");
  const Value files = files_in(staged.path());
  write_file_atomic(staged.path() / kDocument, to_json(document, JsonStyle::pretty) + "\n");
  write_file_atomic(staged.path() / kFiles, to_json(files, JsonStyle::pretty) + "\n");
  const fs::path folder = root_ / kind / key;
  std::error_code failure;
  // Where there is one already, another process was first with the same content, or it is damaged.
  if (!staged.becomes(folder, failure) && !damage(folder).empty()) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    if (!staged.becomes(folder, failure)) {
      throw Error(ErrorKind::io, cat("cannot keep a result: ", failure.message()))
          .within(folder.string());
    }
  }
  const fs::path latest = by_node(root_, kind, node);
  create_folder(latest.parent_path(), "");
  write_file_atomic(latest, to_json(document) + "\n");
}

}  // namespace saffron::host
