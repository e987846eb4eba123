#include "tests/fuzz/fuzz.h"

#include "sdk/io/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  fuzz::accepts([&] {
    for (const auto& tensor :
         io_detail::parse_state_dict(std::as_bytes(std::span(data, size)), "x.pt")) {
      std::int64_t last = tensor.offset;
      bool empty = false;
      for (const std::int64_t size_here : tensor.sizes) empty = empty || size_here == 0;
      if (empty) continue;
      for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
        last += (tensor.sizes[i] - 1) * tensor.strides[i];
      }
      fuzz::require(last < tensor.elements, "a tensor is in its storage");
    }
  });
  return 0;
}
