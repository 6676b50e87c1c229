// Package store holds all SQL and is the only writer of state. Onboardings
// move by Advance alone: one guarded UPDATE, with its event, evidence and
// review in the same statement. The database's clock decides leases and
// deadlines. Personal data is sealed before it leaves this process.
//
// It may import fsm and pii; it must not know the vendors, HTTP or what an
// answer means.
package store
