#include <saffron/ops.h>
#include <saffron/random.h>

#include "ops/cpu/crowded.h"
#include "ops/cpu/optimiser.h"
#include "ops/cpu/row_sums.h"
#include "ops/cpu/vector.h"
#include "ops/cuda_ops.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

namespace saffron::inline sdk_v1::ops {
namespace {

constexpr std::int64_t kChunk = 64;  // rows of one partial sum: fixed, whatever the thread count

// Forms rows of a gradient, one at a time, from the dense part and the factored ones.
template <class T>
class RowFormer {
 public:
  RowFormer(std::int64_t width, const at::Tensor& dense,
            const std::vector<FactoredGradient>& factored, const std::vector<LatentGroups>& groups)
      : width_(width), dense_(dense.defined() ? dense.const_data_ptr<T>() : nullptr) {
    for (std::size_t term = 0; term < factored.size(); ++term) {
      terms_.push_back({groups[term].offsets.const_data_ptr<std::int32_t>(),
                        groups[term].entries.const_data_ptr<std::int32_t>(),
                        groups[term].rows.const_data_ptr<std::int32_t>(),
                        factored[term].support.values().const_data_ptr<T>(),
                        factored[term].rows.const_data_ptr<T>()});
    }
  }

  // Row i, written to `buffer`; false when it is 0 throughout.
  bool form(std::int64_t i, T* buffer) {
    coefficients_.clear();
    rows_.clear();
    for (const Term& term : terms_) {
      for (std::int32_t at = term.offset[i]; at < term.offset[i + 1]; ++at) {
        const T c = term.coefficient[term.entry[at]];
        if (c == T(0)) continue;
        coefficients_.push_back(c);
        rows_.push_back(term.rows + term.row[at] * width_);
      }
    }
    ops_cpu::combine(width_,
                     {static_cast<std::int64_t>(rows_.size()), coefficients_.data(), rows_.data()},
                     dense_ != nullptr ? dense_ + i * width_ : nullptr, buffer);
    return dense_ != nullptr || !rows_.empty();
  }

 private:
  struct Term {
    const std::int32_t *offset, *entry, *row;
    const T *coefficient, *rows;
  };
  std::int64_t width_;
  const T* dense_;
  std::vector<Term> terms_;
  std::vector<T> coefficients_;  // of the row that is being formed
  std::vector<const T*> rows_;
};

template <class T>
void hold(Constraint constraint, std::int64_t width, T* w) {
  if (constraint == Constraint::unit_rows) ops_cpu::normalise(width, w);
  if (constraint == Constraint::non_negative) ops_cpu::clamp_at_zero(width, w);
}

void check_moments(const at::Tensor& parameter, std::initializer_list<const at::Tensor*> moments) {
  const at::ScalarType kept = (*moments.begin())->scalar_type();
  for (const at::Tensor* moment : moments) {
    if (moment->sizes() == parameter.sizes() && moment->is_contiguous() &&
        moment->scalar_type() == kept &&
        (kept == at::kBFloat16 || kept == parameter.scalar_type())) {
      continue;
    }
    throw Error(cat("optimiser: a moment ", moment->toString(), " ", moment->sizes(),
                    " for a parameter ", parameter.toString(), " ", parameter.sizes()));
  }
}

std::uint16_t* halves(at::Tensor& bfloat16) {
  return reinterpret_cast<std::uint16_t*>(bfloat16.mutable_data_ptr<at::BFloat16>());
}

// Of the row whose first element is number `at` of the parameter.
std::uint32_t noise_of(std::uint64_t key, std::int64_t at) {
  return philox(key, static_cast<std::uint64_t>(at), 0)[0];
}

}  // namespace

const LatentGroups& SupportGroups::of(const Codes& support) {
  const auto same = [&support](const Made& made) {
    const bool csr = support.layout() == Codes::Layout::csr;
    return made.support.layout() == support.layout() &&
           made.support.latents() == support.latents() &&
           made.support.indices().is_same(support.indices()) &&
           (!csr || made.support.offsets().is_same(support.offsets()));
  };
  auto found = std::find_if(made_.begin(), made_.end(), same);
  if (found == made_.end()) found = made_.insert(found, {support, group_by_latent(support)});
  return found->groups;
}

GradientRows::GradientRows(at::Tensor parameter, Constraint constraint, const Gradient& gradient,
                           SupportGroups* shared)
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
    if (ops_cpu::crowded(term.support)) {
      const at::Tensor formed = form_gradient(term);
      dense_ = dense_.defined() ? dense_ + formed : formed;
      continue;
    }
    factored_.push_back({term.support.with_values(term.support.values().detach().contiguous()),
                         term.rows.detach().contiguous()});
    groups_.push_back(shared != nullptr ? shared->of(term.support) : group_by_latent(term.support));
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
      RowFormer<T> gradient(width_, dense_, factored_, groups_);
      for (std::int64_t chunk = begin; chunk < end; ++chunk) {
        double sum = 0;
        for (std::int64_t i = chunk * kChunk; i < std::min(rows_, (chunk + 1) * kChunk); ++i) {
          if (!gradient.form(i, buffer.data())) continue;
          if (constraint_ == Constraint::unit_rows) {
            ops_cpu::project(width_, parameter_.const_data_ptr<T>() + i * width_, buffer.data());
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

template <class T, class Update>
void GradientRows::step_rows(Update&& update) {
  T* parameter = parameter_.mutable_data_ptr<T>();
  at::parallel_for(0, rows_, kChunk, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> buffer(static_cast<std::size_t>(width_));
    RowFormer<T> gradient(width_, dense_, factored_, groups_);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t at = i * width_;
      T* w = parameter + at;
      gradient.form(i, buffer.data());
      if (constraint_ == Constraint::unit_rows) ops_cpu::project(width_, w, buffer.data());
      update(buffer.data(), w, at);
      hold(constraint_, width_, w);
    }
  });
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
  check_moments(parameter_, {&m, &v});
  if (parameter_.is_cuda()) {
    return ops_cuda::adam({parameter_, dense_, constraint_, factored_, groups_, rows_, width_}, m,
                          v, scalars);
  }
  const auto run = [&]<class T>(T) {
    if (m.scalar_type() == at::kBFloat16) {
      std::uint16_t *first = halves(m), *second = halves(v);
      step_rows<T>([&](const T* g, T* w, std::int64_t at) {
        ops_cpu::adam_row(width_, g, w, first + at, second + at, scalars,
                          noise_of(options.noise, at));
      });
      return;
    }
    T *first = m.mutable_data_ptr<T>(), *second = v.mutable_data_ptr<T>();
    step_rows<T>([&](const T* g, T* w, std::int64_t at) {
      ops_cpu::adam_row(width_, g, w, first + at, second + at, scalars);
    });
  };
  if (parameter_.scalar_type() == at::kDouble) {
    run(double{});
  } else {
    run(float{});
  }
}

void GradientRows::signum(at::Tensor& m, const SignumOptions& options) {
  const c10::AutoGradMode no_grad(false);
  const ops_cpu::SignumScalars scalars{options.lr, options.beta, options.lr * options.weight_decay,
                                       options.gradient_scale};
  check_moments(parameter_, {&m});
  if (parameter_.is_cuda()) {
    return ops_cuda::signum({parameter_, dense_, constraint_, factored_, groups_, rows_, width_}, m,
                            scalars);
  }
  const auto run = [&]<class T>(T) {
    if (m.scalar_type() == at::kBFloat16) {
      std::uint16_t* moment = halves(m);
      step_rows<T>([&](const T* g, T* w, std::int64_t at) {
        ops_cpu::signum_row(width_, g, w, moment + at, scalars, noise_of(options.noise, at));
      });
      return;
    }
    T* moment = m.mutable_data_ptr<T>();
    step_rows<T>([&](const T* g, T* w, std::int64_t at) {
      ops_cpu::signum_row(width_, g, w, moment + at, scalars);
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
  if (ops_cpu::crowded(gradient.support)) {
    return ops_cpu::form_crowded(gradient.support, gradient.rows.detach());
  }
  at::Tensor out =
      at::zeros({gradient.support.latents(), gradient.rows.size(1)}, gradient.rows.options());
  const LatentGroups groups = group_by_latent(gradient.support);
  const std::vector<FactoredGradient> terms{
      {gradient.support.with_values(gradient.support.values().detach().contiguous()),
       gradient.rows.detach().contiguous()}};
  const std::vector<LatentGroups> group_list{groups};
  const auto run = [&]<class T>(T) {
    T* result = out.mutable_data_ptr<T>();
    at::parallel_for(0, out.size(0), kChunk, [&](std::int64_t begin, std::int64_t end) {
      RowFormer<T> former(out.size(1), {}, terms, group_list);
      for (std::int64_t i = begin; i < end; ++i) former.form(i, result + i * out.size(1));
    });
  };
  if (out.scalar_type() == at::kDouble) {
    run(double{});
  } else {
    run(float{});
  }
  return out;
}

}  // namespace saffron::inline sdk_v1::ops
