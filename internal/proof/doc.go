// Package proof attacks the real server: real processes on a real Postgres,
// with the vendors simulated over real HTTP, killed, stopped and cut off, and
// then held against everything that must be so whatever happened.
//
// It is test code only; nothing that is shipped imports it. It may import every
// package except cmd, whose binary it builds and runs.
package proof
