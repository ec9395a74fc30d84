// SIGINT and SIGTERM end a search early, but in order: with a summary of what was done.

#ifndef LOCKSTEP_SIM_INTERRUPT_H_
#define LOCKSTEP_SIM_INTERRUPT_H_

namespace lockstep::sim {

// From now on the two signals only set a mark.
void CatchInterrupts();

// Whether one of them came.
bool Interrupted();

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_INTERRUPT_H_
