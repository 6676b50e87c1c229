package vendors

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// refusal is the readable part of a failure body
// {"error", "bucket", "limit", "details": {"fieldErrors": {...}}}, made safe.
type refusal struct {
	message string
	bucket  string
	limit   int
	fields  []string
}

func readRefusal(body []byte) refusal {
	var wire struct {
		Error   string
		Bucket  string
		Limit   int
		Details struct {
			FieldErrors map[string]json.RawMessage
		}
	}
	// Whatever of it can be read is read; a proxy's HTML leaves it empty.
	_ = json.Unmarshal(body, &wire)
	r := refusal{message: operatorText(wire.Error), limit: max(wire.Limit, 0)}
	if fieldName.MatchString(wire.Bucket) {
		r.bucket = wire.Bucket
	}
	for name := range wire.Details.FieldErrors {
		if fieldName.MatchString(name) && !longNumber.MatchString(name) {
			r.fields = append(r.fields, name)
		}
	}
	slices.Sort(r.fields)
	r.fields = r.fields[:min(len(r.fields), maxFields)]
	return r
}

const (
	maxFields  = 16
	maxMessage = 120 // bytes
)

var (
	fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.\[\]-]{0,63}$`)
	// A NIK, a phone number, a date in digits.
	longNumber = regexp.MustCompile(`\d{6,}`)
	// Keys, e-mail addresses, base64; the vendor's scope names are shorter.
	suspectWord = regexp.MustCompile(`\S*(?:@|qe_|sk_)\S*|\S{41,}`)
	plainText   = regexp.MustCompile(`[^A-Za-z0-9 .,:;_/()'*\[\]-]+`)
)

// operatorText makes a vendor's refusal, such as "missing scope:
// customers:write", fit for an operator's eyes: plain characters, short, and
// anything that may be a number of a person, an address or a key masked.
func operatorText(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = suspectWord.ReplaceAllString(s, "***")
	s = longNumber.ReplaceAllString(s, "***")
	s = strings.Join(strings.Fields(plainText.ReplaceAllString(s, " ")), " ")
	return s[:min(len(s), maxMessage)]
}
