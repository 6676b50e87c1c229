package store_test

import (
	"testing"

	"github.com/gerbang-id/gerbang/internal/devpg/pgtest"
	"github.com/gerbang-id/gerbang/internal/store"
)

var empty pgtest.Template

// schema is every table, column, index, constraint, trigger and function.
const schema = `SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
	SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) AS line
		FROM information_schema.columns WHERE table_schema = 'public'
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
	UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
	UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
	UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
	) s WHERE line NOT LIKE '%goose%'`

func TestMigrations(t *testing.T) {
	t.Parallel()
	w := &world{t: t, db: empty.New(t)}
	m, err := store.NewMigrator(w.db.URL)
	must(t, err)
	t.Cleanup(func() { _ = m.Close() })
	wantErr(t, m.Check(t.Context()), store.ErrSchema)

	top, err := m.Up(t.Context())
	must(t, err)
	must(t, m.Check(t.Context()))
	up := one[string](w, schema)
	if current, target, err := m.Versions(t.Context()); err != nil || current != top || target != top || top < 1 {
		t.Errorf("at %d of %d, %v", current, target, err)
	}
	if again, err := m.Up(t.Context()); err != nil || again != top {
		t.Errorf("up again: %d, %v", again, err)
	}
	for v := top; v > 0; v-- {
		down, err := m.Down(t.Context())
		must(t, err)
		if down != v-1 {
			t.Fatalf("down from %d to %d", v, down)
		}
		wantErr(t, m.Check(t.Context()), store.ErrSchema)
	}
	if left := one[string](w, schema); left != "" {
		t.Errorf("down leaves behind:\n%s", left)
	}
	_, err = m.Up(t.Context())
	must(t, err)
	if got := one[string](w, schema); got != up || got == "" {
		t.Error("up, down and up again gives another schema")
	}
	// A newer schema is fine: migrations expand before they contract.
	w.sql(`INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)`, top+1)
	if err := m.Check(t.Context()); err != nil {
		t.Errorf("on a newer schema: %v", err)
	}
}

func TestMigratorNeedsADatabase(t *testing.T) {
	t.Parallel()
	m, err := store.NewMigrator("postgres://someone@127.0.0.1:1/gerbang")
	must(t, err)
	t.Cleanup(func() { _ = m.Close() })
	if _, err := m.Up(t.Context()); err == nil {
		t.Error("migrated nothing")
	}
	if err := m.Check(t.Context()); err == nil {
		t.Error("checked nothing")
	}
	if _, err := m.Down(t.Context()); err == nil {
		t.Error("took nothing back")
	}
}
