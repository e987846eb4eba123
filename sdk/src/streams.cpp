#include <saffron/streams.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace saffron::inline sdk_v1 {

std::vector<std::int64_t> widths_of(const std::vector<StreamInfo>& streams) {
  std::vector<std::int64_t> widths;
  for (const StreamInfo& stream : streams) widths.push_back(stream.width);
  return widths;
}

bool same_streams(const std::vector<StreamInfo>& a, const std::vector<StreamInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const StreamInfo& one, const StreamInfo& other) {
                      return one.name == other.name && one.width == other.width;
                    });
}

at::Tensor side_by_side(const std::vector<at::Tensor>& rows) {
  return rows.size() == 1 ? rows.front() : at::cat(rows, 1);
}

at::Tensor side_by_side(const std::vector<at::Tensor>& gradients,
                        const std::vector<std::int64_t>& widths) {
  const auto defined = std::find_if(gradients.begin(), gradients.end(),
                                    [](const at::Tensor& g) { return g.defined(); });
  if (defined == gradients.end()) return {};
  std::vector<at::Tensor> all = gradients;
  for (std::size_t m = 0; m < all.size(); ++m) {
    if (!all[m].defined()) all[m] = at::zeros({defined->size(0), widths[m]}, defined->options());
  }
  return side_by_side(all);
}

std::vector<at::Tensor> apart(const at::Tensor& rows, const std::vector<std::int64_t>& widths) {
  if (widths.size() == 1) return {rows};
  std::vector<at::Tensor> out;
  std::int64_t from = 0;
  for (const std::int64_t width : widths) {
    out.push_back(rows.narrow(1, from, width));
    from += width;
  }
  return out;
}

bool same_tensors(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const at::Tensor& x, const at::Tensor& y) { return x.is_same(y); });
}

}  // namespace saffron::inline sdk_v1
