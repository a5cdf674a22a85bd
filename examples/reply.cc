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
  samara_model* model_handle = nullptr;
  Check(samara_model_open(path, nullptr, &model_handle));
  const std::unique_ptr<samara_model, Close> model(model_handle);
  samara_session* session_handle = nullptr;
  Check(samara_session_create(model.get(), nullptr, &session_handle));
  const std::unique_ptr<samara_session, Close> session(session_handle);  // closed before the model
  std::vector<char> work(samara_tokenize_work_size(model.get(), prompt.size()));
  std::vector<int32_t> tokens(prompt.size() + 64);  // more than any common text needs
  size_t n = 0;
  Check(samara_tokenize(model.get(), prompt.data(), prompt.size(), 0, work.data(), work.size(),
                        tokens.data(), tokens.size(), &n));
  Check(samara_feed(session.get(), tokens.data(), n));

  std::cout << prompt;
  samara_detokenizer state{};
  char text[1024];
  for (int i = 0; i < 64; ++i) {
    int32_t token = 0;
    Check(samara_run(session.get()));
    Check(samara_sample(session.get(), &token));
    if (samara_model_is_eos(model.get(), token)) break;
    Check(samara_detokenize(model.get(), &state, token, 0, text, sizeof text, &n));
    std::cout.write(text, static_cast<std::streamsize>(n)).flush();
    Check(samara_feed(session.get(), &token, 1));
  }
  Check(samara_detokenize_end(model.get(), &state, text, sizeof text, &n));
  std::cout.write(text, static_cast<std::streamsize>(n)) << std::endl;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: reply MODEL.samara PROMPT");
  Run(argv[1], argv[2]);
} catch (const std::exception& error) {
  return std::cerr << "reply: " << error.what() << '\n', 1;
}
