#include "cli/interrupt.h"

#include <csignal>

namespace kinglet::cli {
namespace {

// A signal handler can reach nothing but what is global.
volatile std::sig_atomic_t received = 0;

void remember(int signal) { received = signal; }

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = remember;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int interrupt() { return received; }

}  // namespace kinglet::cli
