package resumer_test

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
)

// What customers, clients, analysts and operators do in [TestModel].

func (m *machine) purpose() store.Purpose {
	usual, other := store.KTP, store.Face
	if m.state == "awaiting_selfie" || m.state == "verifying_selfie" {
		usual, other = other, usual
	}
	if rapid.IntRange(0, 9).Draw(m.rt, "of the wrong kind") == 0 {
		return other
	}
	return usual
}

// asked: the customer is asked for a capture of this purpose.
func (m *machine) asked(p store.Purpose) bool {
	return m.state == map[store.Purpose]string{store.KTP: "awaiting_ktp", store.Face: "awaiting_selfie"}[p]
}

// Challenge asks for a challenge.
func (m *machine) Challenge(*rapid.T) {
	p := m.purpose()
	taker, _ := m.taker()
	c, err := taker.Challenge(m.w.t.Context(), client, m.id, p)
	if !m.asked(p) {
		m.answered(err, resumer.ErrInvalidState)
		return
	}
	var unavailable *resumer.VendorUnavailable
	if fault := m.call(map[store.Purpose]string{store.KTP: "ktp.challenge", store.Face: "face.challenge"}[p], ""); fault != "" {
		if !errors.As(err, &unavailable) {
			m.rt.Fatalf("a challenge without an answer of the vendor: %v", err)
		}
		return
	}
	m.answered(err, nil)
	var flash struct{ Nonce string }
	m.must(json.Unmarshal(c.Raw, &flash))
	m.nonces[string(p)] = &nonce{text: flash.Nonce}
}

// Capture hands in a bundle: for the last challenge, for none, once more, or
// another one for a challenge that was used.
func (m *machine) Capture(*rapid.T) {
	p := m.purpose()
	taker, worksOn := m.taker()
	issued := m.nonces[string(p)]
	n := &nonce{text: "never-issued"}
	if issued != nil && rapid.IntRange(0, 9).Draw(m.rt, "unissued") != 0 {
		n = issued
	}
	b := bundle(p, n.text, m.w.n.Add(1))
	again := n.bundle != nil && rapid.Bool().Draw(m.rt, "the same again")
	if again {
		b = n.bundle
	}
	_, err := taker.SubmitCapture(m.w.t.Context(), client, m.id, resumer.Capture{Purpose: p, Nonce: n.text, Bundle: b}, "key:test")
	m.idle()
	switch {
	case again:
		m.answered(err, nil)
	case !m.asked(p):
		m.answered(err, resumer.ErrInvalidState)
	case n != issued, n.used:
		m.answered(err, store.ErrChallengeUnknown)
	case n.expired:
		m.answered(err, store.ErrChallengeExpired)
	default:
		m.answered(err, nil)
		n.used, n.bundle = true, b
		if p == store.KTP {
			m.ktps.submitted++
			m.to("verifying_ktp")
		} else {
			m.faces.submitted++
			m.to("verifying_selfie")
		}
		m.request(worksOn)
	}
}

// Dawdle lets the challenges run out.
func (m *machine) Dawdle(*rapid.T) {
	_, err := m.w.db.Pool.Exec(m.w.t.Context(), `UPDATE challenges SET expires_at = now() WHERE onboarding_id = $1`, m.id)
	m.must(err)
	for _, n := range m.nonces {
		n.expired = true
	}
}

// Supply brings a verdict of Dukcapil that the client obtained.
func (m *machine) Supply(rt *rapid.T) {
	name, v := "valid", valid
	if rapid.IntRange(0, 2).Draw(rt, "not valid") == 0 {
		name, v = "not_valid", pii.Verdict{Reason: pii.NewSecret("not found")}
	}
	taker, worksOn := m.taker()
	_, err := taker.SupplyVerdict(m.w.t.Context(), client, m.id, v, "key:test")
	m.idle()
	ahead := slices.Contains([]string{"registering", "awaiting_ktp", "verifying_ktp", "ktp_review", "awaiting_selfie", "verifying_selfie",
		"checking_dukcapil", "upgrading"}, m.state)
	owed := m.owed && slices.Contains([]string{"screening_aml", "aml_review", "aml_signoff", "evaluating_fraud", "fraud_review"}, m.state)
	switch {
	case m.model.verdict == name:
		m.answered(err, nil)
	case m.model.verdict != "" || (!ahead && !owed):
		m.answered(err, resumer.ErrInvalidState)
	default:
		m.answered(err, nil)
		m.model.verdict = name
		switch m.state {
		case "checking_dukcapil":
			m.to("recording_dukcapil")
			m.request(worksOn)
		case "upgrading":
			m.to("recording_upgrade")
			m.request(worksOn)
		default:
			m.version++
		}
	}
}

// Cancel withdraws; seldom where it can be done, since that is the end.
func (m *machine) Cancel(rt *rapid.T) {
	possible := !m.granted && slices.Contains(slices.Concat(working, awaited, reviewed), m.state)
	if possible && rapid.IntRange(0, 30).Draw(rt, "really") != 7 {
		rt.Skip()
	}
	taker, _ := m.taker()
	_, err := taker.Cancel(m.w.t.Context(), client, m.id, "key:test")
	switch {
	case m.state == "cancelled":
		m.answered(err, nil)
	case possible:
		m.answered(err, nil)
		m.to("cancelled")
	default:
		m.answered(err, resumer.ErrInvalidState)
	}
}

// Retry is the operator's: of this onboarding, or of all with its cause.
func (m *machine) Retry(rt *rapid.T) {
	taker, _ := m.taker()
	if m.parked && rapid.Bool().Draw(rt, "by cause") {
		dry := rapid.Bool().Draw(rt, "dry run")
		out, err := taker.RetryParked(m.w.t.Context(), client, m.parkFor, dry, "key:op")
		m.answered(err, nil)
		if !slices.Contains(out.IDs, m.id) || (out.Retried == 0) != dry {
			rt.Fatalf("retried %+v, dry run %t", out, dry)
		}
		if dry {
			return
		}
	} else {
		_, err := taker.Retry(m.w.t.Context(), client, m.id, "key:op")
		if !m.parked {
			m.answered(err, resumer.ErrInvalidState)
			return
		}
		m.answered(err, nil)
	}
	m.version++
	m.parked, m.due, m.attempts = false, true, 0
}

// Claim takes the open case, or the one that was.
func (m *machine) Claim(rt *rapid.T) {
	m.look()
	if !m.desk.last {
		rt.Skip()
	}
	person := rapid.SampledFrom([]string{"sari", "budi"}).Draw(rt, "person")
	_, err := m.w.st.ClaimReview(m.w.t.Context(), client, m.desk.ID, person, time.Minute)
	switch d := &m.model.desk; {
	case !d.open:
		m.answered(err, store.ErrMoved)
	case d.claimed != "" && d.claimed != person:
		m.answered(err, store.ErrClaimed)
	default:
		m.answered(err, nil)
		d.claimed = person
	}
}

// Release gives the case back.
func (m *machine) Release(rt *rapid.T) {
	if m.model.desk.claimed == "" {
		rt.Skip()
	}
	m.must(m.w.st.ReleaseReview(m.w.t.Context(), client, m.desk.ID, m.model.desk.claimed))
	m.model.desk.claimed = ""
}

// look remembers the open case, for later too.
func (m *machine) look() {
	if r, err := m.w.st.OpenReview(m.w.t.Context(), m.w.get(m.id)); err == nil {
		m.desk.Review, m.desk.last = r, true
	}
}

// Decide decides the open case, or the one that was, on what was seen or on
// something older.
func (m *machine) Decide(rt *rapid.T) {
	m.look()
	if !m.desk.last {
		rt.Skip()
	}
	d := rapid.SampledFrom([]fsm.ReviewDecision{"approve", "approve", "approve", "reject", "recapture"}).Draw(rt, "decision")
	person := rapid.SampledFrom([]string{"sari", "budi"}).Draw(rt, "person")
	stale := rapid.IntRange(0, 5).Draw(rt, "stale") == 0
	now, err := m.w.st.Review(m.w.t.Context(), client, m.desk.ID)
	m.must(err)
	version := now.Version
	if stale {
		version--
	}
	taker, worksOn := m.taker()
	_, err = taker.Decide(m.w.t.Context(), resumer.ReviewRequest{ClientID: client, ReviewID: m.desk.ID, Version: version,
		Decision: d, ReasonCode: "looked_at", Note: pii.NewSecret("noted"), Person: person, Actor: "person:" + person})
	m.idle()
	switch desk := m.model.desk; {
	case stale:
		m.answered(err, resumer.ErrStaleVersion)
	case !desk.open:
		m.answered(err, resumer.ErrInvalidState)
	case now.Version != desk.version:
		rt.Fatalf("the case is of version %d, it was opened at %d", now.Version, desk.version)
	case desk.claimed != "" && desk.claimed != person:
		m.answered(err, store.ErrClaimed)
	case d == "recapture" && desk.kind != "ktp":
		m.answered(err, fsm.ErrDecisionNotOffered)
	case desk.kind == "aml_signoff" && person == m.reviewer:
		m.answered(err, fsm.ErrSelfApproval)
	default:
		m.answered(err, nil)
		m.decided(d, desk.kind, person)
		m.request(worksOn)
	}
}

// decided is what the document says of each desk.
func (m *machine) decided(d fsm.ReviewDecision, kind, person string) {
	switch {
	case d == "recapture":
		m.to("awaiting_ktp")
	case d == "reject":
		m.decline(map[string]string{"ktp": "ktp_rejected", "dukcapil": "dukcapil_rejected", "aml": "aml_rejected",
			"aml_signoff": "aml_rejected", "fraud": "fraud_rejected"}[kind])
	case kind == "ktp":
		m.to("awaiting_selfie")
	case kind == "dukcapil" && m.granted:
		m.to("approved")
	case kind == "dukcapil":
		m.to("screening_aml")
	case kind == "aml" && m.who.aml == "confirmed" && m.signoff:
		m.reviewer = person
		m.to("aml_signoff")
	case kind == "fraud":
		m.approve()
	default:
		m.cleared()
	}
}
