// IR -> FlatBuffer. The mirror image is package_reader.cc.
#include <algorithm>
#include <map>
#include <tuple>

#include "formats/dim.h"
#include "formats/metadata_schema.h"
#include "formats/package_format.h"

namespace samara {
namespace {

using flatbuffers::Offset;
template <typename T>
using Offsets = Offset<flatbuffers::Vector<Offset<T>>>;
using Text = Offset<flatbuffers::String>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

class Serializer {
 public:
  explicit Serializer(const Package& package) : package_(package) {}

  Status Run(std::string* out);

 private:
  template <typename T, typename F>
  auto Each(const std::vector<T>& items, F write) {
    std::vector<decltype(write(items[0]))> offsets;
    offsets.reserve(items.size());
    // A buffer may not outgrow 2 GiB while it is being built; what is longer than the limit is
    // refused anyway, so its rest is left out.
    for (const T& item : items) {
      if (builder_.GetSize() > kMaxMetadataBytes) break;
      offsets.push_back(write(item));
    }
    return builder_.CreateVector(offsets);
  }
  Text String(const std::string& text) {
    if (text.size() > kMaxMetadataBytes) {
      too_large_ = true;
      return builder_.CreateString("");
    }
    return builder_.CreateString(text);
  }
  template <typename T>
  Offset<flatbuffers::Vector<T>> Numbers(const std::vector<T>& numbers) {
    if (numbers.size() > kMaxMetadataBytes / sizeof(T)) {
      too_large_ = true;
      return builder_.CreateVector(std::vector<T>());
    }
    return builder_.CreateVector(numbers);
  }
  Offsets<fb::Pair> WritePairs(const Pairs& pairs) {
    return Each(pairs, [&](const auto& pair) {
      Text key = String(pair.first), value = String(pair.second);
      return fb::CreatePair(builder_, key, value);
    });
  }
  uint32_t DimIndex(const Dim& dim) {
    auto [found, is_new] = dims_.emplace(dim, static_cast<uint32_t>(dim_list_.size()));
    if (is_new) dim_list_.push_back(dim);
    return found->second;
  }
  uint32_t OpTypeIndex(const Op& op) {
    const OpInfo* info = FindOp(op.code);
    auto key = std::make_tuple(static_cast<uint16_t>(op.code), op.version,
                               info != nullptr ? std::string(info->name) : op.type_name);
    auto [found, is_new] = op_types_.emplace(key, static_cast<uint32_t>(op_type_list_.size()));
    if (is_new) op_type_list_.push_back(key);
    return found->second;
  }

  Offset<fb::Value> WriteValue(const Value& value);
  Offset<fb::Op> WriteOp(const Op& op);
  Offset<fb::Graph> WriteGraph(const Graph& graph);
  Offset<fb::Segment> WriteSegment(const Segment& segment);
  Offset<fb::Weight> WriteWeight(const Weight& weight);
  Offset<fb::State> WriteState(const State& state);
  Offset<fb::Golden> WriteGolden(const Golden& golden);
  Offset<fb::Sampling> WriteSampling(const SamplingDefaults& sampling);
  Offset<fb::Conversation> WriteConversation(const ConversationGolden& conversation);
  Offset<fb::Provenance> WriteProvenance(const Provenance& provenance);
  Offset<fb::Dim> WriteDim(const Dim& dim);

  const Package& package_;
  flatbuffers::FlatBufferBuilder builder_;
  std::map<Dim, uint32_t, DimOrder> dims_;
  std::vector<Dim> dim_list_;
  using OpTypeKey = std::tuple<uint16_t, uint32_t, std::string>;
  std::map<OpTypeKey, uint32_t> op_types_;
  std::vector<OpTypeKey> op_type_list_;
  bool too_large_ = false;
};

Offset<fb::Value> Serializer::WriteValue(const Value& value) {
  std::vector<uint32_t> shape;
  for (int d = 0; d < value.shape.rank; ++d) shape.push_back(DimIndex(value.shape.dims[d]));
  Text name = String(value.name);
  auto shape_offset = Numbers(shape);
  return fb::CreateValue(builder_, name, static_cast<uint16_t>(value.kind),
                         static_cast<uint16_t>(value.dtype), shape_offset, value.index);
}

Offset<fb::Op> Serializer::WriteOp(const Op& op) {
  Text name = String(op.name);
  auto inputs = Numbers(op.inputs), outputs = Numbers(op.outputs);
  auto attrs = Each(op.attrs, [&](const Attr& attr) {
    auto ints = attr.ints.empty() ? Offset<flatbuffers::Vector<int64_t>>() : Numbers(attr.ints);
    return fb::CreateAttr(builder_, static_cast<uint16_t>(attr.key), attr.i, attr.f, ints);
  });
  return fb::CreateOp(builder_, OpTypeIndex(op), name, inputs, outputs, attrs, op.decomposition);
}

Offset<fb::Graph> Serializer::WriteGraph(const Graph& graph) {
  Text name = String(graph.name);
  auto values = Each(graph.values, [&](const Value& value) { return WriteValue(value); });
  auto ops = Each(graph.ops, [&](const Op& op) { return WriteOp(op); });
  std::vector<fb::Port> inputs, outputs;
  for (const GraphInput& input : graph.inputs) {
    inputs.emplace_back(input.value, static_cast<uint16_t>(input.role), uint16_t{0});
  }
  for (const GraphOutput& output : graph.outputs) {
    outputs.emplace_back(output.value, static_cast<uint16_t>(output.role), uint16_t{0});
  }
  auto inputs_offset = builder_.CreateVectorOfStructs(inputs);
  auto outputs_offset = builder_.CreateVectorOfStructs(outputs);
  return fb::CreateGraph(builder_, name, values, ops, inputs_offset, outputs_offset);
}

Offset<fb::Segment> Serializer::WriteSegment(const Segment& segment) {
  Text name = String(segment.name);
  Text external = segment.external.empty() ? Text() : String(segment.external);
  auto hashes = Numbers(segment.chunk_sha256);
  return fb::CreateSegment(builder_, name, segment.offset, segment.bytes, external, hashes);
}

Offset<fb::Weight> Serializer::WriteWeight(const Weight& weight) {
  Text name = String(weight.name);
  auto placements = Each(weight.placements, [&](const WeightPlacement& p) {
    return fb::CreatePlacement(builder_, static_cast<uint16_t>(p.layout), p.version, p.segment,
                               p.offset, p.bytes);
  });
  auto sources = Each(weight.sources, [&](const WeightSource& s) {
    Text tensor = String(s.tensor);
    return fb::CreateSource(builder_, tensor, s.first_row, s.n_rows, s.source_row,
                            static_cast<uint16_t>(s.transform), s.scale);
  });
  const DTypeInfo* info = FindDType(weight.dtype);
  return fb::CreateWeight(builder_, name, static_cast<uint16_t>(weight.dtype),
                          info != nullptr ? info->block_elements : 0,
                          info != nullptr ? info->block_bytes : 0, weight.rows, weight.cols,
                          weight.is_vector, placements, sources);
}

Offset<fb::State> Serializer::WriteState(const State& state) {
  Text name = String(state.name);
  std::vector<fb::StatePart> parts;
  for (const StatePart& part : state.parts) parts.emplace_back(part.heads, part.dim);
  auto parts_offset = builder_.CreateVectorOfStructs(parts);
  return fb::CreateState(builder_, name, static_cast<uint16_t>(state.kind), state.group,
                         parts_offset);
}

Offset<fb::Golden> Serializer::WriteGolden(const Golden& golden) {
  Text entry = String(golden.entry);
  auto ids = Numbers(golden.ids);
  auto hash = Numbers(golden.logits_sha256);
  auto top_ids = Numbers(golden.top_ids);
  auto top_logits = Numbers(golden.top_logits);
  auto ops = Each(golden.ops, [&](const OpGolden& op) {
    auto indices = Numbers(op.indices);
    auto values = Numbers(op.values);
    return fb::CreateOpGolden(builder_, op.op, op.output, op.l2, indices, values);
  });
  return fb::CreateGolden(builder_, entry, ids, hash, top_ids, top_logits, ops);
}

Offset<fb::Sampling> Serializer::WriteSampling(const SamplingDefaults& sampling) {
  auto eos = Numbers(sampling.eos_ids);
  return fb::CreateSampling(builder_, sampling.temperature, sampling.top_k, sampling.top_p,
                            sampling.min_p, sampling.repetition_penalty, eos);
}

Offset<fb::Conversation> Serializer::WriteConversation(const ConversationGolden& conversation) {
  Text name = String(conversation.name), json = String(conversation.json);
  auto results = Each(conversation.results, [&](const RenderedGolden& r) {
    Text text = r.text.empty() ? Text() : String(r.text);
    auto hash = Numbers(r.sha256);
    return fb::CreateRenderedGolden(builder_, r.index, r.refused, text, r.bytes, hash);
  });
  return fb::CreateConversation(builder_, name, json, conversation.time, results);
}

Offset<fb::Provenance> Serializer::WriteProvenance(const Provenance& provenance) {
  Text converter = String(provenance.converter), license = String(provenance.license);
  auto sources = WritePairs(provenance.source_sha256);
  auto options = WritePairs(provenance.options);
  return fb::CreateProvenance(builder_, converter, license, sources, options);
}

Offset<fb::Dim> Serializer::WriteDim(const Dim& dim) {
  std::vector<fb::Term> terms;
  for (uint32_t i = 0; i < dim.n_terms && i < kMaxTerms; ++i) {
    terms.emplace_back(dim.terms[i].symbol, 0u, dim.terms[i].coefficient);
  }
  auto terms_offset = terms.empty() ? 0 : builder_.CreateVectorOfStructs(terms);
  return fb::CreateDim(builder_, dim.constant, dim.divisor, terms_offset);
}

Status Serializer::Run(std::string* out) {
  const Package& p = package_;
  auto features = Each(p.required_features, [&](const std::string& text) { return String(text); });
  Text name = String(p.name);
  auto symbols = Each(p.symbols, [&](const Symbol& s) {
    Text symbol_name = String(s.name);
    return fb::CreateSymbol(builder_, symbol_name, static_cast<uint16_t>(s.kind), s.group, s.min,
                            s.max);
  });
  auto segments = Each(p.segments, [&](const Segment& s) { return WriteSegment(s); });
  auto weights = Each(p.weights, [&](const Weight& w) { return WriteWeight(w); });
  auto groups = Each(p.groups, [&](const StateGroup& g) {
    Text group_name = String(g.name);
    return fb::CreateStateGroup(builder_, group_name, DimIndex(g.slots), g.window, g.rewind_limit,
                                g.checkpoints);
  });
  auto states = Each(p.states, [&](const State& s) { return WriteState(s); });
  auto functions = Each(p.functions, [&](const Graph& g) { return WriteGraph(g); });
  auto entries = Each(p.entries, [&](const Graph& g) { return WriteGraph(g); });
  Offset<fb::Tokenizer> tokenizer;
  if (p.tokenizer_segment >= 0) {
    tokenizer = fb::CreateTokenizer(builder_, static_cast<uint32_t>(p.tokenizer_segment),
                                    p.tokenizer_vocab);
  }
  auto templates = Each(p.templates, [&](const ChatTemplate& t) {
    Text template_name = String(t.name), source = String(t.source);
    auto tree = Numbers(t.tree);
    return fb::CreateChatTemplate(builder_, template_name, source, tree);
  });
  auto sampling = WriteSampling(p.sampling);
  auto goldens = Each(p.goldens, [&](const Golden& g) { return WriteGolden(g); });
  auto provenance = WriteProvenance(p.provenance);
  auto metadata = WritePairs(p.metadata);
  auto variables = WritePairs(p.template_variables);
  auto conversations =
      Each(p.conversations, [&](const ConversationGolden& c) { return WriteConversation(c); });
  auto dims = Each(dim_list_, [&](const Dim& dim) { return WriteDim(dim); });
  auto op_types = Each(op_type_list_, [&](const OpTypeKey& type) {
    Text type_name = String(std::get<2>(type));
    return fb::CreateOpType(builder_, std::get<0>(type), std::get<1>(type), type_name);
  });
  auto root = fb::CreatePackage(builder_, features, name, p.trained_context, p.vocab, symbols, dims,
                                op_types, segments, weights, groups, states, functions, entries,
                                tokenizer, templates, sampling, goldens, provenance, metadata,
                                /*compiled=*/0, variables, conversations);
  fb::FinishPackageBuffer(builder_, root);
  if (too_large_ || builder_.GetSize() > kMaxMetadataBytes) {
    return ResourceExhausted("metadata of package %s is larger than %llu bytes",
                             Quoted(p.name).c_str(),
                             static_cast<unsigned long long>(kMaxMetadataBytes));
  }
  out->assign(reinterpret_cast<const char*>(builder_.GetBufferPointer()), builder_.GetSize());
  return Status();
}

}  // namespace

Status SerializeMetadata(const Package& package, std::string* out) {
  return Serializer(package).Run(out);
}

}  // namespace samara
