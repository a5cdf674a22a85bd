#include "converter/convert.h"

#include <chrono>
#include <climits>
#include <cstdlib>
#include <utility>

#include "converter/chat_templates.h"
#include "converter/decompositions.h"
#include "converter/output_file.h"
#include "converter/passes/passes.h"
#include "converter/pipeline.h"
#include "converter/source.h"
#include "formats/package_format.h"

namespace samara {
namespace {

constexpr char kConverter[] = "samara-convert " SAMARA_VERSION;

// The output may not lie in the source: a failed or repeated conversion must never touch what it
// reads.
Status CheckApart(const std::string& source, const std::string& output) {
  const size_t slash = output.rfind('/');
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : output.substr(0, slash);
  char from[PATH_MAX], to[PATH_MAX];
  if (realpath(source.c_str(), from) == nullptr || realpath(parent.c_str(), to) == nullptr)
    return Status();
  const std::string inside = std::string(to) + "/", root = std::string(from) + "/";
  if (inside.starts_with(root) || source == output) {
    return InvalidArgument(
        "output %s: got a path inside the source directory, wanted one outside it",
        Quoted(output, 200).c_str());
  }
  return Status();
}

void Summarize(const Package& package, const std::vector<Model::TypeNote>& notes,
               ConvertSummary* summary) {
  for (const Weight& weight : package.weights) {
    ConvertSummary::Type* type = nullptr;
    for (ConvertSummary::Type& present : summary->types) {
      if (present.dtype == weight.dtype) type = &present;
    }
    if (type == nullptr) {
      summary->types.emplace_back();
      type = &summary->types.back();
      type->dtype = weight.dtype;
    }
    ++type->weights;
    type->elements += weight.rows * weight.cols;
    type->bytes += weight.placements[0].bytes;
    summary->parameters += weight.rows * weight.cols;
  }
  for (const Model::TypeNote& note : notes)
    summary->exceptions.push_back({note.count, note.what, note.dtype});
  summary->name = package.name;
  for (const ChatTemplate& chat : package.templates) summary->templates.push_back(chat.name);
  summary->conversations = package.conversations.size();
  summary->goldens = package.goldens.size();
}

// The first of config.json's, by which the family was found.
std::string Architecture(const Source& source) {
  for (const Json name : source.config.root().Find("architectures")) {
    const StatusOr<std::string_view> text = name.String();
    if (text.ok()) return std::string(*text);
  }
  return source.family->name;
}

void Describe(const Source& source, const ConvertOptions& options, Package* package) {
  package->name = source.name;
  package->provenance.converter = kConverter;
  package->provenance.license = source.license;
  package->provenance.source_sha256 = source.sha256;
  package->provenance.options = {
      {"quant", !options.quant.name.empty()                ? options.quant.name
                : options.quant.base == DType::kInvalid ? "source"
                                                        : DTypeName(options.quant.base)}};
  for (const QuantChoice::Override& o : options.quant.overrides)
    package->provenance.options.emplace_back("tensor_type", o.pattern + "=" + DTypeName(o.dtype));
  if (!options.templates) package->provenance.options.emplace_back("templates", "left out");
  package->metadata.emplace_back("architecture", Architecture(source));
  if (!source.license.empty()) package->metadata.emplace_back("license", source.license);
}

// Takes the vocabulary from the source, as it is the largest part by far.
StatusOr<std::vector<uint8_t>> TakeTokenizer(Source* source, TokenizerSummary* summary) {
  const Json config = source->has_tokenizer_config ? source->tokenizer_config.root() : Json();
  const Json* given = source->has_tokenizer_config ? &config : nullptr;
  auto tables = source->vocabulary != nullptr
                    ? CompileTokenizer(std::move(*source->vocabulary), source->tokenizer.root(),
                                       given, summary)
                    : CompileTokenizer(source->tokenizer.root(), given, summary);
  source->vocabulary = nullptr;
  source->tokenizer = JsonDocument();
  return tables;
}

}  // namespace

Status BuildModel(const Source& source, const QuantChoice& quant, Model* model,
                  std::vector<GraphBuilder::Dropped>* dropped) {
  GraphBuilder builder(&source.checkpoint);
  uint64_t trained_context = 0;
  SAMARA_RETURN_IF_ERROR(source.family->build(source.config.root(), &builder, &trained_context));
  SAMARA_RETURN_IF_ERROR(builder.Finish(model, dropped));
  model->package.trained_context = trained_context;
  SAMARA_RETURN_IF_ERROR(RunPasses(quant, model));
  SAMARA_RETURN_IF_ERROR(AssignPlacements(model));
  return AddDecompositions(&model->package);
}

StatusOr<ConversionPlan> PlanConversion(const std::string& path, const QuantChoice& quant) {
  Source source;
  SAMARA_RETURN_IF_ERROR(OpenSource(path, &source));
  Model model;
  ConversionPlan plan;
  SAMARA_RETURN_IF_ERROR(BuildModel(source, quant, &model, &plan.dropped));
  plan.package = std::move(model.package);
  plan.package.name = source.name;
  return plan;
}

StatusOr<ConvertSummary> Convert(const ConvertOptions& options) {
  SAMARA_RETURN_IF_ERROR(CheckOutputPath(options.output));
  SAMARA_RETURN_IF_ERROR(CheckApart(options.source, options.output));
  Source source;
  SAMARA_RETURN_IF_ERROR(OpenSource(options.source, &source));

  // Everything that can be refused is refused before a byte is written.
  ConvertSummary summary;
  summary.architecture = Architecture(source);
  Model model;
  SAMARA_RETURN_IF_ERROR(BuildModel(source, options.quant, &model, &summary.dropped));
  Package& package = model.package;
  SAMARA_ASSIGN_OR_RETURN(const std::vector<uint8_t> tables,
                          TakeTokenizer(&source, &summary.tokenizer));
  if (summary.tokenizer.vocab > package.vocab) {
    return InvalidFile(
        "tokenizer.json: got %u ids, wanted at most the %u of config.json's vocab_size",
        summary.tokenizer.vocab, package.vocab);
  }
  package.tokenizer_vocab = summary.tokenizer.vocab;
  SAMARA_RETURN_IF_ERROR(
      ReadSampling(source, package.vocab, summary.tokenizer.eos, &package.sampling));
  if (options.templates) {
    SourceTemplates chat;
    SAMARA_RETURN_IF_ERROR(ReadTemplates(&source, &chat));
    SAMARA_RETURN_IF_ERROR(CompileTemplates(&chat));
    package.templates = std::move(chat.templates);
    package.template_variables = std::move(chat.variables);
  }
  Describe(source, options, &package);

  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file,
                          OutputFile::Create(options.output));
  PackageWriter writer(file.get());
  SAMARA_RETURN_IF_ERROR(writer.Begin());
  SAMARA_RETURN_IF_ERROR(writer.BeginSegment("weights"));
  const auto start = std::chrono::steady_clock::now();
  StreamOptions stream;
  stream.threads = options.threads > 0 ? options.threads : DefaultThreads();
  if (options.progress) {
    stream.progress = [&options](uint64_t done, uint64_t total) {
      options.progress("weights", done, total);
    };
  }
  StreamResult streamed;
  SAMARA_RETURN_IF_ERROR(StreamWeights(model, source.checkpoint, stream, &writer, &streamed));
  SAMARA_RETURN_IF_ERROR(writer.EndSegment());
  SAMARA_RETURN_IF_ERROR(source.checkpoint.CheckUnchanged());
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  summary.source_bytes = streamed.source_bytes;
  summary.flushed = streamed.flushed;

  SAMARA_RETURN_IF_ERROR(writer.BeginSegment("tokenizer"));
  package.tokenizer_segment = static_cast<int32_t>(writer.segment_index());
  SAMARA_RETURN_IF_ERROR(writer.Append(tables.data(), tables.size()));
  SAMARA_RETURN_IF_ERROR(writer.EndSegment());
  SAMARA_RETURN_IF_ERROR(writer.Finish(&package, &summary.file_bytes));
  if (options.goldens) {
    SAMARA_RETURN_IF_ERROR(options.goldens(file->temporary_path(), &package));
    package.segments.clear();
    SAMARA_RETURN_IF_ERROR(writer.Finish(&package, &summary.file_bytes));
  }
  const auto written = std::chrono::steady_clock::now();
  SAMARA_RETURN_IF_ERROR(file->Commit());
  summary.sync_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - written).count();
  Summarize(package, model.type_notes, &summary);
  return summary;
}

}  // namespace samara
