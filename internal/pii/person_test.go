package pii

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

// filled fails when a field of v has no value, so that a field added later
// and forgotten in a wire type fails the round trip.
func filled(t *testing.T, v any) {
	t.Helper()
	r := reflect.ValueOf(v)
	for i := range r.NumField() {
		if f := r.Type().Field(i); f.IsExported() && r.Field(i).IsZero() {
			t.Fatalf("the test leaves %s.%s empty", r.Type().Name(), f.Name)
		}
	}
}

func roundTrip[T interface{ Plaintext() ([]byte, error) }](t *testing.T, v T, parse func([]byte) (T, error)) {
	t.Helper()
	first, err := v.Plaintext()
	if err != nil {
		t.Fatal(err)
	}
	back, err := parse(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := back.Plaintext()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("%T: %s became %s", v, first, second)
	}
	if !reflect.DeepEqual(v, back) {
		t.Errorf("%T is another after a round trip through %s", v, first)
	}
}

func TestPlaintextRoundTrip(t *testing.T) {
	t.Parallel()
	a := testApplicant(t)
	a.Consent.AcceptedAt = a.Consent.AcceptedAt.UTC()
	filled(t, a)
	filled(t, testIdentity())
	filled(t, testVerdict())
	roundTrip(t, a, ParseApplicant)
	roundTrip(t, Applicant{}, ParseApplicant)
	roundTrip(t, testIdentity(), ParseIdentity)
	roundTrip(t, Identity{}, ParseIdentity)
	roundTrip(t, testVerdict(), ParseVerdict)
	roundTrip(t, Verdict{}, ParseVerdict)
}

// Sealed rows and content hashes outlive a release: these bytes may not change.
func TestPlaintextIsStable(t *testing.T) {
	t.Parallel()
	s := NewSecret("x")
	a := Applicant{
		FullName: NewSecret("Wulan <Uji>"), Email: NewSecret("wulan@example.test"), Phone: NewSecret("+6280000000001"),
		NIK: NewSecret(markerNIK), DateOfBirth: testDate(t), DeviceSessionToken: s, ClientIP: s, UserAgent: s, ReferralSource: s,
		Consent: testApplicant(t).Consent,
	}
	for _, c := range []struct {
		plaintext func() ([]byte, error)
		want      string
	}{
		{a.Plaintext, `{"fullName":"Wulan \u003cUji\u003e","email":"wulan@example.test","phone":"+6280000000001","nik":"9901014107901234","dateOfBirth":"1990-07-01","deviceSessionToken":"x","clientIp":"x","userAgent":"x","referralSource":"x","consent":{"version":"2025-01","acceptedAt":"2025-11-03T02:30:00.000005Z"}}`},
		{Applicant{FullName: s, Email: s, Phone: s}.Plaintext, `{"fullName":"x","email":"x","phone":"x"}`},
		{Identity{NIK: s, Other: map[string]Secret{"b": s, "a": s}}.Plaintext, `{"nik":"x","other":{"a":"x","b":"x"}}`},
		{Verdict{Valid: true, Photo: s, Raw: NewSecret(`{"a":1}`)}.Plaintext, `{"valid":true,"photo":"x","raw":"{\"a\":1}"}`},
	} {
		got, err := c.plaintext()
		if err != nil || string(got) != c.want {
			t.Errorf("got  %s\nwant %s (%v)", got, c.want, err)
		}
	}
}

func TestPlaintextIgnoresTheZone(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 11, 3, 2, 30, 0, 0, time.UTC)
	utc := Applicant{Consent: &Consent{Version: "1", AcceptedAt: at}}
	wib := Applicant{Consent: &Consent{Version: "1", AcceptedAt: at.In(time.FixedZone("WIB", 7*3600))}}
	x, errX := utc.Plaintext()
	y, errY := wib.Plaintext()
	if errX != nil || errY != nil || !bytes.Equal(x, y) {
		t.Errorf("%s is not %s", x, y)
	}
}

func TestParsePlaintextRefuses(t *testing.T) {
	t.Parallel()
	bad := []string{"", "null null", `"` + marker + `"`, `["` + marker + `"]`, `{"fullName":1,"valid":"` + marker + `"}`, marker}
	for _, in := range bad {
		_, errA := ParseApplicant([]byte(in))
		_, errI := ParseIdentity([]byte(in))
		_, errV := ParseVerdict([]byte(in))
		for _, err := range []error{errA, errI, errV} {
			if !errors.Is(err, ErrPlaintext) {
				t.Fatalf("%q: %v", in, err)
			}
			refuseLeaks(t, "the error", err.Error())
		}
	}
	for _, in := range []string{`{"dateOfBirth":"Xanadu"}`, `{"consent":{"acceptedAt":"Xanadu"}}`} {
		_, err := ParseApplicant([]byte(in))
		if !errors.Is(err, ErrPlaintext) {
			t.Fatalf("%q: %v", in, err)
		}
		refuseLeaks(t, "the error", err.Error())
	}
}

func TestIdentityBirthDate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1990-07-01": "1990-07-01", "01-07-1990": "1990-07-01", "": "", "1 Juli 1990": "", "31-02-1990": "",
	} {
		if got := (Identity{DateOfBirth: NewSecret(text)}).BirthDate().Reveal(); got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	const nik, womansNIK = "9902031708850001", "9902035708850001"
	for _, c := range []struct {
		why               string
		formNIK, formBorn string
		cardNIK, cardBorn string
		want              []Signal
	}{
		{"all agree", nik, "1985-08-17", nik, "1985-08-17", nil},
		{"a woman's day is 40 more", womansNIK, "1985-08-17", womansNIK, "17-08-1985", nil},
		{"the form gave neither", "", "", nik, "1985-08-17", nil},
		{"the card's NIK was not read", "", "", "", "1985-08-17", []Signal{NIKMalformed}},
		{"the card's NIK has 15 digits", "", "", nik[1:], "1985-08-17", []Signal{NIKMalformed}},
		{"the card contradicts itself", nik, "1985-08-18", nik, "1985-08-18", []Signal{NIKBirthDateMismatch}},
		{"century told by the date alone", "", "", nik, "1885-08-17", nil},
		{"the card's birth date was not read", "", "", nik, "17 Agus", nil},
		{"the form has another NIK", womansNIK, "", nik, "1985-08-17", []Signal{FormNIKMismatch}},
		{"the form has another birth date", "", "1985-08-16", nik, "1985-08-17", []Signal{FormBirthDateMismatch}},
		{"the card cannot bear the form out", nik, "1985-08-17", "", "", []Signal{NIKMalformed, FormNIKMismatch, FormBirthDateMismatch}},
		{"nothing agrees", womansNIK, "1985-08-16", nik, "1985-08-18", []Signal{NIKBirthDateMismatch, FormNIKMismatch, FormBirthDateMismatch}},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			form := Applicant{FullName: NewSecret("Moh. Uji"), NIK: NewSecret(c.formNIK)}
			if c.formBorn != "" {
				form.DateOfBirth = day(t, c.formBorn)
			}
			card := Identity{FullName: NewSecret("MUHAMMAD UJI"), NIK: NewSecret(c.cardNIK), DateOfBirth: NewSecret(c.cardBorn)}
			got := Compare(form, card)
			if !slices.Equal(got.Signals, c.want) {
				t.Errorf("signals %v, want %v", got.Signals, c.want)
			}
			for _, s := range []Signal{NIKMalformed, NIKBirthDateMismatch, FormNIKMismatch, FormBirthDateMismatch} {
				if got.Has(s) != slices.Contains(c.want, s) {
					t.Errorf("Has(%s) = %t", s, got.Has(s))
				}
			}
			if got.Name.Match != NameSame {
				t.Errorf("names are %s", got.Name.Match)
			}
		})
	}
}
