package api_test

import (
	"fmt"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// form is a filled-in form for a test person of the sandbox.
func (w *world) form(person string) map[string]any {
	app := fmt.Sprintf("APP-%d", w.n.Add(1))
	doc := sandbox.DocumentOf(app, person)
	return map[string]any{
		"applicationId": app, "fullName": person, "email": "orang.rekaan@example.com", "phone": "+6281100000001",
		"nik": doc.NIK, "dateOfBirth": doc.DateOfBirth,
	}
}

// create starts an onboarding and lets the vendors have their say.
func (w *world) create(person string) string {
	w.Helper()
	id := w.do("frontend", "POST", "/onboardings", w.form(person)).want(201).view().ID
	w.r.Idle()
	return id
}

func (w *world) poll(id string) view {
	w.Helper()
	return w.do("frontend", "GET", "/onboardings/"+id, nil).want(200).view()
}

// capture gets a challenge and hands in a bundle for it; what is "ktp" or "face".
func (w *world) capture(id, what string) answer {
	w.Helper()
	a := w.do("sdk", "POST", "/onboardings/"+id+"/"+what+"/capture", w.newCapture(id, what)).want(202)
	w.r.Idle()
	return a
}

// newCapture is a capture body for a fresh challenge, odd spacing included.
func (w *world) newCapture(id, what string) string {
	w.Helper()
	var challenge struct{ Nonce string }
	w.do("sdk", "POST", "/onboardings/"+id+"/"+what+"/challenge", nil).want(201).read(&challenge)
	return captureBody(what, challenge.Nonce, w.n.Add(1))
}

func captureBody(what, nonce string, n int64) string {
	extra := ""
	if what == "face" {
		extra = `, "challenges":["blink"], "responses":[{"challenge":"blink","satisfied":true}], "passiveLivenessScores":[0.98]`
	}
	return fmt.Sprintf(`{ "bundle" : { "version":"1.0","sdkVersion":"9.9.%d",  "platform":"android", "frames":["/9j/4AAQSkZJRg=="],
		"capturedAt":"2026-01-02T03:04:05Z","signature":"c2lnbmVk","flashChallengeNonce":%q%s } }`, n, nonce, extra)
}

// reach brings a new onboarding of a person to where it next waits after these
// captures.
func (w *world) reach(person string, captures ...string) string {
	w.Helper()
	id := w.create(person)
	for _, what := range captures {
		w.capture(id, what)
	}
	return id
}

// review is an item of the queue, as a client reads it.
type review struct {
	ID, OnboardingID, Kind, State   string
	ClaimedBy, Decision, ReasonCode *string
	DecidedBy                       *string
	AgeSeconds                      int64
	Overdue                         bool
	Version                         int64
}

func (v review) etag() string { return fmt.Sprintf(`"%d"`, v.Version) }

// openReview finds the open review of an onboarding.
func (w *world) openReview(id string) review {
	w.Helper()
	var page struct{ Items []review }
	w.do("analyst:ani", "GET", "/reviews?limit=200", nil).want(200).read(&page)
	for _, v := range page.Items {
		if v.OnboardingID == id {
			return v
		}
	}
	w.Fatalf("no open review of %s", id)
	return review{}
}

func (w *world) decide(key string, v review, decision string) answer {
	w.Helper()
	a := w.do(key, "PATCH", "/reviews/"+v.ID, map[string]any{"decision": decision, "reasonCode": "looked_at", "note": "noted by hand"},
		header{"If-Match": v.etag()})
	w.r.Idle()
	return a
}
