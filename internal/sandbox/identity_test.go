package sandbox_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

func TestEnvelopesAreThoseOfEachPage(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	a := r.post(customersPath, object{"fullName": "Citra Uji Lancar", "externalRef": "app-1"})
	r.wantStatus(a, 201)
	r.wantAt(a, "data.externalRef", "app-1")
	id := str(a, "data.id")

	ch := r.post(ktpChallengePath, object{"customerId": id, "steps": 4, "ttlMs": 15000})
	r.wantAt(ch, "flashChallenge.purpose", "ktp")
	if colors, _ := ch.at("flashChallenge.colors").([]any); len(colors) != 4 {
		t.Errorf("colors: %s", ch.raw)
	}
	r.wantAt(ch, "flashChallenge.expiresAt", "2026-03-02T09:00:15.000Z")

	ktp := r.post(ktpCapturePath, r.ktpBody(id, "app-1:ktp:1"))
	r.wantAt(ktp, "verification.status", "verified")
	r.wantAt(ktp, "faceEnrolment.source", "ktp_extract")
	r.wantAt(ktp, "ktpBundle.ocr.gender", "PEREMPUAN")
	r.wantAt(ktp, "antiSpoof.present", true)
	step := r.post(stepUpPath, r.stepUpBody(id, "app-1:step-up:1"))
	r.wantAt(step, "audit.trigger", "onboarding")
	r.wantAt(step, "match.threshold", 0.45)
	ingest := r.post(ingestPath, object{"customerId": id, "valid": true, "photo": "AAAA", "externalId": "app-1:dukcapil:1"})
	r.wantAt(ingest, "enrolment.source", "dukcapil")
	r.wantAt(ingest, "enrolment.fallbackStub", false)
	invalid := r.post(ingestPath, object{"customerId": id, "valid": false, "reason": "13", "externalId": "app-1:dukcapil:2"})
	r.wantAt(invalid, "verification.status", "failed")
	r.wantAt(invalid, "enrolment", nil)
	aml := r.post(screeningsPath, subject(id, "app-1", "Citra Uji Lancar", str(ktp, "ktpBundle.ocr.nik"), "1991-03-14"))
	r.wantAt(aml, "ok", true)
	r.wantAt(aml, "data.customerId", id)
	fraud := r.post(evaluatePath, evaluation(id, "app-1", "Citra Uji Lancar"))
	r.wantAt(fraud, "ok", true)
	r.wantAt(fraud, "data.subScores.rules", 4.0)
	r.wantNoViolations()
}

func TestKYCShowsWhatWasDone(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	id := r.customer("app-1", "Nina Uji Duakali")
	before := r.call("GET", kycPath+id, nil)
	r.wantAt(before, "customer.kycLevel", "none")
	r.wantAt(before, "customer.kycLastVerifiedAt", nil)
	r.wantAt(before, "eligible", false)

	r.post(ktpCapturePath, r.ktpBody(id, "app-1:ktp:1"))
	r.clock.advance(time.Minute)
	r.post(stepUpPath, r.stepUpBody(id, "app-1:step-up:1"))
	r.clock.advance(time.Minute)
	r.post(stepUpPath, r.stepUpBody(id, "app-1:step-up:2"))
	r.post(ingestPath, object{"customerId": id, "valid": false, "reason": "13", "externalId": "app-1:dukcapil:1"})

	kyc := r.call("GET", kycPath+id, nil)
	want := []string{
		"nik_format verified", "ktp_capture verified", "face_liveness verified", "face_match failed",
		"face_liveness verified", "face_match verified", "nik_dukcapil failed",
	}
	for i, w := range want {
		at := "verifications." + string(rune('0'+i))
		if got := str(kyc, at+".method") + " " + str(kyc, at+".status"); got != w {
			t.Errorf("verification %d: %q, want %q", i, got, w)
		}
	}
	r.wantAt(kyc, "verifications.3.createdAt", "2026-03-02T09:01:00.000Z")
	r.wantAt(kyc, "customer.kycLevel", "premium")
	r.wantAt(kyc, "eligible", true)
	r.wantAt(kyc, "history.2.fromTier", "standard")
	r.wantAt(kyc, "history.2.toTier", "premium")
	r.wantNoViolations()

	r.wantStatus(r.call("GET", kycPath+"cus_nobody", nil), 404)
	r.wantViolation("unknown customer")
}

func TestChallengesAreSingleUse(t *testing.T) {
	t.Parallel()
	capture := func(r *rig, customerID, externalID string, ch sandbox.FlashChallenge) answer {
		return r.post(ktpCapturePath, object{
			"customerId": customerID, "externalId": externalID, "bundle": sandbox.SampleKTPBundle(ch, start, nil),
		})
	}
	for _, tc := range []struct {
		name      string
		do        func(r *rig, id string) answer
		status    int
		violation string
	}{
		{"consumed by another id", func(r *rig, id string) answer {
			ch := r.challenge(ktpChallengePath, id)
			r.wantStatus(capture(r, id, "app-1:ktp:1", ch), 200)
			return capture(r, id, "app-1:ktp:2", ch)
		}, 409, ""},
		{"unknown nonce", func(r *rig, id string) answer {
			return capture(r, id, "app-1:ktp:1", sandbox.FlashChallenge{Nonce: "nonce_invented"})
		}, 422, "unknown challenge nonce"},
		{"wrong purpose", func(r *rig, id string) answer {
			return capture(r, id, "app-1:ktp:1", r.challenge(faceChallengePath, id))
		}, 422, "another purpose"},
		{"another customer's", func(r *rig, id string) answer {
			return capture(r, id, "app-1:ktp:1", r.challenge(ktpChallengePath, r.customer("app-2", "Orang Lain")))
		}, 422, "another purpose or customer"},
		{"expired", func(r *rig, id string) answer {
			ch := r.challenge(ktpChallengePath, id)
			r.clock.advance(time.Minute)
			return capture(r, id, "app-1:ktp:1", ch)
		}, 422, ""},
		{"replayed after it expired", func(r *rig, id string) answer {
			ch := r.challenge(ktpChallengePath, id)
			capture(r, id, "app-1:ktp:1", ch)
			r.clock.advance(time.Hour)
			return capture(r, id, "app-1:ktp:1", ch)
		}, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, unlimited())
			r.wantStatus(tc.do(r, r.customer("app-1", "Siapa Saja")), tc.status)
			if tc.violation == "" {
				r.wantNoViolations()
			} else {
				r.wantViolation(tc.violation)
			}
		})
	}
}

func TestStepUpNeedsAnEnrolment(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	id := r.customer("app-1", "Gilang Uji Palsu")
	a := r.post(ktpCapturePath, r.ktpBody(id, "app-1:ktp:1"))
	r.wantAt(a, "faceEnrolment", nil)
	r.wantStatus(r.post(stepUpPath, r.stepUpBody(id, "app-1:step-up:1")), 422)
	r.wantViolation("step-up before a KTP enrolment")
}

func TestSignaturesCanBeVerified(t *testing.T) {
	t.Parallel()
	opt := unlimited()
	opt.Switches.VerifySignatures = true
	r := newRig(t, opt)
	id := r.customer("app-1", "Siapa Saja")
	body := r.ktpBody(id, "app-1:ktp:1")
	forged := object{"customerId": id, "externalId": "app-1:ktp:1"}
	ch := r.challenge(ktpChallengePath, id)
	ch.HMACSecret = "qe_whsec_other"
	forged["bundle"] = sandbox.SampleKTPBundle(ch, start, nil)
	r.wantStatus(r.post(ktpCapturePath, forged), 422)
	r.wantStatus(r.post(ktpCapturePath, body), 200)
}

// Every mutating call repeats its answer for the same external id and content,
// and refuses other content.
func TestExternalIDsAreIdempotent(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		call, path string
		body       func(r *rig, id string) object
		change     string
	}{
		{"customers.create", customersPath, func(*rig, string) object {
			return object{"fullName": "Siapa Saja", "externalRef": "app-1"}
		}, "fullName"},
		{"ktp.capture", ktpCapturePath, func(r *rig, id string) object { return r.ktpBody(id, "app-1:ktp:2") }, "hmacKey"},
		{"step-up", stepUpPath, func(r *rig, id string) object { return r.stepUpBody(id, "app-1:step-up:1") }, "hmacKey"},
		{"dukcapil.ingest", ingestPath, func(_ *rig, id string) object {
			return object{"customerId": id, "valid": true, "photo": "AAAA", "externalId": "app-1:dukcapil:1"}
		}, "reason"},
		{"screenings.create", screeningsPath, func(_ *rig, id string) object {
			card := sandbox.DocumentOf("app-1", "Siapa Saja")
			return subject(id, "app-1", "Siapa Saja", card.NIK, card.DateOfBirth)
		}, "fullName"},
		{"evaluate", evaluatePath, func(_ *rig, id string) object { return evaluation(id, "app-1", "Siapa Saja") }, "sessionToken"},
	} {
		t.Run(tc.call, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, unlimited())
			id := r.customer("app-1", "Siapa Saja")
			r.post(ktpCapturePath, r.ktpBody(id, "app-1:ktp:1"))
			body := tc.body(r, id)
			first, again := r.post(tc.path, body), r.post(tc.path, body)
			if first.status/100 != 2 || again.status != 200 || string(first.raw) != string(again.raw) {
				t.Errorf("%d %s then %d %s", first.status, first.raw, again.status, again.raw)
			}
			for _, e := range r.Effects().Effects {
				if e.Call == tc.call && e.ExternalID != "app-1:ktp:1" && (e.Done != 1 || e.Replayed == 0) {
					t.Errorf("%+v", e)
				}
			}
			r.wantNoViolations()
			body[tc.change] = "lain"
			r.wantStatus(r.post(tc.path, body), 409)
			r.wantViolation("other content")
		})
	}
}

func TestTheSameWorkUnderTwoIDsIsNoticed(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	id := r.customer("app-1", "Siapa Saja")
	for _, externalID := range []string{"app-1:dukcapil:1", "app-1:dukcapil:2"} {
		r.post(ingestPath, object{"customerId": id, "valid": true, "photo": "AAAA", "externalId": externalID})
	}
	twice := r.Effects().DoneTwice
	if len(twice) != 1 || twice[0].ExternalIDs != [2]string{"app-1:dukcapil:1", "app-1:dukcapil:2"} {
		t.Errorf("done twice: %+v", twice)
	}
}

func TestConcurrentCallsOfOneIDDoTheWorkOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	id := r.customer("app-1", "Siapa Saja")
	body := r.ktpBody(id, "app-1:ktp:1")
	answers := make([]string, 20)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			if a, err := r.send(r.request("POST", ktpCapturePath, body)); err == nil {
				answers[i] = string(a.raw)
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a != answers[0] || !strings.Contains(a, "ktpb_") {
			t.Fatalf("answers differ: %q and %q", a, answers[0])
		}
	}
	done := 0
	for _, e := range r.Journal() {
		if e.Call == "ktp.capture" {
			done += e.Done
		}
	}
	if done != 1 {
		t.Errorf("done %d times", done)
	}
	r.wantNoViolations()
}
