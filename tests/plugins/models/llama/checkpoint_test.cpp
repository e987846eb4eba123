#include "support.h"

#include <saffron/value.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <functional>

// What a checkpoint says, and what is said of one that cannot be run.

namespace llama_test {
namespace {

using saffron::Value;
using ::testing::HasSubstr;

// A copy of the fixture `tiny` whose parts a test changes.
class Checkpoints : public ::testing::Test {
 protected:
  void SetUp() override {
    static std::atomic<int> count = 0;
    folder_ = std::filesystem::temp_directory_path() /
              saffron::cat("saffron_llama_", ::getpid(), "_", count++);
    std::filesystem::create_directories(folder_);
    std::filesystem::copy(fixture("tiny"), folder_);
    config_ = saffron::from_json(saffron::read_text(folder_ / "config.json"), "config.json");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write_config(const std::function<void(Value&)>& change) {
    Value changed = config_;
    change(changed);
    std::ofstream(folder_ / "config.json") << saffron::to_json(changed);
  }
  std::string error_with(const std::function<void(Value&)>& change) {
    write_config(change);
    return error_of([&] { (void)open(folder_); });
  }
  void write_tensors(const std::function<void(saffron::NamedTensors&)>& change) {
    saffron::NamedTensors tensors;
    {
      const auto file = saffron::SafetensorsFile::open(folder_ / "model.safetensors");
      for (const auto& info : file.tensors()) {
        tensors.emplace_back(info.name, file.tensor(info.name).clone());
      }
    }
    change(tensors);
    saffron::write_safetensors(folder_ / "model.safetensors", tensors);
  }

  std::filesystem::path folder_;
  Value config_;
};

TEST_F(Checkpoints, WhatAFolderSays) {
  const auto model = open(folder_);
  const saffron::ModelInfo& info = model->info();
  EXPECT_EQ(info.name, folder_.filename().string());
  EXPECT_EQ(info.architecture, "llama");
  EXPECT_EQ(info.layers, 2);
  EXPECT_EQ(info.width, 32);
  EXPECT_EQ(info.heads, 4);
  EXPECT_EQ(info.vocabulary, 97);
  EXPECT_EQ(info.context, 64);
  // 2 x 97 x 32 + 32 + 2 x (2 x 32 x 32 + 2 x 16 x 32 + 3 x 32 x 56 + 2 x 32)
  EXPECT_EQ(info.parameters, 23264);
  EXPECT_EQ(info.weights, "");
  EXPECT_EQ(model->tokenizer(), nullptr);
  EXPECT_EQ(model->sites().size(), 13u);
  EXPECT_EQ(model->sites().front().name, "embed");
  EXPECT_EQ(model->sites().front().layer, -1);
  EXPECT_EQ(model->sites()[7].name, "layers.1.resid_pre");
  EXPECT_EQ(model->sites()[7].layer, 1);
  EXPECT_EQ(open(folder_ / "")->info().name, info.name);  // a trailing slash
}

TEST_F(Checkpoints, ANameOfOnesOwn) {
  Value config = Value::table();
  config.set("path", folder_.string());
  config.set("name", "my model");
  EXPECT_EQ(make(config)->info().name, "my model");
  config.set("dtype", "float16");
  EXPECT_THAT(error_of([&] { (void)make(config); }), HasSubstr("float16"));
}

TEST_F(Checkpoints, GgufNames) {
  EXPECT_EQ(open(fixture("tiny.gguf"))->info().name, "tiny (F32)");
  for (const auto& [file, name] :
       {std::pair("Some-Model.f32.gguf", "Some-Model (F32)"),
        std::pair("Some-Model-F32.gguf", "Some-Model (F32)"),
        std::pair("model.gguf", "Tiny (F32)")}) {  // general.name where the file's says nothing
    std::filesystem::copy(fixture("tiny.gguf"), folder_ / file);
    EXPECT_EQ(open(folder_ / file)->info().name, name);
  }
  EXPECT_EQ(open(fixture("tiny.gguf"))->info().weights, "");
  EXPECT_EQ(open(fixture("tiny.gguf"))->info().parameters, 23264);
}

TEST_F(Checkpoints, RopeScalingEqualsTransformers) {
  const auto expected = saffron::SafetensorsFile::open(fixture("rope.safetensors"));
  const at::Tensor tokens = expected.tensor("tokens");
  const auto last = [&] { return logits(*open(folder_), tokens).narrow(1, 40, 20); };
  const auto scaling = [](const char* type_key, const char* type) {
    Value rope = Value::table();
    rope.set(type_key, type);
    rope.set("factor", type == std::string("linear") ? 4.0 : 8.0);
    rope.set("low_freq_factor", 1.0);
    rope.set("high_freq_factor", 4.0);
    rope.set("original_max_position_embeddings", 16);
    return rope;
  };
  for (const char* type : {"linear", "llama3"}) {
    write_config([&](Value& c) {  // transformers 5
      Value rope = scaling("rope_type", type);
      rope.set("rope_theta", 10000.0);
      c.set("rope_parameters", rope);
    });
    EXPECT_LT(distance(last(), expected.tensor(type)), 2e-5) << type;
    write_config([&](Value& c) {  // before
      c.erase("rope_parameters");
      c.set("rope_theta", 10000);
      c.set("rope_scaling", scaling("type", type));
    });
    EXPECT_LT(distance(last(), expected.tensor(type)), 2e-5) << type;
  }
  write_config([&](Value& c) { c.erase("rope_parameters"); });  // theta is 10000 by default
  EXPECT_GT(distance(last(), expected.tensor("linear")), 1e-2);
}

TEST_F(Checkpoints, AConfigurationThatCannotBeRunIsSaid) {
  const auto set = [](const char* key, Value value) {
    return [=](Value& c) { c.set(key, value); };
  };
  EXPECT_THAT(error_with(set("model_type", "gpt2")), HasSubstr("model_type 'gpt2' is not a Llama"));
  EXPECT_THAT(error_with(set("hidden_act", "gelu")), HasSubstr("hidden_act 'gelu' is not silu"));
  EXPECT_THAT(error_with(set("quantization_config", Value::table())), HasSubstr("quantised"));
  EXPECT_THAT(error_with(set("num_hidden_layers", 0)), HasSubstr("layers is 0"));
  EXPECT_THAT(error_with(set("num_attention_heads", 0)), HasSubstr("heads is 0"));
  EXPECT_THAT(error_with(set("num_key_value_heads", 3)),
              HasSubstr("4 heads cannot share 3 KV heads evenly"));
  EXPECT_THAT(error_with(set("head_dim", 7)), HasSubstr("head width 7 is odd"));
  EXPECT_THAT(error_with(set("hidden_size", "wide")), HasSubstr("config.json: hidden_size: "));
  EXPECT_THAT(error_with(set("hidden_size", Value())), HasSubstr("'hidden_size' is missing"));
  EXPECT_THAT(error_with(set("hidden_size", std::int64_t{1} << 40)), HasSubstr("width is"));
  EXPECT_THAT(error_with(set("partial_rotary_factor", 0.5)), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(error_with([](Value& c) {
                c.set("model_type", "mistral");
                c.set("sliding_window", 16);
              }),
              HasSubstr("sliding_window 16 is shorter than the context 64"));
  Value yarn = Value::table();
  yarn.set("rope_type", "yarn");
  yarn.set("factor", 2.0);
  EXPECT_THAT(error_with(set("rope_parameters", yarn)), HasSubstr("'yarn' is not supported"));
  std::ofstream(folder_ / "config.json") << "{";
  EXPECT_THAT(error_of([&] { (void)open(folder_); }), HasSubstr("config.json:1:"));
  std::filesystem::remove(folder_ / "config.json");
  EXPECT_THAT(error_of([&] { (void)open(folder_); }), HasSubstr("config.json"));
}

TEST_F(Checkpoints, AMistralWithoutAWindowRuns) {
  write_config([](Value& c) {
    c.set("model_type", "mistral");
    c.set("sliding_window", Value());
  });
  const at::Tensor tokens = at::arange(20).view({1, 20});
  EXPECT_TRUE(at::equal(logits(*open(folder_), tokens), logits(*open(fixture("tiny")), tokens)));
}

TEST_F(Checkpoints, TensorsThatDoNotFitAreSaid) {
  const auto error_after = [&](const std::function<void(saffron::NamedTensors&)>& change) {
    write_tensors(change);
    return error_of([&] { (void)open(folder_); });
  };
  const auto position = [](const saffron::NamedTensors& tensors, std::string_view name) {
    return std::find_if(tensors.begin(), tensors.end(),
                        [&](const auto& entry) { return entry.first == name; }) -
           tensors.begin();
  };
  EXPECT_THAT(
      error_after([](auto& t) {
        t.emplace_back("model.layers.0.self_attn.q_norm.weight", at::zeros({8}));
      }),
      HasSubstr("'model.layers.0.self_attn.q_norm.weight' has no place in a Llama decoder"));
  EXPECT_THAT(error_after([&](auto& t) {
                t.pop_back();
                t[position(t, "model.norm.weight")].second = at::zeros({31});
              }),
              HasSubstr("'model.norm.weight' has shape [31], expected [32]"));
  EXPECT_THAT(error_after([&](auto& t) {
                t[position(t, "model.norm.weight")].second = at::zeros({32});
                t.emplace_back("model.layers.1.mlp.down_proj.bias", at::zeros({31}));
              }),
              HasSubstr("'model.layers.1.mlp.down_proj.bias' has shape [31], expected [32]"));
  EXPECT_THAT(error_after([&](auto& t) {
                t.pop_back();
                t.erase(t.begin() + position(t, "lm_head.weight"));
              }),
              HasSubstr("lm_head.weight"));
  write_config([](Value& c) { c.set("tie_word_embeddings", true); });
  EXPECT_EQ(open(folder_)->info().parameters, 23264 - 97 * 32);
}

TEST_F(Checkpoints, FilesThatAreNoModelAreSaid) {
  EXPECT_THAT(error_of([&] { (void)open(folder_ / "absent.gguf"); }), HasSubstr("absent.gguf"));
  EXPECT_THAT(error_of([&] { (void)open(folder_ / "model.safetensors"); }),
              HasSubstr("name the folder that holds it and config.json"));
  std::ofstream(folder_ / "text.gguf") << "not a model at all, only a line of text";
  EXPECT_THAT(error_of([&] { (void)open(folder_ / "text.gguf"); }), HasSubstr("text.gguf"));
  const std::string whole = saffron::read_text(fixture("tiny.gguf"));
  std::ofstream(folder_ / "cut.gguf") << whole.substr(0, whole.size() / 2);
  EXPECT_THAT(error_of([&] { (void)open(folder_ / "cut.gguf"); }), HasSubstr("cut.gguf"));
  std::string other = whole;
  other.replace(other.find("llama"), 5, "bloom");
  std::ofstream(folder_ / "other.gguf") << other;
  EXPECT_THAT(error_of([&] { (void)open(folder_ / "other.gguf"); }),
              HasSubstr("the architecture 'bloom' is not a Llama decoder"));
  std::filesystem::remove(folder_ / "model.safetensors");
  EXPECT_THAT(error_of([&] { (void)open(folder_); }), HasSubstr(folder_.string()));
}

}  // namespace
}  // namespace llama_test
