// samara-chat at a pseudo terminal: editing, history, commands, Ctrl-C, and how it ends.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "apps/chat/json_value.h"
#include "apps/chat/line_editor.h"
#include "tests/chat/model_file.h"
#include "tests/chat/pty.h"

namespace samara::test {
namespace {

constexpr char kUp[] = "\x1b[A", kLeft[] = "\x1b[D", kRight[] = "\x1b[C", kHome[] = "\x1b[H";
constexpr char kBackspace[] = "\x7f", kDelete[] = "\x1b[3~";
constexpr char kCtrlA[] = "\x01", kCtrlC[] = "\x03", kCtrlD[] = "\x04", kCtrlE[] = "\x05",
               kCtrlR[] = "\x12", kCtrlU[] = "\x15", kCtrlW[] = "\x17";
constexpr char kPaste[] = "\x1b[200~", kPasted[] = "\x1b[201~";

const std::string& Model() {
  static const std::string path = [] {
    PackageSpec spec;
    spec.chat_template = kChatTemplate;
    spec.positions = 2048;
    return MakePackage("terminal", spec);
  }();
  return path;
}

// A folder of its own for history, and what a terminal has.
PtyOptions Home(const std::string& name, std::vector<std::string> more = {}) {
  PtyOptions options;
  options.environment.push_back("HOME=" + Scratch(name));
  options.environment.push_back("XDG_STATE_HOME=" + Scratch(name));
  options.environment.insert(options.environment.end(), more.begin(), more.end());
  return options;
}

std::vector<std::string> Chat(std::vector<std::string> flags = {}) {
  const std::vector<std::string> base = {"samara-chat", Model(), "--temp", "0", "-n", "4"};
  flags.insert(flags.begin(), base.begin(), base.end());
  return flags;
}

// What was said, as /save writes it: "user: ..." and "assistant: ..." lines.
std::vector<std::string> Said(Pty* pty) {
  const std::string path = Scratch("said.json");
  std::filesystem::remove(path);
  pty->Send("/save " + path + "\r");
  REQUIRE(pty->Expect("saved to"));
  REQUIRE(pty->ExpectPrompt());
  std::string error;
  const auto root = apps::ParseJson(ReadFile(path), &error);
  REQUIRE_MESSAGE(root, error);
  std::vector<std::string> said;
  for (const apps::JsonValue& message : root->Find("messages")->items) {
    said.push_back(*message.String("role") + ": " + *message.String("content"));
  }
  return said;
}

// Sends keys and waits for the reply to them.
void Say(Pty* pty, const std::string& keys) {
  pty->Send(keys + "\r");
  REQUIRE_MESSAGE(pty->Expect("context "), pty->seen());
  REQUIRE(pty->ExpectPrompt());
}

#define SKIP_WITHOUT_EDITING()                                     \
  if (!apps::HasEditing()) {                                       \
    MESSAGE("SKIPPED: built without libedit, lines have no keys"); \
    return;                                                        \
  }

TEST_CASE("a line is edited by keys") {
  SKIP_WITHOUT_EDITING();
  Pty pty(Chat(), Home("edit"));
  REQUIRE(pty.ExpectPrompt());
  Say(&pty, std::string("helo world") + kHome + kRight + kRight + "l" + kCtrlE + "!" + kBackspace);
  Say(&pty, std::string("bc") + kCtrlA + "a" + kCtrlE + "x" + kLeft + kDelete + "d");
  Say(&pty, std::string("one two") + kCtrlW + "three");
  Say(&pty, std::string("gone") + kCtrlU + "kept");
  const std::vector<std::string> said = Said(&pty);
  REQUIRE(said.size() == 8);
  CHECK(said[0] == "user: hello world");
  CHECK(said[2] == "user: abcd");
  CHECK(said[4] == "user: one three");
  CHECK(said[6] == "user: kept");
  pty.Send(kCtrlD);
  CHECK(pty.Wait() == 0);
}

TEST_CASE("wide characters, emoji and combining marks are edited whole, in any locale") {
  SKIP_WITHOUT_EDITING();
  const std::string sun = "\xE6\x97\xA5", book = "\xE6\x9C\xAC", smile = "\xF0\x9F\x98\x80",
                    acute = "e\xCC\x81", family = "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7";
  for (const char* locale : {"LC_ALL=C.UTF-8", "LC_ALL=C", "LC_ALL=no_SUCH.locale"}) {
    CAPTURE(std::string(locale));
    Pty pty(Chat(), Home("wide", {locale}));
    REQUIRE(pty.ExpectPrompt());
    Say(&pty, sun + book + smile + kLeft + "x" + kBackspace + kBackspace + "y");
    Say(&pty, acute + family + "!" + kLeft + kBackspace + kHome + kDelete + "a");
    std::string many;  // wraps at the edge, where half a character has no place
    for (int i = 0; i < 61; ++i) many += i % 2 == 0 ? sun : smile;
    Say(&pty, "z" + many + kHome + kDelete);
    const std::vector<std::string> said = Said(&pty);
    REQUIRE(said.size() == 6);
    CHECK(said[0] == "user: " + sun + "y" + smile);
    CHECK(said[2] == "user: a\xCC\x81\xF0\x9F\x91\xA9\xE2\x80\x8D!");
    CHECK(said[4] == "user: " + many);
  }
}

TEST_CASE("history: recalled by keys, kept for the next time, readable by its owner alone") {
  SKIP_WITHOUT_EDITING();
  const PtyOptions home = Home("history");
  {
    Pty pty(Chat(), home);
    REQUIRE(pty.ExpectPrompt());
    Say(&pty, "first");
    Say(&pty, "second");
    Say(&pty, std::string(kUp) + kUp + "!");
    CHECK(Said(&pty)[4] == "user: first!");
  }  // killed: what was typed is kept anyway
  const std::string file = Scratch("history") + "/samara/history";
  struct stat info {};
  REQUIRE(stat(file.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  {
    Pty pty(Chat({"--no-history"}), home);
    REQUIRE(pty.ExpectPrompt());
    Say(&pty, "secret");
    pty.Send(kCtrlD);
    CHECK(pty.Wait() == 0);
    CHECK(ReadFile(file).find("secret") == std::string::npos);
  }
  Pty pty(Chat(), home);
  REQUIRE(pty.ExpectPrompt());
  Say(&pty, std::string(kCtrlR) + "seco");
  Say(&pty, "\"\"\"\rtwo\rlines\r\"\"\"");
  Say(&pty, kUp);
  const std::vector<std::string> said = Said(&pty);
  REQUIRE(said.size() == 6);
  CHECK(said[0] == "user: second");
  CHECK(said[2] == "user: two\nlines");
  CHECK(said[4] == "user: two\nlines");
}

TEST_CASE("messages over several lines, typed and pasted") {
  Pty pty(Chat(), Home("lines"));
  REQUIRE(pty.ExpectPrompt());
  Say(&pty, "one\\\rtwo");
  Say(&pty, "\"\"\"\ra\r\r/b\r\"\"\"");
  Say(&pty, "//help");
  std::vector<std::string> wanted = {"one\ntwo", "a\n\n/b", "/help"};
  if (apps::HasEditing()) {
    Say(&pty, std::string("see: ") + kPaste + "x = 1\r\ty = \x1b[2J2\r" + kPasted);
    wanted.push_back("see: x = 1\n\ty = [2J2");
  }
  const std::vector<std::string> said = Said(&pty);
  REQUIRE(said.size() == 2 * wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) CHECK(said[2 * i] == "user: " + wanted[i]);
}

TEST_CASE("commands") {
  Pty pty(Chat(), Home("commands"));
  REQUIRE(pty.ExpectPrompt());
  const auto answer = [&](const std::string& line, const std::string& expected) {
    pty.Send(line + "\r");
    CHECK_MESSAGE(pty.Expect(expected), pty.seen());
    REQUIRE(pty.ExpectPrompt());
  };
  for (const char* name :
       {"/reset", "/system", "/save", "/load", "/stats", "/params", "/retry", "/undo", "/quit"}) {
    answer("/help", name);
  }
  answer("/rest", "did you mean /reset?");
  answer("/frobnicate", "no command /frobnicate");
  answer("/retry", "there is no reply yet");
  answer("/undo", "nothing to take back");
  Say(&pty, "hello");
  Say(&pty, "again");
  answer("/undo", "taken back: again");
  CHECK(Said(&pty).size() == 2);
  // /retry: the prompt is kept, all but the token that logits are needed of.
  pty.Send("/retry\r");
  REQUIRE_MESSAGE(pty.Expect("prompt 1 + "), pty.seen());
  REQUIRE(pty.ExpectPrompt());
  CHECK(Said(&pty).size() == 2);
  answer("/stats", "12 tokens");  // of the turn that was taken back too
  answer("/params temp 0.5", "temp 0.5");
  answer("/params temp", "temp 0.5");
  answer("/params temp hot", "wanted 0 (greedy) to 100");
  answer("/params", "repeat_penalty");
  answer("/system", "no system message");
  answer("/system Be brief.", "the system message is set");
  answer("/system", "Be brief.");
  answer("/system \"\"", "taken away");
  answer("/save", "which file?");
  answer("/load " + Scratch("absent"), "No such file");
  answer("/reset", "a new conversation");
  CHECK(Said(&pty).empty());
  pty.Send("/quit\r");
  CHECK(pty.Wait() == 0);
}

TEST_CASE(
    "saved, left, begun anew and loaded: the conversation goes on, nothing is computed twice") {
  const std::string file = Scratch("kept.json");
  {
    Pty pty(Chat(), Home("save"));
    REQUIRE(pty.ExpectPrompt());
    Say(&pty, "remember me");
    pty.Send("/save " + file + "\r");
    REQUIRE(pty.Expect("saved to"));
    REQUIRE(pty.ExpectPrompt());
    pty.Send("/quit\r");
    CHECK(pty.Wait() == 0);
  }
  Pty pty(Chat(), Home("save"));
  REQUIRE(pty.ExpectPrompt());
  pty.Send("/load " + file + "\r");
  REQUIRE_MESSAGE(pty.Expect("2 messages"), pty.seen());
  REQUIRE(pty.ExpectPrompt());
  Say(&pty, "and now?");
  const std::vector<std::string> said = Said(&pty);
  REQUIRE(said.size() == 4);
  CHECK(said[0] == "user: remember me");
  CHECK(pty.seen().find(" kept") != std::string::npos);
}

TEST_CASE("Ctrl-C stops a reply, which stays; twice leaves; at an empty prompt twice leaves") {
  const std::vector<std::string> endless = {"samara-chat", Model(), "--temp", "0",
                                            "--on-full",   "slide", "--ctx",  "256"};
  Pty pty(endless, Home("interrupt"));
  REQUIRE(pty.ExpectPrompt());
  pty.Send("talk\r");
  REQUIRE(pty.Expect("hello hello"));
  pty.Send(kCtrlC);
  REQUIRE_MESSAGE(pty.Expect("(stopped"), pty.seen());
  REQUIRE(pty.ExpectPrompt());
  const std::vector<std::string> said = Said(&pty);
  REQUIRE(said.size() == 2);
  CHECK(said[1].find("hello hello") != std::string::npos);
  // A line that is thrown away is no step towards leaving.
  if (apps::HasEditing()) {
    pty.Send("half a line");
    REQUIRE(pty.Expect("half a line"));
    pty.Send(kCtrlC);
    REQUIRE(pty.ExpectPrompt());
  }
  pty.Send(kCtrlC);
  REQUIRE_MESSAGE(pty.Expect("Ctrl-C again leaves"), pty.rest());
  REQUIRE(pty.ExpectPrompt());
  pty.Send(kCtrlC);
  CHECK(pty.Wait() == 0);

  Pty twice(endless, Home("interrupt"));
  REQUIRE(twice.ExpectPrompt());
  twice.Send("talk\r");
  REQUIRE(twice.Expect("hello hello"));
  twice.Send(kCtrlC);
  REQUIRE(twice.Expect("(stopped"));
  REQUIRE(twice.ExpectPrompt());
  twice.Send(kCtrlC);
  CHECK(twice.Wait() == 0);
}

TEST_CASE("a full context is told at the terminal, both ways") {
  Pty stop({"samara-chat", Model(), "--temp", "0", "--ctx", "64"}, Home("full"));
  REQUIRE(stop.ExpectPrompt());
  Say(&stop, "x");
  CHECK(stop.seen().find("the context is full: 64 positions") != std::string::npos);
  stop.Send("more\r");
  REQUIRE(stop.Expect("/reset begins anew"));
  REQUIRE(stop.ExpectPrompt());
  stop.Send("/reset\r");
  REQUIRE(stop.ExpectPrompt());
  Say(&stop, "x");
  Pty slide(
      {"samara-chat", Model(), "--temp", "0", "--ctx", "64", "--on-full", "slide", "-n", "90"},
      Home("full"));
  REQUIRE(slide.ExpectPrompt());
  Say(&slide, "x");
  CHECK(slide.seen().find("and the newest 32 of ") != std::string::npos);
}

TEST_CASE("nothing that a model writes steers the terminal") {
  PackageSpec spec;
  spec.pattern =
      "\x1b[31mred\x1b]0;title\x07\x7f\xC2\x9B"
      "2J\r\b\xE2\x80\xAE!\tx\n";
  const std::string model = MakePackage("steering", spec);
  // Without colours and progress the program has no escape codes of its own.
  Pty pty({"samara-chat", model, "--raw", "--temp", "0", "-n", "40", "-p", "x"},
          Home("steer", {"TERM=dumb"}));
  CHECK(pty.Wait() == 0);
  CHECK(pty.seen().find('\x1b') == std::string::npos);
  CHECK(pty.seen().find("\xC2\x9B") == std::string::npos);
  for (const char byte : {'\x07', '\x7f', '\b'}) CHECK(pty.seen().find(byte) == std::string::npos);
  for (const char* shown :
       {"\\x1b[31mred\\x1b]0;title\\x07\\x7f\\xc2\\x9b", "2J\\x0d\\x08", "\\u202e!\tx\r\n"}) {
    CHECK_MESSAGE(pty.seen().find(shown) != std::string::npos, pty.seen());
  }
}

TEST_CASE("reasoning is dim, hidden when asked for, and never coloured where that is unwelcome") {
  PackageSpec spec;
  spec.pattern = "<think>why</think>\nbecause\x04";
  spec.positions = 280;
  const std::string model = MakePackage("dim", spec);
  const auto seen = [&](const std::vector<std::string>& flags, const char* environment) {
    std::vector<std::string> command = {"samara-chat", model, "--raw", "--temp", "0", "-p", "x"};
    command.insert(command.end(), flags.begin(), flags.end());
    Pty pty(command, Home("dim", {environment}));
    CHECK(pty.Wait() == 0);
    // A slow start shows progress and wipes it away.
    const size_t wiped = pty.seen().rfind("\x1b[K");
    return wiped == std::string::npos ? pty.seen() : pty.seen().substr(wiped + 3);
  };
  CHECK(seen({}, "X=").find("\x1b[2m<think>why</think>\x1b[0m\r\nbecause") != std::string::npos);
  CHECK(seen({"--no-stats"}, "NO_COLOR=1") == "x<think>why</think>\r\nbecause\r\n");
  CHECK(seen({"--no-stats"}, "TERM=dumb") == "x<think>why</think>\r\nbecause\r\n");
  CHECK(seen({"--no-stats", "--hide-reasoning"}, "NO_COLOR=1") == "xbecause\r\n");
}

TEST_CASE("however it ends, the terminal is as it was") {
  const auto same = [](const struct termios& a, const struct termios& b) {
    return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_lflag == b.c_lflag;
  };
  for (const int signal : {SIGTERM, SIGHUP, SIGQUIT}) {
    for (const bool talking : {false, true}) {
      CAPTURE(signal);
      CAPTURE(talking);
      Pty pty({"samara-chat", Model(), "--temp", "0", "--on-full", "slide", "--ctx", "256"},
              Home("mode"));
      const struct termios before = pty.Mode();
      REQUIRE(pty.ExpectPrompt());
      if (talking) {
        pty.Send("talk\r");
        REQUIRE(pty.Expect("hello hello"));
      }
      CHECK_FALSE((same(before, pty.Mode()) && apps::HasEditing()));
      pty.Signal(signal);
      CHECK(pty.Wait() == 128 + signal);
      CHECK(same(before, pty.Mode()));
    }
  }
  Pty pty(Chat(), Home("mode"));
  const struct termios before = pty.Mode();
  REQUIRE(pty.ExpectPrompt());
  pty.Send(kCtrlD);
  CHECK(pty.Wait() == 0);
  CHECK(same(before, pty.Mode()));
}

TEST_CASE("a reader that is gone ends the conversation quietly") {
  int fds[2];
  REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
  PtyOptions options = Home("gone");
  options.out_fd = fds[1];
  Pty pty({"samara-chat", Model(), "--temp", "0"}, options);
  const struct termios before = pty.Mode();
  close(fds[1]);
  REQUIRE(pty.ExpectPrompt());
  close(fds[0]);
  pty.Send("talk\r");
  CHECK(pty.Wait() == 128 + SIGPIPE);
  CHECK(pty.seen().find("samara-chat: ") == std::string::npos);
  CHECK((pty.Mode().c_lflag & ECHO) == (before.c_lflag & ECHO));
}

TEST_CASE("a model file that changes or is cut short ends the program with a message") {
  PackageSpec spec;
  spec.chat_template = kChatTemplate;
  const std::string bytes = ReadFile(Model());
  const std::string path = Scratch("changing.samara");
  const std::vector<std::string> command = {"samara-chat", path,  "--temp",    "0",
                                            "--ctx",       "256", "--on-full", "slide"};
  SUBCASE("cut between two turns") {
    WriteFile(path, bytes);
    Pty pty(command, Home("cut"));
    REQUIRE(pty.ExpectPrompt());
    REQUIRE(truncate(path.c_str(), 4096) == 0);
    pty.Send("talk\r");
    CHECK(pty.Wait() == 1);
    CHECK_MESSAGE(pty.seen().find("bytes and now has 4096") != std::string::npos, pty.seen());
  }
  SUBCASE("written to between two turns") {
    WriteFile(path, bytes);
    Pty pty(command, Home("cut"));
    REQUIRE(pty.ExpectPrompt());
    const int fd = open(path.c_str(), O_WRONLY);
    REQUIRE(pwrite(fd, bytes.data(), 1, 0) == 1);
    close(fd);
    pty.Send("talk\r");
    CHECK(pty.Wait() == 1);
    CHECK_MESSAGE(pty.seen().find("written to while it was in use") != std::string::npos,
                  pty.seen());
  }
  SUBCASE("cut while it talks") {
    WriteFile(path, bytes);
    Pty pty(command, Home("cut"));
    const struct termios before = pty.Mode();
    REQUIRE(pty.ExpectPrompt());
    pty.Send("talk\r");
    REQUIRE(pty.Expect("hello hello"));
    REQUIRE(truncate(path.c_str(), 0) == 0);
    CHECK(pty.Wait() == 1);
    CHECK_MESSAGE(pty.seen().find("cut short or cannot be read") != std::string::npos,
                  pty.seen().substr(pty.seen().size() - 300));
    CHECK((pty.Mode().c_lflag & (ECHO | ICANON)) == (before.c_lflag & (ECHO | ICANON)));
  }
  SUBCASE("another file of the same name is no concern") {
    WriteFile(path, bytes);
    Pty pty(command, Home("cut"));
    REQUIRE(pty.ExpectPrompt());
    WriteFile(path + ".new", "something else");
    std::filesystem::rename(path + ".new", path);
    pty.Send("talk\r");
    REQUIRE(pty.Expect("hello hello"));
  }
  SUBCASE("a private copy does not care") {
    WriteFile(path, bytes);
    std::vector<std::string> copy = command;
    copy.push_back("--no-mmap");
    Pty pty(copy, Home("cut"));
    REQUIRE(pty.ExpectPrompt());
    REQUIRE(truncate(path.c_str(), 0) == 0);
    pty.Send("talk\r");
    REQUIRE(pty.Expect("hello hello"));
  }
}

TEST_CASE("a terminal without cursor control is served by plain lines") {
  Pty pty(Chat(), Home("dumb", {"TERM=dumb"}));
  REQUIRE(pty.ExpectPrompt());
  Say(&pty, "plain \xE6\x97\xA5");
  CHECK(Said(&pty)[0] == "user: plain \xE6\x97\xA5");
  CHECK(pty.seen().find('\x1b') == std::string::npos);
  pty.Send(kCtrlC);
  REQUIRE(pty.Expect("Ctrl-C again leaves"));
  pty.Send(kCtrlC);
  CHECK(pty.Wait() == 0);
}

TEST_CASE("the window may change while a line is typed") {
  Pty pty(Chat(), Home("resize"));
  REQUIRE(pty.ExpectPrompt());
  pty.Send(std::string(100, 'a'));
  pty.Resize(10, 30);
  pty.Send("b");
  pty.Resize(40, 120);
  Say(&pty, "c");
  CHECK(Said(&pty)[0] == "user: " + std::string(100, 'a') + "bc");
}

TEST_CASE("terminal: where a device fails, the CPU goes on with the conversation") {
  const std::vector<std::string> more = {"SAMARA_PLUGIN_PATH=" SAMARA_PLUGIN_FOLDER,
                                         "SAMARA_TEST_MIRROR=Draw 6"};
  {
    Pty pty(Chat({"--backend", "mirror"}), Home("lost", more));
    REQUIRE(pty.ExpectPrompt());
    pty.Send("first\r");
    REQUIRE(pty.ExpectPrompt());
    pty.Send("second\r");
    REQUIRE(pty.Expect("Go on with the CPU?"));
    REQUIRE(pty.ExpectPrompt());
    pty.Send("\r");
    REQUIRE(pty.ExpectPrompt());  // the second message has its reply
    const std::vector<std::string> said = Said(&pty);
    REQUIRE(said.size() == 4);
    CHECK(said[0] == "user: first");
    CHECK(said[2] == "user: second");
    pty.Send(kCtrlD);
    CHECK(pty.Wait() == 0);
  }
  Pty pty(Chat({"--backend", "mirror"}), Home("lost again", more));
  REQUIRE(pty.ExpectPrompt());
  pty.Send("first\r");
  REQUIRE(pty.ExpectPrompt());
  pty.Send("second\r");
  REQUIRE(pty.Expect("Go on with the CPU?"));
  REQUIRE(pty.ExpectPrompt());
  pty.Send("n\r");
  CHECK(pty.Wait() == 1);
}

}  // namespace
}  // namespace samara::test
