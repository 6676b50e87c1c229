package proof

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// newer is the schema of a binary to come: one more state, one more column.
const newer = `
	ALTER TABLE onboardings ADD COLUMN video_call_at timestamptz, DROP CONSTRAINT onboardings_state_known,
		ADD CONSTRAINT onboardings_state_known CHECK (state ~ '^[a-z_]+$');
	INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`

// TestOldBinaryOnNewSchema: while a deploy rolls, the old binary works on the
// new schema and leaves alone what it does not know.
func TestOldBinaryOnNewSchema(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.sql(newer)
	s.MustServe()
	ctx := within(t, 40*time.Second)
	unknown := Case{App: "unknown", Person: "Dewi Rekaan Sabar"}
	v, err := s.apply(ctx, unknown)
	must(t, err)
	for v.NextAction.Type != "capture_ktp" {
		v, err = s.poll(ctx, v)
		must(t, err)
	}
	id := uuid.MustParse(v.ID)
	// The newer binary has moved it on: it is in a state of work, and due.
	s.moveUnknown(id)
	before, err := s.Store.Get(ctx, client, id)
	must(t, err)

	known := crowd("known", 3)
	for _, err := range s.PlayAll(ctx, known) {
		t.Error(err)
	}
	auditor, err := s.Store.CreateAPIKey(ctx, store.APIKey{ClientID: client, Role: "auditor"})
	must(t, err)
	path := "/onboardings/" + v.ID
	for _, q := range []struct {
		call
		status int
		holds  string
	}{
		{call{key: s.Keys.Frontend, method: http.MethodGet, path: path}, http.StatusOK, `"status":"processing"`},
		{call{key: s.Keys.Frontend, method: http.MethodGet, path: path}, http.StatusOK, `"type":"wait"`},
		{call{key: s.Keys.Frontend, method: http.MethodGet, path: path + "?wait=1"}, http.StatusOK, v.ID},
		{call{key: s.Keys.Frontend, method: http.MethodGet, path: "/onboardings"}, http.StatusOK, v.ID},
		{call{key: s.Keys.Frontend, method: http.MethodGet, path: "/onboardings?status=processing"}, http.StatusOK, v.ID},
		{call{key: s.Keys.Frontend, method: http.MethodGet, path: "/onboardings?applicationId=unknown"}, http.StatusOK, v.ID},
		{call{key: s.Keys.Frontend, method: http.MethodPost, path: path + "/cancel"}, http.StatusConflict, "invalid_state"},
		{call{key: s.Keys.SDK, method: http.MethodPost, path: path + "/ktp/challenge"}, http.StatusConflict, "invalid_state"},
		{call{key: s.Keys.SDK, method: http.MethodPut, path: path + "/dukcapil-verdict", body: map[string]any{"valid": false}}, http.StatusConflict, "invalid_state"},
		{call{key: s.Keys.Operator, method: http.MethodGet, path: path + "/explanation"}, http.StatusOK, `"waitingFor"`},
		{call{key: s.Keys.Operator, method: http.MethodPost, path: path + "/retry"}, http.StatusConflict, "invalid_state"},
		{call{key: auditor, method: http.MethodGet, path: path + "/events"}, http.StatusOK, "created"},
	} {
		a, err := s.do(ctx, q.call)
		must(t, err)
		if a.status != q.status || !strings.Contains(string(a.body), q.holds) {
			t.Errorf("%s %s: %d %s", q.method, q.path, a.status, a.body)
		}
	}
	after, err := s.Store.Get(ctx, client, id)
	must(t, err)
	if after.State != "video_call" || after.Version != before.Version || after.Attempts != 0 || after.Lease != uuid.Nil || !after.DueAt.Equal(*before.DueAt) {
		t.Errorf("the unknown row was touched: %s at %d, attempt %d, due %v", after.State, after.Version, after.Attempts, after.DueAt)
	}
	// Back where the old binary knows it, it goes on as if nothing had been.
	s.sql(`BEGIN; SET LOCAL session_replication_role = replica; UPDATE onboardings SET state = 'awaiting_ktp', due_at = now() + interval '1 day' WHERE state = 'video_call'; COMMIT`)
	unknown.Want = approved(fsm.Premium)
	must(t, s.Play(ctx, unknown))
	s.CheckInvariants(t, append(known, unknown)...)
}

// moveUnknown puts a row where only a newer binary could, triggers aside.
func (s *Stack) moveUnknown(id uuid.UUID) {
	s.T.Helper()
	s.sql(`BEGIN; SET LOCAL session_replication_role = replica; UPDATE onboardings SET state = 'video_call', due_at = now() WHERE id = '` + id.String() + `'; COMMIT`)
}

// TestNewBinaryOnOldSchema: it refuses to start, says why and what to do, and
// has written nothing.
func TestNewBinaryOnOldSchema(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	m, err := store.NewMigrator(s.DB.URL)
	must(t, err)
	_, err = m.Down(t.Context())
	must(t, err)
	must(t, m.Close())
	p, err := s.Serve()
	if err == nil {
		t.Fatal("it started")
	}
	if code := p.cmd.ProcessState.ExitCode(); code <= 0 {
		t.Errorf("it ended with %s", p.cmd.ProcessState)
	}
	for _, word := range []string{"schema does not fit", "server migrate up"} {
		if !strings.Contains(p.Log(), word) {
			t.Errorf("it does not say %q: %s", word, p.Log())
		}
	}
	var rows int
	must(t, s.DB.Pool.QueryRow(t.Context(), `SELECT count(*) FROM policies`).Scan(&rows))
	if rows != 0 {
		t.Error("it has written its policy")
	}
}

// ktp hands in a capture of the KTP and returns how that was answered.
func (s *Stack) ktp(ctx context.Context, id string, ch sandbox.FlashChallenge) (answer, error) {
	return s.do(ctx, call{
		key: s.Keys.SDK, method: http.MethodPost, path: "/onboardings/" + id + "/ktp/capture",
		body: map[string]json.RawMessage{"bundle": sandbox.SampleKTPBundle(ch, time.Now(), nil)},
	})
}
