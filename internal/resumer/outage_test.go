package resumer_test

import (
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// TestFullDiskParksNothing: however often the database refuses a step's move,
// or does not answer in the middle of one, the row goes on by itself afterwards.
func TestFullDiskParksNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct{ begin, end string }{
		"full disk": {`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
			CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()`, `DROP TRIGGER full_disk ON events`},
		"unreadable bundles": {`ALTER TABLE captures RENAME TO hidden; CREATE FUNCTION gone() RETURNS smallint LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'I/O error' USING ERRCODE = 'io_error'; END $$;
			CREATE VIEW captures AS SELECT gone() AS bucket, onboarding_id, purpose, n, mac, nonce, bundle, hmac_key FROM hidden`,
			`DROP VIEW captures; ALTER TABLE hidden RENAME TO captures`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) { c.MaxAttempts = 2 })
			id := w.create(plain, nil)
			exec := func(statements string) {
				t.Helper()
				_, err := w.db.Pool.Exec(t.Context(), statements)
				must(t, err)
			}
			w.fault(sandbox.Fault{Call: "ktp.capture", Kind: sandbox.FaultStatus, Status: 503, Count: 1})
			w.capture(id, store.KTP)
			exec(fault.begin)
			for range 5 {
				w.tick(id)
				if o := w.get(id); o.ParkedAt != nil || o.Attempts != 1 || o.State != fsm.VerifyingKTP {
					t.Fatalf("in %s, attempt %d, parked for %q", o.State, o.Attempts, o.ParkCause)
				}
			}
			exec(fault.end)
			w.drive(id, path{})
			if o := w.get(id); o.State != fsm.Approved || o.Level != fsm.Premium {
				t.Errorf("ended in %s at %q", o.State, o.Level)
			}
			w.checkInvariants(id)
		})
	}
}
