// The inside of JsonDocument: shared by the parser (json_parse.cc) and the accessors (json.cc)
// only.
#ifndef SAMARA_CONVERTER_JSON_TREE_H_
#define SAMARA_CONVERTER_JSON_TREE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/status.h"

namespace samara::json_internal {

// Values in the order of the text; the children of a value follow it, `next` is the first value
// after them.
struct Node {
  uint32_t next = 0;
  uint32_t count = 0;  // children; for strings: bytes
  uint32_t key_offset = 0;
  uint32_t key_bytes : 28;
  uint32_t kind : 4;
  union {
    bool b;
    int64_t i;
    uint64_t u;
    double d;
    uint64_t offset;  // of a string in Tree::strings
  };
  Node() : key_bytes(0), kind(0), u(0) {}
};
static_assert(sizeof(Node) == 24);

struct Tree {
  std::string name;
  std::vector<Node> nodes;
  std::string strings;

  std::string_view Key(const Node& node) const {
    return {strings.data() + node.key_offset, node.key_bytes};
  }
};

Status ParseTree(Tree* tree, std::string_view text);

}  // namespace samara::json_internal

#endif  // SAMARA_CONVERTER_JSON_TREE_H_
