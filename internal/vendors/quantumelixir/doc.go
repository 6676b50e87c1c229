// Package quantumelixir speaks the wire protocol of Quantum Elixir's Identity,
// AML and Anti-Fraud products: one method per call, typed requests and answers,
// a tolerant reading of the envelope.
//
// It may import internal/vendors and internal/pii. It must not know states,
// policies or what a verdict means for a customer: enum values stay the strings
// the vendor sent, unknown ones too, and fsm reads them. What an answer says
// about a person sits in pii types; the rest of it is plain and may be kept as
// evidence.
package quantumelixir
