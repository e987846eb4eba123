#include "tests/framework/recipe/fake_catalog.h"

#include <algorithm>

namespace saffron::host::testing {
namespace {

struct Tokenizer {
  static constexpr const char* kKind = "tokenizer";
};
struct Judge {
  static constexpr const char* kKind = "judge";
};
struct Explainer {
  static constexpr const char* kKind = "explainer";
};
struct Model {
  static constexpr const char* kKind = "model";
};
struct Dataset {
  static constexpr const char* kKind = "dataset";
};
struct Sae {
  static constexpr const char* kKind = "sae";
};

struct Nothing {
  static Schema<Nothing> schema() { return {}; }
};

struct Text {
  std::vector<std::string> files;
  Child<Tokenizer> tokenizer{"bytes"};
  std::int64_t context = 128;
  static auto schema() {
    return Schema<Text>{}
        .param("files", &Text::files, "files or globs", required(), not_empty(), hashed_file())
        .param("tokenizer", &Text::tokenizer, "turns text into ids")
        .param("context", &Text::context, "ids of a context", between(2, 65536), unit("ids"));
  }
};

struct Llama {
  Path path;
  std::string precision = "float32";
  bool verbose = false;
  static auto schema() {
    return Schema<Llama>{}
        .param("path", &Llama::path, "a GGUF file or a folder", required(), hashed_file())
        .param("precision", &Llama::precision, "of its weights", one_of({"float32", "bfloat16"}))
        .param("verbose", &Llama::verbose, "says what it reads", not_in_hash());
  }
};

struct Twin {
  Ref<Model> of;
  static auto schema() {
    return Schema<Twin>{}.param("of", &Twin::of, "the model to randomise", required());
  }
};

struct Activations {
  Ref<Model> model;
  Ref<Dataset> dataset;
  std::vector<std::string> sites;
  bool drop_first = true;
  static auto schema() {
    return Schema<Activations>{}
        .param("model", &Activations::model, "the model that runs", required())
        .param("dataset", &Activations::dataset, "what it reads", required())
        .param("sites", &Activations::sites, "where to listen", required(), not_empty())
        .param("drop_first", &Activations::drop_first, "leaves out the first position");
  }
};

struct Planted {
  std::int64_t features = 512, width = 64;
  double active = 5, noise = 0;
  static auto schema() {
    return Schema<Planted>{}
        .param("features", &Planted::features, "planted features", at_least(1))
        .param("width", &Planted::width, "of a row", at_least(1))
        .param("active", &Planted::active, "features of a row on average", positive())
        .param("noise", &Planted::noise, "standard deviation", non_negative());
  }
};

struct TopK {
  struct Aux {
    double coef = 1.0 / 32;
    std::int64_t k = 512;
    static Schema<Aux> schema() {
      return Schema<Aux>{}
          .param("coef", &Aux::coef, "weight of the auxiliary loss", non_negative())
          .param("k", &Aux::k, "latents that it revives", at_least(1));
    }
  };
  std::int64_t width = 0, k = 32;
  std::string activation = "relu";
  Aux aux;
  static auto schema() {
    return Schema<TopK>{}
        .param("width", &TopK::width, "latents", required(), at_least(1), formerly("latents"))
        .param("k", &TopK::k, "active latents per row", at_least(1))
        .param("activation", &TopK::activation, "before selection", one_of({"relu", "identity"}))
        .param("aux", &TopK::aux, "the auxiliary loss")
        .check([](const TopK& o) { return o.k > o.width ? "k is larger than width" : ""; });
  }
};

struct Relu {
  std::int64_t width = 0;
  double l1 = 1e-3;
  bool tied = false;
  static auto schema() {
    return Schema<Relu>{}
        .param("width", &Relu::width, "latents", required(), at_least(1))
        .param("l1", &Relu::l1, "sparsity coefficient", non_negative())
        .param("tied", &Relu::tied, "the decoder is the encoder's transpose");
  }
};

struct Warm {
  Ref<Sae> start;
  static auto schema() {
    return Schema<Warm>{}.param("start", &Warm::start, "the SAE to start from", required());
  }
};

struct Hoyer {
  double floor = 1e-8;
  static auto schema() {
    return Schema<Hoyer>{}.param("floor", &Hoyer::floor, "smallest denominator", positive());
  }
};

struct Distil {
  Ref<Sae> teacher;
  static auto schema() {
    return Schema<Distil>{}.param("teacher", &Distil::teacher, "whose codes to match", required());
  }
};

struct Divergence {
  Ref<Model> model;
  static auto schema() {
    return Schema<Divergence>{}.param("model", &Divergence::model, "runs on them", required());
  }
};

struct Reconstruction {
  RefList<Sae> sae;
  std::int64_t bins = 50;
  static auto schema() {
    return Schema<Reconstruction>{}
        .param("sae", &Reconstruction::sae, "the SAEs", required(), not_empty())
        .param("bins", &Reconstruction::bins, "of the histogram", between(1, 1000));
  }
};

struct LossRecovered {
  RefList<Sae> sae;
  Ref<Model> model;
  static auto schema() {
    return Schema<LossRecovered>{}
        .param("sae", &LossRecovered::sae, "the SAEs", required(), not_empty())
        .param("model", &LossRecovered::model, "another model than the source's");
  }
};

struct One {
  Ref<Sae> sae;
  static auto schema() { return Schema<One>{}.param("sae", &One::sae, "the SAE", required()); }
};

struct Http {
  std::string url = "http://localhost";
  Secret key;
  static auto schema() {
    return Schema<Http>{}
        .param("url", &Http::url, "of the service", not_empty())
        .param("key", &Http::key, "of the service");
  }
};

struct Explain {
  RefList<Sae> sae;
  Child<Judge> judge;
  Child<Explainer> explainer;
  static auto schema() {
    return Schema<Explain>{}
        .param("sae", &Explain::sae, "the SAEs", required())
        .param("judge", &Explain::judge, "who answers", required())
        .param("explainer", &Explain::explainer, "who writes");
  }
};

struct Tabular {
  std::int64_t states = 16;
  static auto schema() {
    return Schema<Tabular>{}.param("states", &Tabular::states, "of the world", at_least(1));
  }
};

struct Epic {
  std::int64_t samples = 4096;
  double discount = 0.99;
  static auto schema() {
    return Schema<Epic>{}
        .param("samples", &Epic::samples, "transitions", at_least(1), formerly("draws"))
        .param("discount", &Epic::discount, "of the rewards", below_one());
  }
};

}  // namespace

template <class Options>
void FakeCatalog::offer(const char* kind, const char* plugin, const char* name) {
  components_.push_back(
      {kind, plugin, name, [] { return Options::schema().params(); },
       [](const Value& config, Decoded& out) { Options::schema().decode(config, nullptr, out); }});
}

FakeCatalog::FakeCatalog() {
  offer<Text>("dataset", "org.saffron.text", "text");
  offer<Llama>("model", "org.saffron.llama", "llama");
  offer<Twin>("model", "org.saffron.llama", "twin");
  offer<Activations>("source", "org.saffron.activations", "model_activations");
  offer<Planted>("source", "org.saffron.planted", "planted");
  offer<TopK>("sae", "org.saffron.topk", "topk");
  offer<Relu>("sae", "org.saffron.relu", "relu");
  offer<Warm>("sae", "org.saffron.warm", "warm");
  offer<Relu>("sae", "org.first", "random");
  offer<Relu>("sae", "org.second", "random");
  offer<Hoyer>("regularizer", "org.example.hoyer", "hoyer");
  offer<Nothing>("regularizer", "org.saffron.mfr", "mutual_features");
  offer<Distil>("regularizer", "org.saffron.distil", "distil");
  offer<Nothing>("objective", "org.saffron.mse", "mse");
  offer<Divergence>("objective", "org.saffron.kl", "kl");
  offer<Reconstruction>("scorer", "org.saffron.reconstruction", "reconstruction");
  offer<LossRecovered>("scorer", "org.saffron.loss", "loss_recovered");
  offer<One>("scorer", "org.saffron.one", "one");
  offer<Explain>("scorer", "org.saffron.explain", "explain");
  offer<Nothing>("tokenizer", "org.saffron.bytes", "bytes");
  offer<Http>("judge", "org.saffron.http", "http");
  offer<Tabular>("world", "org.saffron.tabular", "tabular");
  offer<Epic>("comparator", "org.saffron.epic", "epic");
  // Its library does not load.
  components_.push_back({"sae", "org.broken", "broken", [] { return std::vector<ParamInfo>(); },
                         [](const Value&, Decoded&) {
                           throw Error(ErrorKind::plugin,
                                       "plugin org.broken was built for "
                                       "LibTorch 2.11.0; this is 2.13.0")
                               .with_help("rebuild it");
                         }});
}

std::vector<std::string> FakeCatalog::resolve(std::string_view kind, std::string_view use) const {
  std::vector<std::string> out;
  for (const Component& component : components_) {
    if (component.kind == kind && (component.name == use || component.id() == use)) {
      out.push_back(component.id());
    }
  }
  return out;
}

std::vector<std::string> FakeCatalog::names(std::string_view kind) const {
  std::vector<std::string> out;
  for (const Component& component : components_) {
    const bool known = std::find(out.begin(), out.end(), component.name) != out.end();
    if (component.kind == kind && !known) out.push_back(component.name);
  }
  return out;
}

std::vector<std::string> FakeCatalog::plugin_ids() const {
  std::vector<std::string> out;
  for (const Component& component : components_) out.push_back(component.plugin);
  return out;
}

const FakeCatalog::Component& FakeCatalog::at(std::string_view kind, const std::string& id) const {
  for (const Component& component : components_) {
    if (component.kind == kind && component.id() == id) return component;
  }
  throw Error(ErrorKind::internal, cat("no ", kind, " '", id, "'"));
}

std::vector<ParamInfo> FakeCatalog::params(std::string_view kind, const std::string& id) {
  return at(kind, id).params();
}

void FakeCatalog::decode(std::string_view kind, const std::string& id, const Value& config,
                         Decoded& out) {
  at(kind, id).decode(config, out);
}

}  // namespace saffron::host::testing
