#pragma once

#include <saffron/abi.h>
#include <saffron/build_tag.h>
#include <saffron/context.h>
#include <saffron/schema.h>

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>

// How a shared library becomes a plugin. Once per library, at file scope:
//
//   SAFFRON_PLUGIN("org.example.hoyer", "0.1.0",
//                  saffron::component<Hoyer>("hoyer", "Hoyer sparsity of the codes"))
//
// A component is a class that derives from one kind's interface and has
//   * struct Options, static auto schema() returning saffron::Schema<Options>,
//   * a constructor T(const Options&) or T(const Options&, const saffron::Context&).
// Its kind and interface revision come from the base class. `.cite(...)`, `.describe(...)`,
// `.revision(n)`, `.not_deterministic()`, `.needs_cuda()` and `.graph_safe()` add to it.
//
// The macro emits a constant into the section `.saffron.abi` (read by the host before dlopen) and
// the one exported function, saffron_plugin_entry. It runs no code when the library is loaded.
// If the linker reports multiple definitions of `saffron_plugin_entry`, the library has two
// SAFFRON_PLUGIN lines: list all components in one.

namespace saffron::inline sdk_v1 {

struct ComponentSpec {
  const char* kind;
  const char* interface;
  const char* name;
  const char* summary;
  const char* doc = nullptr;
  const char* citation = nullptr;
  std::uint32_t revision_number = 1;
  std::uint32_t flags = SAFFRON_COMPONENT_DETERMINISTIC;
  std::vector<ParamInfo> (*params)() = nullptr;
  void* (*create)(const void*, void*, saffron_error*) = nullptr;
  void (*destroy)(void*) = nullptr;
  void (*decode)(const void*, void*) = nullptr;

  [[nodiscard]] constexpr ComponentSpec describe(const char* text) const {
    ComponentSpec c = *this;
    c.doc = text;
    return c;
  }
  [[nodiscard]] constexpr ComponentSpec cite(const char* text) const {
    ComponentSpec c = *this;
    c.citation = text;
    return c;
  }
  [[nodiscard]] constexpr ComponentSpec revision(std::uint32_t number) const {
    ComponentSpec c = *this;
    c.revision_number = number;
    return c;
  }
  [[nodiscard]] constexpr ComponentSpec not_deterministic() const {
    ComponentSpec c = *this;
    c.flags &= ~static_cast<std::uint32_t>(SAFFRON_COMPONENT_DETERMINISTIC);
    return c;
  }
  [[nodiscard]] constexpr ComponentSpec needs_cuda() const {
    ComponentSpec c = *this;
    c.flags |= SAFFRON_COMPONENT_NEEDS_CUDA;
    return c;
  }
  [[nodiscard]] constexpr ComponentSpec graph_safe() const {
    ComponentSpec c = *this;
    c.flags |= SAFFRON_COMPONENT_GRAPH_SAFE;
    return c;
  }
};

namespace detail {

// Fills `error` from the exception in flight; used inside a catch (...).
SAFFRON_EXPORT void describe_exception(saffron_error* error) noexcept;
// What a failing factory wrote, as an Error.
[[nodiscard]] SAFFRON_EXPORT Error to_error(const saffron_error& error);
// The C descriptor of these components; built once and kept for ever.
SAFFRON_EXPORT const saffron_plugin* make_descriptor(const char* id, const char* version,
                                                     const char* build_tag, std::uint64_t layout,
                                                     const ComponentSpec* specs,
                                                     std::size_t count) noexcept;

// One number over the sizes and alignments of the types that cross the line.
constexpr std::uint64_t layout_fingerprint() {
  std::uint64_t hash = 14695981039346656037ull;
  for (std::uint64_t n :
       {sizeof(at::Tensor), alignof(at::Tensor), sizeof(std::string), alignof(std::string),
        sizeof(std::vector<at::Tensor>), alignof(std::vector<at::Tensor>), sizeof(Value),
        alignof(Value), sizeof(Error), alignof(Error), sizeof(Decoded), sizeof(ParamInfo)}) {
    hash = (hash ^ n) * 1099511628211ull;
  }
  return hash;
}

template <class T>
void* create_component(const void* config, void* services_pointer, saffron_error* error) {
  try {
    auto& services = *static_cast<Services*>(services_pointer);
    const auto schema = T::schema();
    typename T::Options options;
    Decoded decoded;
    schema.decode(*static_cast<const Value*>(config), &options, decoded);
    for (const Problem& problem : decoded.problems) {
      if (!problem.warning) throw Error(problem.path + ": " + problem.message).at(problem.origin);
    }
    schema.bind(&options, services);
    typename T::Interface* made = nullptr;
    if constexpr (std::is_constructible_v<T, const typename T::Options&, const Context&>) {
      made = new T(options, services.context());
    } else {
      made = new T(options);
    }
    return made;
  } catch (...) {
    describe_exception(error);
    return nullptr;
  }
}

template <class T>
void destroy_component(void* component) {
  delete static_cast<typename T::Interface*>(component);
}

template <class T>
void decode_component(const void* config, void* decoded) {
  typename T::Options options;
  T::schema().decode(*static_cast<const Value*>(config), &options, *static_cast<Decoded*>(decoded));
}

template <class T>
std::vector<ParamInfo> component_params() {
  return T::schema().params();
}

constexpr std::size_t length(const char* text) { return std::string_view(text).size(); }

// The section's text: "saffron-plugin/1", the tag, id, version and one line a component.
struct TagWriter {
  char* out;
  std::size_t used = 0;
  constexpr void put(const char* text) {
    for (; *text != 0; ++text, ++used) {
      if (out != nullptr) out[used] = *text;
    }
  }
};

template <std::size_t N>
constexpr std::size_t write_tag(char* out, const char* id, const char* version,
                                const std::array<ComponentSpec, N>& components) {
  TagWriter writer{out};
  writer.put("saffron-plugin/1\n" SAFFRON_BUILD_TAG "\nid=");
  writer.put(id);
  writer.put("\nversion=");
  writer.put(version);
  for (const ComponentSpec& c : components) {
    writer.put("\ncomponent=");
    writer.put(c.kind);
    writer.put("/");
    writer.put(c.name);
    writer.put("/");
    writer.put(c.interface);
  }
  writer.put("\n");
  return writer.used;
}

template <std::size_t Size>
struct TagText {
  char text[Size];
};

}  // namespace detail

template <class T>
[[nodiscard]] constexpr ComponentSpec component(const char* name, const char* summary) {
  return ComponentSpec{.kind = T::kKind,
                       .interface = T::kInterface,
                       .name = name,
                       .summary = summary,
                       .params = &detail::component_params<T>,
                       .create = &detail::create_component<T>,
                       .destroy = &detail::destroy_component<T>,
                       .decode = &detail::decode_component<T>};
}

}  // namespace saffron::inline sdk_v1

#define SAFFRON_PLUGIN(plugin_id, plugin_version, ...)                                          \
  namespace {                                                                                   \
  constexpr std::array saffron_components = {__VA_ARGS__};                                      \
  constexpr std::size_t saffron_tag_size =                                                      \
      ::saffron::detail::write_tag(nullptr, plugin_id, plugin_version, saffron_components) + 1; \
  constexpr ::saffron::detail::TagText<saffron_tag_size> saffron_make_tag() {                   \
    ::saffron::detail::TagText<saffron_tag_size> tag{};                                         \
    ::saffron::detail::write_tag(tag.text, plugin_id, plugin_version, saffron_components);      \
    return tag;                                                                                 \
  }                                                                                             \
  }                                                                                             \
  extern "C" __attribute__((                                                                    \
      section(SAFFRON_ABI_SECTION), used, retain,                                               \
      visibility("hidden"))) constinit const ::saffron::detail::TagText<saffron_tag_size>       \
      saffron_plugin_tag = saffron_make_tag();                                                  \
  extern "C" __attribute__((visibility("default"))) const saffron_plugin* saffron_plugin_entry( \
      std::uint32_t host_abi_major, std::uint32_t) {                                            \
    if (host_abi_major != SAFFRON_ABI_MAJOR) return nullptr;                                    \
    static const saffron_plugin* const descriptor = ::saffron::detail::make_descriptor(         \
        plugin_id, plugin_version, SAFFRON_BUILD_TAG, ::saffron::detail::layout_fingerprint(),  \
        saffron_components.data(), saffron_components.size());                                  \
    return descriptor;                                                                          \
  }
