#include "framework/run/cache.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <unistd.h>

#include <vector>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kChangesNamed = 3;

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
  if (fs::exists(folder / "key.json")) {
    lookup.folder = folder;
    lookup.reason = "hit";
    return lookup;
  }
  const fs::path latest = by_node(root_, kind, node);
  if (!fs::exists(latest)) {
    lookup.reason = "no earlier result";
    return lookup;
  }
  lookup.reason = describe_change(from_json(read_text(latest), latest.string()), document);
  if (lookup.reason.empty()) lookup.reason = "the earlier result was removed";
  return lookup;
}

fs::path ResultCache::stage(const std::string& kind, const std::string& key) const {
  const fs::path folder = root_ / kind / cat(key, ".partial-", ::getpid());
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void ResultCache::commit(const std::string& kind, const std::string& node, const Value& document,
                         const fs::path& staged) const {
  const std::string key = sha256(to_json(document, JsonStyle::canonical));
  write_file_atomic(staged / "key.json", to_json(document, JsonStyle::pretty) + "\n");
  const fs::path folder = root_ / kind / key;
  std::error_code failure;
  fs::rename(staged, folder, failure);
  if (failure) {  // another process was first with the same content
    fs::remove_all(staged);
    if (!fs::exists(folder / "key.json")) {
      throw Error(ErrorKind::io, cat("cannot keep a result: ", failure.message()))
          .within(folder.string());
    }
  }
  const fs::path latest = by_node(root_, kind, node);
  fs::create_directories(latest.parent_path());
  write_file_atomic(latest, to_json(document) + "\n");
}

}  // namespace saffron::host
