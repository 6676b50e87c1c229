package pii

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrPlaintext is returned for bytes that are not what Plaintext of the same
// type writes. It never contains them.
var ErrPlaintext = errors.New("pii: unreadable plaintext")

// Applicant is what the form said. Everything but FullName, Email and Phone
// may be missing. It redacts itself as a whole.
type Applicant struct {
	redacted
	FullName           Secret
	Email              Secret
	Phone              Secret // E.164
	NIK                Secret // as typed, so perhaps malformed
	DateOfBirth        Date
	DeviceSessionToken Secret // Anti-Fraud's handle on the customer's device, good for 30 minutes
	ClientIP           Secret
	UserAgent          Secret
	ReferralSource     Secret
	Consent            *Consent
}

// Consent is which text the customer agreed to, and when. It is not personal
// data, and prints.
type Consent struct {
	Version    string
	AcceptedAt time.Time
}

// Identity is what was read off the KTP, exactly as it was read: OCR errs, so
// every field may be missing or malformed. It redacts itself as a whole.
type Identity struct {
	redacted
	NIK          Secret
	FullName     Secret
	DateOfBirth  Secret // see BirthDate
	PlaceOfBirth Secret
	Gender       Secret
	Address      Secret
	Other        map[string]Secret // further fields by the vendor's names for them
}

// BirthDate returns the birth date read off the card, written YYYY-MM-DD or,
// as the card shows it, DD-MM-YYYY. It is the zero Date when it can be read as
// neither.
func (i Identity) BirthDate() Date {
	text := i.DateOfBirth.Reveal()
	if d, err := ParseDate(text); err == nil {
		return d
	}
	d, _ := ParseDayFirst(text) // the zero Date is the answer to a malformed one
	return d
}

// Verdict is what Dukcapil said of the person, whoever asked it. It redacts
// itself as a whole.
type Verdict struct {
	redacted
	Valid  bool
	Photo  Secret // base64 of a JPEG or PNG, or empty
	Raw    Secret // the text of the JSON object it came as, or empty
	Reason Secret // why not valid: the registry's words may name the person
}

// The wire types fix what the sealed bytes look like; the types above are free
// to change their shape.

type applicantWire struct {
	FullName           string       `json:"fullName"`
	Email              string       `json:"email"`
	Phone              string       `json:"phone"`
	NIK                string       `json:"nik,omitempty"`
	DateOfBirth        string       `json:"dateOfBirth,omitempty"`
	DeviceSessionToken string       `json:"deviceSessionToken,omitempty"`
	ClientIP           string       `json:"clientIp,omitempty"`
	UserAgent          string       `json:"userAgent,omitempty"`
	ReferralSource     string       `json:"referralSource,omitempty"`
	Consent            *consentWire `json:"consent,omitempty"`
}

type consentWire struct {
	Version    string    `json:"version"`
	AcceptedAt time.Time `json:"acceptedAt"`
}

type identityWire struct {
	NIK          string            `json:"nik,omitempty"`
	FullName     string            `json:"fullName,omitempty"`
	DateOfBirth  string            `json:"dateOfBirth,omitempty"`
	PlaceOfBirth string            `json:"placeOfBirth,omitempty"`
	Gender       string            `json:"gender,omitempty"`
	Address      string            `json:"address,omitempty"`
	Other        map[string]string `json:"other,omitempty"`
}

type verdictWire struct {
	Valid  bool   `json:"valid"`
	Photo  string `json:"photo,omitempty"`
	Raw    string `json:"raw,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Plaintext returns the applicant in the clear, as JSON, for sealing and for
// the keyed content hash that tells whether an application was changed: the
// same content gives the same bytes, whatever zone its times were given in.
func (a Applicant) Plaintext() ([]byte, error) {
	w := applicantWire{
		FullName:           a.FullName.Reveal(),
		Email:              a.Email.Reveal(),
		Phone:              a.Phone.Reveal(),
		NIK:                a.NIK.Reveal(),
		DateOfBirth:        a.DateOfBirth.Reveal(),
		DeviceSessionToken: a.DeviceSessionToken.Reveal(),
		ClientIP:           a.ClientIP.Reveal(),
		UserAgent:          a.UserAgent.Reveal(),
		ReferralSource:     a.ReferralSource.Reveal(),
	}
	if a.Consent != nil {
		w.Consent = &consentWire{Version: a.Consent.Version, AcceptedAt: a.Consent.AcceptedAt.UTC()}
	}
	return json.Marshal(w)
}

// ParseApplicant reads what Applicant.Plaintext wrote. Its errors wrap
// ErrPlaintext.
func ParseApplicant(data []byte) (Applicant, error) {
	w, err := parsePlaintext[applicantWire](data, "applicant")
	if err != nil {
		return Applicant{}, err
	}
	a := Applicant{
		FullName:           NewSecret(w.FullName),
		Email:              NewSecret(w.Email),
		Phone:              NewSecret(w.Phone),
		NIK:                NewSecret(w.NIK),
		DeviceSessionToken: NewSecret(w.DeviceSessionToken),
		ClientIP:           NewSecret(w.ClientIP),
		UserAgent:          NewSecret(w.UserAgent),
		ReferralSource:     NewSecret(w.ReferralSource),
	}
	if w.DateOfBirth != "" {
		if a.DateOfBirth, err = ParseDate(w.DateOfBirth); err != nil {
			return Applicant{}, fmt.Errorf("%w: applicant: %w", ErrPlaintext, err)
		}
	}
	if w.Consent != nil {
		a.Consent = &Consent{Version: w.Consent.Version, AcceptedAt: w.Consent.AcceptedAt}
	}
	return a, nil
}

// Plaintext returns the identity in the clear, as JSON, for sealing. The same
// content gives the same bytes.
func (i Identity) Plaintext() ([]byte, error) {
	w := identityWire{
		NIK:          i.NIK.Reveal(),
		FullName:     i.FullName.Reveal(),
		DateOfBirth:  i.DateOfBirth.Reveal(),
		PlaceOfBirth: i.PlaceOfBirth.Reveal(),
		Gender:       i.Gender.Reveal(),
		Address:      i.Address.Reveal(),
	}
	if len(i.Other) > 0 {
		w.Other = make(map[string]string, len(i.Other))
		for name, value := range i.Other {
			w.Other[name] = value.Reveal()
		}
	}
	return json.Marshal(w)
}

// ParseIdentity reads what Identity.Plaintext wrote. Its errors wrap
// ErrPlaintext.
func ParseIdentity(data []byte) (Identity, error) {
	w, err := parsePlaintext[identityWire](data, "identity")
	if err != nil {
		return Identity{}, err
	}
	i := Identity{
		NIK:          NewSecret(w.NIK),
		FullName:     NewSecret(w.FullName),
		DateOfBirth:  NewSecret(w.DateOfBirth),
		PlaceOfBirth: NewSecret(w.PlaceOfBirth),
		Gender:       NewSecret(w.Gender),
		Address:      NewSecret(w.Address),
	}
	if len(w.Other) > 0 {
		i.Other = make(map[string]Secret, len(w.Other))
		for name, value := range w.Other {
			i.Other[name] = NewSecret(value)
		}
	}
	return i, nil
}

// Plaintext returns the verdict in the clear, as JSON, for sealing. The same
// content gives the same bytes.
func (v Verdict) Plaintext() ([]byte, error) {
	return json.Marshal(verdictWire{
		Valid:  v.Valid,
		Photo:  v.Photo.Reveal(),
		Raw:    v.Raw.Reveal(),
		Reason: v.Reason.Reveal(),
	})
}

// ParseVerdict reads what Verdict.Plaintext wrote. Its errors wrap
// ErrPlaintext.
func ParseVerdict(data []byte) (Verdict, error) {
	w, err := parsePlaintext[verdictWire](data, "verdict")
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{
		Valid:  w.Valid,
		Photo:  NewSecret(w.Photo),
		Raw:    NewSecret(w.Raw),
		Reason: NewSecret(w.Reason),
	}, nil
}

// parsePlaintext drops encoding/json's own error: it can quote its input.
func parsePlaintext[W any](data []byte, what string) (W, error) {
	var w W
	if err := json.Unmarshal(data, &w); err != nil {
		return w, fmt.Errorf("%w: %s", ErrPlaintext, what)
	}
	return w, nil
}
