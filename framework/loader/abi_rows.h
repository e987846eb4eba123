#pragma once

#include <saffron/abi.h>

#include <cstddef>
#include <cstdint>

// Arrays of size-prefixed structs. A newer SDK appends fields, so that its rows are longer than
// this host's struct: the stride is what the first row says, never sizeof.

namespace saffron::host {

template <class Row>
class AbiRows {
 public:
  AbiRows(const Row* first, std::uint32_t count)
      : first_(reinterpret_cast<const std::byte*>(first)), count_(first == nullptr ? 0 : count) {}

  // Every row reaches as far as this host reads, and all have one size.
  [[nodiscard]] bool valid() const {
    if (count_ == 0) return true;
    const std::uint32_t stride = size_of(0);
    if (stride < sizeof(Row) || stride > kLongest || stride % alignof(Row) != 0) return false;
    for (std::uint32_t i = 1; i < count_; ++i) {
      if (at(i).size != stride) return false;
    }
    return true;
  }

  class Iterator {
   public:
    Iterator(const AbiRows& rows, std::uint32_t i) : rows_(&rows), i_(i) {}
    const Row& operator*() const { return rows_->at(i_); }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return i_ != other.i_; }

   private:
    const AbiRows* rows_;
    std::uint32_t i_;
  };
  [[nodiscard]] Iterator begin() const { return {*this, 0}; }
  [[nodiscard]] Iterator end() const { return {*this, count_}; }
  [[nodiscard]] std::uint32_t size() const { return count_; }

 private:
  static constexpr std::uint32_t kLongest = 1u << 16;

  [[nodiscard]] std::uint32_t size_of(std::uint32_t i) const { return at(i).size; }
  [[nodiscard]] const Row& at(std::uint32_t i) const {
    const std::size_t stride = reinterpret_cast<const Row*>(first_)->size;
    return *reinterpret_cast<const Row*>(first_ + i * stride);
  }

  const std::byte* first_;
  std::uint32_t count_;
};

[[nodiscard]] inline AbiRows<saffron_component> components_of(const saffron_plugin& plugin) {
  return {plugin.components, plugin.component_count};
}
[[nodiscard]] inline AbiRows<saffron_param> params_of(const saffron_component& component) {
  return {component.params, component.param_count};
}
[[nodiscard]] inline AbiRows<saffron_param> fields_of(const saffron_param& param) {
  return {param.fields, param.field_count};
}

}  // namespace saffron::host
