#include <saffron/plugin.h>

#include <saffron/log.h>

#include <c10/util/Exception.h>
#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <mutex>

namespace saffron::inline sdk_v1::detail {
namespace {

// The type of the exception in flight, as its author wrote it.
std::string exception_type() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "a foreign exception";
  int status = 0;
  char* readable = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  std::string name = status == 0 && readable != nullptr ? readable : type->name();
  std::free(readable);
  return name;
}

// Copies what fits, ends it with NUL and never cuts a UTF-8 sequence.
template <std::size_t N>
void copy_text(char (&out)[N], std::string_view text) {
  std::size_t size = std::min(text.size(), N - 1);
  if (size < text.size()) {
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0u) == 0x80u) --size;
  }
  text.copy(out, size);
  out[size] = '\0';
}

void fill(saffron_error* error, ErrorKind kind, std::string_view message,
          std::string_view where = {}, std::string_view help = {}) {
  error->kind = static_cast<std::uint32_t>(kind);
  copy_text(error->message, message);
  copy_text(error->where, where);
  copy_text(error->help, help);
}

}  // namespace

void describe_exception(saffron_error* error) noexcept {
  if (error == nullptr) return;
  try {
    try {
      throw;
    } catch (const Error& e) {
      fill(error, e.kind(), e.message(), e.where(), e.help());
    } catch (const c10::Error& e) {
      // Not what(): its backtrace is lazy and points into the plugin.
      fill(error, ErrorKind::plugin, cat("threw c10::Error: ", e.what_without_backtrace()));
    } catch (const std::exception& e) {
      fill(error, ErrorKind::plugin, cat("threw ", exception_type(), ": ", e.what()));
    } catch (...) {
      fill(error, ErrorKind::plugin,
           cat("threw ", exception_type(), ", which is not a std::exception"));
    }
  } catch (...) {
    fill(error, ErrorKind::plugin, "threw an exception that could not be described");
  }
}

namespace {

// A C string of a fixed buffer that a plugin filled: never read beyond its end.
template <std::size_t N>
std::string text_of(const char (&buffer)[N]) {
  const std::string_view all(buffer, N);
  return std::string(all.substr(0, all.find('\0')));
}

}  // namespace

Error to_error(const saffron_error& error) {
  const std::string message = text_of(error.message);
  const auto kind = error.kind <= static_cast<std::uint32_t>(ErrorKind::internal)
                        ? static_cast<ErrorKind>(error.kind)
                        : ErrorKind::plugin;
  if (message.empty()) {
    return Error(ErrorKind::plugin, "failed without saying why");
  }
  Error out(kind, message);
  out.within(text_of(error.where));
  const std::string help = text_of(error.help);
  return help.empty() ? out : out.with_help(help);
}

namespace {

// Everything that a descriptor points to. Deques never move their elements.
class Descriptor {
 public:
  Descriptor(const char* id, const char* version, const char* build_tag, std::uint64_t layout,
             const ComponentSpec* specs, std::size_t count) {
    components_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) components_.push_back(component(specs[i]));
    plugin_ = saffron_plugin{.magic = SAFFRON_ABI_MAGIC,
                             .size = sizeof(saffron_plugin),
                             .abi_major = SAFFRON_ABI_MAJOR,
                             .abi_minor = SAFFRON_ABI_MINOR,
                             .build_tag = build_tag,
                             .layout = layout,
                             .id = id,
                             .version = version,
                             .license = nullptr,
                             .url = nullptr,
                             .summary = nullptr,
                             .components = components_.data(),
                             .component_count = static_cast<std::uint32_t>(count)};
  }

  [[nodiscard]] const saffron_plugin* get() const { return &plugin_; }

 private:
  saffron_component component(const ComponentSpec& spec) {
    std::uint32_t count = 0;
    const saffron_param* params = nullptr;
    if (spec.params != nullptr) {
      try {
        params = rows(spec.params(), count);
      } catch (Error& e) {
        throw e.within(cat("schema of ", spec.kind, " '", spec.name, "'"));
      }
    }
    return saffron_component{.size = sizeof(saffron_component),
                             .kind = spec.kind,
                             .interface = spec.interface,
                             .name = spec.name,
                             .summary = spec.summary,
                             .doc = spec.doc,
                             .citation = spec.citation,
                             .revision = spec.revision_number,
                             .flags = spec.flags,
                             .params = params,
                             .param_count = count,
                             .create = spec.create,
                             .destroy = spec.destroy,
                             .decode = spec.decode};
  }

  const saffron_param* rows(const std::vector<ParamInfo>& infos, std::uint32_t& count) {
    std::vector<saffron_param> made;
    made.reserve(infos.size());
    for (const ParamInfo& info : infos) made.push_back(row(info));
    count = static_cast<std::uint32_t>(made.size());
    return params_.emplace_back(std::move(made)).data();
  }

  saffron_param row(const ParamInfo& info) {
    std::uint32_t field_count = 0;
    const saffron_param* fields = rows(info.fields, field_count);
    std::vector<const char*> words;
    for (const std::string& word : info.choices) words.push_back(keep(word));
    const auto choice_count = static_cast<std::uint32_t>(words.size());
    const char* fallback = nullptr;
    if (info.default_value) {
      fallback = texts_.emplace_back(to_json(*info.default_value, JsonStyle::canonical)).c_str();
    }
    return saffron_param{.size = sizeof(saffron_param),
                         .type = static_cast<std::uint32_t>(info.type),
                         .flags = flags(info),
                         .name = keep(info.name),
                         .doc = keep(info.doc),
                         .unit = keep(info.unit),
                         .default_json = fallback,
                         .range = keep(info.range),
                         .choices = choices_.emplace_back(std::move(words)).data(),
                         .choice_count = choice_count,
                         .component_kind = keep(info.component_kind),
                         .since = keep(info.since),
                         .alias = keep(info.alias),
                         .fields = fields,
                         .field_count = field_count};
  }

  static std::uint32_t flags(const ParamInfo& info) {
    std::uint32_t out = 0;
    if (info.list) out |= SAFFRON_PARAM_LIST;
    if (info.optional) out |= SAFFRON_PARAM_OPTIONAL;
    if (info.required) out |= SAFFRON_PARAM_REQUIRED;
    if (info.hashed) out |= SAFFRON_PARAM_HASHED;
    if (info.hidden) out |= SAFFRON_PARAM_HIDDEN;
    if (info.unhashed) out |= SAFFRON_PARAM_UNHASHED;
    return out;
  }

  const char* keep(const std::string& text) {
    return text.empty() ? nullptr : texts_.emplace_back(text).c_str();
  }

  saffron_plugin plugin_{};
  std::vector<saffron_component> components_;
  std::deque<std::string> texts_;
  std::deque<std::vector<saffron_param>> params_;
  std::deque<std::vector<const char*>> choices_;
};

static_assert(static_cast<int>(ParamType::component) == SAFFRON_TYPE_COMPONENT);
static_assert(static_cast<int>(ParamType::boolean) == SAFFRON_TYPE_BOOL);

}  // namespace

const saffron_plugin* make_descriptor(const char* id, const char* version, const char* build_tag,
                                      std::uint64_t layout, const ComponentSpec* specs,
                                      std::size_t count) noexcept {
  try {
    // Never destroyed: plugins stay loaded, and hosts read descriptors until the process ends.
    static std::mutex& mutex = *new std::mutex;
    static std::deque<Descriptor>& kept = *new std::deque<Descriptor>;
    const std::lock_guard lock(mutex);
    return kept.emplace_back(id, version, build_tag, layout, specs, count).get();
  } catch (...) {
    saffron_error error{};
    describe_exception(&error);
    logging::error(
        cat("plugin '", id, "': ", error.where, error.where[0] ? ": " : "", error.message));
    return nullptr;
  }
}

}  // namespace saffron::inline sdk_v1::detail
