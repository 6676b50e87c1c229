// Package pii holds what Gerbang knows about a person: what the form said
// (Applicant), what was read off the identity card (Identity), what the civil
// registry answered (Verdict), and the values they are made of (Secret, Bytes,
// NIK, Date). It also compares them: loosely by name, exactly by number.
//
// Every type here prints as "[redacted]" through fmt, slog and the text and
// JSON encoders, so that personal data reaches a log, an error or a response
// only where somebody wrote Reveal or Plaintext. The values sit behind
// pointers: fmt does not call methods on unexported fields, and would
// otherwise print a bare string found in one. That is also why these types
// refuse == at compile time; use Equal.
//
// It may import the standard library, golang.org/x/text and the string
// similarity library, and nothing of ours. It must not know of states,
// vendors, HTTP or the database, and it does no I/O and reads no clock.
package pii
