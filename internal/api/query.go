package api

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/store"
)

// pathID reads the id in a path. A malformed one is as unknown as any other.
func pathID(r *http.Request) (uuid.UUID, error) {
	text := chi.URLParam(r, "id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		return uuid.Nil, errNotFound
	}
	return id, nil
}

// query reads parameters and collects what is wrong with them.
type query struct {
	values url.Values
	faults []fault
}

// newQuery refuses parameters that are not known, and those given twice.
func newQuery(r *http.Request, known ...string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.fail("", "query")
	}
	for name, given := range values {
		switch {
		case !slices.Contains(known, name):
			q.fail("", "unknown")
		case len(given) > 1:
			q.fail(name, "unique")
		}
	}
	return q
}

func (q *query) fail(name, rule string) {
	pointer := ""
	if name != "" {
		pointer = "/" + name
	}
	q.faults = append(q.faults, fault{pointer, rule})
}

func (q *query) err() error {
	if len(q.faults) == 0 {
		return nil
	}
	return errInvalid(q.faults...)
}

// number reads a whole number between lo and hi.
func (q *query) number(name string, lo, hi, absent int) int {
	if !q.values.Has(name) {
		return absent
	}
	n, err := strconv.Atoi(q.values.Get(name))
	switch {
	case err != nil:
		q.fail(name, "number")
	case n < lo:
		q.fail(name, "min")
	case n > hi:
		q.fail(name, "max")
	}
	return n
}

// oneOf reads one of some words.
func oneOf[T ~string](q *query, name string, words []T, absent T) T {
	if !q.values.Has(name) {
		return absent
	}
	v := T(q.values.Get(name))
	if !slices.Contains(words, v) {
		q.fail(name, "oneof")
	}
	return v
}

// text reads anything that valid accepts; rule is what valid is called.
func (q *query) text(name, rule string, valid func(string) bool) string {
	v := q.values.Get(name)
	if q.values.Has(name) && !valid(v) {
		q.fail(name, rule)
	}
	return v
}

// Cursors are places in a list, opaque to clients and free of personal data.

func (q *query) cursor(size int) []byte {
	if !q.values.Has("cursor") {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(q.values.Get("cursor"))
	if err != nil || len(b) != size {
		q.fail("cursor", "cursor")
		return nil
	}
	return b
}

func (q *query) before() uuid.UUID {
	b := q.cursor(16)
	if b == nil {
		return uuid.Nil
	}
	return uuid.UUID(b)
}

func cursorBefore(id uuid.UUID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func (q *query) after() *store.Position {
	b := q.cursor(8 + 16)
	if b == nil {
		return nil
	}
	return &store.Position{At: time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC(), ID: uuid.UUID(b[8:])}
}

func cursorAfter(p store.Position) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(p.At.UnixMicro())), p.ID[:]...))
}

// list is a page of a list.
type list[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"nextCursor"`
}

// The sizes of pages.
const (
	maxPage     = 200
	defaultPage = 50
)

// writePage sends a page of rows, of which one more than limit was asked for:
// if it is there, so is another page (RFC 8288 names the way).
func writePage[R, T any](w http.ResponseWriter, r *http.Request, rows []R, limit int, wire func(R) T, cursor func(R) string) error {
	page := list[T]{Items: []T{}}
	if len(rows) > limit {
		rows = rows[:limit]
		next := cursor(rows[limit-1])
		page.NextCursor = &next
		params := r.URL.Query()
		params.Set("cursor", next)
		w.Header().Set("Link", "<"+r.URL.Path+"?"+params.Encode()+`>; rel="next"`)
	}
	for _, row := range rows {
		page.Items = append(page.Items, wire(row))
	}
	return writeJSON(w, http.StatusOK, page)
}
