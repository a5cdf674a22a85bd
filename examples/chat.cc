// One turn of a chat, with the model's own template: the C API with owners.
//   c++ -std=c++17 chat.cc $(pkg-config --cflags --libs samara) -o chat
//   ./chat model.samara '[{"role": "user", "content": "Who are you?"}]'
#include <samara/samara.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

void Check(samara_status status) {
  if (status != SAMARA_OK) throw std::runtime_error(samara_last_error());
}
struct Close {
  void operator()(samara_model* model) const { samara_model_close(model); }
  void operator()(samara_session* session) const { samara_session_close(session); }
};

// The conversation as the model was trained to read it, up to where its reply begins.
std::vector<int32_t> Tokens(const samara_model* model, const std::string& messages) {
  const std::string json = "{\"messages\":" + messages + ",\"add_generation_prompt\":true}";
  std::vector<char> work(samara_render_work_size(model, json.size())), text;
  std::vector<samara_span> spans;  // what of the text comes from the messages: no control tokens
  size_t n = 0, n_spans = 0, n_tokens = 0;
  const auto render = [&] {
    return samara_render(model, nullptr, json.data(), json.size(), work.data(), work.size(),
                         text.data(), text.size(), &n, spans.data(), spans.size(), &n_spans);
  };
  if (render() == SAMARA_RESOURCE_EXHAUSTED) text.resize(n), spans.resize(n_spans);
  Check(render());
  work.resize(samara_tokenize_work_size(model, n));
  std::vector<int32_t> tokens(n + 64);  // more than common texts need
  Check(samara_tokenize_spans(model, text.data(), n, SAMARA_TOKENIZE_NO_SPECIAL, spans.data(),
                              n_spans, work.data(), work.size(), tokens.data(), tokens.size(),
                              &n_tokens));
  return {tokens.data(), tokens.data() + n_tokens};
}

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: chat MODEL.samara MESSAGES");
  samara_model* opened = nullptr;
  Check(samara_model_open(argv[1], nullptr, &opened));
  const std::unique_ptr<samara_model, Close> model(opened);
  samara_session* created = nullptr;
  Check(samara_session_create(opened, nullptr, &created));
  const std::unique_ptr<samara_session, Close> session(created);  // closed before the model
  const std::vector<int32_t> tokens = Tokens(opened, argv[2]);
  Check(samara_feed(created, tokens.data(), tokens.size()));
  Check(samara_reply_begin(created, nullptr));
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  do {
    Check(samara_reply_next(created, &event));
    std::cout.write(event.text, static_cast<std::streamsize>(event.n_bytes)).flush();
  } while (event.finish == SAMARA_FINISH_NONE);
  if (!(std::cout << std::endl)) throw std::runtime_error("cannot write the reply");
} catch (const std::exception& error) {
  return std::cerr << "chat: " << error.what() << '\n', 1;
}
