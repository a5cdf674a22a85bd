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

// What the plan says about itself: which layers go where.
void CollectLine(void* user, samara_log_level, const char* line) {
  static_cast<std::vector<std::string>*>(user)->push_back(line);
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
  samara_model_options options = flags.Options();
  std::vector<std::string> lines;
  options.log = CollectLine;
  options.user = &lines;
  std::vector<Item> items;
  uint64_t counted = 0;
  const samara_status status = samara_plan(path.c_str(), &options, Collect, &items, &counted);
  if (status != SAMARA_OK) {
    if (json != nullptr) json->Number("null");
    return FailLibrary(status, path);
  }
  uint64_t mapped = 0, device = 0;
  for (const Item& item : items) {
    mapped += item.kind == SAMARA_MEMORY_MAPPED ? item.bytes : 0;
    device += item.kind == SAMARA_MEMORY_DEVICE ? item.bytes : 0;
  }
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
    json->Member("device", device);
    json->Member("mapped", mapped);
    json->Key("notes");
    json->BeginArray();
    for (const std::string& line : lines) json->String(line);
    json->EndArray();
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
    if (device != 0) {
      *text += "device   " + Count(device) + " bytes (" + BytesText(device) +
               ") of these: memory of the device\n";
    }
    *text += "mapped   " + Count(mapped) + " bytes (" + BytesText(mapped) +
             "): pages of the file, which the system may take back\n";
  }
  if (json == nullptr) {
    for (const std::string& line : lines) *text += "note     " + Escaped(line) + "\n";
  }
  if (!over) return kExitOk;
  return Fail(kExitFailed,
              "counted memory is " + Count(counted) + " bytes, the budget " +
                  Count(flags.run.memory_budget),
              "lower --ctx, --batch or --sessions");
}

int PrintDevices(JsonWriter* json, std::string* text) {
  struct Row {
    std::string backend, name, unusable;
    uint64_t memory;
    bool automatic;
  };
  std::vector<Row> rows;
  const samara_status status = samara_devices(
      [](void* user, const samara_device* d) {
        static_cast<std::vector<Row>*>(user)->push_back(
            {d->backend, d->name, d->unusable, d->memory, d->automatic != 0});
      },
      &rows);
  if (status != SAMARA_OK) {
    if (json != nullptr) json->Number("null");
    return FailLibrary(status, "");
  }
  bool first = true;  // of those that "auto" may take
  Table table;
  if (json != nullptr) json->BeginArray();
  for (const Row& row : rows) {
    const bool usable = row.unusable.empty();
    const bool taken = usable && row.automatic && first;
    first = first && !taken;
    if (json != nullptr) {
      json->BeginObject(true);
      json->Member("backend", row.backend);
      json->Member("name", row.name);
      json->Member("memory", row.memory);
      json->Member("usable", usable);
      json->Member("auto", taken);
      if (!usable) json->Member("reason", row.unusable);
      json->EndObject();
      continue;
    }
    table.Row({Escaped(row.backend), usable ? taken ? "auto" : "usable" : "absent",
               row.memory == 0 ? "-" : BytesText(row.memory),
               usable ? Escaped(row.name)
                      : Escaped(row.name + (row.name.empty() ? "" : ": ") + row.unusable)});
  }
  if (json != nullptr) {
    json->EndArray();
  } else {
    *text += "devices: --backend, use, memory, name\n" + table.Text();
  }
  return kExitOk;
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
