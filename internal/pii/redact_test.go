package pii

import (
	"bytes"
	"encoding"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"text/template"
	"time"
)

// marker stands in every value below, in a form each type can hold. No output
// may contain any of the markers.
const (
	marker     = "Xanadu Invented"
	markerNIK  = "9901014107901234"
	markerDate = "1990-07-01"
)

// leaks are the markers as fmt's verbs would write them.
func leaks() []string {
	var out []string
	for _, m := range []string{marker, markerNIK, markerDate, "01-07-1990", "Xanadu"} {
		out = append(out, m, strings.ToUpper(m),
			fmt.Sprintf("%x", m), fmt.Sprintf("%X", m), fmt.Sprintf("% x", m),
			strings.Trim(fmt.Sprint([]byte(m)), "[]"))
	}
	return append(out, "xanadu")
}

func testNIK(t *testing.T) NIK {
	t.Helper()
	n, err := ParseNIK(markerNIK)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func testDate(t *testing.T) Date {
	t.Helper()
	d, err := ParseDate(markerDate)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func testApplicant(t *testing.T) Applicant {
	s := NewSecret(marker)
	return Applicant{
		FullName: s, Email: s, Phone: s, NIK: NewSecret(markerNIK), DateOfBirth: testDate(t),
		DeviceSessionToken: s, ClientIP: s, UserAgent: s, ReferralSource: s,
		Consent: &Consent{Version: "2025-01", AcceptedAt: time.Date(2025, 11, 3, 9, 30, 0, 5000, time.FixedZone("WIB", 7*3600))},
	}
}

func testIdentity() Identity {
	s := NewSecret(marker)
	return Identity{
		NIK: NewSecret(markerNIK), FullName: s, DateOfBirth: NewSecret(markerDate), PlaceOfBirth: s,
		Gender: s, Address: s, Other: map[string]Secret{"religion": s, "bloodType": s},
	}
}

func testVerdict() Verdict {
	s := NewSecret(marker)
	return Verdict{Valid: true, Photo: s, Raw: NewSecret(`{"NAMA":"` + marker + `"}`), Reason: s}
}

// everything returns one filled value of every type that must not print, in
// all the places where people put values.
func everything(t *testing.T) map[string]map[string]any {
	return map[string]map[string]any{
		"Secret":    wrap(NewSecret(marker)),
		"Bytes":     wrap(NewBytes([]byte(marker))),
		"NIK":       wrap(testNIK(t)),
		"Date":      wrap(testDate(t)),
		"Applicant": wrap(testApplicant(t)),
		"Identity":  wrap(testIdentity()),
		"Verdict":   wrap(testVerdict()),
	}
}

type exported[T any] struct {
	Value   T
	Pointer *T
	Any     any
}

// fmt cannot call the methods of what is in unexported fields.
type unexported[T any] struct {
	value   T
	pointer *T
	any     any
	list    []T
	byName  map[string]T
}

func wrap[T any](v T) map[string]any {
	hidden := unexported[T]{v, &v, v, []T{v}, map[string]T{"x": v}}
	return map[string]any{
		"bare":              v,
		"pointer":           &v,
		"exported fields":   exported[T]{v, &v, v},
		"unexported fields": hidden,
		"pointer to fields": &hidden,
		"slice":             []T{v},
		"array":             [1]T{v},
		"slice of any":      []any{v, &v, hidden},
		"map":               map[string]T{"x": v},
		"map of any":        map[string]any{"value": v, "pointer": &v},
		"deep":              []map[string]*unexported[T]{{"x": &hidden}},
		"error":             fmt.Errorf("checking %v: %w", v, errors.New("refused")),
	}
}

func forEveryOutput(t *testing.T, check func(t *testing.T, wrapping string, v any)) {
	t.Helper()
	for name, wrapped := range everything(t) {
		for wrapping, w := range wrapped {
			t.Run(name+"/"+wrapping, func(t *testing.T) {
				t.Parallel()
				check(t, wrapping, w)
			})
		}
	}
}

func refuseLeaks(t *testing.T, how, out string) {
	t.Helper()
	for _, leak := range leaks() {
		if strings.Contains(out, leak) {
			t.Errorf("%s printed %q", how, out)
			return
		}
	}
}

func TestNothingLeaksThroughFmt(t *testing.T) {
	t.Parallel()
	verbs := "%v %+v %#v %s %+s %q %#q %+q %x %X %#x %d %t %b %c %o %O %U %e %f %g %p %100v %-3.1s %z"
	forEveryOutput(t, func(t *testing.T, wrapping string, v any) {
		for verb := range strings.FieldsSeq(verbs) {
			out := fmt.Sprintf(verb, v)
			refuseLeaks(t, verb, out)
			if wrapping == "bare" && verb != "%p" && out != Redacted {
				t.Errorf("%s printed %q, want %q", verb, out, Redacted)
			}
		}
		refuseLeaks(t, "Sprint", fmt.Sprint(v))
		refuseLeaks(t, "% x", fmt.Sprintf("% x", v))
		refuseLeaks(t, "Errorf", fmt.Errorf("doing %v", v).Error())
	})
}

func TestNothingLeaksThroughSlog(t *testing.T) {
	t.Parallel()
	forEveryOutput(t, func(t *testing.T, wrapping string, v any) {
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			out.Reset()
			logger := slog.New(handler).With("with", v)
			logger.Info("message", "value", v, slog.Group("group", "value", v), "list", []any{v})
			refuseLeaks(t, fmt.Sprintf("%T", handler), out.String())
			if wrapping == "bare" && strings.Count(out.String(), Redacted) != 4 {
				t.Errorf("%T printed %q", handler, out.String())
			}
		}
	})
}

func TestNothingLeaksThroughEncoders(t *testing.T) {
	t.Parallel()
	forEveryOutput(t, func(t *testing.T, wrapping string, v any) {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		refuseLeaks(t, "json", string(out))
		if wrapping == "bare" && string(out) != `"`+Redacted+`"` {
			t.Errorf("json printed %s", out)
		}
		if out, err := xml.Marshal(v); err != nil {
			refuseLeaks(t, "xml's error", err.Error())
		} else {
			refuseLeaks(t, "xml", string(out))
		}
		var page strings.Builder
		if err := template.Must(template.New("").Parse("{{.}}")).Execute(&page, v); err != nil {
			t.Fatal(err)
		}
		refuseLeaks(t, "template", page.String())
	})
}

// Not everything goes through fmt: the runtime prints a panic by String, other
// encoders ask for one method or the other.
func TestEveryWayToTextIsClosed(t *testing.T) {
	t.Parallel()
	type textual interface {
		fmt.Formatter
		fmt.Stringer
		fmt.GoStringer
		slog.LogValuer
		encoding.TextMarshaler
		json.Marshaler
	}
	for name, wrapped := range everything(t) {
		v, ok := wrapped["bare"].(textual)
		if !ok {
			t.Fatalf("%s lacks one of the methods", name)
		}
		text, errText := v.MarshalText()
		object, errJSON := v.MarshalJSON()
		for _, got := range []string{v.String(), v.GoString(), v.LogValue().String(), string(text), strings.Trim(string(object), `"`)} {
			if got != Redacted {
				t.Errorf("%s prints %q", name, got)
			}
		}
		if errText != nil || errJSON != nil {
			t.Errorf("%s: %v, %v", name, errText, errJSON)
		}
	}
}

// == would compare pointers: the compiler refuses it, and so does a map key.
func TestTypesAreNotComparable(t *testing.T) {
	t.Parallel()
	for name, wrapped := range everything(t) {
		if reflect.TypeOf(wrapped["bare"]).Comparable() {
			t.Errorf("%s can be compared with ==", name)
		}
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	var zero Secret
	if !zero.IsZero() || zero.Reveal() != "" || !zero.Equal(NewSecret("")) {
		t.Error("the zero Secret is not the empty text")
	}
	s := NewSecret(marker)
	if s.IsZero() || s.Reveal() != marker || !s.Equal(NewSecret(marker)) || s.Equal(zero) {
		t.Error("a Secret does not keep its text")
	}
	if err := zero.UnmarshalText([]byte(marker)); err != nil || !zero.Equal(s) {
		t.Errorf("UnmarshalText: %v", err)
	}
}

func TestSecretReadsJSON(t *testing.T) {
	t.Parallel()
	var wire struct {
		Given   Secret  `json:"given"`
		Null    Secret  `json:"null"`
		Pointer *Secret `json:"pointer"`
		Missing *Secret `json:"missing"`
		Bundle  Bytes   `json:"bundle"`
		NoBytes Bytes   `json:"noBytes"`
	}
	bundle := `{ "b":1.0,  "a":"\u00e9" }`
	in := `{"given":"` + marker + `","null":null,"pointer":"p","bundle":` + bundle + `,"noBytes":null}`
	if err := json.Unmarshal([]byte(in), &wire); err != nil {
		t.Fatal(err)
	}
	if wire.Given.Reveal() != marker || !wire.Null.IsZero() || wire.Pointer.Reveal() != "p" || wire.Missing != nil {
		t.Error("values were not read")
	}
	if got := string(wire.Bundle.Reveal()); got != bundle {
		t.Errorf("bundle became %s", got)
	}
	if !wire.NoBytes.IsZero() || !wire.Bundle.Equal(NewBytes([]byte(bundle))) || wire.Bundle.Equal(wire.NoBytes) {
		t.Error("Bytes does not tell what it holds")
	}

	for _, bad := range []string{`{"given":` + markerNIK + `}`, `{"given":["` + marker + `"]}`, `{"given":{"` + marker + `":1}}`} {
		err := json.Unmarshal([]byte(bad), &wire)
		var mistyped *json.UnmarshalTypeError
		if !errors.As(err, &mistyped) || mistyped.Field != "given" {
			t.Errorf("error is %v, want an UnmarshalTypeError that names the field", err)
		}
		refuseLeaks(t, "the error", fmt.Sprint(err))
	}
}
