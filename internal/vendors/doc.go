// Package vendors is what the wire clients of the outside systems share: one
// transport, one way of making a call, one error type, and the fence that keeps
// a worker without a lease from sending anything.
//
// It may import internal/pii and the standard library. It must not know the
// state machine, the store, or what an answer means for an onboarding: a
// negative answer is a value for the caller to read, and only "no answer" is an
// error. It never logs; personal data and credentials never enter an Error.
package vendors
