package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestPremiumFromFormToDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.form("Citra Uji Lancar")
	created := w.do("frontend", "POST", "/onboardings", form).want(201)
	v := created.view()
	if v.Status != "processing" || v.NextAction.Type != "wait" || v.Version != 1 {
		t.Errorf("created as %s", created.body)
	}
	if got := created.header.Get("Location"); got != "/onboardings/"+v.ID {
		t.Errorf("Location %q", got)
	}
	if created.header.Get("Retry-After") != "1" {
		t.Error("no Retry-After while processing")
	}
	w.r.Idle()

	v = w.poll(v.ID)
	if v.Status != "awaiting_input" || v.NextAction.Type != "capture_ktp" || v.NextAction.Attempt != 1 ||
		v.NextAction.AttemptsLeft != 1 || v.NextAction.ExpiresAt == nil {
		t.Errorf("after registration: %+v", v)
	}
	if got := w.capture(v.ID, "ktp").view(); got.Status != "processing" {
		t.Errorf("after the KTP: %+v", got)
	}
	v = w.poll(v.ID)
	if v.NextAction.Type != "capture_selfie" || v.NextAction.Attempt != 1 || v.NextAction.AttemptsLeft != 2 {
		t.Errorf("after the KTP passed: %+v", v)
	}
	w.capture(v.ID, "face")
	v = w.poll(v.ID)
	if v.Status != "approved" || v.KYCLevel == nil || *v.KYCLevel != "premium" || v.NextAction.Type != "none" || v.Upgrade != nil {
		t.Errorf("in the end: %+v", v)
	}
}

func TestCreateIsIdempotent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.form("Citra Uji Lancar")
	id := w.do("frontend", "POST", "/onboardings", form).want(201).view().ID
	w.unchanged(func() {
		again := w.do("frontend", "POST", "/onboardings", form).want(200)
		if got := again.view().ID; got != id || again.header.Get("Location") != "/onboardings/"+id {
			t.Errorf("the same form gave %s, not %s", got, id)
		}
		form["email"] = "lain.rekaan@example.com"
		w.do("frontend", "POST", "/onboardings", form).want(409, "application_conflict")
	})
	// Another client's application of that name is another application.
	if other := w.do("globex/frontend", "POST", "/onboardings", form).want(201).view().ID; other == id {
		t.Error("two clients share an onboarding")
	}
	w.r.Idle()
}

func TestSelfieIsRetriedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.reach("Omar Uji Beda", "ktp", "face")
	v := w.poll(id)
	if v.NextAction.Type != "capture_selfie" || v.NextAction.Attempt != 2 || v.NextAction.AttemptsLeft != 1 {
		t.Errorf("after the first selfie: %+v", v)
	}
	w.capture(id, "face")
	if v = w.poll(id); v.Status != "declined" || v.DeclineReason == nil || *v.DeclineReason != "biometric_mismatch" || v.KYCLevel != nil {
		t.Errorf("after the second: %+v", v)
	}
}

func TestUpgradeIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.poll(w.reach("Gita Uji Kuota", "ktp", "face"))
	if v.Status != "approved" || v.KYCLevel == nil || *v.KYCLevel != "standard" || v.Upgrade == nil ||
		v.Upgrade.Target != "premium" || v.Upgrade.Reason != "dukcapil_unavailable" {
		t.Errorf("approved before Dukcapil answered: %+v", v)
	}
	w.unchanged(func() {
		w.do("frontend", "POST", "/onboardings/"+v.ID+"/cancel", nil).want(409, "invalid_state")
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	if v := w.do("frontend", "POST", "/onboardings/"+id+"/cancel", nil).want(200).view(); v.Status != "cancelled" {
		t.Errorf("cancelled: %+v", v)
	}
	w.unchanged(func() {
		w.do("frontend", "POST", "/onboardings/"+id+"/cancel", "{}").want(200)
		p := w.do("sdk", "POST", "/onboardings/"+id+"/ktp/challenge", nil).want(409, "invalid_state").problem()
		if p.AllowedActions == nil || len(p.AllowedActions) != 0 {
			t.Errorf("allowed after cancelling: %q", p.AllowedActions)
		}
	})
}

func TestListIsPaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made []string
	for i := range 5 {
		made = append(made, w.do("frontend", "POST", "/onboardings", w.form(fmt.Sprintf("Rekaan %d", i))).want(201).view().ID)
	}
	w.r.Idle()
	slices.Reverse(made)
	w.do("globex/frontend", "POST", "/onboardings", w.form("Orang Lain")).want(201)

	type page struct {
		Items      []view
		NextCursor *string
	}
	var got []string
	path := "/onboardings?limit=2&status=awaiting_input"
	for path != "" {
		var p page
		a := w.do("frontend", "GET", path, nil).want(200)
		a.read(&p)
		for _, v := range p.Items {
			got = append(got, v.ID)
		}
		link := a.header.Get("Link")
		if (p.NextCursor == nil) != (link == "") {
			t.Fatalf("cursor %v and Link %q", p.NextCursor, link)
		}
		path = ""
		if p.NextCursor != nil {
			next, rel, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
			u, err := url.Parse(next)
			w.must(err)
			if rel != `; rel="next"` || u.Query().Get("cursor") != *p.NextCursor || u.Query().Get("status") != "awaiting_input" {
				t.Fatalf("Link %q", link)
			}
			path = next
		}
	}
	if !slices.Equal(got, made) {
		t.Errorf("listed %v, made %v", got, made)
	}
	var one page
	w.do("frontend", "GET", "/onboardings?applicationId=APP-3", nil).want(200).read(&one)
	if len(one.Items) != 1 || one.Items[0].ApplicationID != "APP-3" {
		t.Errorf("by application id: %+v", one)
	}
	if a := w.do("frontend", "GET", "/onboardings?status=approved", nil).want(200); string(a.body) != `{"items":[],"nextCursor":null}` {
		t.Errorf("nobody is approved yet: %s", a.body)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.reach("Citra Uji Lancar", "ktp", "face")
	var page struct {
		Items []struct {
			Seq         int64
			Event, To   string
			From        *string
			Actor, Hash string
			Commitment  *string
			Evidence    map[string]any
		}
	}
	a := w.do("auditor", "GET", "/onboardings/"+id+"/events", nil).want(200)
	a.read(&page)
	if n := int64(len(page.Items)); n != w.poll(id).Version {
		t.Errorf("%d events at version %d", n, w.poll(id).Version)
	}
	first, last := page.Items[0], page.Items[len(page.Items)-1]
	if first.From != nil || first.Event != "created" || last.To != "approved" || len(last.Hash) != 64 {
		t.Errorf("from %+v to %+v", first, last)
	}
	if strings.Contains(string(a.body), "Citra") {
		t.Error("the trail names the customer")
	}
}
