#include "apps/chat/interrupt.h"

#include <unistd.h>

namespace samara::apps {

Interrupt::Interrupt() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  started_ = pthread_create(&thread_, nullptr, Run, this) == 0;
  // Without the thread, Ctrl-C ends the program as it does by default.
  if (!started_) pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

Interrupt::~Interrupt() {
  if (!started_) return;
  quit_ = true;
  pthread_kill(thread_, SIGINT);
  pthread_join(thread_, nullptr);
}

void* Interrupt::Run(void* self) {
  static_cast<Interrupt*>(self)->Wait();
  return nullptr;
}

void Interrupt::Wait() {
  int signal = 0;
  while (sigwait(&signals_, &signal) == 0 && !quit_) {
    if (!busy_) _exit(0);
    if (requested_.exchange(true)) _exit(1);
    pthread_mutex_lock(&mutex_);
    if (model_ != nullptr) samara_cancel(model_);
    pthread_mutex_unlock(&mutex_);
  }
}

void Interrupt::SetModel(samara_model* model) {
  pthread_mutex_lock(&mutex_);
  model_ = model;
  pthread_mutex_unlock(&mutex_);
}

void Interrupt::Begin() {
  requested_ = false;
  busy_ = true;
}

void Interrupt::End() {
  busy_ = false;
  pthread_mutex_lock(&mutex_);
  if (model_ != nullptr) samara_cancel_clear(model_);
  pthread_mutex_unlock(&mutex_);
}

}  // namespace samara::apps
