package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// TestEveryConnectionHasTimeouts: without the last one, a stopped process
// would block its rows for good.
func TestEveryConnectionHasTimeouts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 4 { // all that the pool may have, held until the end
		c, err := w.st.Pool().Acquire(t.Context())
		must(t, err)
		defer c.Release()
		w.timeouts(c, "15s", "5s", "10s")
	}
	// Who knows better may say so in the DSN.
	sep := "?"
	if strings.Contains(w.db.URL, "?") {
		sep = "&"
	}
	c, err := w.open(w.db.URL+sep+"statement_timeout=3s", keyring(t, 0)).Pool().Acquire(t.Context())
	must(t, err)
	defer c.Release()
	w.timeouts(c, "3s", "5s", "10s")
}

func (w *world) timeouts(c *pgxpool.Conn, statement, lock, idle string) {
	w.t.Helper()
	for name, want := range map[string]string{
		"statement_timeout": statement, "lock_timeout": lock, "idle_in_transaction_session_timeout": idle,
		"application_name": "gerbang", "timezone": "UTC",
	} {
		var got string
		must(w.t, c.QueryRow(w.t.Context(), `SHOW `+name).Scan(&got))
		if got != want {
			w.t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.st.Ready(t.Context()))
	w.st.Close()
	if err := w.st.Ready(t.Context()); err == nil {
		t.Error("ready without a connection")
	}
}

// TestErrorsQuoteNoValues: Postgres puts the failing row into its error's
// detail. Ours must not carry it, however it is printed.
func TestErrorsQuoteNoValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, r := w.openReview("app-1", fsm.KTPReview)
	const marker = "MARKER"
	w.sql(`ALTER TABLE api_keys ADD CHECK (subject <> 'MARKER')`)
	w.sql(`ALTER TABLE reviews ADD CHECK (claimed_by <> 'MARKER')`)
	w.sql(`ALTER TABLE onboardings ADD CHECK (client_id <> 'MARKER'), ADD CHECK (last_error <> 'MARKER')`)
	w.sql(`ALTER TABLE events ADD CHECK (actor <> 'MARKER')`)
	for name, do := range map[string]func() error{
		"challenge": func() error {
			return w.st.RecordChallenge(t.Context(), o.ID, marker, marker, marker, time.Now())
		},
		"key": func() error {
			_, err := w.st.CreateAPIKey(t.Context(), store.APIKey{ClientID: marker, Subject: marker})
			return err
		},
		"claim": func() error {
			_, err := w.st.ClaimReview(t.Context(), client, r.ID, marker, time.Minute)
			return err
		},
		"create": func() error {
			n := w.application(marker)
			n.ClientID = marker
			_, _, err := w.st.Create(t.Context(), n)
			return err
		},
		"advance": func() error {
			return w.advance(&store.Move{Row: o, Event: fsm.Cancel, Facts: fsm.Facts{CustomerID: marker}, Actor: marker})
		},
		"postpone": func() error {
			w.create("app-2")
			return w.st.Postpone(t.Context(), w.claim(1)[0], 0, marker, false)
		},
	} {
		err := do()
		if sqlState(err) != checkViolation {
			t.Errorf("%s: no constraint was violated: %v", name, err)
			continue
		}
		pg, _ := errors.AsType[*pgconn.PgError](err) // a log handler may look inside
		if text := fmt.Sprintf("%v %#v", err, *pg); strings.Contains(text, marker) {
			t.Errorf("%s: the error carries the value: %s", name, text)
		}
	}
	w.same(w.get(o)) // and the failed move was rolled back
}
