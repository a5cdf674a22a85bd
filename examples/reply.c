/* Prints a prompt and what the model writes after it.
 *   cc reply.c $(pkg-config --cflags --libs samara) -o reply
 *   ./reply model.samara "Once upon a time" */
#include <samara/samara.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(samara_model* model, samara_session* session, const char* prompt) {
  const size_t n = strlen(prompt), work_size = samara_tokenize_work_size(model, n);
  void* work = malloc(work_size);
  int32_t *tokens = malloc((n + 64) * sizeof *tokens), token; /* more than any common text needs */
  samara_detokenizer state = {{0}};
  char text[1024];
  size_t n_tokens = 0, bytes, i;
  int ok = work != NULL && tokens != NULL &&
           samara_tokenize(model, prompt, n, 0, work, work_size, tokens, n + 64, &n_tokens) ==
               SAMARA_OK &&
           samara_feed(session, tokens, n_tokens) == SAMARA_OK;
  free(tokens);
  free(work);
  fputs(prompt, stdout);
  for (i = 0; ok && i < 64; ++i) {
    ok = samara_run(session) == SAMARA_OK && samara_sample(session, &token) == SAMARA_OK;
    if (!ok || samara_model_is_eos(model, token)) break;
    ok = samara_detokenize(model, &state, token, 0, text, sizeof text, &bytes) == SAMARA_OK &&
         fwrite(text, 1, bytes, stdout) == bytes && fflush(stdout) == 0 &&
         samara_feed(session, &token, 1) == SAMARA_OK;
  }
  if (ok) ok = samara_detokenize_end(model, &state, text, sizeof text, &bytes) == SAMARA_OK;
  if (ok) ok = fwrite(text, 1, bytes, stdout) == bytes && puts("") >= 0 && fflush(stdout) == 0;
  return ok;
}

int main(int argc, char** argv) {
  samara_model* model = NULL;
  samara_session* session = NULL;
  int ok;
  if (argc != 3) {
    fprintf(stderr, "usage: reply MODEL.samara PROMPT\n");
    return 2;
  }
  ok = samara_model_open(argv[1], NULL, &model) == SAMARA_OK &&
       samara_session_create(model, NULL, &session) == SAMARA_OK && run(model, session, argv[2]);
  if (!ok) fprintf(stderr, "reply: %s\n", samara_last_error());
  samara_session_close(session); /* both accept NULL */
  samara_model_close(model);
  return ok ? 0 : 1;
}
