// Reading access to a template block. Constructed from a checked block, it needs no bounds checks.
#ifndef SAMARA_RUNTIME_TEMPLATE_TREE_H_
#define SAMARA_RUNTIME_TEMPLATE_TREE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/little_endian.h"
#include "formats/template_tree.h"

namespace samara::template_runtime {

class Tree {
 public:
  explicit Tree(std::span<const uint8_t> block) : block_(block.data()) {
    for (uint32_t i = 0; i < kTemplateTables; ++i) {
      tables_[i] = {LoadLittleEndian<uint32_t>(block_ + 16 + 8 * i),
                    LoadLittleEndian<uint32_t>(block_ + 20 + 8 * i)};
    }
  }

  uint32_t Count(TemplateTableId id) const { return tables_[id].count; }
  TemplateNode Node(uint32_t i) const {
    const uint8_t* p = At(kTemplateNodes, 12 * i);
    return {p[0], p[1], LoadLittleEndian<uint16_t>(p + 2), LoadLittleEndian<uint32_t>(p + 4),
            LoadLittleEndian<uint32_t>(p + 8)};
  }
  uint32_t Operand(uint32_t i) const {
    return LoadLittleEndian<uint32_t>(At(kTemplateOperands, 4 * i));
  }
  TemplateString String(uint32_t i) const {
    const uint8_t* p = At(kTemplateStrings, 8 * i);
    return {LoadLittleEndian<uint32_t>(p), LoadLittleEndian<uint32_t>(p + 4)};
  }
  std::string_view Text(uint32_t i) const {
    const TemplateString s = String(i);
    return {reinterpret_cast<const char*>(At(kTemplateBytes, s.begin)), s.bytes};
  }
  TemplateScope Scope(uint32_t i) const {
    const uint8_t* p = At(kTemplateScopes, 12 * i);
    return {LoadLittleEndian<uint32_t>(p), LoadLittleEndian<uint32_t>(p + 4),
            LoadLittleEndian<uint32_t>(p + 8)};
  }
  TemplateInit Init(uint32_t i) const {
    const uint8_t* p = At(kTemplateInits, 12 * i);
    return {LoadLittleEndian<uint32_t>(p), LoadLittleEndian<uint32_t>(p + 4),
            LoadLittleEndian<uint32_t>(p + 8)};
  }
  uint32_t Root() const { return Count(kTemplateNodes) - 1; }

 private:
  const uint8_t* At(TemplateTableId id, uint32_t byte) const {
    return block_ + tables_[id].offset + byte;
  }
  const uint8_t* block_;
  TemplateTable tables_[kTemplateTables];
};

}  // namespace samara::template_runtime

#endif  // SAMARA_RUNTIME_TEMPLATE_TREE_H_
