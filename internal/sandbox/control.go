package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// controlRoutes mounts what tests and demos steer the sandbox with. There is no
// authentication: a sandbox holds invented people only.
func (s *Sandbox) controlRoutes(mux *http.ServeMux) {
	show := func(path string, value func(*http.Request) any) {
		mux.HandleFunc("GET /_sandbox/"+path, func(w http.ResponseWriter, r *http.Request) {
			control(w, http.StatusOK, value(r))
		})
	}
	show("journal", func(r *http.Request) any { return object{"items": filterJournal(s.Journal(), r)} })
	show("effects", func(*http.Request) any { return s.Effects() })
	show("persons", func(*http.Request) any { return object{"items": Persons} })

	mux.HandleFunc("POST /_sandbox/faults", change(s.AddFault))
	mux.HandleFunc("DELETE /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_sandbox/dukcapil", change(func(d DukcapilState) error {
		if d.Up && d.Code != "" {
			return fmt.Errorf("up and a code exclude each other")
		}
		s.SetDukcapil(d)
		return nil
	}))
	mux.HandleFunc("POST /_sandbox/limits", change(func(limits map[string]int) error {
		for name, limit := range limits {
			if c := callNamed(name); c == nil || c.product == ProductDukcapil || limit < 0 {
				return fmt.Errorf("no bucket %q, or a negative limit", name)
			}
		}
		s.SetLimits(limits)
		return nil
	}))
	type latency struct {
		Call string `json:"call"`
		MS   int    `json:"ms"`
	}
	mux.HandleFunc("POST /_sandbox/latency", change(func(l latency) error {
		if (l.Call != "" && callNamed(l.Call) == nil) || l.MS < 0 {
			return fmt.Errorf("unknown call %q, or negative ms", l.Call)
		}
		s.SetLatency(l.Call, time.Duration(l.MS)*time.Millisecond)
		return nil
	}))
	mux.HandleFunc("POST /_sandbox/switches", change(func(sw Switches) error {
		s.SetSwitches(sw)
		return nil
	}))
	mux.HandleFunc("POST /_sandbox/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/_sandbox/", func(w http.ResponseWriter, _ *http.Request) {
		control(w, http.StatusNotFound, object{"error": "no such control"})
	})
}

// change is a control that takes one JSON value, strictly: a misspelt control
// in a test must not pass for one that was set.
func change[T any](apply func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		dec.DisallowUnknownFields()
		err := dec.Decode(&in)
		if err == nil {
			err = apply(in)
		}
		if err != nil {
			control(w, http.StatusBadRequest, object{"error": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func control(w http.ResponseWriter, status int, value any) {
	answer := jsonReply(status, value)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body)
}

// filterJournal keeps entries of ?call= and of ?externalId= (the call's own,
// one of its subjects', or its customer's externalRef).
func filterJournal(entries []Entry, r *http.Request) []Entry {
	name, id := r.FormValue("call"), r.FormValue("externalId")
	kept := []Entry{}
	for _, e := range entries {
		if (name == "" || e.Call == name) && (id == "" || e.concerns(id)) {
			kept = append(kept, e)
		}
	}
	return kept
}
