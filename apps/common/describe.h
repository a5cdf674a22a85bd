// The flags of a program, from CLI11's own list, in the words of its man page and of the shells: they cannot differ
// from what the program takes.
#ifndef SAMARA_APPS_COMMON_DESCRIBE_H_
#define SAMARA_APPS_COMMON_DESCRIBE_H_

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace samara::apps {

// `form` is "man" (the options section), "bash", "zsh" or "fish" (a completion script); false if it is none of them.
bool DescribeFlags(const CLI::App& app, std::string_view form, std::string* text);

}  // namespace samara::apps

#endif  // SAMARA_APPS_COMMON_DESCRIBE_H_
