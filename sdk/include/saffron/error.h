#pragma once

#include <saffron/namespace.h>

#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>

// Errors. One clear sentence with the place, the value and the way out.
//
// Every failure that a user can cause is a saffron::Error: `message` says what is wrong and with
// which value, `where` says where (a file position, a tensor of a file, a node), `help` says what
// to do. Exceptions of any other type that leave a plugin are converted by the host.

namespace saffron::inline sdk_v1 {

// Where a value came from: a recipe, a `--set`, an environment variable, a default.
struct SAFFRON_EXPORT Origin {
  std::string source;       // "recipes/a.toml", "--set #1", "default"; empty when unknown
  std::int64_t line = 0;    // 1-based; 0 when the source has no lines
  std::int64_t column = 0;  // 1-based, in characters

  [[nodiscard]] bool known() const { return !source.empty(); }
  [[nodiscard]] std::string text() const;  // "recipes/a.toml:3:5", "--set #1", ""
};

// What kind of failure this is; decides the program's exit code (docs/commands.md).
enum class ErrorKind : std::uint8_t {
  invalid,    // a value, shape or argument is wrong
  recipe,     // a recipe does not validate
  plugin,     // a plugin could not be loaded or broke its contract
  data,       // a file's content is wrong, truncated or changed
  io,         // the operating system refused (missing, permission, disk full)
  numeric,    // a non-finite or degenerate number where it may not be
  busy,       // another process owns the thing
  cancelled,  // the user asked to stop
  internal,   // a defect of Saffron
};

class SAFFRON_EXPORT Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);
  explicit Error(std::string message) : Error(ErrorKind::invalid, std::move(message)) {}
  ~Error() override;

  Error(const Error&) = default;
  Error(Error&&) = default;
  Error& operator=(const Error&) = default;
  Error& operator=(Error&&) = default;

  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }
  [[nodiscard]] ErrorKind kind() const { return kind_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] const std::string& help() const { return help_; }

  // Each returns *this, so that they chain in a throw expression. `within` prepends an outer place.
  Error& at(const Origin& origin);
  Error& within(std::string_view place);
  Error& with_help(std::string_view help);

 private:
  void rebuild();

  ErrorKind kind_;
  std::string message_, where_, help_, text_;
};

// cat(1, " of ", x): the values written one after another, as an ostream would.
template <class... Parts>
[[nodiscard]] std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// The closest to `word` among `candidates`, or "" when none is near
// (optimal string alignment distance, a transposition counts 1; cut-off max(1, length / 3)).
[[nodiscard]] SAFFRON_EXPORT std::string nearest(std::string_view word,
                                                 const std::string* candidates, std::size_t count);

}  // namespace saffron::inline sdk_v1
