#include "apps/common/describe.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

namespace samara::apps {
namespace {

enum class ValueKind { kNone, kWord, kFile, kChoice };

struct Flag {
  std::vector<std::string> names;  // "-p", "--prompt"; empty for a positional
  std::string value;               // "TEXT"; what its value is called
  std::string help, group;
  std::vector<std::string> choices;
  ValueKind kind = ValueKind::kNone;
  bool repeats = false;
};

std::vector<std::string> Split(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t end = text.find(at);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool NamesFile(const std::string& value) {
  for (const char* name : {"FILE", "FILE2", "TEXTFILE", "SOURCE", "FOLDER"}) {
    if (value == name) return true;
  }
  return value.find('.') != std::string::npos;  // OUT.samara
}

Flag Read(const CLI::Option& option) {
  Flag flag;
  for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) flag.names.push_back("--" + name);
  flag.help = option.get_description();
  flag.group = option.get_group();
  flag.repeats = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  if (option.get_items_expected_max() == 0) return flag;
  // The name of the type, then those of its checks, of which a list of choices is one.
  const std::string type = option.get_type_name();
  flag.value = flag.names.empty() ? option.get_name() : type.substr(0, type.find(':'));
  const size_t open = type.find('{'), close = type.find('}');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    flag.choices = Split(std::string_view(type).substr(open + 1, close - open - 1), ',');
    flag.kind = ValueKind::kChoice;
  } else {
    flag.kind = NamesFile(flag.value) ? ValueKind::kFile : ValueKind::kWord;
  }
  return flag;
}

std::vector<Flag> ReadFlags(const CLI::App& app) {
  std::vector<Flag> flags;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) flags.push_back(Read(*option));  // else it is hidden
  }
  return flags;
}

std::string Join(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// Each of `special` gets `prefix` put before it.
std::string Escape(std::string_view text, std::string_view special, std::string_view prefix) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += prefix;
    out += c;
  }
  return out;
}

std::string Quote(std::string_view text) {  // for a shell
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string Roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else {
      out += c;
    }
  }
  return !out.empty() && out[0] == '.' ? "\\&" + out : out;
}

std::string Man(const std::vector<Flag>& flags) {
  std::vector<std::string> groups;
  for (const Flag& flag : flags) {
    if (std::find(groups.begin(), groups.end(), flag.group) == groups.end()) {
      groups.push_back(flag.group);
    }
  }
  std::string text;
  for (const std::string& group : groups) {
    if (group != "Positionals" && group != "Options") text += ".SS " + Roff(group) + "\n";
    for (const Flag& flag : flags) {
      if (flag.group != group) continue;
      std::vector<std::string> names;
      for (const std::string& name : flag.names) names.push_back("\\fB" + Roff(name) + "\\fR");
      text += ".TP\n" + Join(names, ", ");
      if (!flag.value.empty()) {
        text += (names.empty() ? "" : " ") + std::string("\\fI") + Roff(flag.value) + "\\fR";
      }
      text += "\n" + Roff(flag.help) + "\n";
    }
  }
  return text;
}

// "_samara_chat"
std::string FunctionName(const CLI::App& app) {
  std::string name = "_" + app.get_name();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string Bash(const CLI::App& app, const std::vector<Flag>& flags) {
  const std::string function = FunctionName(app);
  std::string all, cases, words;
  for (const Flag& flag : flags) {
    if (flag.names.empty()) continue;
    all += (all.empty() ? "" : " ") + Join(flag.names, " ");
    if (flag.kind == ValueKind::kChoice) {
      cases += "    " + Join(flag.names, " | ") + ")\n      COMPREPLY=($(compgen -W " +
               Quote(Join(flag.choices, " ")) + " -- \"$cur\"))\n      return ;;\n";
    } else if (flag.kind == ValueKind::kFile) {
      cases += "    " + Join(flag.names, " | ") + ") return ;;\n";
    } else if (flag.kind == ValueKind::kWord) {
      words += (words.empty() ? "" : " | ") + Join(flag.names, " | ");
    }
  }
  if (!words.empty()) {
    cases += "    " + words + ")\n      compopt +o default 2>/dev/null\n      return ;;\n";
  }
  // Bash breaks --flag=value into three words. An empty reply means file names.
  return "# Completion of " + app.get_name() + " for bash.\n" + function +
         "() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} before=$((COMP_CWORD - 1))\n"
         "  COMPREPLY=()\n"
         "  if [[ $cur == = ]]; then cur=\n"
         "  elif [[ ${COMP_WORDS[before]} == = ]]; then before=$((before - 1)); fi\n"
         "  case ${COMP_WORDS[before]} in\n" +
         cases +
         "  esac\n"
         "  [[ $cur != -* ]] || COMPREPLY=($(compgen -W " +
         Quote(all) + " -- \"$cur\"))\n}\ncomplete -o default -F " + function + " " +
         app.get_name() + "\n";
}

std::string ZshAction(const Flag& flag) {
  const std::string value = ":" + Escape(flag.value, ":", "\\") + ":";
  switch (flag.kind) {
    case ValueKind::kNone:
      return "";
    case ValueKind::kWord:
      return value + " ";
    case ValueKind::kFile:
      return value + "_files";
    case ValueKind::kChoice:
      break;
  }
  return value + "(" + Join(flag.choices, " ") + ")";
}

std::string Zsh(const CLI::App& app, const std::vector<Flag>& flags) {
  std::string text = "#compdef " + app.get_name() + "\n_arguments -S";
  for (const Flag& flag : flags) {
    const std::string help = "[" + Escape(flag.help, "[]:\\", "\\") + "]";
    if (flag.names.empty()) text += " \\\n  " + Quote(":" + flag.value + ":_files");
    const std::string before = flag.repeats             ? "*"
                               : flag.names.size() == 1 ? ""
                                                        : "(" + Join(flag.names, " ") + ")";
    for (const std::string& name : flag.names) {
      const bool is_long = name.compare(0, 2, "--") == 0;
      const char* attached = flag.kind == ValueKind::kNone ? "" : is_long ? "=" : "+";
      text += " \\\n  " + Quote(before + name + attached + help + ZshAction(flag));
    }
  }
  return text + "\n";
}

std::string Fish(const CLI::App& app, const std::vector<Flag>& flags) {
  std::string text = "# Completion of " + app.get_name() + " for fish.\n";
  for (const Flag& flag : flags) {
    if (flag.names.empty()) continue;
    text += "complete -c " + app.get_name();
    for (const std::string& name : flag.names) {
      const bool is_long = name.compare(0, 2, "--") == 0;
      text += is_long ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (flag.kind == ValueKind::kWord) text += " -x";
    if (flag.kind == ValueKind::kFile) text += " -r -F";
    if (flag.kind == ValueKind::kChoice) text += " -x -a " + Quote(Join(flag.choices, " "));
    text += " -d " + Quote(Escape(flag.help, "\\", "\\")) + "\n";
  }
  return text;
}

}  // namespace

bool DescribeFlags(const CLI::App& app, std::string_view form, std::string* text) {
  const std::vector<Flag> flags = ReadFlags(app);
  if (form == "man") {
    *text = Man(flags);
  } else if (form == "bash") {
    *text = Bash(app, flags);
  } else if (form == "zsh") {
    *text = Zsh(app, flags);
  } else if (form == "fish") {
    *text = Fish(app, flags);
  } else {
    return false;
  }
  return true;
}

}  // namespace samara::apps
