// Package crashpoint names the places where a process may die, so that
// internal/proof can make it die there.
//
//	crashpoint.Hit("advance-committed")
//
// In a release binary Hit does nothing and leaves nothing behind, not even its
// name; a test of internal/proof looks. Under the build tag `crashpoints` two
// variables rule it:
//
//   - GERBANG_CRASHPOINT=name:n:kill (or :stop) sends SIGKILL (or SIGSTOP) to
//     the own process at the n-th time the point is hit, and says so on standard
//     error just before.
//   - GERBANG_CRASHPOINT_TRACE=file appends the name of every point hit.
//
// A point stands on either side of every durable boundary and of every vendor
// call. Its name is a literal, unique, and written with hyphens only, so that it
// cannot be mistaken for anything else a binary may hold.
//
// It imports nothing of ours, and everything may import it.
package crashpoint
