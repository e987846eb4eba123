#include "latent_tops.h"

#include <saffron/error.h>

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

namespace saffron::plugins {
namespace {

bool stronger(const Peak& a, const Peak& b) {
  const double x = std::abs(a.strength), y = std::abs(b.strength);
  return x != y ? x > y : a.row < b.row;
}

// Reads the entries of a batch of codes that are not 0, row by row.
class Entries {
 public:
  explicit Entries(const Codes& codes)
      : layout_(codes.layout()), values_(codes.values().detach().to(at::kCPU).contiguous()) {
    single_ = values_.scalar_type() == at::kFloat;
    width_ = layout_ == Codes::Layout::csr ? 0 : values_.size(1);
    if (layout_ != Codes::Layout::dense) indices_ = codes.indices().to(at::kCPU).contiguous();
    if (layout_ == Codes::Layout::csr) offsets_ = codes.offsets().to(at::kCPU).contiguous();
  }

  template <class F>
  void each(std::int64_t row, F f) const {
    if (single_) return visit(values_.const_data_ptr<float>(), row, f);
    visit(values_.const_data_ptr<double>(), row, f);
  }

 private:
  template <class T, class F>
  void visit(const T* values, std::int64_t row, F f) const {
    std::int64_t begin = row * width_, end = begin + width_;
    const bool dense = layout_ == Codes::Layout::dense;
    if (layout_ == Codes::Layout::csr) {
      const std::int32_t* offset = offsets_.const_data_ptr<std::int32_t>() + row;
      begin = offset[0];
      end = offset[1];
    }
    const std::int32_t* index = dense ? nullptr : indices_.const_data_ptr<std::int32_t>();
    for (std::int64_t e = begin; e < end; ++e) {
      if (values[e] == 0) continue;
      f(dense ? e - begin : std::int64_t{index[e]}, static_cast<double>(values[e]));
    }
  }

  Codes::Layout layout_;
  at::Tensor values_, indices_, offsets_;
  bool single_;
  std::int64_t width_;
};

template <class T>
at::Tensor to_tensor(const std::vector<T>& values, at::ScalarType type) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, type);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<T>());
  return out;
}

template <class T>
std::vector<T> from_tensor(const Tensors& in, const std::string& name, at::ScalarType type) {
  const at::Tensor& tensor = in[name];
  if (tensor.dim() != 1 || tensor.scalar_type() != type) {
    throw Error(ErrorKind::data, cat("the saved contexts have ", tensor.toString(), " ",
                                     tensor.sizes(), " for '", name, "'"));
  }
  const at::Tensor plain = tensor.contiguous();
  const T* p = plain.const_data_ptr<T>();
  return {p, p + plain.size(0)};
}

}  // namespace

LatentTops::LatentTops(std::int64_t latents, std::int64_t keep, std::int64_t window)
    : keep_(static_cast<std::size_t>(keep)), window_(window) {
  grow(latents);
}

std::int64_t LatentTops::fired(std::int64_t latent) const {
  return fired_.at(static_cast<std::size_t>(latent));
}

const std::vector<Peak>& LatentTops::peaks(std::int64_t latent) const {
  return peaks_.at(static_cast<std::size_t>(latent));
}

void LatentTops::grow(std::int64_t latents) {
  const std::size_t size = std::max(fired_.size(), static_cast<std::size_t>(latents));
  fired_.resize(size);
  peaks_.resize(size);
  open_.resize(size);
}

void LatentTops::add(const std::vector<Codes>& spaces, const at::Tensor& origin) {
  std::vector<Entries> entries;
  std::vector<std::int64_t> first_latent;
  std::int64_t latents = 0;
  for (const Codes& codes : spaces) {
    entries.emplace_back(codes);
    first_latent.push_back(latents);
    latents += codes.latents();
  }
  grow(latents);
  const auto place = origin.accessor<std::int64_t, 2>();
  const std::int64_t rows = origin.size(0);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::size_t s = 0; s < entries.size(); ++s) {
      entries[s].each(r, [&](std::int64_t latent, double value) {
        note(first_latent[s] + latent, place[r][1], value);
      });
    }
    if (r + 1 == rows || place[r + 1][0] != place[r][0]) close(place[r][0]);
  }
  rows_ += rows;
}

void LatentTops::note(std::int64_t latent, std::int64_t position, double value) {
  const auto l = static_cast<std::size_t>(latent);
  ++fired_[l];
  if (open_[l].empty()) touched_.push_back(latent);
  open_[l].emplace_back(position, value);
}

void LatentTops::close(std::int64_t row) {
  for (const std::int64_t latent : touched_) {
    Activations& seen = open_[static_cast<std::size_t>(latent)];
    const auto top = std::max_element(seen.begin(), seen.end(), [](const auto& a, const auto& b) {
      return std::abs(a.second) < std::abs(b.second);
    });
    Peak peak{.strength = top->second, .row = row, .position = top->first, .around = {}};
    const std::vector<Peak>& kept = peaks_[static_cast<std::size_t>(latent)];
    if (kept.size() < keep_ || stronger(peak, kept.back())) {
      std::copy_if(seen.begin(), seen.end(), std::back_inserter(peak.around),
                   [&](const auto& a) { return std::abs(a.first - peak.position) <= window_; });
      insert(latent, std::move(peak));
    }
    seen.clear();
  }
  touched_.clear();
}

void LatentTops::insert(std::int64_t latent, Peak peak) {
  std::vector<Peak>& kept = peaks_[static_cast<std::size_t>(latent)];
  kept.insert(std::upper_bound(kept.begin(), kept.end(), peak, stronger), std::move(peak));
  if (kept.size() > keep_) kept.pop_back();
}

void LatentTops::merge(const LatentTops& other) {
  grow(other.latents());
  rows_ += other.rows_;
  for (std::int64_t latent = 0; latent < other.latents(); ++latent) {
    fired_[static_cast<std::size_t>(latent)] += other.fired(latent);
    for (const Peak& peak : other.peaks(latent)) insert(latent, peak);
  }
}

void LatentTops::save(Tensors& out, const std::string& prefix) const {
  std::vector<std::int64_t> peaks, rows, positions, around, around_positions;
  std::vector<double> strengths, around_strengths;
  for (const std::vector<Peak>& kept : peaks_) {
    peaks.push_back(static_cast<std::int64_t>(kept.size()));
    for (const Peak& peak : kept) {
      rows.push_back(peak.row);
      positions.push_back(peak.position);
      strengths.push_back(peak.strength);
      around.push_back(static_cast<std::int64_t>(peak.around.size()));
      for (const auto& [position, strength] : peak.around) {
        around_positions.push_back(position);
        around_strengths.push_back(strength);
      }
    }
  }
  const std::vector<std::int64_t> seen = {rows_};
  out.set(prefix + "seen", to_tensor(seen, at::kLong));
  out.set(prefix + "fired", to_tensor(fired_, at::kLong));
  out.set(prefix + "peaks", to_tensor(peaks, at::kLong));
  out.set(prefix + "rows", to_tensor(rows, at::kLong));
  out.set(prefix + "positions", to_tensor(positions, at::kLong));
  out.set(prefix + "strengths", to_tensor(strengths, at::kDouble));
  out.set(prefix + "around", to_tensor(around, at::kLong));
  out.set(prefix + "around_positions", to_tensor(around_positions, at::kLong));
  out.set(prefix + "around_strengths", to_tensor(around_strengths, at::kDouble));
}

void LatentTops::load(const Tensors& in, const std::string& prefix) {
  const auto longs = [&](const char* name) {
    return from_tensor<std::int64_t>(in, prefix + name, at::kLong);
  };
  const auto doubles = [&](const char* name) {
    return from_tensor<double>(in, prefix + name, at::kDouble);
  };
  const auto peaks = longs("peaks"), rows = longs("rows"), positions = longs("positions"),
             around = longs("around"), around_positions = longs("around_positions"),
             seen = longs("seen");
  const auto strengths = doubles("strengths"), around_strengths = doubles("around_strengths");
  fired_ = longs("fired");
  peaks_.assign(fired_.size(), {});
  open_.assign(fired_.size(), {});
  std::size_t p = 0, a = 0;
  try {
    rows_ = seen.at(0);
    for (std::size_t latent = 0; latent < fired_.size(); ++latent) {
      for (std::int64_t i = 0; i < peaks.at(latent); ++i, ++p) {
        Peak peak{strengths.at(p), rows.at(p), positions.at(p), {}};
        for (std::int64_t j = 0; j < around.at(p); ++j, ++a) {
          peak.around.emplace_back(around_positions.at(a), around_strengths.at(a));
        }
        peaks_[latent].push_back(std::move(peak));
      }
    }
  } catch (const std::out_of_range&) {
    throw Error(ErrorKind::data, "the saved contexts are incomplete");
  }
}

}  // namespace saffron::plugins
