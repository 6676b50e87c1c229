package api_test

import (
	"testing"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

type explanation struct {
	State, WaitingFor, NextAction string
	Version                       int64
	Parked                        *struct{ Cause string }
	LastError                     *string
}

func (w *world) explain(id string) (e explanation) {
	w.Helper()
	w.do("operator", "GET", "/onboardings/"+id+"/explanation", nil).want(200).read(&e)
	return e
}

func TestParkedIsExplainedAndSentOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.sb.AddFault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultStatus, Status: 401, Count: 2}))
	id, other := w.create("Citra Uji Lancar"), w.create("Ujiwati")
	e := w.explain(id)
	if e.State != "registering" || e.WaitingFor != "operator" || e.Parked == nil || e.LastError == nil {
		t.Fatalf("parked: %+v", e)
	}
	// The customer sees that we are working on it, and nothing else.
	if v := w.poll(id); v.Status != "processing" {
		t.Errorf("parked shows as %+v", v)
	}
	cause := map[string]any{"cause": e.Parked.Cause, "dryRun": true}
	type result struct {
		Matched, Retried int
		DryRun           bool
		IDs              []string
	}
	var dry, wet result
	w.unchanged(func() {
		w.do("operator", "POST", "/parked/retry", cause).want(200).read(&dry)
		w.do("globex/operator", "POST", "/onboardings/"+id+"/retry", nil).want(404, "not_found")
		w.do("operator", "POST", "/parked/retry", map[string]any{"cause": "\x00"}).want(400, "validation_failed").breaks("/cause text")
		w.do("operator", "POST", "/parked/retry", "{}").want(400, "validation_failed").breaks("/cause required")
	})
	if dry.Matched != 2 || dry.Retried != 0 || !dry.DryRun || len(dry.IDs) != 2 {
		t.Errorf("the dry run: %+v", dry)
	}
	w.do("operator", "POST", "/onboardings/"+id+"/retry", nil).want(200).read(&e)
	if e.Parked != nil || e.WaitingFor != "vendor" {
		t.Errorf("sent on: %+v", e)
	}
	w.do("operator", "POST", "/parked/retry", map[string]any{"cause": cause["cause"]}).want(200).read(&wet)
	if wet.Matched != 1 || wet.Retried != 1 || wet.DryRun || len(wet.IDs) != 1 || wet.IDs[0] != other {
		t.Errorf("the retry: %+v", wet)
	}
	_, err := w.r.RunOnce(t.Context())
	w.must(err)
	for _, id := range []string{id, other} {
		if e := w.explain(id); e.State != "awaiting_ktp" || e.WaitingFor != "customer" {
			t.Errorf("in the end: %+v", e)
		}
		w.unchanged(func() { w.do("operator", "POST", "/onboardings/"+id+"/retry", nil).want(409, "invalid_state") })
	}
}
