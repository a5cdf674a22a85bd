// The generated code of package.fbs. Include it through this header only: FlatBuffers must never
// abort.
#ifndef SAMARA_FORMATS_METADATA_SCHEMA_H_
#define SAMARA_FORMATS_METADATA_SCHEMA_H_

#define FLATBUFFERS_ASSERT(condition) static_cast<void>(0)
#include "formats/package_generated.h"

#endif  // SAMARA_FORMATS_METADATA_SCHEMA_H_
