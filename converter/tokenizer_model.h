// Checkpoints whose tokenizer is tokenizer.model, SentencePiece's own file, alone.
#ifndef SAMARA_CONVERTER_TOKENIZER_MODEL_H_
#define SAMARA_CONVERTER_TOKENIZER_MODEL_H_

#include "converter/source.h"
#include "formats/status.h"

namespace samara {

// Reads it into source->vocabulary and source->tokenizer; tokenizer_config.json has been read. Tokens that
// added_tokens_decoder there adds to the model's are taken; those of added_tokens.json alone are refused.
Status ReadTokenizerModel(Source* source);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_MODEL_H_
