#include <cstring>
#include <map>

#include "apps/inspect/sections.h"

namespace samara::apps {
namespace {

constexpr uint64_t kCompareBytes = uint64_t{1} << 20;

// Differences in the order found, one line each.
class Differences {
 public:
  void Add(std::string line) { lines_.push_back(std::move(line)); }
  void Compare(const std::string& what, const std::string& a, const std::string& b) {
    if (a != b) Add(what + ": " + a + " | " + b);
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

template <typename T>
std::map<std::string, const T*> ByName(const std::vector<T>& list) {
  std::map<std::string, const T*> map;
  for (const T& item : list) map[item.name] = &item;
  return map;
}

std::string WeightText(const Weight& weight) {
  return std::string(DTypeName(weight.dtype)) + " [" + std::to_string(weight.rows) + ", " +
         std::to_string(weight.cols) + "]";
}

// Bytes of the two weights' first placements that differ.
Status DifferingBytes(PackageReader* a, const WeightPlacement& place_a, PackageReader* b,
                      const WeightPlacement& place_b, uint64_t* differing) {
  std::vector<uint8_t> buffer_a(kCompareBytes), buffer_b(kCompareBytes);
  *differing = 0;
  for (uint64_t begin = 0; begin < place_a.bytes; begin += kCompareBytes) {
    const uint64_t n = std::min(kCompareBytes, place_a.bytes - begin);
    SAMARA_RETURN_IF_ERROR(a->ReadSegment(a->package().segments[place_a.segment],
                                          place_a.offset + begin, std::span(buffer_a).first(n)));
    SAMARA_RETURN_IF_ERROR(b->ReadSegment(b->package().segments[place_b.segment],
                                          place_b.offset + begin, std::span(buffer_b).first(n)));
    if (std::memcmp(buffer_a.data(), buffer_b.data(), n) == 0) continue;
    for (uint64_t i = 0; i < n; ++i) *differing += buffer_a[i] != buffer_b[i];
  }
  return Status();
}

Status CompareWeights(PackageReader* a, PackageReader* b, Differences* out) {
  const auto of_a = ByName(a->package().weights), of_b = ByName(b->package().weights);
  for (const auto& [name, weight] : of_a) {
    const auto other = of_b.find(name);
    if (other == of_b.end()) {
      out->Add("weight " + name + ": " + WeightText(*weight) + " | absent");
      continue;
    }
    const Weight& twin = *other->second;
    if (WeightText(*weight) != WeightText(twin)) {
      out->Add("weight " + name + ": " + WeightText(*weight) + " | " + WeightText(twin));
      continue;
    }
    if (weight->placements.empty() || twin.placements.empty()) continue;
    const WeightPlacement& place_a = weight->placements[0];
    const WeightPlacement& place_b = twin.placements[0];
    if (place_a.layout != place_b.layout || place_a.bytes != place_b.bytes) {
      out->Add("weight " + name + ": layout " + LayoutName(place_a.layout) + " | " +
               LayoutName(place_b.layout));
      continue;
    }
    uint64_t differing = 0;
    SAMARA_RETURN_IF_ERROR(DifferingBytes(a, place_a, b, place_b, &differing));
    if (differing != 0) {
      out->Add("weight " + name + ": " + Count(differing) + " of " + Count(place_a.bytes) +
               " bytes differ");
    }
  }
  for (const auto& [name, weight] : of_b) {
    if (of_a.find(name) == of_a.end())
      out->Add("weight " + name + ": absent | " + WeightText(*weight));
  }
  return Status();
}

std::string OpLine(const Op& op) {
  std::string text = op.type_name + "@" + std::to_string(op.version) + " " + op.name + " (";
  for (const ValueId id : op.inputs) text += std::to_string(id) + " ";
  text += ") -> (";
  for (const ValueId id : op.outputs) text += std::to_string(id) + " ";
  text += ")";
  for (const Attr& attr : op.attrs) {
    text += " " + std::to_string(static_cast<int>(attr.key)) + "=" + std::to_string(attr.i) + "/" +
            NineDigits(static_cast<float>(attr.f));
    for (const int64_t i : attr.ints) text += "," + std::to_string(i);
  }
  return text;
}

void CompareGraphs(const Package& a, const Package& b, Differences* out) {
  const auto of_a = ByName(a.entries), of_b = ByName(b.entries);
  for (const auto& [name, graph] : of_a) {
    const auto other = of_b.find(name);
    if (other == of_b.end()) {
      out->Add("graph " + name + ": present | absent");
      continue;
    }
    const auto& ops_a = graph->ops;
    const auto& ops_b = other->second->ops;
    if (ops_a.size() != ops_b.size()) {
      out->Compare("graph " + name + " operators", std::to_string(ops_a.size()),
                   std::to_string(ops_b.size()));
    }
    for (size_t i = 0; i < std::min(ops_a.size(), ops_b.size()); ++i) {
      const std::string line_a = OpLine(ops_a[i]), line_b = OpLine(ops_b[i]);
      if (line_a == line_b) continue;
      out->Add("graph " + name + ", first operator that differs, " + std::to_string(i) + ": " +
               line_a + " | " + line_b);
      break;
    }
  }
  for (const auto& [name, graph] : of_b) {
    if (of_a.find(name) == of_a.end()) out->Add("graph " + name + ": absent | present");
  }
}

void ComparePairs(const char* what, const std::vector<std::pair<std::string, std::string>>& a,
                  const std::vector<std::pair<std::string, std::string>>& b, Differences* out) {
  std::map<std::string, std::pair<std::string, std::string>> merged;
  for (const auto& [key, value] : a) merged[key].first = value;
  for (const auto& [key, value] : b) merged[key].second = value;
  for (const auto& [key, values] : merged) {
    out->Compare(std::string(what) + " " + key, values.first, values.second);
  }
}

Status CompareTokenizers(PackageReader* a, PackageReader* b, Differences* out) {
  const Package& of_a = a->package();
  const Package& of_b = b->package();
  if ((of_a.tokenizer_segment < 0) != (of_b.tokenizer_segment < 0)) {
    out->Compare("tokenizer", of_a.tokenizer_segment < 0 ? "absent" : "present",
                 of_b.tokenizer_segment < 0 ? "absent" : "present");
    return Status();
  }
  if (of_a.tokenizer_segment < 0) return Status();
  const Segment& segment_a = of_a.segments[of_a.tokenizer_segment];
  const Segment& segment_b = of_b.segments[of_b.tokenizer_segment];
  if (segment_a.bytes != segment_b.bytes || segment_a.chunk_sha256 != segment_b.chunk_sha256) {
    out->Add("tokenizer tables differ: " + Count(segment_a.bytes) + " | " + Count(segment_b.bytes) +
             " bytes");
  }
  return Status();
}

}  // namespace

int PrintDiff(PackageReader* a, PackageReader* b, JsonWriter* json, std::string* text) {
  const Package& of_a = a->package();
  const Package& of_b = b->package();
  Differences out;
  out.Compare("name", of_a.name, of_b.name);
  out.Compare("trained context", std::to_string(of_a.trained_context),
              std::to_string(of_b.trained_context));
  out.Compare("vocabulary", std::to_string(of_a.vocab), std::to_string(of_b.vocab));
  CompareGraphs(of_a, of_b, &out);
  Status status = CompareWeights(a, b, &out);
  if (status.ok()) status = CompareTokenizers(a, b, &out);
  out.Compare("sampling temperature", NineDigits(of_a.sampling.temperature),
              NineDigits(of_b.sampling.temperature));
  out.Compare("sampling top-k", std::to_string(of_a.sampling.top_k),
              std::to_string(of_b.sampling.top_k));
  out.Compare("sampling top-p", NineDigits(of_a.sampling.top_p), NineDigits(of_b.sampling.top_p));
  out.Compare("licence", of_a.provenance.license, of_b.provenance.license);
  ComparePairs("option", of_a.provenance.options, of_b.provenance.options, &out);
  ComparePairs("metadata", of_a.metadata, of_b.metadata, &out);

  if (json != nullptr) {
    json->BeginArray();
    for (const std::string& line : out.lines()) json->String(line);
    json->EndArray();
  } else {
    *text += "diff: " + a->path() + " | " + b->path() + "\n";
    for (const std::string& line : out.lines()) {
      *text += "  ";
      AppendEscaped(line, /*keep_line_breaks=*/false, text);
      *text += '\n';
    }
    if (out.lines().empty()) *text += "  no differences\n";
  }
  if (!status.ok()) return FailStatus(status);
  return out.lines().empty() ? kExitOk : kExitFailed;
}

}  // namespace samara::apps
