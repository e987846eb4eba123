#include "shard.h"

#include <saffron/error.h>

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

std::string listed(const std::vector<StreamRows>& streams) {
  std::string out;
  for (const StreamRows& stream : streams) {
    out += cat(out.empty() ? "'" : ", '", stream.name(), "'");
  }
  return out;
}

Error bad(const std::string& place, const std::string& what) {
  return Error(ErrorKind::data, what).within(place);
}

// "float16", as Python calls it.
std::string dtype_name(at::ScalarType type) {
  switch (type) {
    case at::kDouble: return "float64";
    case at::kFloat: return "float32";
    case at::kHalf: return "float16";
    case at::kBFloat16: return "bfloat16";
    case at::kLong: return "int64";
    case at::kInt: return "int32";
    case at::kBool: return "bool";
    default: return c10::toString(type);
  }
}

bool is_stream(const NamedArray& array) {
  if (!array.values.defined()) return false;
  const at::ScalarType type = array.values.scalar_type();
  return type == at::kDouble || type == at::kFloat || type == at::kHalf || type == at::kBFloat16;
}

const NamedArray* find(const std::vector<NamedArray>& arrays, const std::string& name) {
  const auto found = std::find_if(arrays.begin(), arrays.end(),
                                  [&](const NamedArray& array) { return array.name == name; });
  return found == arrays.end() ? nullptr : &*found;
}

template <class In, class Out>
bool convert(const In* from, std::int64_t step, std::int64_t count, Out* to) {
  bool finite = true;
  if (step == 1) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<Out>(from[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<Out>(from[i * step]);
  }
  for (std::int64_t i = 0; i < count; ++i) finite &= to[i] - to[i] == 0;  // false for nan and inf
  return finite;
}

}  // namespace

StreamRows::StreamRows(NamedArray array) : array_(std::move(array)) {
  const at::Tensor& values = array_.values;
  if ((values.dim() != 2 && values.dim() != 3) || values.size(-1) == 0) {
    throw bad(array_.place, cat("a stream has the shape [rows, width] or [contexts, positions, "
                                "width], not ",
                                values.sizes()))
        .with_help("choose the tensors to read: streams = [...]");
  }
  data_ = static_cast<const std::byte*>(values.const_data_ptr());
  outer_ = values.stride(0);
  inner_ = values.dim() == 3 ? values.stride(1) : 0;
  step_ = values.stride(-1);
}

template <class T>
bool StreamRows::copy(std::int64_t row, T* to) const {
  const std::int64_t at = row / positions() * outer_ + row % positions() * inner_;
  const auto from = [&]<class In>() {
    return convert(reinterpret_cast<const In*>(data_) + at, step_, width(), to);
  };
  switch (dtype()) {
    case at::kDouble: return from.template operator()<double>();
    case at::kHalf: return from.template operator()<at::Half>();
    case at::kBFloat16: return from.template operator()<at::BFloat16>();
    default: return from.template operator()<float>();
  }
}

template bool StreamRows::copy(std::int64_t row, float* to) const;
template bool StreamRows::copy(std::int64_t row, double* to) const;

void StreamRows::refuse(std::int64_t row, at::ScalarType as) const {
  std::vector<double> values(static_cast<std::size_t>(width()));
  static_cast<void>(copy(row, values.data()));
  const auto wrong = std::find_if(values.begin(), values.end(), [&](double value) {
    return !std::isfinite(as == at::kFloat ? static_cast<float>(value) : value);
  });
  const std::int64_t position = row % positions();
  const std::string where =
      cat(has_contexts() ? cat("context ", row / positions(), ", position ", position)
                         : cat("row ", row),
          ", column ", wrong - values.begin());
  if (std::isfinite(*wrong)) {
    throw bad(array_.place, cat(where, " is ", *wrong, ", too large for float32"))
        .with_help("set dtype = \"float64\" for the recipe");
  }
  throw bad(array_.place, cat(where, " is ", *wrong, "; activations must be finite"));
}

Shard::Shard(std::string path, std::vector<NamedArray> arrays,
             const std::vector<std::string>& wanted)
    : path_(std::move(path)) {
  std::sort(arrays.begin(), arrays.end(),
            [](const NamedArray& a, const NamedArray& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < arrays.size(); ++i) {
    if (arrays[i].name != arrays[i - 1].name) continue;
    throw bad(arrays[i].place,
              cat("it holds '", arrays[i].name, "', as ", arrays[i - 1].place, " does"));
  }
  choose_streams(arrays, wanted);
  for (const StreamRows& stream : streams_) {
    if (stream.rows() == rows()) continue;
    throw bad(stream.place(),
              cat(stream.rows(), " rows, but ", rows(), " in ", streams_.front().place()));
  }
  find_origin(find(arrays, "origin"), find(arrays, "tokens"));
}

void Shard::choose_streams(const std::vector<NamedArray>& arrays,
                           const std::vector<std::string>& wanted) {
  for (const NamedArray& array : arrays) {
    if (wanted.empty() && is_stream(array)) streams_.emplace_back(array);
  }
  for (const std::string& name : wanted) {
    const NamedArray* array = find(arrays, name);
    if (array == nullptr) {
      std::vector<std::string> names;
      for (const NamedArray& other : arrays) names.push_back(other.name);
      const std::string near = nearest(name, names.data(), names.size());
      throw bad(path_, cat("there is no tensor '", name, "'"))
          .with_help(near.empty() ? "" : cat("did you mean '", near, "'?"));
    }
    if (!is_stream(*array)) {
      throw bad(array->place, cat("it holds ", dtype_name(array->values.scalar_type()),
                                  ", not floating-point numbers"));
    }
    streams_.emplace_back(*array);
  }
  if (streams_.empty()) {
    throw bad(path_, "there is no tensor of floating-point numbers")
        .with_help("a stream is float64, float32, float16 or bfloat16");
  }
}

void Shard::find_origin(const NamedArray* origin, const NamedArray* tokens) {
  if (origin != nullptr) {
    const at::Tensor& given = origin->values;
    const bool is_integer = given.scalar_type() == at::kLong || given.scalar_type() == at::kInt;
    if (!is_integer || given.dim() != 2 || given.size(0) != rows() || given.size(1) != 2) {
      throw bad(origin->place,
                cat("the origin of ", rows(), " rows is int64 [", rows(), ", 2], not ",
                    dtype_name(given.scalar_type()), ' ', given.sizes()));
    }
    origin_ = given.to(at::kLong).contiguous();
    return;
  }
  for (const StreamRows& stream : streams_) {
    if (!stream.has_contexts()) continue;
    if (positions_ == 0) positions_ = stream.positions();
    if (stream.positions() == positions_) continue;
    throw bad(stream.place(), cat(stream.positions(), " positions, but ", positions_,
                                  " in another stream of the same file"));
  }
  const bool fits = tokens != nullptr && tokens->values.dim() == 2 && rows() > 0 &&
                    tokens->values.numel() == rows();
  if (positions_ == 0 && fits) positions_ = tokens->values.size(1);
}

std::int64_t Shard::bytes() const {
  std::int64_t bytes = 0;
  for (const StreamRows& stream : streams_) {
    bytes += stream.rows() * stream.width() *
             static_cast<std::int64_t>(c10::elementSize(stream.dtype()));
  }
  return bytes;
}

void Shard::copy_origin(std::int64_t row, std::int64_t first_context, std::int64_t* to) const {
  if (origin_.defined()) {
    std::copy_n(origin_.const_data_ptr<std::int64_t>() + 2 * row, 2, to);
    return;
  }
  to[0] = first_context + row / positions_;
  to[1] = row % positions_;
}

void Shard::check_like(const Shard& first) const {
  for (const StreamRows& stream : streams_) {
    const auto same = std::find_if(first.streams_.begin(), first.streams_.end(),
                                   [&](const StreamRows& s) { return s.name() == stream.name(); });
    if (same == first.streams_.end()) {
      throw bad(stream.place(), cat("there is no such tensor in ", first.path_, ", which has ",
                                    listed(first.streams_)));
    }
    if (same->width() != stream.width()) {
      throw bad(stream.place(),
                cat("the width is ", stream.width(), ", but ", same->width(), " in ", first.path_));
    }
    if (same->dtype() != stream.dtype()) {
      throw bad(stream.place(), cat("the numbers are ", dtype_name(stream.dtype()), ", but ",
                                    dtype_name(same->dtype()), " in ", first.path_));
    }
  }
  for (const StreamRows& stream : first.streams_) {
    const bool has = std::any_of(streams_.begin(), streams_.end(),
                                 [&](const StreamRows& s) { return s.name() == stream.name(); });
    if (!has)
      throw bad(path_,
                cat("there is no tensor '", stream.name(), "', which ", first.path_, " has"));
  }
  if (has_origin() != first.has_origin() || origin_.defined() != first.origin_.defined()) {
    throw bad(path_, cat("where rows come from is told in another way than in ", first.path_))
        .with_help("all files have `origin`, or all have three dimensions or `tokens`, or none");
  }
}

}  // namespace saffron::plugins
