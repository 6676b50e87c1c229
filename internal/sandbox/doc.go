// Package sandbox simulates the systems Gerbang calls: Quantum Elixir's
// Identity, AML and Anti-Fraud products and Dukcapil's
// CALL_VERIFY_BY_ELEMEN, with state, strictness, faults on demand and a
// journal of every call.
//
// It is written from the wire contract alone. It must not import
// internal/vendor: client and simulation are two independent readings of one
// contract, and each is the other's check. A shared type would let both be
// wrong together. It imports nothing of ours.
//
// What the caller gets wrong is refused as the vendor would refuse it and, in
// addition, remembered as a [Violation]; tests assert that the list is empty.
// What a call did is remembered as an effect under its external id; tests
// assert that none was done twice.
//
// Which outcome a customer meets is decided by who they are: see [Persons] and
// docs/sandbox.md. Nothing here knows Gerbang's states.
package sandbox
