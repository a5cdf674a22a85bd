// Filters of lists and dicts.
#include <algorithm>

#include "runtime/template/evaluator.h"

namespace samara::template_runtime {

namespace filter = template_filter;

bool Evaluator::SequenceFilter(uint8_t id, const Value& v, const Value* p, Value* out) {
  Sequence sequence;
  switch (id) {
    case filter::kLength: {
      size_t n = 0;
      bool has_length = false;
      if (!Length(v, &n, &has_length)) return false;
      if (!has_length) return Fail("object of type %s has no len()", TypeName(v));
      return GiveInt(static_cast<int64_t>(n), out);
    }
    case filter::kAttr: {
      bool found = false;
      if (!p[0].IsString()) return FailType("attr: wanted a name", p[0]);
      *out = Undefined(Absence::kField, p[0].text(), v.kind);
      if (v.Is(Kind::kDict) || v.IsString() || v.Is(Kind::kList)) {
        // Only a method can be there; a key is none of them.
        Value whole;
        if (v.Is(Kind::kDict) && DictFindText(*v.dict, p[0].text())) return true;
        if (!GetItem(v.Is(Kind::kDict) ? v : v, p[0], &whole)) return false;
        *out = whole;
        return true;
      }
      return Attribute(v, p[0].text(), template_method::kNone, out, &found);
    }
    case filter::kItems:
      if (v.Is(Kind::kUndefined)) {
        const size_t mark = Mark();
        return TakeList(mark, ListKind::kIterator, out);
      }
      if (!v.Is(Kind::kDict)) return Fail("Can only get item pairs from a mapping.");
      if (!DictList(v, ListKind::kItems, out)) return false;
      out->list->kind = ListKind::kIterator;
      return true;
    case filter::kJoin: {
      Value separator = String("");
      if (!p[0].missing() && !ToString(p[0], &separator)) return false;
      return JoinStrings(separator, v, true, p[1], out);
    }
    case filter::kFirst:
    case filter::kLast:
      if (id == filter::kLast && v.Is(Kind::kList) && v.list->kind == ListKind::kIterator) {
        return Fail("generator object is not reversible");
      }
      if (!Iterate(v, &sequence)) return false;
      if (sequence.n > 0) return At(sequence, id == filter::kFirst ? 0 : sequence.n - 1, out);
      *out = Undefined(Absence::kHint, id == filter::kFirst ? "No first item, sequence was empty."
                                                            : "No last item, sequence was empty.");
      return true;
    case filter::kList:
    case filter::kReverse: {
      const bool reverse = id == filter::kReverse;
      if (reverse && v.IsString()) {
        const Value bounds[3] = {Value(), Value(), Int(-1)};
        return Slice(v, bounds, out);
      }
      if (!Iterate(v, &sequence)) return false;
      const size_t mark = Mark();
      for (uint32_t i = 0; i < sequence.n; ++i) {
        Value item;
        if (!At(sequence, reverse ? sequence.n - 1 - i : i, &item) || !Push(item)) return false;
      }
      // What cannot be gone through backwards becomes a list.
      const bool iterator = reverse && !(v.Is(Kind::kList) && v.list->kind == ListKind::kIterator);
      return TakeList(mark, iterator ? ListKind::kIterator : ListKind::kList, out,
                      v.flags & kFlagData);
    }
    case filter::kSort:
      return FilterSort(v, p[2], Truth(p[0]), Truth(p[1]), out);
    case filter::kDictSort:
      return FilterDictSort(v, p, out);
    case filter::kUnique:
      return FilterUnique(v, p, out);
    case filter::kMin:
    case filter::kMax:
      return FilterExtreme(v, p, id == filter::kMax, out);
    default:
      return FilterSum(v, p, out);
  }
}

bool Evaluator::SortKey(const Value& v, bool case_sensitive, Value* out) {
  if (case_sensitive || !v.IsString()) return *out = v, true;
  return ChangeCase(v, template_method::kLower, out);
}

bool Evaluator::SortPairs(Value* pairs, uint32_t n, bool reverse) {
  Value* other = Make<Value>(size_t{n} * 2);
  if (!other) return false;
  Value *from = pairs, *to = other;
  const auto move = [&](uint32_t at, uint32_t i) {
    to[2 * at] = from[2 * i];
    to[2 * at + 1] = from[2 * i + 1];
  };
  for (uint64_t width = 1; width < n; width *= 2) {
    if (!Steps(n)) return false;
    for (uint64_t begin = 0; begin < n; begin += 2 * width) {
      const uint32_t middle = static_cast<uint32_t>(std::min<uint64_t>(begin + width, n));
      const uint32_t end = static_cast<uint32_t>(std::min<uint64_t>(begin + 2 * width, n));
      uint32_t left = static_cast<uint32_t>(begin), right = middle, at = left;
      while (left < middle && right < end) {
        int order = 0;
        if (!Order(from[2 * right], from[2 * left], "<", &order)) return false;
        // Equal ones stay in their order.
        const bool take_right = reverse ? order == 1 : order == -1;
        move(at++, take_right ? right++ : left++);
      }
      while (left < middle) move(at++, left++);
      while (right < end) move(at++, right++);
    }
    std::swap(from, to);
  }
  if (from != pairs) std::copy(from, from + size_t{n} * 2, pairs);
  return true;
}

bool Evaluator::FilterSort(const Value& v, const Value& path, bool reverse, bool case_sensitive,
                           Value* out) {
  Sequence sequence;
  if (path.IsString() && path.text().find(',') != std::string_view::npos) {
    return FailUnsupported("sorting by several attributes");
  }
  if (!Iterate(v, &sequence)) return false;
  size_t mark = Mark();
  for (uint32_t i = 0; i < sequence.n; ++i) {
    Value item, looked, key;
    if (!At(sequence, i, &item)) return false;
    if (!GetPath(item, path, Value(), &looked) || !SortKey(looked, case_sensitive, &key)) {
      return false;
    }
    if (!Push(key) || !Push(item)) return false;
  }
  Value pairs;
  if (!TakeList(mark, ListKind::kList, &pairs) ||
      !SortPairs(pairs.list->items, sequence.n, reverse)) {
    return false;
  }
  mark = Mark();
  for (uint32_t i = 0; i < sequence.n; ++i) {
    if (!Push(pairs.list->items[2 * i + 1])) return false;
  }
  return TakeList(mark, ListKind::kList, out, v.flags & kFlagData);
}

bool Evaluator::FilterDictSort(const Value& v, const Value* p, Value* out) {
  // case_sensitive, by, reverse
  if (v.Is(Kind::kUndefined)) return FailUndefined(v);
  if (!v.Is(Kind::kDict)) return FailType("dictsort: wanted a dict", v);
  const std::string_view by = p[1].missing() ? "key" : p[1].IsString() ? p[1].text() : "";
  if (by != "key" && by != "value") {
    return Fail("You can only sort by either \"key\" or \"value\"");
  }
  Value items, pairs;
  if (!DictList(v, ListKind::kItems, &items)) return false;
  const uint32_t n = items.list->n;
  const size_t mark = Mark();
  for (uint32_t i = 0; i < n; ++i) {
    const Value& item = items.list->items[i];
    Value key;
    if (!SortKey(item.list->items[by == "value"], Truth(p[0]), &key) || !Push(key) || !Push(item)) {
      return false;
    }
  }
  if (!TakeList(mark, ListKind::kList, &pairs) || !SortPairs(pairs.list->items, n, Truth(p[2]))) {
    return false;
  }
  for (uint32_t i = 0; i < n; ++i) items.list->items[i] = pairs.list->items[2 * i + 1];
  items.list->kind = ListKind::kList;
  *out = items;
  return true;
}

bool Evaluator::FilterUnique(const Value& v, const Value* p, Value* out) {
  // case_sensitive, attribute
  Sequence sequence;
  Value seen;
  if (!Iterate(v, &sequence) || !NewDict(0, &seen)) return false;
  const size_t mark = Mark();
  for (uint32_t i = 0; i < sequence.n; ++i) {
    Value item, looked, key;
    Entry* found = nullptr;
    if (!At(sequence, i, &item) || !GetPath(item, p[1], Value(), &looked) ||
        !SortKey(looked, Truth(p[0]), &key) || !DictFind(*seen.dict, key, &found)) {
      return false;
    }
    if (!found && (!DictSet(seen.dict, key, item) || !Push(item))) return false;
  }
  return TakeList(mark, ListKind::kIterator, out);
}

bool Evaluator::FilterExtreme(const Value& v, const Value* p, bool largest, Value* out) {
  // case_sensitive, attribute
  Sequence sequence;
  if (!Iterate(v, &sequence)) return false;
  *out = Undefined(Absence::kHint, "No aggregated item, sequence was empty.");
  Value best;
  for (uint32_t i = 0; i < sequence.n; ++i) {
    Value item, looked, key;
    int order = largest ? 1 : -1;
    if (!Steps(1) || !At(sequence, i, &item) || !GetPath(item, p[1], Value(), &looked) ||
        !SortKey(looked, Truth(p[0]), &key)) {
      return false;
    }
    if (i > 0 && !Order(key, best, largest ? ">" : "<", &order)) return false;
    if (order != (largest ? 1 : -1)) continue;
    best = key;
    *out = item;
  }
  return true;
}

bool Evaluator::FilterSum(const Value& v, const Value* p, Value* out) {
  // attribute, start
  Sequence sequence;
  if (!Iterate(v, &sequence)) return false;
  Value total = p[1].missing() ? Int(0) : p[1];
  for (uint32_t i = 0; i < sequence.n; ++i) {
    Value item, looked;
    if (!Steps(1) || !At(sequence, i, &item) || !GetPath(item, p[0], Value(), &looked))
      return false;
    if (total.IsString()) return Fail("sum() can't sum strings");
    if (!Add(total, looked, out)) return false;
    total = *out;
  }
  *out = total;
  return true;
}

}  // namespace samara::template_runtime
