package quantumelixir

import (
	"testing"

	"github.com/gerbang-id/gerbang/internal/vendors"
)

// FuzzAnswers: no answer, however malformed, panics, and what counts as one has
// what its call needs.
func FuzzAnswers(f *testing.F) {
	for _, c := range calls {
		f.Add(200, []byte(c.answer))
		f.Add(202, []byte(`{"ok":true,"data":`+c.answer+`}`))
	}
	f.Add(200, []byte(`{"ok":false}`))
	f.Add(200, []byte(`{"data":{"results":[{"ok":true,"screening":{"status":1}}]}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := vendors.Answer{Status: status, Body: body}
		if w, err := read[customerWire](a, nil); (err == nil) != w.complete() {
			t.Error("customer", err)
		}
		if w, err := read[challengeWire](a, nil); (err == nil) != w.complete() {
			t.Error("challenge", err)
		}
		w, err := read[ktpWire](a, nil)
		if (err == nil) != w.complete() {
			t.Error("ktp", err)
		}
		identity(w.KTPBundle.OCR)
		if w, err := read[stepUpWire](a, nil); (err == nil) != w.complete() {
			t.Error("step-up", err)
		}
		if w, err := read[DukcapilRecord](a, nil); (err == nil) != w.complete() {
			t.Error("dukcapil", err)
		}
		screening, err := read[screeningWire](a, nil)
		if (err == nil) != screening.complete() {
			t.Error("screening", err)
		}
		if s, err := screening.screening(a, subject); err == nil && (s.ID == "" || s.Status == "" || s.CustomerID != subject.CustomerID) {
			t.Error("screening without an answer")
		}
		if w, err := read[bulkWire](a, nil); (err == nil) != w.complete() {
			t.Error("bulk", err)
		}
		if w, err := read[FraudVerdict](a, nil); (err == nil) != w.complete() {
			t.Error("fraud", err)
		}
		if w, err := read[kycWire](a, nil); (err == nil) != w.complete() {
			t.Error("kyc", err)
		}
	})
}
