package sandbox

import (
	"strings"
	"time"
)

// Person is a test person: who they are and what happens to them. Sequences
// give the outcome of the n-th attempt; the last one repeats.
type Person struct {
	Name string `json:"name"`
	// NIK and DateOfBirth (YYYY-MM-DD) are the person's true ones.
	NIK         string `json:"nik"`
	DateOfBirth string `json:"dateOfBirth"`
	// What happens, in words.
	What     string            `json:"what"`
	Misread  Misread           `json:"misread,omitempty"`
	KTP      []KTPOutcome      `json:"ktp,omitempty"`
	Selfie   []SelfieOutcome   `json:"selfie,omitempty"`
	Dukcapil []DukcapilOutcome `json:"dukcapil,omitempty"`
	AML      AMLOutcome        `json:"aml,omitempty"`
	// HitNeedsNIK: the hit is this person's NIK and name together, as with
	// the vendor's second seed; the name alone matches nobody.
	HitNeedsNIK bool         `json:"hitNeedsNik,omitempty"`
	Fraud       FraudOutcome `json:"fraud,omitempty"`
}

// Misread is what a KTP's OCR gets wrong, or what is wrong on the card.
type Misread string

// The misreadings.
const (
	MisreadNIKShort Misread = "nik_short"     // the last digit is missing
	MisreadBirth    Misread = "birth_differs" // the date is not the NIK's
	MisreadSpelling Misread = "spelling"      // Muhammad is printed MOH.
	MisreadNothing  Misread = "blank"         // no field could be read
)

// KTPOutcome is the verdict on a capture.
type KTPOutcome string

// The outcomes of a capture; empty means passed.
const (
	KTPPassed  KTPOutcome = "passed"
	KTPReview  KTPOutcome = "requires_review"
	KTPFailed  KTPOutcome = "failed"
	KTPUnclear KTPOutcome = "unclear" // passed, anti-spoof and tamper unclear
	KTPUnknown KTPOutcome = "unknown_enum"
)

// SelfieOutcome is the verdict on a step-up.
type SelfieOutcome string

// The outcomes of a step-up; empty means match.
const (
	SelfieMatch   SelfieOutcome = "match"
	SelfieNoMatch SelfieOutcome = "no_match"
	SelfieSpoof   SelfieOutcome = "spoof"
	SelfieUnclear SelfieOutcome = "unclear"
	SelfieUnknown SelfieOutcome = "unknown_enum"
)

// DukcapilOutcome is a RESPONSE_CODE, or one of the constants.
type DukcapilOutcome string

// Dukcapil's outcomes besides codes; empty means valid.
const (
	DukcapilValid       DukcapilOutcome = "valid"
	DukcapilNoPhoto     DukcapilOutcome = "valid_no_photo"
	DukcapilNameDiffers DukcapilOutcome = "name_differs"
	DukcapilBirthWrong  DukcapilOutcome = "birth_wrong"
	DukcapilNIKWrong    DukcapilOutcome = "nik_wrong"
)

// AMLOutcome is a screening's status with the list the hit is on.
type AMLOutcome string

// The outcomes of a screening; empty means no match.
const (
	AMLNoMatch   AMLOutcome = "no_match"
	AMLPEP       AMLOutcome = "review_pep"
	AMLMedia     AMLOutcome = "review_adverse_media"
	AMLSanctions AMLOutcome = "confirmed_sanctions"
	AMLUnknown   AMLOutcome = "unknown_enum"
)

// FraudOutcome is a decision of Anti-Fraud.
type FraudOutcome string

// The decisions; empty means allow.
const (
	FraudAllow   FraudOutcome = "allow"
	FraudFlag    FraudOutcome = "flag"
	FraudReview  FraudOutcome = "review"
	FraudBlock   FraudOutcome = "block"
	FraudUnknown FraudOutcome = "unknown_enum"
)

var (
	personByName = map[string]*Person{}
	personByNIK  = map[string]*Person{}
)

func init() {
	for i := range Persons {
		personByName[strings.ToLower(Persons[i].Name)] = &Persons[i]
		personByNIK[Persons[i].NIK] = &Persons[i]
	}
}

// personNamed finds the test person by full name, in any case. A name of two
// words or more may be followed by further words ("Hasan Uji Tinjau Kedua"):
// another person with a NIK of their own who meets the same outcomes, so that
// one outcome can be met many times on one database. exact tells them apart.
func personNamed(fullName string) (p *Person, exact bool) {
	words := strings.Fields(strings.ToLower(fullName))
	for n := len(words); n > 0; n-- {
		if n < len(words) && n < 2 {
			break
		}
		if p = personByName[strings.Join(words[:n], " ")]; p != nil {
			return p, n == len(words)
		}
	}
	return nil, false
}

// nth is the outcome of attempt n, counted from 0; usual where the table says
// nothing.
func nth[T ~string](outcomes []T, n int, usual T) T {
	if len(outcomes) == 0 {
		return usual
	}
	return outcomes[min(n, len(outcomes)-1)]
}

func (p *Person) ktp(n int) KTPOutcome {
	if p == nil {
		return KTPPassed
	}
	return nth(p.KTP, n, KTPPassed)
}

func (p *Person) selfie(n int) SelfieOutcome {
	if p == nil {
		return SelfieMatch
	}
	return nth(p.Selfie, n, SelfieMatch)
}

func (p *Person) dukcapil(n int) DukcapilOutcome {
	if p == nil {
		return DukcapilValid
	}
	return nth(p.Dukcapil, n, DukcapilValid)
}

// aml is the hit on a screened name and NIK.
func (p *Person) aml(nik string) AMLOutcome {
	if p == nil || (p.HitNeedsNIK && nik != p.NIK) {
		return AMLNoMatch
	}
	return p.AML
}

func birthOf(date string) time.Time {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return time.Time{}
	}
	return t
}
