#include "converter/convert.h"

#include <charconv>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <utility>

#include "converter/chat_templates.h"
#include "converter/decompositions.h"
#include "converter/importance.h"
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

std::string NumberText(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6);
  return std::string(text, end.ptr);
}

std::string FitText(const FitTarget& target) {
  return target.bytes > 0 ? "fit to " + std::to_string(target.bytes) + " bytes"
                          : "fit to " + NumberText(target.bits) + " bits";
}

void Describe(const Source& source, const ConvertOptions& options, Package* package) {
  package->name = source.name;
  package->provenance.converter = kConverter;
  package->provenance.license = source.license;
  package->provenance.source_sha256 = source.sha256;
  package->provenance.options = {{"quant", options.fit ? FitText(options.fit->target)
                                           : !options.quant.name.empty() ? options.quant.name
                                           : options.quant.base == DType::kInvalid
                                               ? "source"
                                               : DTypeName(options.quant.base)}};
  for (const QuantChoice::Override& o : options.quant.overrides)
    package->provenance.options.emplace_back("tensor_type", o.pattern + "=" + DTypeName(o.dtype));
  if (!options.importance.empty()) {
    const size_t slash = options.importance.rfind('/');
    package->provenance.options.emplace_back(
        "importance", options.importance.substr(slash == std::string::npos ? 0 : slash + 1));
  }
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

// The graph as the family wrote it.
Status BuildPlain(const Source& source, Model* model, std::vector<GraphBuilder::Dropped>* dropped) {
  GraphBuilder builder(&source.checkpoint);
  uint64_t trained_context = 0;
  SAMARA_RETURN_IF_ERROR(source.family->build(source.config.root(), &builder, &trained_context));
  SAMARA_RETURN_IF_ERROR(builder.Finish(model, dropped));
  model->package.trained_context = trained_context;
  return Status();
}

// What all packages of one conversion share.
class Conversion {
 public:
  Status Open(const ConvertOptions& options) {
    options_ = &options;
    SAMARA_RETURN_IF_ERROR(CheckApart(options.source, options.output));
    SAMARA_RETURN_IF_ERROR(OpenSource(options.source, &source_));
    if (options.importance.empty()) return Status();
    SAMARA_ASSIGN_OR_RETURN(importance_, Importance::Read(options.importance));
    return Status();
  }
  Source* source() { return &source_; }
  Status Build(const QuantChoice& quant, Model* model,
               std::vector<GraphBuilder::Dropped>* dropped) const {
    SAMARA_RETURN_IF_ERROR(BuildModel(source_, quant, model, dropped));
    return importance_ ? importance_->Check(*model) : Status();
  }
  // Tokenizer and sampling; the same for every model.
  Status ReadRest(uint32_t vocab, TokenizerSummary* summary) {
    SAMARA_ASSIGN_OR_RETURN(tables_, TakeTokenizer(&source_, summary));
    if (summary->vocab > vocab) {
      return InvalidFile(
          "tokenizer.json: got %u ids, wanted at most the %u of config.json's vocab_size",
          summary->vocab, vocab);
    }
    tokenizer_vocab_ = summary->vocab;
    return ReadSampling(source_, vocab, summary->eos, &sampling_);
  }
  void Complete(Package* package) const {
    package->tokenizer_vocab = tokenizer_vocab_;
    package->sampling = sampling_;
  }
  // Everything but goldens; `progress` may be empty.
  Status Write(Model* model, PackageWriter* writer,
               const std::function<void(uint64_t, uint64_t)>& progress, StreamResult* streamed,
               uint64_t* file_bytes) const {
    SAMARA_RETURN_IF_ERROR(writer->Begin());
    SAMARA_RETURN_IF_ERROR(writer->BeginSegment("weights"));
    StreamOptions stream;
    stream.threads = options_->threads > 0 ? options_->threads : DefaultThreads();
    stream.importance = importance_ ? &*importance_ : nullptr;
    stream.progress = progress;
    SAMARA_RETURN_IF_ERROR(StreamWeights(*model, source_.checkpoint, stream, writer, streamed));
    SAMARA_RETURN_IF_ERROR(writer->EndSegment());
    SAMARA_RETURN_IF_ERROR(source_.checkpoint.CheckUnchanged());
    SAMARA_RETURN_IF_ERROR(writer->BeginSegment("tokenizer"));
    model->package.tokenizer_segment = static_cast<int32_t>(writer->segment_index());
    SAMARA_RETURN_IF_ERROR(writer->Append(tables_.data(), tables_.size()));
    SAMARA_RETURN_IF_ERROR(writer->EndSegment());
    return writer->Finish(&model->package, file_bytes);
  }
  // A package in these types, for as long as `use` runs.
  Status WithPackage(const QuantChoice& quant,
                     const std::function<Status(const std::string& path)>& use) const {
    Model model;
    std::vector<GraphBuilder::Dropped> dropped;
    SAMARA_RETURN_IF_ERROR(Build(quant, &model, &dropped));
    Complete(&model.package);
    model.package.name = source_.name;
    SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file,
                            OutputFile::Create(options_->output));
    PackageWriter writer(file.get());
    StreamResult streamed;
    uint64_t bytes = 0;
    SAMARA_RETURN_IF_ERROR(Write(&model, &writer, {}, &streamed, &bytes));
    return use(file->temporary_path());
  }
  StatusOr<QuantChoice> ChooseTypes() const {
    const ConvertOptions::Fit& fit = *options_->fit;
    Model plain;
    std::vector<GraphBuilder::Dropped> dropped;
    SAMARA_RETURN_IF_ERROR(BuildPlain(source_, &plain, &dropped));
    bool ready = false;  // the reference: only once the size is known to be possible
    const auto measure = [&](const QuantChoice& quant) -> StatusOr<double> {
      if (!ready) SAMARA_RETURN_IF_ERROR(WithPackage(QuantChoice(), fit.reference));
      ready = true;
      double loss = 0;
      SAMARA_RETURN_IF_ERROR(WithPackage(quant, [&](const std::string& path) -> Status {
        uint64_t positions = 0;
        SAMARA_ASSIGN_OR_RETURN(loss, fit.divergence(path, &positions));
        return Status();
      }));
      return loss;
    };
    return FitTypes(plain, options_->quant, fit.target, measure,
                    [this](uint64_t done, uint64_t total) {
                      if (options_->progress) options_->progress("fitting", done, total);
                    });
  }

 private:
  const ConvertOptions* options_ = nullptr;
  Source source_;
  std::optional<Importance> importance_;
  std::vector<uint8_t> tables_;
  uint32_t tokenizer_vocab_ = 0;
  SamplingDefaults sampling_;
};

}  // namespace

Status BuildModel(const Source& source, const QuantChoice& quant, Model* model,
                  std::vector<GraphBuilder::Dropped>* dropped) {
  SAMARA_RETURN_IF_ERROR(BuildPlain(source, model, dropped));
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
  Conversion conversion;
  SAMARA_RETURN_IF_ERROR(conversion.Open(options));
  Source& source = *conversion.source();

  // Everything that can be refused is refused before a byte is written.
  ConvertSummary summary;
  summary.architecture = Architecture(source);
  Model model;
  SAMARA_RETURN_IF_ERROR(conversion.Build(options.quant, &model, &summary.dropped));
  SAMARA_RETURN_IF_ERROR(conversion.ReadRest(model.package.vocab, &summary.tokenizer));
  SourceTemplates chat;
  if (options.templates) {
    SAMARA_RETURN_IF_ERROR(ReadTemplates(&source, &chat));
    SAMARA_RETURN_IF_ERROR(CompileTemplates(&chat));
  }
  if (options.fit) {
    SAMARA_ASSIGN_OR_RETURN(const QuantChoice fitted, conversion.ChooseTypes());
    model = Model();
    summary.dropped.clear();
    SAMARA_RETURN_IF_ERROR(conversion.Build(fitted, &model, &summary.dropped));
    model.type_notes.clear();  // every matrix would be one
  }
  Package& package = model.package;
  conversion.Complete(&package);
  package.templates = std::move(chat.templates);
  package.template_variables = std::move(chat.variables);
  Describe(source, options, &package);

  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file,
                          OutputFile::Create(options.output));
  PackageWriter writer(file.get());
  const auto start = std::chrono::steady_clock::now();
  std::function<void(uint64_t, uint64_t)> progress;
  if (options.progress) {
    progress = [&options](uint64_t done, uint64_t total) {
      options.progress("weights", done, total);
    };
  }
  StreamResult streamed;
  SAMARA_RETURN_IF_ERROR(
      conversion.Write(&model, &writer, progress, &streamed, &summary.file_bytes));
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  summary.source_bytes = streamed.source_bytes;
  summary.flushed = streamed.flushed;
  if (options.fit) {
    SAMARA_ASSIGN_OR_RETURN(summary.divergence,
                            options.fit->divergence(file->temporary_path(), &summary.positions));
    package.provenance.options.emplace_back(
        "measured divergence", NumberText(summary.divergence) + " nats from the source on " +
                                   std::to_string(summary.positions) + " tokens of " +
                                   options.fit->text);
  }
  if (options.goldens) SAMARA_RETURN_IF_ERROR(options.goldens(file->temporary_path(), &package));
  if (options.goldens || options.fit) {
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
