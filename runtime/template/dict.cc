// Dicts in the order of insertion. String keys of larger ones are found by hash.
#include <algorithm>

#include "runtime/template/evaluator.h"

namespace samara::template_runtime {
namespace {

constexpr uint32_t kSmall = 8;  // entries without an index

uint32_t Hash(std::string_view s) {
  uint64_t h = 0xCBF29CE484222325u;
  for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return static_cast<uint32_t>(h ^ h >> 32);
}

}  // namespace

bool Evaluator::NewDict(uint32_t capacity, Value* out, uint8_t flags) {
  Dict* dict = Make<Dict>();
  if (!dict) return false;
  *dict = {nullptr, 0, 0, nullptr, 0};
  if (capacity > 0) {
    dict->entries = Make<Entry>(capacity);
    if (!dict->entries) return false;
    dict->capacity = capacity;
  }
  *out = Value();
  out->kind = Kind::kDict;
  out->flags = flags;
  out->dict = dict;
  return true;
}

bool Evaluator::Hashable(const Value& key) {
  switch (key.kind) {
    case Kind::kDict:
    case Kind::kNamespace:
      return Fail("unhashable type as a key");
    case Kind::kList:
      if (key.list->kind != ListKind::kTuple) return Fail("unhashable type as a key");
      for (uint32_t i = 0; i < key.list->n; ++i) {
        if (!Deeper() || !Hashable(key.list->items[i])) return false;
        Shallower();
      }
      return true;
    default:
      return true;
  }
}

Entry* Evaluator::DictFindText(const Dict& dict, std::string_view key) {
  if (!dict.index) {
    for (uint32_t i = 0; i < dict.n; ++i) {
      Entry& entry = dict.entries[i];
      if (entry.key.IsString() && entry.key.text() == key) return &entry;
    }
    return nullptr;
  }
  uint32_t probes = 0;
  for (uint32_t slot = Hash(key) & (dict.index_size - 1);;
       slot = (slot + 1) & (dict.index_size - 1)) {
    const uint32_t index = dict.index[slot];
    if (index == 0) break;
    Entry& entry = dict.entries[index - 1];
    if (entry.key.text() == key) return &entry;
    if (++probes % 16 == 0 && !Steps(16)) break;
  }
  return nullptr;
}

bool Evaluator::DictFind(const Dict& dict, const Value& key, Entry** out) {
  *out = nullptr;
  if (!Hashable(key)) return false;
  if (key.IsString()) {
    if (!Work(key.n)) return false;
    *out = DictFindText(dict, key.text());
    return !failed();
  }
  for (uint32_t i = 0; i < dict.n; ++i) {
    if (dict.entries[i].key.IsString()) {
      if (i % 16 == 0 && !Steps(1)) return false;
      continue;
    }
    bool equal = false;
    if (!Equal(dict.entries[i].key, key, &equal)) return false;
    if (equal) {
      *out = &dict.entries[i];
      break;
    }
  }
  return true;
}

bool Evaluator::DictGrow(Dict* dict) {
  if (dict->capacity > kMaxElements) return Exhausted();
  if (dict->n == dict->capacity) {
    const uint32_t capacity = std::max(4u, dict->capacity * 2);
    Entry* entries = Make<Entry>(capacity);
    if (!entries) return false;
    std::copy(dict->entries, dict->entries + dict->n, entries);
    dict->entries = entries;
    dict->capacity = capacity;
  }
  if (dict->n >= kSmall && (dict->n + 1) * 2 > dict->index_size) {
    uint32_t size = 32;
    while (size < std::max(dict->capacity, dict->n + 1) * 2) size *= 2;
    dict->index = Make<uint32_t>(size);
    if (!dict->index) return false;
    dict->index_size = size;
    for (uint32_t i = 0; i < dict->n; ++i) {
      if (!dict->entries[i].key.IsString()) continue;
      uint32_t slot = Hash(dict->entries[i].key.text()) & (size - 1);
      for (; dict->index[slot] != 0; slot = (slot + 1) & (size - 1)) {
        if (!Steps(1)) return false;
      }
      dict->index[slot] = i + 1;
    }
    return Steps(dict->n);
  }
  return true;
}

bool Evaluator::DictSet(Dict* dict, const Value& key, const Value& value) {
  Entry* found = nullptr;
  if (!DictFind(*dict, key, &found)) return false;
  if (found) {
    found->value = value;
    return true;
  }
  if (!DictGrow(dict)) return false;
  if (dict->index && key.IsString()) {
    uint32_t slot = Hash(key.text()) & (dict->index_size - 1);
    while (dict->index[slot] != 0) slot = (slot + 1) & (dict->index_size - 1);
    dict->index[slot] = dict->n + 1;
  }
  dict->entries[dict->n++] = {key, value};
  return true;
}

bool Evaluator::DictCopy(const Dict& from, uint32_t capacity, Value* out, uint8_t flags) {
  if (!NewDict(std::max(from.n, capacity), out, flags)) return false;
  for (uint32_t i = 0; i < from.n; ++i) {
    if (!DictSet(out->dict, from.entries[i].key, from.entries[i].value)) return false;
  }
  return true;
}

}  // namespace samara::template_runtime
