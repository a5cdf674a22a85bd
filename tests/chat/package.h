// Packages whose replies are known beforehand: at position p the likeliest byte is pattern[p],
// over and over again. '\x04' in a pattern stands for the token that ends a text.
#ifndef SAMARA_TESTS_CHAT_PACKAGE_H_
#define SAMARA_TESTS_CHAT_PACKAGE_H_

#include <string>

namespace samara::test {

struct PackageSpec {
  std::string pattern = "hello ";
  uint32_t positions = 512;
  std::string chat_template;  // empty: none
};

// The file's bytes. Its tokenizer is byte-level and joins "he" and "ll", which the pattern's bytes
// are not: replies are written in other tokens than the tokenizer would choose. <|im_start|> and
// <|im_end|> (which ends a text) are special tokens; <think> and </think> are added ones.
std::string PackageBytes(const PackageSpec& spec);

// Messages between <|im_start|>role and <|im_end|>; the variable enable_thinking opens <think>;
// a message of the role "user" that says "refuse" is refused.
extern const char kChatTemplate[];

}  // namespace samara::test

#endif  // SAMARA_TESTS_CHAT_PACKAGE_H_
