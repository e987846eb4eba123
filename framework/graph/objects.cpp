#include "framework/graph/objects.h"

#include "framework/loader/component.h"
#include "framework/recipe/kinds.h"

#include <saffron/log.h>
#include <saffron/tokenizer.h>

#include <algorithm>

namespace saffron::host {
namespace {

constexpr std::int64_t kBlockBytes = std::int64_t{2} << 30;          // of a finite source's blocks
constexpr std::int64_t kEndlessBlockBytes = std::int64_t{64} << 20;  // never read again in training

}  // namespace

// References and nested components of one component, resolved through the other objects.
class NodeServices final : public Services {
 public:
  NodeServices(Objects& objects, const NodeContext& context, std::string path, std::int64_t seed)
      : objects_(objects), context_(context), path_(std::move(path)), seed_(seed) {}

  std::shared_ptr<void> reference(std::string_view kind, const std::string& node,
                                  const Origin& origin) override {
    if (kind == "sae") return objects_.sae(node);
    const NodeSpec* spec = objects_.recipe().find(section_of(kind), node);
    if (spec == nullptr) throw Error(cat("there is no ", kind, " '", node, "'")).at(origin);
    return objects_.node(*spec);
  }

  std::vector<std::string> expand(std::string_view kind, const std::string& node,
                                  const Origin&) override {
    if (kind != "sae") return {node};
    std::vector<std::string> names;
    for (const Member* member : objects_.recipe().expand(node)) names.push_back(member->name);
    return names;
  }

  std::shared_ptr<void> child(std::string_view kind, const Value& config) override {
    if (config.is_string()) return provided(kind, config);
    const std::string use = config.at("use").as_string();
    Value parameters = config;
    parameters.erase("use");
    const Component component = objects_.catalog().load(kind, use);
    return component.create(parameters, *this, component.place(path_, config.origin()));
  }

  const Context& context() const override { return context_; }

 private:
  // A component that a node has: a model's tokenizer.
  std::shared_ptr<void> provided(std::string_view kind, const Value& name) {
    if (kind == "tokenizer") {
      auto model =
          std::static_pointer_cast<Model>(reference("model", name.as_string(), name.origin()));
      const Place place("model", "model." + name.as_string(), name.origin());
      if (auto tokenizer = guard(place, [&] { return model->tokenizer(); })) return tokenizer;
      throw Error(cat("model '", name.as_string(), "' has no tokenizer")).at(name.origin());
    }
    throw Error(cat("no node provides a ", kind, "; write it as a table with `use`"))
        .at(name.origin());
  }

  Objects& objects_;
  const NodeContext& context_;
  std::string path_;
  std::int64_t seed_;
};

Objects::Objects(const Recipe& recipe, const Catalog& catalog, const HostSettings& host)
    : recipe_(recipe), catalog_(catalog), host_(host) {}

Objects::~Objects() = default;

std::shared_ptr<void> Objects::create_component(const ComponentUse& use, const std::string& path,
                                                std::int64_t seed) {
  contexts_.push_back(std::make_unique<NodeContext>(host_, path, seed));
  NodeServices services(*this, *contexts_.back(), path, seed);
  const Component component = catalog_.load(use.kind, use.id);
  return component.create(use.config, services, component.place(path, use.origin));
}

std::shared_ptr<void> Objects::node(const NodeSpec& node) {
  const std::string path = node.path();
  if (const auto found = nodes_.find(path); found != nodes_.end()) return found->second;
  std::shared_ptr<void> made = create_component(node.component, path, node.seed());
  nodes_.emplace(path, made);
  return made;
}

std::shared_ptr<Source> Objects::source(const std::string& name) {
  return std::static_pointer_cast<Source>(node(*recipe_.find("source", name)));
}

std::shared_ptr<World> Objects::world(const std::string& name) {
  return std::static_pointer_cast<World>(node(*recipe_.find("world", name)));
}

std::vector<std::int64_t> Objects::streams_of(const std::vector<std::string>& names,
                                              const Member& member, std::string& source_name) {
  std::vector<std::int64_t> numbers;
  for (const std::string& name : names) {
    const auto [source_part, stream] = parse_stream(name);
    source_name = source_part;
    const std::vector<StreamInfo>& streams = source(source_part)->streams();
    const auto fail = [&](const std::string& what) {
      std::string known;
      for (const StreamInfo& s : streams) known += cat(known.empty() ? "" : ", ", s.name);
      throw Error(ErrorKind::recipe, what)
          .at(member.component.origin)
          .with_help(cat("the streams of '", source_part, "' are: ", known));
    };
    if (stream.empty()) {
      if (streams.size() != 1) {
        fail(cat("'", name, "' does not say which of the source's ", streams.size(), " streams"));
      }
      numbers.push_back(0);
      continue;
    }
    const auto found = std::find_if(streams.begin(), streams.end(),
                                    [&](const StreamInfo& s) { return s.name == stream; });
    if (found == streams.end())
      fail(cat("source '", source_part, "' has no stream '", stream, "'"));
    numbers.push_back(found - streams.begin());
  }
  return numbers;
}

std::shared_ptr<TrainedSae> Objects::sae(const std::string& name) {
  if (const auto found = saes_.find(name); found != saes_.end()) return found->second;
  const auto member = std::find_if(recipe_.members.begin(), recipe_.members.end(),
                                   [&](const Member& m) { return m.name == name; });
  if (member == recipe_.members.end()) throw Error(cat("there is no SAE '", name, "'"));

  auto trained = std::make_shared<TrainedSae>();
  trained->name = name;
  trained->reads = streams_of(member->keys.reads, *member, trained->source_name);
  trained->predicts = member->keys.predicts.empty()
                          ? trained->reads
                          : streams_of(member->keys.predicts, *member, trained->source_name);
  trained->source = source(trained->source_name);
  trained->coordinates = member->coordinates;
  const std::vector<StreamInfo>& streams = trained->source->streams();
  for (std::int64_t s : trained->reads) {
    trained->shape.reads.push_back(streams[static_cast<std::size_t>(s)]);
  }
  for (std::int64_t s : trained->predicts) {
    trained->shape.predicts.push_back(streams[static_cast<std::size_t>(s)]);
  }
  trained->sae = create<Sae>(member->component, "sae." + name, member->keys.seed);
  const Place place("sae " + member->component.use, "sae." + name, member->component.origin);
  trained->spec = guard(place, [&] { return trained->sae->declare(trained->shape); });
  saes_.emplace(name, trained);
  return trained;
}

std::shared_ptr<BlockCache> Objects::blocks(const std::string& name) {
  if (const auto found = blocks_.find(name); found != blocks_.end()) return found->second;
  const NodeSpec& spec = *recipe_.find("source", name);
  std::shared_ptr<Source> made = source(name);
  const Place place("source " + spec.component.use, spec.path(), spec.origin);
  const bool endless = guard(place, [&] { return made->info().blocks == kEndless; });
  auto cache = std::make_shared<BlockCache>(std::move(made),
                                            endless ? kEndlessBlockBytes : kBlockBytes, place);
  return blocks_.emplace(name, std::move(cache)).first->second;
}

std::int64_t Objects::window(const TrainSpec& train) {
  const std::int64_t steps = (train.rows + train.batch - 1) / train.batch;
  return window_blocks(train.shuffle_blocks, steps * train.batch, blocks(train.source)->info());
}

BlockSplit Objects::split(const std::string& name) {
  const NodeSpec& spec = *recipe_.find("source", name);
  const SourceKeys& keys = spec.source();
  const auto made = source(name);
  const Place place("source " + spec.component.use, spec.path(), spec.origin);
  return BlockSplit(guard(place, [&] { return made->info().blocks; }), keys.held_out,
                    node_random(recipe_.settings.seed, keys.seed, "held-out split"));
}

}  // namespace saffron::host
