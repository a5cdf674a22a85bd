// The tables of a tokenizer block while they are being filled.
#ifndef SAMARA_CONVERTER_TOKENIZER_BLOB_H_
#define SAMARA_CONVERTER_TOKENIZER_BLOB_H_

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "formats/status.h"
#include "formats/tokenizer_tables.h"

namespace samara {

class TokenizerBlob {
 public:
  TokenizerBlob() {
    header.magic = kTokenizerMagic;
    header.version = kTokenizerVersion;
    header.header_bytes = sizeof(TokenizerHeader);
    header.n_tables = kTokenizerTables;
    header.unknown_id = header.bos_id = kTokenizerNone;
  }

  template <typename T>
  void Append(uint32_t table, const T& entry) {
    const uint8_t* p = reinterpret_cast<const uint8_t*>(&entry);
    tables_[table].insert(tables_[table].end(), p, p + sizeof(T));
    ++places_[table].count;
  }
  template <typename T>
  void AppendAll(uint32_t table, const std::vector<T>& entries) {
    const uint8_t* p = reinterpret_cast<const uint8_t*>(entries.data());
    tables_[table].insert(tables_[table].end(), p, p + entries.size() * sizeof(T));
    places_[table].count += static_cast<uint32_t>(entries.size());
  }
  // Offset of a string in kTableStrings.
  uint32_t AddString(std::string_view s) {
    const uint32_t offset = Count(kTableStrings);
    for (const char c : s) Append(kTableStrings, c);
    return offset;
  }
  uint32_t Count(uint32_t table) const { return places_[table].count; }
  // `table` is to be the very bytes of `of`.
  void Alias(uint32_t table, uint32_t of) { alias_[table] = of + 1; }

  StatusOr<std::vector<uint8_t>> Finish();

  TokenizerHeader header = {};

 private:
  Status CheckGrowth() const;

  std::vector<uint8_t> tables_[kTokenizerAllTables];
  TokenizerTable places_[kTokenizerAllTables] = {};
  uint32_t alias_[kTokenizerAllTables] = {};
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_BLOB_H_
