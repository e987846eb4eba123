#include <saffron/normalise.h>

#include <saffron/error.h>
#include <saffron/log.h>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace saffron::inline sdk_v1 {
namespace {

constexpr std::int64_t kPieces = 64;  // of the sample, at most
constexpr std::int64_t kPieceRows = 256;

struct Moments {
  std::vector<double> mean;  // of each column
  double norm = 0;           // (1/n) sum ||a - m||
  double square = 0;         // (1/n) sum ||a - m||^2
  double deviation = 0;      // (1/n) sum ||a - abar||^2
};

double total(const std::vector<double>& parts) {
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

template <class T>
std::vector<double> column_means(const T* rows, std::int64_t count, std::int64_t width) {
  const std::int64_t size = std::max(kPieceRows, (count + kPieces - 1) / kPieces);
  const std::int64_t pieces = (count + size - 1) / size;
  std::vector<double> sums(static_cast<std::size_t>(pieces * width), 0.0);
  at::parallel_for(0, pieces, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t piece = first; piece < last; ++piece) {
      double* sum = sums.data() + piece * width;
      for (std::int64_t r = piece * size; r < std::min(count, (piece + 1) * size); ++r) {
        for (std::int64_t j = 0; j < width; ++j) sum[j] += static_cast<double>(rows[r * width + j]);
      }
    }
  });
  std::vector<double> mean(static_cast<std::size_t>(width), 0.0);
  for (std::int64_t at = 0; at < pieces * width; ++at) {
    mean[static_cast<std::size_t>(at % width)] += sums[static_cast<std::size_t>(at)];
  }
  for (double& m : mean) m /= static_cast<double>(count);
  return mean;
}

template <class T>
Moments moments(const T* rows, std::int64_t count, std::int64_t width, Centring centring) {
  Moments out;
  out.mean = column_means(rows, count, width);
  std::vector<double> squares(static_cast<std::size_t>(count));
  std::vector<double> deviations(static_cast<std::size_t>(count));
  at::parallel_for(0, count, kPieceRows, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      double square = 0, deviation = 0;
      for (std::int64_t j = 0; j < width; ++j) {
        const auto a = static_cast<double>(rows[r * width + j]);
        const double centred = a - out.mean[static_cast<std::size_t>(j)];
        square += a * a;
        deviation += centred * centred;
      }
      squares[static_cast<std::size_t>(r)] = square;
      deviations[static_cast<std::size_t>(r)] = deviation;
    }
  });
  const auto wrong = std::find_if(squares.begin(), squares.end(),
                                  [](double square) { return !std::isfinite(square); });
  if (wrong != squares.end()) {
    throw Error(ErrorKind::numeric, cat("row ", wrong - squares.begin(),
                                        " of the sample that centring and scaling are estimated "
                                        "from is not finite"));
  }
  const std::vector<double>& about = centring == Centring::mean ? deviations : squares;
  std::vector<double> norms(about.size());
  std::transform(about.begin(), about.end(), norms.begin(), [](double s) { return std::sqrt(s); });
  const auto n = static_cast<double>(count);
  out.norm = total(norms) / n;
  out.square = total(about) / n;
  out.deviation = total(deviations) / n;
  return out;
}

double scale_of(const Moments& moments, std::int64_t width, Scaling scaling) {
  const auto d = static_cast<double>(width);
  const double size = scaling == Scaling::sqrt_d      ? moments.norm / std::sqrt(d)
                      : scaling == Scaling::unit_norm ? std::sqrt(moments.square)
                                                      : std::sqrt(moments.deviation / d);
  if (size > 0 && std::isfinite(1 / size)) return 1 / size;
  throw Error(ErrorKind::numeric,
              "cannot scale rows that do not vary: those of the sample are all equal")
      .with_help("set scale = \"none\"");
}

std::string described(const StreamInfo& stream, const Normalisation& normalisation) {
  return cat(stream.name, ": x = (a", normalisation.mean.defined() ? " - mean" : "", ") * ",
             normalisation.scale, ", from ", normalisation.rows, " rows of mean norm ",
             normalisation.mean_norm, normalisation.mean.defined() ? " about their mean" : "");
}

}  // namespace

std::vector<std::pair<std::string, Centring>> centring_words() {
  return {{"none", Centring::none}, {"mean", Centring::mean}};
}

std::vector<std::pair<std::string, Scaling>> scaling_words() {
  return {{"none", Scaling::none},
          {"sqrt_d", Scaling::sqrt_d},
          {"unit_norm", Scaling::unit_norm},
          {"unit_variance", Scaling::unit_variance}};
}

Normalised::~Normalised() = default;

at::Tensor Normalisation::apply(const at::Tensor& raw) const {
  at::Tensor x = mean.defined() ? raw.sub(mean.to(raw.options())) : raw;
  return scale == 1 ? x : x.mul(scale);
}

at::Tensor Normalisation::undo(const at::Tensor& x) const {
  at::Tensor raw = scale == 1 ? x : x.div(scale);
  return mean.defined() ? raw.add(mean.to(x.options())) : raw;
}

Normalisation estimate_normalisation(const at::Tensor& sample, Centring centring, Scaling scaling) {
  const bool is_real = sample.scalar_type() == at::kFloat || sample.scalar_type() == at::kDouble;
  if (!is_real || sample.dim() != 2 || sample.numel() == 0 || !sample.device().is_cpu()) {
    throw Error(cat("a sample is float32 or float64 [rows, width] on the CPU, not ",
                    sample.scalar_type(), ' ', sample.sizes(), " on ", sample.device()));
  }
  const at::Tensor rows = sample.contiguous();
  const std::int64_t count = rows.size(0), width = rows.size(1);
  const Moments found = rows.scalar_type() == at::kFloat
                            ? moments(rows.const_data_ptr<float>(), count, width, centring)
                            : moments(rows.const_data_ptr<double>(), count, width, centring);
  Normalisation out;
  out.rows = count;
  out.mean_norm = found.norm;
  if (centring == Centring::mean) {
    out.mean = at::empty({width}, at::kDouble);
    std::copy(found.mean.begin(), found.mean.end(), out.mean.mutable_data_ptr<double>());
  }
  if (scaling != Scaling::none) out.scale = scale_of(found, width, scaling);
  return out;
}

Normaliser::Normaliser(Centring centring, Scaling scaling, std::vector<StreamInfo> streams)
    : centring_(centring),
      scaling_(scaling),
      streams_(std::move(streams)),
      normalisations_(streams_.size()),
      ready_(centring == Centring::none && scaling == Scaling::none) {}

bool Normaliser::wants_sample() const { return !ready_; }

void Normaliser::fit(std::span<const at::Tensor> samples) {
  std::vector<Normalisation> found;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    try {
      found.push_back(estimate_normalisation(samples[i], centring_, scaling_));
    } catch (Error& error) {
      throw error.within(cat("stream ", streams_[i].name));
    }
    logging::info(described(streams_[i], found.back()));
  }
  normalisations_ = std::move(found);
  ready_ = true;
}

const Normalisation& Normaliser::of(std::int64_t stream) const {
  if (stream < 0 || stream >= static_cast<std::int64_t>(streams_.size())) {
    throw Error(cat("there is no stream ", stream, ": there are ", streams_.size()));
  }
  return normalisations_[static_cast<std::size_t>(stream)];
}

State Normaliser::save() const {
  State state;
  for (std::size_t i = 0; ready_ && i < streams_.size(); ++i) {
    const Normalisation& own = normalisations_[i];
    if (own.rows == 0) continue;  // nothing was asked for
    if (own.mean.defined()) state.tensors.set(streams_[i].name + "/mean", own.mean.clone());
    Value entry = Value::table();
    entry.set("scale", own.scale);
    entry.set("mean_norm", own.mean_norm);
    entry.set("rows", own.rows);
    state.values.set(streams_[i].name, std::move(entry));
  }
  return state;
}

void Normaliser::load(const State& state) {
  if (state.values.as_table().empty()) return;
  std::vector<Normalisation> found;
  for (const StreamInfo& stream : streams_) {
    const Value* entry = state.values.find(stream.name);
    const std::string mean = stream.name + "/mean";
    const bool centred = state.tensors.contains(mean);
    const bool fits = entry != nullptr && centred == (centring_ == Centring::mean) &&
                      (!centred || (state.tensors[mean].dim() == 1 &&
                                    state.tensors[mean].size(0) == stream.width));
    if (!fits) {
      throw Error(ErrorKind::data,
                  cat("the recorded normalisation does not fit stream ", stream.name));
    }
    Normalisation own;
    own.scale = entry->at("scale").as_real();
    own.mean_norm = entry->at("mean_norm").as_real();
    own.rows = entry->at("rows").as_int();
    if (centred) own.mean = state.tensors[mean].to(at::kDouble).clone();
    found.push_back(std::move(own));
  }
  normalisations_ = std::move(found);
  ready_ = true;
}

}  // namespace saffron::inline sdk_v1
