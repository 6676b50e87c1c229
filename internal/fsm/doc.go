// Package fsm is the rule book of an onboarding: its states, the events that
// move it, the table of legal moves, the policy that picks between them, and
// one Decide function per step that says what an answer means.
//
// It is pure: no I/O, no clock, no randomness, no personal data. It imports
// nothing of ours. Evidence and Facts carry JSON tags because their JSON is
// what the database keeps and what the audit chain hashes.
package fsm
