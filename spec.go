// Package gerbang holds the contract of the HTTP API. It exists at the root so
// that the document lies where people look for it; it imports nothing.
package gerbang

import _ "embed"

// OpenAPI is openapi.yaml, the OpenAPI 3.0.3 document of the HTTP API: served
// at /openapi.yaml, rendered at /docs, and held against the router and against
// every response in the tests.
//
//go:embed openapi.yaml
var OpenAPI []byte
