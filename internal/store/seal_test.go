package store_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

var (
	identity = pii.Identity{NIK: pii.NewSecret(nik), FullName: pii.NewSecret(name), Address: pii.NewSecret("Jalan Rekaan 7")}
	verdict  = pii.Verdict{Valid: true, Photo: pii.NewSecret("cGhvdG8tcmVrYWFu"), Raw: pii.NewSecret(`{"NAMA_LGKP":"Sesuai rekaan"}`)}
)

// filled is an onboarding with something in every sealed column.
func (w *world) filled(app string) (*store.Onboarding, store.Review) {
	w.t.Helper()
	n := w.application(app)
	n.Verdict = &verdict
	o := w.createAs(n)
	w.move(&store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor})
	must(w.t, w.st.RecordChallenge(w.t.Context(), o.ID, store.KTP, "nonce-1", "fc_1", time.Now().Add(time.Hour)))
	w.move(&store.Move{Row: o, Event: fsm.Submitted, Facts: o.Facts, Actor: actor,
		Submission: submission(store.KTP, 1, "nonce-1", `{"frames":["bingkai-rekaan"]}`)})
	w.move(&store.Move{Row: o, Event: fsm.Referred, Facts: o.Facts, Actor: actor, Identity: &identity, Personal: identity})
	rev, err := w.st.OpenReview(w.t.Context(), o)
	must(w.t, err)
	w.move(&store.Move{Row: o, Event: fsm.Approve, Facts: o.Facts, Actor: actor, Reviewed: &store.Reviewed{
		ReviewID: rev.ID, Decision: fsm.DecisionApprove, ReasonCode: "looked_at", Reviewer: "sari", Note: pii.NewSecret("catatan rekaan")}})
	w.move(&store.Move{Row: o, Event: fsm.Submitted, Facts: o.Facts, Actor: actor,
		Submission: submission(store.Face, 1, "nonce-2", `{"frames":["wajah-rekaan"]}`)})
	return o, rev
}

// TestNoPlaintext looks for a person in every byte of every table.
func TestNoPlaintext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, _ := w.filled("app-1")
	dump := strings.ToLower(w.dump())
	for _, secret := range []string{
		name, email, phone, nik, "Jalan Rekaan", "rekaan", "bingkai", "wajah", "catatan", "hmac-of-nonce",
		verdict.Photo.Reveal(), "NAMA_LGKP",
	} {
		for form, text := range map[string]string{
			"text": secret, "hex": hex.EncodeToString([]byte(secret)), "base64": base64.RawStdEncoding.EncodeToString([]byte(secret)),
			"hex of base64": hex.EncodeToString([]byte(base64.RawStdEncoding.EncodeToString([]byte(secret)))),
		} {
			if strings.Contains(dump, strings.ToLower(text)) {
				t.Errorf("%q stands in the database as %s", secret, form)
			}
		}
	}
	for _, column := range []string{"data_key", "applicant", "identity", "verdict"} { // the scan looked at something
		if sealed := one[[]byte](w, `SELECT `+column+` FROM onboardings WHERE id = $1`, o.ID); len(sealed) < 40 || sealed[0] != 1 {
			t.Errorf("%s is not sealed: %d bytes", column, len(sealed))
		}
	}
}

// TestSealedComesBack is the other half: what was sealed can be read.
func TestSealedComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, rev := w.filled("app-1")
	got := w.get(o)
	if got.Applicant.Email.Reveal() != email || !got.Identity.Address.Equal(identity.Address) || !got.Verdict.Photo.Equal(verdict.Photo) {
		t.Error("a column did not come back")
	}
	note, err := w.st.ReviewNote(t.Context(), got, rev.ID)
	must(t, err)
	sub, err := w.st.Capture(t.Context(), got, store.Face, 1)
	must(t, err)
	evidence, err := w.st.PersonalEvidence(t.Context(), got)
	must(t, err)
	want, err := identity.Plaintext()
	must(t, err)
	if note.Reveal() != "catatan rekaan" || string(sub.Bundle) != `{"frames":["wajah-rekaan"]}` || sub.HMACKey.Reveal() != "hmac-of-nonce-2" ||
		sub.Nonce != "nonce-2" || len(evidence) != 1 || string(evidence[4].Reveal()) != string(want) {
		t.Errorf("note, capture or evidence did not come back: %d parts of evidence", len(evidence))
	}
}

// TestMovedCiphertextDoesNotOpen: the associated data names table, column and
// row, so that nobody with write access can pass one person for another.
func TestMovedCiphertextDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	read := func(o *store.Onboarding) error {
		_, err := w.st.Get(t.Context(), client, o.ID)
		return err
	}
	evidence := func(o *store.Onboarding) error {
		_, err := w.st.PersonalEvidence(t.Context(), w.get(o))
		return err
	}
	capture := func(o *store.Onboarding) error {
		_, err := w.st.Capture(t.Context(), w.get(o), store.Face, 1)
		return err
	}
	for i, tc := range []struct {
		what string
		sql  string // $1 the onboarding, $2 another one
		open func(*store.Onboarding) error
	}{
		{"another row's data key", `UPDATE onboardings SET data_key = (SELECT data_key FROM onboardings WHERE id = $2) WHERE id = $1`, read},
		{"another person altogether", `UPDATE onboardings o SET data_key = x.data_key, applicant = x.applicant, identity = x.identity, verdict = x.verdict
			FROM onboardings x WHERE o.id = $1 AND x.id = $2`, read},
		{"another row's form", `UPDATE onboardings SET applicant = (SELECT applicant FROM onboardings WHERE id = $2) WHERE id = $1`, read},
		{"the identity in the form's place", `UPDATE onboardings SET applicant = identity WHERE id = $1 AND $2::uuid IS NOT NULL`, read},
		{"the form in the identity's place", `UPDATE onboardings SET identity = applicant WHERE id = $1 AND $2::uuid IS NOT NULL`, read},
		{"the form in the verdict's place", `UPDATE onboardings SET verdict = applicant WHERE id = $1 AND $2::uuid IS NOT NULL`, read},
		{"a flipped bit", `UPDATE onboardings SET applicant = set_bit(applicant, 300, 1 - get_bit(applicant, 300)) WHERE id = $1 AND $2::uuid IS NOT NULL`, read},
		{"another format", `UPDATE onboardings SET applicant = set_byte(applicant, 0, 2) WHERE id = $1 AND $2::uuid IS NOT NULL`, read},
		{"cut off", `UPDATE onboardings SET applicant = substr(applicant, 1, 4) WHERE id = $1 AND $2::uuid IS NOT NULL`, read},
		{"empty", `UPDATE onboardings SET applicant = '' WHERE id = $1 AND $2::uuid IS NOT NULL`, read},
		{"the hmac key in the bundle's place", `UPDATE captures SET bundle = hmac_key WHERE onboarding_id = $1 AND $2::uuid IS NOT NULL`, capture},
		{"another row's bundle", `UPDATE captures SET bundle = (SELECT bundle FROM captures WHERE onboarding_id = $2 AND purpose = 'face')
			WHERE onboarding_id = $1 AND purpose = 'face'`, capture},
		{"another event's evidence", `UPDATE events SET sealed = (SELECT sealed FROM events WHERE onboarding_id = $2 AND sealed IS NOT NULL) WHERE onboarding_id = $1 AND sealed IS NOT NULL`, evidence},
		{"evidence under another number", `UPDATE events e SET sealed = x.sealed, commitment = x.commitment FROM events x
			WHERE e.onboarding_id = $1 AND e.seq = 3 AND x.onboarding_id = $1 AND x.seq = 4 AND $2::uuid IS NOT NULL`, evidence},
	} {
		o, _ := w.filled(fmt.Sprintf("app-%d", i))
		other, _ := w.filled(fmt.Sprintf("other-%d", i))
		must(t, tc.open(o))
		w.sql(`ALTER TABLE events DISABLE TRIGGER events_append_only`)
		w.sql(tc.sql, o.ID, other.ID)
		if err := tc.open(o); err == nil {
			t.Errorf("%s: opened", tc.what)
		} else {
			wantErr(t, err, store.ErrSealed)
		}
	}
}

func TestWrongMasterKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create("app-1")
	wrong := w.open(w.db.URL, keyring(t, 1))
	_, err := wrong.Get(t.Context(), client, o.ID)
	wantErr(t, err, store.ErrSealed)
	if _, err := wrong.View(t.Context(), client, o.ID); err != nil {
		t.Errorf("a poll needs no key: %v", err)
	}
}

func TestMasterKey(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "MARKER", base64.StdEncoding.EncodeToString([]byte("MARKER-only-31-bytes-long......")), "!" + strings.Repeat("A", 43)} {
		_, err := store.NewKeyring(bad)
		if err == nil {
			t.Errorf("%q accepted", bad)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}

func identityWith(nik string) pii.Identity {
	i := identity
	i.NIK = pii.NewSecret(nik)
	return i
}

// TestCheckKey: a database is sealed under one master key, and a process with
// another one is told so.
func TestCheckKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.st.CheckKey(t.Context()))
	must(t, w.open(w.db.URL, keyring(t, 0)).CheckKey(t.Context()))
	wantErr(t, w.open(w.db.URL, keyring(t, 1)).CheckKey(t.Context()), store.ErrWrongKey)
}
