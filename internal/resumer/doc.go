// Package resumer moves onboardings: it claims due rows, makes the one vendor
// call a state stands for, lets fsm decide what the answer means, and advances.
// What a request has just made due is handed over in memory; the poll catches
// the rest: crashes, deferrals, deadlines. The requests of customers, analysts
// and operators that move a row come through here too, so that there is one
// place where moves are made.
//
// It may import fsm, pii, store and vendor; it must not know HTTP handlers,
// wire types of our own API, or configuration.
package resumer
