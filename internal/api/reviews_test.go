package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/fsm"
)

func TestReviewIsReadClaimedAndDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.reach("Hasan Uji Tinjau", "ktp")
	if v := w.poll(id); v.Status != "in_review" || v.NextAction.Type != "wait" {
		t.Errorf("under review: %+v", v)
	}
	rev := w.openReview(id)
	if rev.Kind != "ktp" || rev.State != "open" || rev.ClaimedBy != nil || rev.Overdue {
		t.Errorf("in the queue: %+v", rev)
	}
	var c struct {
		review
		Applicant struct{ FullName, NIK, Email string }
		Identity  *struct{ NIK, FullName string }
		Signals   []string
		Decisions []string
		Evidence  []struct {
			Event string
			Data  map[string]any
		}
		History []struct{ From, To *string }
	}
	a := w.do("analyst:ani", "GET", "/reviews/"+rev.ID, nil).want(200)
	a.read(&c)
	if a.header.Get("ETag") != rev.etag() || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers of a case: %v", a.header)
	}
	if c.Applicant.FullName != "Hasan Uji Tinjau" || c.Identity == nil || c.Identity.NIK != "9903012105900003" {
		t.Errorf("the people in the case: %s", a.body)
	}
	if !slices.Equal(c.Decisions, []string{"approve", "reject", "recapture"}) || len(c.Evidence) != len(c.History) || len(c.History) != 4 {
		t.Errorf("the case: %s", a.body)
	}

	claim := "/reviews/" + rev.ID + "/claim"
	var claimed review
	w.do("analyst:ani", "POST", claim, nil).want(200).read(&claimed)
	if claimed.ClaimedBy == nil || *claimed.ClaimedBy != "ani" {
		t.Errorf("claimed: %+v", claimed)
	}
	w.do("analyst:ani", "POST", claim, "{}").want(200) // renewed
	before := w.digest()
	w.do("analyst:budi", "POST", claim, nil).want(409, "review_claimed")
	w.do("analyst:budi", "DELETE", claim, nil).want(409, "review_claimed")
	w.decide("analyst:budi", rev, "approve").want(409, "review_claimed")
	if w.digest() != before {
		t.Error("a second analyst changed a claimed case")
	}
	for assignee, n := range map[string]int{"me": 1, "ani": 1, "budi": 0} {
		var page struct{ Items []review }
		w.do("analyst:ani", "GET", "/reviews?kind=ktp&assignee="+assignee, nil).want(200).read(&page)
		if len(page.Items) != n {
			t.Errorf("assigned to %s: %d", assignee, len(page.Items))
		}
	}
	w.do("analyst:ani", "DELETE", claim, nil).want(204)
	w.do("analyst:ani", "DELETE", claim, nil).want(204)
	w.do("analyst:budi", "POST", claim, nil).want(200)

	var decided review
	w.decide("analyst:budi", rev, "approve").want(200).read(&decided)
	if decided.State != "decided" || *decided.Decision != "approve" || *decided.DecidedBy != "budi" || *decided.ReasonCode != "looked_at" {
		t.Errorf("decided: %+v", decided)
	}
	if v := w.poll(id); v.NextAction.Type != "capture_selfie" {
		t.Errorf("after the review: %+v", v)
	}
	w.unchanged(func() { // decided twice
		w.decide("analyst:ani", rev, "reject").want(412, "stale_version")
		w.decide("analyst:ani", decided, "reject").want(409, "invalid_state")
		w.do("analyst:ani", "POST", claim, nil).want(409, "invalid_state")
	})
	var note struct {
		Evidence []struct{ Data struct{ Note string } }
	}
	w.do("analyst:ani", "GET", "/reviews/"+rev.ID, nil).want(200).read(&note)
	if got := note.Evidence[len(note.Evidence)-1].Data.Note; got != "noted by hand" {
		t.Errorf("the note reads %q", got)
	}
}

func TestDecisionsThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *fsm.Policy, _ *api.Config) {
		ktp := p.Reviews[fsm.ReviewKTP]
		ktp.Reasons = map[fsm.ReviewDecision][]string{fsm.DecisionReject: {"forged_document"}}
		p.Reviews[fsm.ReviewKTP] = ktp
	})
	rev := w.openReview(w.reach("Hasan Uji Tinjau", "ktp"))
	hit := w.openReview(w.reach("Maya Uji Pejabat", "ktp", "face"))
	match := header{"If-Match": rev.etag()}
	path := "/reviews/" + rev.ID
	w.unchanged(func() {
		for body, faults := range map[string][]string{
			`{}`:                                    {"/decision required", "/reasonCode required"},
			`{"decision":"maybe","reasonCode":"x"}`: {"/decision oneof"},
			`{"decision":"approve","reasonCode":"Bad"}`:                                          {"/reasonCode word"},
			`{"decision":"reject","reasonCode":"because"}`:                                       {"/reasonCode oneof"},
			`{"decision":"approve","reasonCode":"x","note":"` + strings.Repeat("n", 2001) + `"}`: {"/note max"},
			`{"decision":"approve","reasonCode":"x","reviewer":"budi"}`:                          {"/reviewer unknown"},
		} {
			w.do("analyst:ani", "PATCH", path, body, match).want(400, "validation_failed").breaks(faults...)
		}
		// Only a KTP can be taken again.
		w.do("analyst:ani", "PATCH", "/reviews/"+hit.ID, `{"decision":"recapture","reasonCode":"x"}`, header{"If-Match": hit.etag()}).
			want(400, "validation_failed").breaks("/decision oneof")

		fine := `{"decision":"reject","reasonCode":"forged_document"}`
		for _, any := range []string{"", "*", " * "} {
			w.do("analyst:ani", "PATCH", path, fine, header{"If-Match": any}).want(428, "if_match_required")
		}
		for _, stale := range []string{`"1"`, `"0"`, `"99"`, `W/` + rev.etag(), `"` + rev.etag() + `"`, "4", `"x"`, rev.etag() + `, "1"`, `"+4"`} {
			w.do("analyst:ani", "PATCH", path, fine, header{"If-Match": stale}).want(412, "stale_version")
		}
	})
	w.do("analyst:ani", "PATCH", path, `{"decision":"reject","reasonCode":"forged_document"}`, match).want(200)
	var c struct{ ReasonCodes map[string][]string }
	w.do("analyst:ani", "GET", path, nil).want(200).read(&c)
	if !slices.Equal(c.ReasonCodes["reject"], []string{"forged_document"}) {
		t.Errorf("reason codes: %v", c.ReasonCodes)
	}
}

func TestSignOffByASecondPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.reach("Nanda Uji Sanksi", "ktp", "face")
	w.decide("signoff:ani", w.openReview(id), "approve").want(200)
	v := w.poll(id)
	if v.Status != "in_review" || v.DeclineReason != nil {
		t.Errorf("waiting for the sign-off: %+v", v)
	}
	second := w.openReview(id)
	if second.Kind != "aml_signoff" {
		t.Fatalf("the review is %+v", second)
	}
	w.unchanged(func() {
		if p := w.decide("analyst:budi", second, "approve").want(403, "forbidden").problem(); p.RequiredScope != "reviews:signoff" {
			t.Errorf("needs %q", p.RequiredScope)
		}
		for _, decision := range []string{"approve", "reject"} {
			w.decide("signoff:ani", second, decision).want(403, "self_approval_forbidden")
			w.decide("admin:ani", second, decision).want(403, "self_approval_forbidden")
		}
	})
	// The second person reads what the first one wrote, and whose name is listed.
	a := w.do("signoff:budi", "GET", "/reviews/"+second.ID, nil).want(200)
	for _, told := range []string{`"note":"noted by hand"`, `"listedNames"`} {
		if !strings.Contains(string(a.body), told) {
			t.Errorf("the case does not tell %s: %s", told, a.body)
		}
	}
	w.decide("signoff:budi", second, "reject").want(200)
	if v = w.poll(id); v.Status != "declined" || *v.DeclineReason != "not_eligible" {
		t.Errorf("rejected: %+v", v)
	}
}

func TestWithdrawnReview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.reach("Hasan Uji Tinjau", "ktp")
	rev := w.openReview(id)
	w.do("frontend", "POST", "/onboardings/"+id+"/cancel", nil).want(200)
	var page struct{ Items []review }
	w.do("auditor", "GET", "/reviews?state=withdrawn", nil).want(200).read(&page)
	if len(page.Items) != 1 || page.Items[0].ID != rev.ID || page.Items[0].Overdue {
		t.Fatalf("withdrawn: %+v", page)
	}
	w.unchanged(func() {
		w.decide("analyst:ani", page.Items[0], "approve").want(409, "invalid_state")
		w.decide("analyst:ani", rev, "approve").want(412, "stale_version")
	})
	w.do("auditor", "GET", "/reviews/"+rev.ID, nil).want(200)
	w.do("analyst", "GET", "/reviews/"+uuid.NewString(), nil).want(404, "not_found")
}

func TestQueueIsPagedOldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made []string
	for i := range 5 {
		made = append(made, w.openReview(w.reach(fmt.Sprintf("Hasan Uji Tinjau %d", i), "ktp")).ID)
	}
	_, err := w.db.Pool.Exec(t.Context(), `UPDATE reviews SET sla_at = now() - interval '1 minute', opened_at = opened_at - interval '1 hour' WHERE id = $1`, made[4])
	w.must(err)
	made = append(made[4:], made[:4]...)
	var got []review
	for path := "/reviews?limit=2"; path != ""; {
		var page struct {
			Items      []review
			NextCursor *string
		}
		w.do("analyst", "GET", path, nil).want(200).read(&page)
		got = append(got, page.Items...)
		if path = ""; page.NextCursor != nil {
			path = "/reviews?limit=2&cursor=" + *page.NextCursor
		}
	}
	var ids []string
	for _, v := range got {
		ids = append(ids, v.ID)
	}
	if !slices.Equal(ids, made) {
		t.Errorf("listed %v, made %v", ids, made)
	}
	if !got[0].Overdue || got[1].Overdue || time.Duration(got[0].AgeSeconds)*time.Second < time.Hour {
		t.Errorf("the oldest: %+v", got[0])
	}
}
