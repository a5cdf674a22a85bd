// Prints a prompt and what the model writes after it: the C API with owners.
//   c++ -std=c++17 reply.cc $(pkg-config --cflags --libs samara) -o reply
//   ./reply model.samara "Once upon a time"
#include <samara/samara.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

void Check(samara_status status) {
  if (status != SAMARA_OK) throw std::runtime_error(samara_last_error());
}

struct Close {
  void operator()(samara_model* model) const { samara_model_close(model); }
  void operator()(samara_session* session) const { samara_session_close(session); }
};

void Run(const char* path, const std::string& prompt) {
  samara_model* opened = nullptr;
  Check(samara_model_open(path, nullptr, &opened));
  const std::unique_ptr<samara_model, Close> model(opened);
  samara_session* created = nullptr;
  Check(samara_session_create(model.get(), nullptr, &created));
  const std::unique_ptr<samara_session, Close> session(created);  // closed before the model

  std::vector<char> work(samara_tokenize_work_size(model.get(), prompt.size()));
  std::vector<int32_t> tokens(prompt.size() + 64);  // more than common texts need
  size_t n = 0;
  Check(samara_tokenize(model.get(), prompt.data(), prompt.size(), 0, work.data(), work.size(),
                        tokens.data(), tokens.size(), &n));
  Check(samara_feed(session.get(), tokens.data(), n));

  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  options.max_tokens = 64;
  options.continues_text = 1;
  Check(samara_reply_begin(session.get(), &options));
  std::cout << prompt;
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  do {
    Check(samara_reply_next(session.get(), &event));
    std::cout.write(event.text, static_cast<std::streamsize>(event.n_bytes)).flush();
  } while (event.finish == SAMARA_FINISH_NONE);
  if (!(std::cout << std::endl)) throw std::runtime_error("cannot write the reply");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: reply MODEL.samara PROMPT");
  Run(argv[1], argv[2]);
} catch (const std::exception& error) {
  std::cerr << "reply: " << error.what() << '\n';
  return 1;
}
