package sandbox

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"time"
)

// request is one vendor call on its way through the sandbox.
type request struct {
	*http.Request
	call  *call
	now   time.Time
	set   *settings
	body  []byte
	entry Entry
	rate  rate
	// members are the body's top-level members as they were sent.
	members map[string]json.RawMessage
	// refused says why the body could not be read; it is reported only after
	// authentication, as a real server does.
	refused *refusal
	// spoilID is the external id of the subject_error fault in force.
	spoilID string
	// violations are collected here and recorded with the entry's number.
	violations []string
}

// reply is an answer as it goes onto the wire.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// refusal is an answer in the vendor's failure envelope.
type refusal struct {
	status      int
	message     string
	fieldErrors map[string][]string
	// violation is the rule of the contract the caller broke; empty where
	// the caller could not know better.
	violation string
}

func (f *refusal) reply() reply {
	body := map[string]any{"error": f.message}
	if f.fieldErrors != nil {
		body["details"] = map[string]any{"fieldErrors": f.fieldErrors}
	}
	return jsonReply(f.status, body)
}

func jsonReply(status int, body any) reply {
	b, err := json.Marshal(body)
	if err != nil {
		panic("sandbox: an answer that cannot be encoded: " + err.Error())
	}
	return reply{status: status, body: b}
}

// read takes the body in and finds out whose call it is. An error means that
// the client went away while sending.
func (s *Sandbox) read(r *http.Request, c *call) (*request, error) {
	q := &request{Request: r, call: c, now: s.opt.Clock(), set: s.settings.Load()}
	q.entry = Entry{At: q.now, Product: c.product, Call: c.name, IdempotencyKey: r.Header.Get("Idempotency-Key")}
	q.entry.CustomerID = r.PathValue("customerId")
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, s.opt.MaxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		q.refused = &refusal{status: http.StatusRequestEntityTooLarge, message: "payload too large", violation: "body larger than the limit"}
		return q, nil
	}
	if err != nil {
		return nil, err
	}
	q.body = body
	if r.Method == http.MethodPost {
		q.refused = q.parse()
	}
	q.entry.Application = s.state.applicationOf(q)
	return q, nil
}

func (q *request) parse() *refusal {
	if media, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type")); media != "application/json" {
		return &refusal{status: http.StatusUnsupportedMediaType, message: "content type must be application/json", violation: "content type is not application/json"}
	}
	if err := json.Unmarshal(q.body, &q.members); err != nil || q.members == nil {
		return &refusal{status: http.StatusBadRequest, message: "malformed JSON", violation: "malformed JSON"}
	}
	if q.call.product == ProductDukcapil {
		return nil
	}
	q.entry.CustomerID = text(q.members["customerId"])
	q.entry.ExternalID = text(q.members["externalId"])
	if q.call.name == "customers.create" {
		q.entry.ExternalID = text(q.members["externalRef"])
	}
	if bundle := q.members["bundle"]; bundle != nil {
		q.entry.BundleSHA256 = hexSum(bundle)
	}
	var subjects []struct {
		ExternalID string `json:"externalId"`
	}
	if raw := q.members["subjects"]; raw != nil && json.Unmarshal(raw, &subjects) == nil {
		for _, sub := range subjects {
			q.entry.ExternalIDs = append(q.entry.ExternalIDs, sub.ExternalID)
		}
	}
	return nil
}

// violate notes that the caller broke a rule of the contract without being
// refused for it.
func (q *request) violate(rule string) { q.violations = append(q.violations, rule) }

// checkIdempotencyKey holds the header against the external id: the contract
// wants the same value in both places.
func (q *request) checkIdempotencyKey(externalID string) {
	switch q.entry.IdempotencyKey {
	case externalID:
	case "":
		q.violate("Idempotency-Key header missing")
	default:
		q.violate("Idempotency-Key is not the external id")
	}
}

// content is what a call said: all of it, and without the external id, so that
// the same work under two ids can be noticed.
type content struct{ whole, twin [sha256.Size]byte }

// contentOf hashes members in the order of their names, their values byte for
// byte: a signed bundle that was re-encoded is another content.
func contentOf(members map[string]json.RawMessage) content {
	whole, twin := sha256.New(), sha256.New()
	for _, name := range slices.Sorted(maps.Keys(members)) {
		whole.Write([]byte(name + "\x00"))
		whole.Write(members[name])
		whole.Write([]byte{0})
		if name == "externalId" {
			continue
		}
		twin.Write([]byte(name + "\x00"))
		twin.Write(members[name])
		twin.Write([]byte{0})
	}
	var c content
	whole.Sum(c.whole[:0])
	twin.Sum(c.twin[:0])
	return c
}

// text is the string a raw member holds, or "" when it is none.
func text(raw json.RawMessage) string {
	var s string
	if raw == nil || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
