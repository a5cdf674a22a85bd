// Conversations on disk: FILE is JSON, FILE.state what the library's session has computed.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/chat/chat.h"
#include "apps/chat/json_value.h"
#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr char kFormat[] = "samara-chat conversation";
constexpr uint64_t kMaxBytes = uint64_t{256} << 20;

// FNV-1a: tells whether the two files belong together.
uint64_t TokensHash(const samara_session* session) {
  uint64_t hash = 14695981039346656037u;
  const size_t n = samara_length(session) + samara_pending(session);
  for (size_t i = 0; i < n; ++i) {
    hash = (hash ^ static_cast<uint32_t>(samara_tokens(session)[i])) * 1099511628211u;
  }
  return hash;
}

std::string SystemError(const std::string& path) { return path + ": " + std::strerror(errno); }

// Whole or not at all.
bool WriteFile(const std::string& path, const std::string& text, std::string* error) {
  const std::string temporary = path + ".tmp" + std::to_string(getpid());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool written = fd >= 0;
  for (size_t at = 0; written && at < text.size();) {
    const ssize_t n = write(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    written = n > 0;
    if (n > 0) at += static_cast<size_t>(n);
  }
  if (fd >= 0) {
    written = written && fsync(fd) == 0;
    written = close(fd) == 0 && written;
  }
  written = written && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (written) return true;
  *error = SystemError(path);
  unlink(temporary.c_str());
  return false;
}

bool ReadFile(const std::string& path, std::string* text, std::string* error) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    *error = SystemError(path);
    return false;
  }
  char buffer[65536];
  ssize_t n = 0;
  while (text->size() <= kMaxBytes && (n = read(fd, buffer, sizeof(buffer))) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    text->append(buffer, static_cast<size_t>(n));
  }
  if (n < 0) *error = SystemError(path);
  if (text->size() > kMaxBytes) *error = path + ": larger than any conversation";
  close(fd);
  return error->empty();
}

bool ReadMessages(const JsonValue& root, Conversation* conversation, std::string* error) {
  const JsonValue* messages = root.Find("messages");
  if (messages == nullptr || messages->kind != JsonValue::Kind::kArray) {
    *error = "wanted an array \"messages\"";
    return false;
  }
  for (const JsonValue& item : messages->items) {
    const auto role = item.String("role"), content = item.String("content");
    if (!role || !content || (*role != "system" && *role != "user" && *role != "assistant")) {
      *error = "message " + std::to_string(conversation->messages.size() + 1) +
               ": wanted a role (system, user, assistant) and a content";
      return false;
    }
    if (*role == "system" && (!conversation->messages.empty() || !conversation->system.empty())) {
      *error = "wanted one system message, before the others";
      return false;
    }
    if (*role == "system") {
      conversation->system = *content;
    } else {
      conversation->messages.push_back(
          {*role, *content, item.String("reasoning_content").value_or("")});
    }
  }
  return true;
}

Engine::State ReadState(const JsonValue& json) {
  Engine::State state;
  state.text = json.String("text").value_or("");
  state.anchor_tokens = json.Uint("anchor_tokens").value_or(0);
  state.slid_at = json.Uint("slid_at").value_or(0);
  const JsonValue* marks = json.Find("marks");
  if (marks == nullptr) return state;
  for (const JsonValue& mark : marks->items) {
    if (mark.items.size() != 2) continue;
    state.marks.push_back(
        {mark.items[0].AsUint().value_or(SIZE_MAX), mark.items[1].AsUint().value_or(SIZE_MAX)});
  }
  return state;
}

}  // namespace

bool Chat::Save(const std::string& path, std::string* error, std::string* note) {
  const std::string state_path = path + ".state";
  const bool computed = samara_save(engine_.session(), state_path.c_str()) == SAMARA_OK;
  if (!computed) {
    *note = samara_last_error();
    unlink(state_path.c_str());  // what lies there is of another conversation
  }
  JsonWriter json;
  json.BeginObject();
  json.Member("format", kFormat);
  json.Member("version", uint64_t{1});
  json.Member("model", InfoOf(model_).name);
  json.Member("raw", conversation_.raw);
  json.Key("messages");
  json.BeginArray();
  const auto message = [&](const Message& m) {
    json.BeginObject(true);
    json.Member("role", m.role);
    json.Member("content", m.content);
    if (!m.reasoning.empty()) json.Member("reasoning_content", m.reasoning);
    json.EndObject();
  };
  if (!conversation_.system.empty()) message({"system", conversation_.system, ""});
  for (const Message& m : conversation_.messages) message(m);
  json.EndArray();
  json.Key("sampling");
  json.BeginObject(true);
  for (const std::string& name : SamplingNames()) json.Member(name, ParameterText(settings_, name));
  json.EndObject();
  if (computed) {
    const Engine::State& state = engine_.state();
    json.Key("session");
    json.BeginObject(true);
    json.Member("tokens_hash", std::to_string(TokensHash(engine_.session())));
    json.Member("text", state.text);
    json.Member("anchor_tokens", uint64_t{state.anchor_tokens});
    json.Member("slid_at", uint64_t{state.slid_at});
    json.Key("marks");
    json.BeginArray(true);
    for (const Engine::Mark& mark : state.marks) {
      json.BeginArray(true);
      json.Uint(mark.bytes);
      json.Uint(mark.tokens);
      json.EndArray();
    }
    json.EndArray();
    json.EndObject();
  }
  json.EndObject();
  return WriteFile(path, json.Finish(), error);
}

bool Chat::Load(const std::string& path, std::string* error, std::string* note) {
  std::string text;
  if (!ReadFile(path, &text, error)) return false;
  const std::optional<JsonValue> root = ParseJson(text, error);
  Conversation loaded;
  if (root && root->String("format").value_or("") != kFormat) {
    *error = "got no saved conversation (member \"format\")";
  } else if (root && root->Uint("version").value_or(0) != 1) {
    *error = "got version " + std::to_string(root->Uint("version").value_or(0)) + ", wanted 1";
  } else if (root && ReadMessages(*root, &loaded, error)) {
    loaded.raw = root->Bool("raw").value_or(false);
    if (loaded.raw != conversation_.raw) {
      *error = loaded.raw ? "this conversation was made with --raw"
                          : "this conversation was made without --raw";
    }
  }
  if (!error->empty()) {
    *error = path + ": " + *error;
    return false;
  }
  Settings settings = settings_;
  const JsonValue* sampling = root->Find("sampling");
  for (const std::string& name : SamplingNames()) {
    const std::optional<std::string> value =
        sampling == nullptr ? std::nullopt : sampling->String(name);
    if (value && !samara::apps::SetParameter(name, *value, &settings, error)) {
      *error = path + ": " + *error;
      return false;
    }
  }
  conversation_ = std::move(loaded);
  settings_ = settings;

  const JsonValue* session = root->Find("session");
  if (session == nullptr) {
    *note = path + ": what was computed is not saved";
  } else if (samara_restore(engine_.session(), (path + ".state").c_str()) != SAMARA_OK) {
    *note = samara_last_error();
  } else if (session->String("tokens_hash").value_or("") !=
             std::to_string(TokensHash(engine_.session()))) {
    *note = path + ".state: of another conversation";
  } else if (!engine_.Adopt(ReadState(*session))) {
    *note = path + ": its marks do not fit its state";
  }
  if (note->empty()) {
    engine_.AdoptSampling(settings_.sampling);
  } else {
    (void)engine_.SetSampling(settings_.sampling);
    (void)engine_.Reset();
  }
  return true;
}

}  // namespace samara::apps
