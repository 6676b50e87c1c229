package sandbox_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

func (r *rig) fault(f sandbox.Fault) {
	r.Helper()
	if err := r.AddFault(f); err != nil {
		r.Fatal(err)
	}
}

// done counts the effects of a call, as the journal saw them.
func (r *rig) done(call string) (n int) {
	for _, e := range r.Journal() {
		if e.Call == call {
			n += e.Done
		}
	}
	return n
}

// wasReset: what a cut connection looks like depends on how far the client was.
func wasReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fault  sandbox.Fault
		status int // 0: the connection breaks
		done   int
		holds  string
	}{
		{sandbox.Fault{Kind: "status", Status: 404}, 404, 0, "Not Found"},
		{sandbox.Fault{Kind: "status", Status: 500}, 500, 0, "error"},
		{sandbox.Fault{Kind: "status", Status: 503, RetryAfter: 7}, 503, 0, "error"},
		{sandbox.Fault{Kind: "status", Status: 429, RetryAfter: 7}, 429, 0, `"bucket":"evaluate"`},
		{sandbox.Fault{Kind: "status_after", Status: 500}, 500, 1, "error"},
		{sandbox.Fault{Kind: "reset_before"}, 0, 0, ""},
		{sandbox.Fault{Kind: "reset_after"}, 0, 1, ""},
		{sandbox.Fault{Kind: "truncated"}, 200, 1, `{"data":{"applied`},
		{sandbox.Fault{Kind: "html"}, 200, 0, "<html>"},
		{sandbox.Fault{Kind: "unknown_enum"}, 200, 1, `"decision":"not_yet_documented"`},
		{sandbox.Fault{Kind: "subject_error"}, 500, 0, "error"},
		{sandbox.Fault{Kind: "latency", LatencyMS: 1}, 200, 1, `"decision":"allow"`},
	} {
		t.Run(tc.fault.Kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, unlimited())
			body := evaluation(r.customer("app-1", "Siapa Saja"), "app-1", "Siapa Saja")
			tc.fault.Call, tc.fault.Count = "evaluate", 1
			r.fault(tc.fault)
			a, err := r.send(r.request("POST", evaluatePath, body))
			if tc.status == 0 {
				if !wasReset(err) {
					t.Errorf("got %d, %v", a.status, err)
				}
			} else if err != nil || a.status != tc.status || !strings.Contains(string(a.raw), tc.holds) {
				t.Errorf("got %d %s, %v", a.status, a.raw, err)
			}
			if tc.fault.RetryAfter != 0 && a.header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
			entries := r.Journal()
			if last := entries[len(entries)-1]; last.Fault != tc.fault.Kind || last.Status != tc.status || last.Done != tc.done {
				t.Errorf("journal %+v", last)
			}
			r.wantAt(r.post(evaluatePath, body), "data.decision", "allow")
			if n := r.done("evaluate"); n != 1 {
				t.Errorf("done %d times", n)
			}
			r.wantNoViolations()
		})
	}
}

func TestHangsEndWithTheClientTheBoundOrTheServer(t *testing.T) {
	t.Parallel()
	for kind, done := range map[string]int{"hang": 0, "hang_after": 1} {
		for _, end := range []string{"client", "server", "bound"} {
			t.Run(kind+" "+end, func(t *testing.T) {
				t.Parallel()
				opt := unlimited()
				if end == "bound" {
					opt.HangLimit = time.Millisecond
				}
				r := newRig(t, opt)
				body := evaluation(r.customer("app-1", "Siapa Saja"), "app-1", "Siapa Saja")
				r.fault(sandbox.Fault{Call: "evaluate", Kind: kind, Count: 1})
				ctx, giveUp := context.WithCancel(t.Context())
				defer giveUp()
				failed := make(chan error, 1)
				go func() {
					_, err := r.send(r.request("POST", evaluatePath, body).WithContext(ctx))
					failed <- err
				}()
				r.await(func(e sandbox.Entry) bool { return e.Fault == kind && e.Done == done })
				switch end {
				case "client":
					giveUp()
				case "server":
					r.Sandbox.Close()
				}
				if err := <-failed; end == "client" && !errors.Is(err, context.Canceled) || end != "client" && !wasReset(err) {
					t.Errorf("the call ended with %v", err)
				}
				r.await(func(e sandbox.Entry) bool { return e.Fault == kind && !e.Open && e.Status == 0 })
			})
		}
	}
}

func (r *rig) await(wanted func(sandbox.Entry) bool) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	if _, err := r.Await(ctx, wanted); err != nil {
		r.Fatalf("%v: %+v", err, r.Journal())
	}
}

func TestFaultRulesCountSkipAndMatch(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	one, two := r.customer("app-1", "Siapa Saja"), r.customer("app-2", "Siapa Lagi")
	r.fault(sandbox.Fault{Call: "kyc.get", Kind: "status", Status: 503, After: 1, Count: 2, ExternalID: "app-1"})
	for i, want := range []int{200, 503, 503, 200} {
		if got := r.call("GET", kycPath+one, nil).status; got != want {
			t.Errorf("call %d: %d, want %d", i, got, want)
		}
		r.wantStatus(r.call("GET", kycPath+two, nil), 200)
	}
	r.fault(sandbox.Fault{Kind: "status", Status: 500})
	r.wantStatus(r.call("GET", kycPath+two, nil), 500)
	r.wantStatus(r.post(customersPath, object{}), 500)
	r.ClearFaults()
	r.wantStatus(r.call("GET", kycPath+two, nil), 200)
}

func TestSubjectErrorFailsOneOfABulk(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	subjects := []object{}
	for _, ref := range []string{"app-1", "app-2", "app-3"} {
		card := sandbox.DocumentOf(ref, "Siapa Saja")
		subjects = append(subjects, subject(r.customer(ref, "Siapa Saja"), ref, "Siapa Saja", card.NIK, card.DateOfBirth))
	}
	r.fault(sandbox.Fault{Kind: "subject_error", Call: "screenings.create", ExternalID: "app-2", Count: 1})
	a := r.post(screeningsPath, object{"subjects": subjects})
	r.wantAt(a, "data.results.0.ok", true)
	r.wantAt(a, "data.results.1.ok", false)
	r.wantAt(a, "data.results.2.ok", true)
	a = r.post(screeningsPath, object{"subjects": subjects})
	r.wantAt(a, "data.failed", 0.0)
	if n := r.done("screenings.create"); n != 3 {
		t.Errorf("done %d times", n)
	}
	r.wantNoViolations()
}

func TestDukcapilCallsTakeFaultsByApplication(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	walk(r, "app-1", "Citra Uji Lancar")
	r.fault(sandbox.Fault{Call: "dukcapil.verify", Kind: "html", ExternalID: "app-1", Count: 1})
	a := r.post(verifyPath, lookup("9901015403910001", "Citra Uji Lancar", "14-03-1991"))
	if !strings.Contains(string(a.raw), "<html>") {
		t.Errorf("%s", a.raw)
	}
}

func TestSenselessFaultsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	for _, f := range []sandbox.Fault{
		{Kind: "gremlin"}, {Kind: "html", Call: "nowhere"}, {Kind: "status"}, {Kind: "status", Status: 200},
		{Kind: "latency"}, {Kind: "hang", Count: -1},
	} {
		if r.AddFault(f) == nil {
			t.Errorf("accepted %+v", f)
		}
	}
}
