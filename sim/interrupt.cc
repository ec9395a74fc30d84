#include "sim/interrupt.h"

#include <signal.h>

namespace lockstep::sim {
namespace {

// Set by signal handlers, which may do nothing else.
volatile sig_atomic_t interrupted = 0;

void Interrupt(int) { interrupted = 1; }

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = Interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool Interrupted() { return interrupted != 0; }

}  // namespace lockstep::sim
