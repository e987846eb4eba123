#include <saffron/ops.h>

#include "ops/cpu/vector.h"
#include "ops/cuda_ops.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

namespace saffron::inline sdk_v1::ops {
namespace {

constexpr std::int64_t kChunk = 64;  // rows of one partial sum: fixed, whatever the thread count

// Row i of the gradient, written to `buffer`; false when it is 0 throughout.
template <class T>
bool form_row(std::int64_t i, std::int64_t width, const at::Tensor& dense,
              const std::vector<FactoredGradient>& factored,
              const std::vector<LatentGroups>& groups, T* buffer) {
  bool any = dense.defined();
  if (any) {
    std::copy_n(dense.const_data_ptr<T>() + i * width, width, buffer);
  } else {
    std::fill_n(buffer, width, T(0));
  }
  for (std::size_t term = 0; term < factored.size(); ++term) {
    const LatentGroups& group = groups[term];
    const std::int32_t* offset = group.offsets.const_data_ptr<std::int32_t>();
    const std::int32_t* entry = group.entries.const_data_ptr<std::int32_t>();
    const std::int32_t* row = group.rows.const_data_ptr<std::int32_t>();
    const T* coefficient = factored[term].support.values().const_data_ptr<T>();
    const T* rows = factored[term].rows.const_data_ptr<T>();
    for (std::int32_t at = offset[i]; at < offset[i + 1]; ++at) {
      const T c = coefficient[entry[at]];
      if (c == T(0)) continue;
      ops_cpu::axpy(width, c, rows + row[at] * width, buffer);
      any = true;
    }
  }
  return any;
}

// g <- g - <g, w> w
template <class T>
void project(std::int64_t width, const T* w, T* g) {
  ops_cpu::axpy(width, -ops_cpu::dot(width, g, w), w, g);
}

template <class T>
void hold(Constraint constraint, std::int64_t width, T* w) {
  if (constraint == Constraint::unit_rows) {
    const T norm = std::sqrt(ops_cpu::dot(width, w, w));
    if (norm > T(0)) {
      for (std::int64_t j = 0; j < width; ++j) w[j] /= norm;
    }
  } else if (constraint == Constraint::non_negative) {
    for (std::int64_t j = 0; j < width; ++j) w[j] = std::max(w[j], T(0));
  }
}

}  // namespace

GradientRows::GradientRows(at::Tensor parameter, Constraint constraint, const Gradient& gradient)
    : parameter_(std::move(parameter)), constraint_(constraint) {
  if (!parameter_.is_contiguous()) throw Error("optimiser: the parameter must be contiguous");
  rows_ = parameter_.dim() >= 2 ? parameter_.size(0) : 1;
  width_ = rows_ > 0 ? parameter_.numel() / rows_ : 0;
  if (gradient.dense.defined()) {
    if (gradient.dense.sizes() != parameter_.sizes() ||
        gradient.dense.device() != parameter_.device()) {
      throw Error(cat("optimiser: gradient ", gradient.dense.sizes(), " on ",
                      gradient.dense.device().str(), " for a parameter ", parameter_.sizes(),
                      " on ", parameter_.device().str()));
    }
    dense_ = gradient.dense.detach().contiguous();
  }
  for (const FactoredGradient& term : gradient.factored) {
    if (parameter_.dim() != 2 || term.support.latents() != rows_ || term.rows.size(1) != width_ ||
        term.rows.device() != parameter_.device() ||
        term.support.values().device() != parameter_.device()) {
      throw Error(cat("optimiser: a factored gradient over ", term.support.latents(),
                      " latents and rows ", term.rows.sizes(), " on ", term.rows.device().str(),
                      " for a parameter ", parameter_.sizes(), " on ", parameter_.device().str()));
    }
    factored_.push_back({term.support.with_values(term.support.values().detach().contiguous()),
                         term.rows.detach().contiguous()});
    groups_.push_back(group_by_latent(term.support));
  }
}

double GradientRows::squared_norm() const {
  if (parameter_.is_cuda()) {
    return ops_cuda::squared_norm(
        {parameter_, dense_, constraint_, factored_, groups_, rows_, width_});
  }
  const std::int64_t chunks = (rows_ + kChunk - 1) / kChunk;
  std::vector<double> partial(static_cast<std::size_t>(chunks), 0.0);
  const auto run = [&]<class T>(T) {
    at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<T> buffer(static_cast<std::size_t>(width_));
      for (std::int64_t chunk = begin; chunk < end; ++chunk) {
        double sum = 0;
        for (std::int64_t i = chunk * kChunk; i < std::min(rows_, (chunk + 1) * kChunk); ++i) {
          if (!form_row<T>(i, width_, dense_, factored_, groups_, buffer.data())) continue;
          if (constraint_ == Constraint::unit_rows) {
            project(width_, parameter_.const_data_ptr<T>() + i * width_, buffer.data());
          }
          sum += static_cast<double>(ops_cpu::dot(width_, buffer.data(), buffer.data()));
        }
        partial[static_cast<std::size_t>(chunk)] = sum;
      }
    });
  };
  if (parameter_.scalar_type() == at::kDouble) {
    run(double{});
  } else {
    run(float{});
  }
  double total = 0;
  for (double sum : partial) total += sum;
  return total;
}

void GradientRows::adam(at::Tensor& m, at::Tensor& v, const AdamOptions& options) {
  const c10::AutoGradMode no_grad(false);
  const double correction1 = 1 - std::pow(options.beta1, static_cast<double>(options.step));
  const double correction2 = 1 - std::pow(options.beta2, static_cast<double>(options.step));
  const ops_cpu::AdamScalars scalars{options.lr / correction1,
                                     options.beta1,
                                     options.beta2,
                                     options.eps,
                                     std::sqrt(correction2),
                                     options.lr * options.weight_decay,
                                     options.gradient_scale};
  if (parameter_.is_cuda()) {
    return ops_cuda::adam({parameter_, dense_, constraint_, factored_, groups_, rows_, width_}, m,
                          v, scalars);
  }
  const auto run = [&]<class T>(T) {
    T* w = parameter_.mutable_data_ptr<T>();
    T* first = m.mutable_data_ptr<T>();
    T* second = v.mutable_data_ptr<T>();
    at::parallel_for(0, rows_, kChunk, [&](std::int64_t begin, std::int64_t end) {
      std::vector<T> buffer(static_cast<std::size_t>(width_));
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t at = i * width_;
        form_row<T>(i, width_, dense_, factored_, groups_, buffer.data());
        if (constraint_ == Constraint::unit_rows) project(width_, w + at, buffer.data());
        ops_cpu::adam_row(width_, buffer.data(), w + at, first + at, second + at, scalars);
        hold(constraint_, width_, w + at);
      }
    });
  };
  if (parameter_.scalar_type() == at::kDouble) {
    run(double{});
  } else {
    run(float{});
  }
}

at::Tensor form_gradient(const FactoredGradient& gradient) {
  if (gradient.rows.is_cuda()) return ops_cuda::form_gradient(gradient);
  at::Tensor out =
      at::zeros({gradient.support.latents(), gradient.rows.size(1)}, gradient.rows.options());
  const LatentGroups groups = group_by_latent(gradient.support);
  const std::vector<FactoredGradient> terms{
      {gradient.support.with_values(gradient.support.values().detach().contiguous()),
       gradient.rows.detach().contiguous()}};
  const std::vector<LatentGroups> group_list{groups};
  const auto run = [&]<class T>(T) {
    T* result = out.mutable_data_ptr<T>();
    for (std::int64_t i = 0; i < out.size(0); ++i) {
      form_row<T>(i, out.size(1), {}, terms, group_list, result + i * out.size(1));
    }
  };
  if (out.scalar_type() == at::kDouble) {
    run(double{});
  } else {
    run(float{});
  }
  return out;
}

}  // namespace saffron::inline sdk_v1::ops
