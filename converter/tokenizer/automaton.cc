#include "converter/tokenizer/automaton.h"

#include <algorithm>
#include <map>
#include <utility>

namespace samara {
namespace {

constexpr size_t kMaxPlaces = 20000;
constexpr size_t kMaxSets = 1024;
constexpr uint32_t kMaxClasses = 255;
constexpr uint64_t kMaxWork = 200'000'000;  // places visited while compiling: seconds

bool MayBeEmpty(const RegexNode& node) {
  const auto& children = node.children;
  switch (node.kind) {
    case RegexNode::Kind::kSet:
      return false;
    case RegexNode::Kind::kLookahead:
      return true;
    case RegexNode::Kind::kConcat:
      return std::all_of(children.begin(), children.end(), MayBeEmpty);
    case RegexNode::Kind::kAlternate:
      return std::any_of(children.begin(), children.end(), MayBeEmpty);
    case RegexNode::Kind::kRepeat:
      return node.min == 0 || MayBeEmpty(children[0]);
  }
  return true;
}

}  // namespace

uint32_t Alphabet::AddSet(const CharSet& set) {
  for (uint32_t i = 0; i < sets_.size(); ++i) {
    if (sets_[i] == set) return i;
  }
  sets_.push_back(set);
  return static_cast<uint32_t>(sets_.size() - 1);
}

Status Alphabet::Build() {
  if (sets_.size() > kMaxSets) {
    return Unsupported(
        "pre-tokenizer patterns use %zu different sets of characters, at most %zu can be compiled",
        sets_.size(), kMaxSets);
  }
  struct Edge {
    uint32_t at;
    uint32_t set;
  };
  std::vector<Edge> edges;
  for (uint32_t i = 0; i < sets_.size(); ++i) {
    for (const CharSet::Range& r : sets_[i].ranges()) {
      edges.push_back({r.first, i});
      edges.push_back({r.last + 1, i});
    }
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
  std::vector<uint8_t> class_of(kCodePoints);
  std::map<std::vector<bool>, uint32_t> known;
  std::vector<bool> inside(sets_.size());
  size_t e = 0;
  for (uint32_t at = 0; at < kCodePoints;) {
    for (; e < edges.size() && edges[e].at == at; ++e) inside[edges[e].set] = !inside[edges[e].set];
    const uint32_t end = e < edges.size() ? std::min(edges[e].at, kCodePoints) : kCodePoints;
    const auto [it, is_new] = known.emplace(inside, static_cast<uint32_t>(known.size()));
    if (is_new) members_.push_back(inside);
    if (known.size() > kMaxClasses) {
      return Unsupported("pre-tokenizer patterns tell more than %u classes of characters apart",
                         kMaxClasses);
    }
    std::fill(class_of.begin() + at, class_of.begin() + end, static_cast<uint8_t>(it->second));
    at = end;
  }
  n_classes_ = static_cast<uint32_t>(known.size());

  std::map<std::vector<uint8_t>, uint16_t> page_index;
  for (uint32_t page = 0; page < kCodePoints >> 8; ++page) {
    std::vector<uint8_t> content(class_of.begin() + page * 256,
                                 class_of.begin() + page * 256 + 256);
    const auto [it, is_new] = page_index.emplace(content, static_cast<uint16_t>(page_index.size()));
    if (is_new) classes_.insert(classes_.end(), content.begin(), content.end());
    pages_.push_back(it->second);
  }
  return {};
}

uint32_t Automaton::AddPlace(Place place) {
  places_.push_back(std::move(place));
  return static_cast<uint32_t>(places_.size() - 1);
}

// From the back to the front: `next` is where the node leads.
Status Automaton::Add(const RegexNode& node, uint32_t next, Alphabet* alphabet, uint32_t* start) {
  if (places_.size() > kMaxPlaces)
    return Unsupported("pattern %s: too large to be compiled", name_.c_str());
  using Kind = RegexNode::Kind;
  switch (node.kind) {
    case Kind::kSet:
      *start = AddPlace({Place::Kind::kSet, false, alphabet->AddSet(node.set), next, {}});
      return {};
    case Kind::kLookahead:
      *start =
          AddPlace({Place::Kind::kLookahead, node.at_end, alphabet->AddSet(node.set), next, {}});
      return {};
    case Kind::kConcat:
      for (size_t i = node.children.size(); i-- > 0;) {
        SAMARA_RETURN_IF_ERROR(Add(node.children[i], next, alphabet, &next));
      }
      *start = next;
      return {};
    case Kind::kAlternate: {
      Place place{Place::Kind::kSplit, false, 0, 0, {}};
      for (const RegexNode& child : node.children) {
        uint32_t first;
        SAMARA_RETURN_IF_ERROR(Add(child, next, alphabet, &first));
        place.split.push_back(first);
      }
      *start = AddPlace(std::move(place));
      return {};
    }
    case Kind::kRepeat:
      break;
  }
  const RegexNode& body = node.children[0];
  if (node.max > 1 && MayBeEmpty(body)) {
    // Engines differ in what an iteration that reads nothing does.
    return Unsupported("pattern %s: it repeats what may be empty, which cannot be compiled",
                       name_.c_str());
  }
  uint32_t exit = next;
  if (node.possessive) {
    // To stop is allowed only where the body cannot go on.
    const CharSet others = body.set.Negated();
    exit = AddPlace({Place::Kind::kLookahead, true, alphabet->AddSet(others), next, {}});
  }
  const auto choice = [&node](uint32_t into, uint32_t out) {
    return node.greedy ? std::vector<uint32_t>{into, out} : std::vector<uint32_t>{out, into};
  };
  uint32_t current = next;
  if (node.max == kRegexUnbounded) {
    current = AddPlace({Place::Kind::kSplit, false, 0, 0, {}});
    uint32_t first;
    SAMARA_RETURN_IF_ERROR(Add(body, current, alphabet, &first));
    places_[current].split = choice(first, exit);
  } else {
    for (uint32_t i = node.min; i < node.max; ++i) {
      uint32_t first;
      SAMARA_RETURN_IF_ERROR(Add(body, current, alphabet, &first));
      current = AddPlace({Place::Kind::kSplit, false, 0, 0, choice(first, exit)});
    }
  }
  for (uint32_t i = 0; i < node.min; ++i)
    SAMARA_RETURN_IF_ERROR(Add(body, current, alphabet, &current));
  *start = current;
  return {};
}

StatusOr<Automaton> Automaton::Create(const RegexNode& root, const std::string& name,
                                      Alphabet* alphabet) {
  Automaton automaton;
  automaton.name_ = Quoted(name);
  const uint32_t match = automaton.AddPlace({});
  SAMARA_RETURN_IF_ERROR(automaton.Add(root, match, alphabet, &automaton.start_));
  return automaton;
}

Status Automaton::Compile(const Alphabet& alphabet, std::vector<uint16_t>* transitions,
                          uint32_t* n_states) const {
  using State = std::vector<uint32_t>;
  const uint32_t n_classes = alphabet.n_classes();
  std::map<State, uint32_t> index = {{State{}, 0}, {State{start_}, 1}};
  std::vector<const State*> states = {&index.begin()->first, &std::next(index.begin())->first};
  std::vector<uint32_t> seen(places_.size(), 0), kept(places_.size(), 0);
  std::vector<uint32_t> stack;
  uint32_t turn = 0;
  uint64_t work = 0;
  transitions->insert(transitions->end(), n_classes + 1, 0);  // the dead state
  for (uint32_t s = 1; s < states.size(); ++s) {
    for (uint32_t cls = 0; cls <= n_classes; ++cls) {
      const bool end = cls == n_classes;
      ++turn;
      State next;
      bool matched = false;
      for (const uint32_t place : *states[s]) {
        stack.assign(1, place);
        while (!stack.empty() && !matched) {
          const uint32_t i = stack.back();
          stack.pop_back();
          ++work;
          if (seen[i] == turn) continue;
          seen[i] = turn;
          const Place& p = places_[i];
          switch (p.kind) {
            case Place::Kind::kMatch:
              matched = true;
              break;
            case Place::Kind::kSet:
              if (!end && alphabet.InSet(cls, p.set) && kept[p.next] != turn) {
                kept[p.next] = turn;
                next.push_back(p.next);
              }
              break;
            case Place::Kind::kLookahead:
              if (end ? p.at_end : alphabet.InSet(cls, p.set)) stack.push_back(p.next);
              break;
            case Place::Kind::kSplit:
              stack.insert(stack.end(), p.split.rbegin(), p.split.rend());
              break;
          }
        }
        if (matched) break;
      }
      if (matched && s == 1) {
        return Unsupported("pattern %s: it matches the empty text, which cannot be compiled",
                           name_.c_str());
      }
      const auto [it, is_new] = index.emplace(std::move(next), static_cast<uint32_t>(index.size()));
      if (is_new) states.push_back(&it->first);
      if (states.size() > kTokenizerMaxStates || work > kMaxWork) {
        return Unsupported("pattern %s: its automaton grows too large to be compiled",
                           name_.c_str());
      }
      transitions->push_back(static_cast<uint16_t>(it->second | (matched ? kTransitionMatch : 0)));
    }
  }
  *n_states = static_cast<uint32_t>(states.size());
  return {};
}

}  // namespace samara
