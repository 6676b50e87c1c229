package sandbox

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const htmlPage = "<!doctype html><html><head><title>Gangguan</title></head><body><h1>Layanan sedang gangguan</h1></body></html>"

// serve takes one vendor call through key, capability, rate limit, fault,
// latency and work, in that order.
func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request, c *call) {
	q, err := s.read(r, c)
	if err != nil {
		cut(w)
		return
	}
	s.journal.open(&q.entry)
	started := time.Now()
	finish := func(status int) {
		q.entry.Open, q.entry.Status, q.entry.Millis = false, status, time.Since(started).Milliseconds()
		s.journal.close(q)
	}

	if denied := s.gate(q); denied != nil {
		finish(denied.status)
		q.write(w, *denied)
		return
	}
	fault := s.faults.take(q)
	q.entry.Fault, q.spoilID = fault.Kind, fault.ExternalID
	s.journal.put(q.entry)
	if !s.pause(r.Context(), q.latency()+time.Duration(fault.LatencyMS)*time.Millisecond) {
		finish(0)
		cut(w)
		return
	}

	var answer reply
	switch fault.Kind {
	case FaultStatus:
		answer = fault.reply(q)
	case FaultHTML:
		answer = htmlReply(http.StatusOK)
	case FaultResetBefore:
		finish(0)
		cut(w)
		return
	case FaultHang:
		s.pause(r.Context(), s.opt.HangLimit)
		finish(0)
		cut(w)
		return
	default:
		answer = s.work(q, fault)
	}

	switch fault.Kind {
	case FaultResetAfter:
		finish(0)
		cut(w)
		return
	case FaultHangAfter:
		s.journal.put(q.entry)
		s.pause(r.Context(), s.opt.HangLimit)
		finish(0)
		cut(w)
		return
	case FaultStatusAfter:
		answer = fault.reply(q)
	case FaultTruncated:
		answer.body = answer.body[:len(answer.body)/2]
	case FaultUnknownEnum:
		answer.body = falsify(answer.body, c.enumKeys)
	}
	finish(answer.status)
	q.write(w, answer)
}

func (s *Sandbox) work(q *request, fault Fault) reply {
	if fault.Kind == FaultSubjectError && q.members["subjects"] == nil {
		fault.Status = http.StatusInternalServerError
		return fault.reply(q)
	}
	refused := q.refused
	var answer reply
	if refused == nil {
		answer, refused = q.call.handle(s, q)
	}
	if refused == nil {
		return answer
	}
	if refused.violation != "" {
		q.violate(refused.violation)
	}
	return refused.reply()
}

// gate checks key, capability, scope and rate limit of a Quantum Elixir call.
// Dukcapil has none of these: its credentials travel in the body.
func (s *Sandbox) gate(q *request) *reply {
	if q.call.product == ProductDukcapil {
		if q.Header.Get("Authorization") != "" {
			q.violate("a bearer key was sent to Dukcapil")
		}
		return nil
	}
	key, _ := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	deny := func(f *refusal) *reply {
		if f.violation != "" {
			q.violate(f.violation)
		}
		q.rate = s.rates.peek(key, q)
		answer := f.reply()
		return &answer
	}
	if keyInQuery(q.Request) {
		return deny(&refusal{status: http.StatusUnauthorized, message: "api keys are not accepted in the query string", violation: "key in the query string"})
	}
	if subtle.ConstantTimeCompare([]byte(key), []byte(s.opt.Keys[q.call.product])) != 1 {
		return deny(&refusal{status: http.StatusUnauthorized, message: "invalid api key"})
	}
	sw := q.set.switches
	off := map[string]bool{ProductIdentity: sw.IdentityOff, ProductAML: sw.AMLOff, ProductAntiFraud: sw.AntiFraudOff}[q.call.product]
	if off || (sw.DukcapilOff && q.call.name == "dukcapil.ingest") {
		return deny(&refusal{status: http.StatusForbidden, message: "org capability disabled"})
	}
	if slices.Contains(sw.MissingScopes, q.call.scope) {
		return deny(&refusal{status: http.StatusForbidden, message: "missing scope: " + q.call.scope})
	}
	var ok bool
	if q.rate, ok = s.rates.take(key, q); !ok {
		s.journal.countLimited(q.call.name)
		answer := q.rateLimited(q.rate.retryAfter(q.now))
		return &answer
	}
	return nil
}

func keyInQuery(r *http.Request) bool {
	for name, values := range r.URL.Query() {
		switch strings.ToLower(name) {
		case "key", "apikey", "api_key", "api-key", "token", "access_token":
			return true
		}
		for _, v := range values {
			if strings.HasPrefix(v, "qe_sk_") || strings.HasPrefix(v, "aml_") {
				return true
			}
		}
	}
	return false
}

func (q *request) rateLimited(retryAfter int) reply {
	answer := jsonReply(http.StatusTooManyRequests, map[string]any{
		"error": "rate limit exceeded", "bucket": q.call.name, "limit": q.set.limits[q.call.name],
	})
	answer.header = http.Header{"Retry-After": {strconv.Itoa(retryAfter)}}
	return answer
}

func (q *request) latency() time.Duration {
	if d, ok := q.set.callLatency[q.call.name]; ok {
		return d
	}
	return q.set.latency
}

// pause waits without holding any lock; false means that nobody waits for the
// answer any more.
func (s *Sandbox) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.stop:
	}
	return false
}

func (q *request) write(w http.ResponseWriter, answer reply) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if q.call.product != ProductDukcapil {
		q.rate.announce(h)
	}
	maps.Copy(h, answer.header)
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body)
}

func htmlReply(status int) reply {
	return reply{status: status, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, body: []byte(htmlPage)}
}

// cut resets the connection: the client sees ECONNRESET, not an orderly end.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// falsify replaces every string member of the given names by a value no
// contract knows.
func falsify(body []byte, keys []string) []byte {
	var doc any
	if json.Unmarshal(body, &doc) != nil {
		return body
	}
	var walk func(any)
	walk = func(node any) {
		switch n := node.(type) {
		case map[string]any:
			for name, v := range n {
				if _, isText := v.(string); isText && slices.Contains(keys, name) {
					n[name] = UnknownValue
				} else {
					walk(v)
				}
			}
		case []any:
			for _, v := range n {
				walk(v)
			}
		}
	}
	walk(doc)
	return jsonReply(0, doc).body
}

func (s *Sandbox) unknownPath(w http.ResponseWriter, r *http.Request) {
	q := &request{Request: r, call: &call{name: "unknown"}, now: s.opt.Clock(), set: s.settings.Load()}
	q.entry = Entry{At: q.now, Call: "unknown", Status: http.StatusNotFound}
	s.journal.open(&q.entry)
	q.violate("no such endpoint or method")
	q.entry.Open = false
	s.journal.close(q)
	refused := refusal{status: http.StatusNotFound, message: "not found"}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(refused.status)
	_, _ = w.Write(refused.reply().body)
}
