// Package api is Gerbang's HTTP interface: routes, wire types, problems (RFC
// 9457), authentication by API key, and the middleware around them. Every wire
// type lives here, none anywhere else; openapi.yaml describes them, and the
// tests hold each answer against it.
//
// Reading goes to store, everything that moves an onboarding to resumer. It may
// import fsm, pii, store and resumer; it must not know vendors, SQL or
// configuration.
package api
