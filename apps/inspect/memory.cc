#include "apps/inspect/sections.h"

namespace samara::apps {
namespace {

struct Item {
  std::string name;
  uint64_t bytes;
  uint32_t alignment;
  samara_memory_class kind;
  bool per_session;
};

const char* ClassName(samara_memory_class kind) {
  switch (kind) {
    case SAMARA_MEMORY_HEAP:
      return "heap";
    case SAMARA_MEMORY_DEVICE:
      return "device";
    case SAMARA_MEMORY_STACK:
      return "stack";
    case SAMARA_MEMORY_MAPPED:
      return "mapped";
  }
  return "unknown";
}

void Collect(void* user, const samara_memory_item* item) {
  static_cast<std::vector<Item>*>(user)->push_back(
      {item->name, item->bytes, item->alignment, item->kind, item->per_session != 0});
}

}  // namespace

samara_model_options LoadFlags::Options() const {
  samara_model_options options = run.Options();
  options.n_chunk = batch;
  options.max_sessions = sessions;
  return options;
}

int PrintMemory(const std::string& path, const LoadFlags& flags, JsonWriter* json,
                std::string* text) {
  const samara_model_options options = flags.Options();
  std::vector<Item> items;
  uint64_t counted = 0;
  const samara_status status = samara_plan(path.c_str(), &options, Collect, &items, &counted);
  if (status != SAMARA_OK) {
    if (json != nullptr) json->Number("null");
    return FailLibrary(status, path);
  }
  uint64_t mapped = 0;
  for (const Item& item : items) mapped += item.kind == SAMARA_MEMORY_MAPPED ? item.bytes : 0;
  const bool over = flags.run.memory_budget != 0 && counted > flags.run.memory_budget;
  if (json != nullptr) {
    json->BeginObject();
    json->Key("items");
    json->BeginArray();
    for (const Item& item : items) {
      json->BeginObject(true);
      json->Member("name", item.name);
      json->Member("bytes", item.bytes);
      json->Member("alignment", item.alignment);
      json->Member("kind", ClassName(item.kind));
      json->Member("per_session", item.per_session);
      json->EndObject();
    }
    json->EndArray();
    json->Member("counted", counted);
    json->Member("mapped", mapped);
    json->EndObject();
  } else {
    Table table;
    for (const Item& item : items) {
      table.Row({Count(item.bytes), ClassName(item.kind), item.per_session ? "session" : "model",
                 Escaped(item.name)});
    }
    *text += "memory: bytes, kind, lifetime, name\n" + table.Text();
    *text += "counted  " + Count(counted) + " bytes (" + BytesText(counted) +
             "): allocated by the library\n";
    *text += "mapped   " + Count(mapped) + " bytes (" + BytesText(mapped) +
             "): pages of the file, which the system may take back\n";
  }
  if (!over) return kExitOk;
  return Fail(kExitFailed,
              "counted memory is " + Count(counted) + " bytes, the budget " +
                  Count(flags.run.memory_budget),
              "lower --ctx, --batch or --sessions");
}

int PrintVerify(const std::string& path, const LoadFlags& flags, JsonWriter* json,
                std::string* text) {
  const samara_model_options options = flags.Options();
  std::vector<std::string> lines;
  const samara_status status = samara_verify(
      path.c_str(), &options,
      [](void* user, const char* line) {
        static_cast<std::vector<std::string>*>(user)->push_back(line);
      },
      &lines);
  if (json != nullptr) {
    json->BeginObject();
    json->Member("ok", status == SAMARA_OK);
    json->Key("goldens");
    json->BeginArray();
    for (const std::string& line : lines) json->String(line);
    json->EndArray();
    json->EndObject();
  } else {
    for (const std::string& line : lines) *text += "verify: " + line + "\n";
    if (status == SAMARA_OK && lines.empty()) *text += "verify: the package holds no goldens\n";
    if (status == SAMARA_OK && !lines.empty()) *text += "verify: all as recorded\n";
  }
  return status == SAMARA_OK ? kExitOk : FailLibrary(status, path);
}

}  // namespace samara::apps
