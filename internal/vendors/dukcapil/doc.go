// Package dukcapil asks Indonesia's civil registry whether a NIK and a birth
// date belong together (CALL_VERIFY_BY_ELEMEN), and reads its answer.
//
// It may import internal/vendors and internal/pii. It must not know states,
// policies or Quantum Elixir: it says what the registry answered (see Outcome),
// fsm says what follows from it.
//
// The registry answers HTTP 200 to nearly everything, its own failures
// included. Those are read as outcomes; only HTTP and the network make errors.
package dukcapil
