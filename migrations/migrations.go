// Package migrations holds the database schema as goose SQL files, embedded.
// Expand first, contract in a later release: an old binary must work on the
// new schema.
package migrations

import "embed"

// FS holds the migration files.
//
//go:embed *.sql
var FS embed.FS
