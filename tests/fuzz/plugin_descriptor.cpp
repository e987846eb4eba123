#include "framework/loader/validate.h"
#include "tests/fuzz/fuzz.h"

#include <saffron/abi.h>
#include <saffron/build_tag.h>

#include <array>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

// The C descriptor that a loaded plugin returns, filled from the bytes: any text, null or flag in any
// field, nested tables, rows whose sizes the ABI does not know. The memory behind it is sound, as the C
// ABI demands; what stands in it need not make sense.

namespace {

using namespace saffron;

class Maker {
 public:
  Maker(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  saffron_plugin plugin() {
    saffron_plugin out{};
    out.magic = one_in(8) ? number() : SAFFRON_ABI_MAGIC;
    out.size = one_in(8) ? number() : sizeof out;
    out.abi_major = one_in(8) ? static_cast<std::uint16_t>(number()) : SAFFRON_ABI_MAJOR;
    out.build_tag = one_in(4) ? text() : SAFFRON_BUILD_TAG;
    out.layout = number();
    out.id = text();
    out.version = text();
    auto& rows = components_;
    for (std::uint32_t n = number() % 4; n > 0; --n) rows.push_back(component());
    out.components = rows.data();
    out.component_count = static_cast<std::uint32_t>(rows.size());
    return out;
  }

 private:
  std::uint8_t byte() { return at_ < size_ ? data_[at_++] : 0; }
  std::uint32_t number() {
    std::uint32_t out = 0;
    for (int i = 0; i < 4; ++i) out = out << 8 | byte();
    return out;
  }
  bool one_in(unsigned n) { return byte() % n == 1; }

  // A null pointer, a word that means something, or any bytes.
  const char* text() {
    static constexpr std::array kWords = {"regularizer",
                                          "saffron.regularizer/1",
                                          "sae",
                                          "k",
                                          "use",
                                          "coef",
                                          "[0, 1)",
                                          ">= 1, < 5",
                                          "0.5",
                                          "[1, 2, {\"a\": null}]",
                                          "{\"a\": [true]}",
                                          "1e400",
                                          "\"relu\""};
    const std::uint8_t which = byte();
    if (which < kWords.size()) return kWords[which];
    if (which % 8 == 7) return nullptr;
    std::string word(byte() % 24, '\0');
    for (char& c : word) c = static_cast<char>(byte());
    return texts_.emplace_back(std::move(word)).c_str();
  }

  saffron_param param(int depth) {
    saffron_param out{};
    out.size = one_in(16) ? number() : sizeof out;
    out.type = number() % (SAFFRON_TYPE_COMPONENT + 2);
    out.flags = number();
    out.name = text();
    out.doc = text();
    out.default_json = text();
    out.range = text();
    out.component_kind = text();
    out.alias = text();
    auto& choices = choices_.emplace_back();
    for (std::uint32_t n = byte() % 3; n > 0; --n) choices.push_back(text());
    out.choices = choices.data();
    out.choice_count = static_cast<std::uint32_t>(choices.size());
    const auto [fields, count] = params(depth + 1);
    out.fields = fields;
    out.field_count = count;
    return out;
  }

  std::pair<const saffron_param*, std::uint32_t> params(int depth) {
    std::vector<saffron_param> rows;
    for (std::uint32_t n = depth < 4 ? byte() % 4 : 0; n > 0; --n) rows.push_back(param(depth));
    auto& kept = params_.emplace_back(std::move(rows));
    // A size is a promise about memory: only a single row may claim more than it has.
    const bool several = kept.size() > 1 && kept.front().size > sizeof(saffron_param);
    for (saffron_param& row : kept) row.size = several ? sizeof row : kept.front().size;
    return {kept.data(), static_cast<std::uint32_t>(kept.size())};
  }

  saffron_component component() {
    saffron_component out{};
    out.size = sizeof out;
    out.kind = text();
    out.interface = text();
    out.name = text();
    out.summary = text();
    out.flags = number();
    const auto [rows, count] = params(0);
    out.params = rows;
    out.param_count = count;
    return out;
  }

  const std::uint8_t* data_;
  std::size_t size_, at_ = 0;
  std::deque<std::string> texts_;
  std::deque<std::vector<const char*>> choices_;
  std::deque<std::vector<saffron_param>> params_;
  std::vector<saffron_component> components_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Maker maker(data, size);
  const saffron_plugin plugin = maker.plugin();
  host::PluginFile file;
  file.id = "org.example.fuzzed";
  file.version = "0.1.0";
  file.tag_text = SAFFRON_BUILD_TAG;
  fuzz::accepts([&] { host::check_identity(plugin, file); });
  const auto problems = host::descriptor_problems(plugin, file);
  const bool accepted = fuzz::accepts([&] { host::check_descriptor(plugin, file); });
  fuzz::require(accepted == problems.empty(),
                "a descriptor is refused for its problems, and only so");
  return 0;
}
