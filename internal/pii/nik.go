package pii

import (
	"errors"
	"fmt"
	"time"
)

// ErrNIKMalformed is what every error of ParseNIK wraps. None of them contains
// the number. A malformed NIK is a signal for an analyst, not a fault: OCR
// misreads, and people mistype.
var ErrNIKMalformed = errors.New("pii: malformed NIK")

// The ways a NIK can be malformed, in the order they are looked for.
var (
	ErrNIKLength    = fmt.Errorf("%w: not 16 characters long", ErrNIKMalformed)
	ErrNIKDigits    = fmt.Errorf("%w: not digits only", ErrNIKMalformed)
	ErrNIKRegion    = fmt.Errorf("%w: province 00", ErrNIKMalformed)
	ErrNIKBirthDate = fmt.Errorf("%w: no such birth date", ErrNIKMalformed)
	ErrNIKSerial    = fmt.Errorf("%w: serial 0000", ErrNIKMalformed)
)

// Gender is the gender a NIK encodes.
type Gender string

// The genders of Indonesia's civil registry.
const (
	Male   Gender = "male"
	Female Gender = "female"
)

// Region is where a NIK was first issued: codes of the Ministry of Home
// Affairs, two digits each, each within the one before.
type Region struct {
	Province string
	Regency  string // or city
	District string
}

// femaleDayOffset is added to a woman's day of birth.
const femaleDayOffset = 40

// NIK is a well-formed Nomor Induk Kependudukan, Indonesia's population
// number: 6 digits of region, 6 of birth date, 4 of serial. It redacts itself.
// The zero value is no NIK; its accessors return zero values.
type NIK struct {
	redacted
	digits Secret
}

// ParseNIK reads the 16 digits of a NIK, without separators. Region codes are
// not looked up, as the list changes whenever a regency is divided; there is
// no check digit. The two-digit year leaves 29 February of year 00 possible,
// since 2000 was a leap year. Errors wrap ErrNIKMalformed.
func ParseNIK(s string) (NIK, error) {
	if len(s) != 16 {
		return NIK{}, ErrNIKLength
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return NIK{}, ErrNIKDigits
		}
	}
	if s[0:2] == "00" {
		return NIK{}, ErrNIKRegion
	}
	n := NIK{digits: NewSecret(s)}
	if !n.bornIn(1900) && !n.bornIn(2000) {
		return NIK{}, ErrNIKBirthDate
	}
	if s[12:] == "0000" {
		return NIK{}, ErrNIKSerial
	}
	return n, nil
}

// Reveal returns the 16 digits, or "" for no NIK.
func (n NIK) Reveal() string { return n.digits.Reveal() }

// IsZero reports whether there is no NIK.
func (n NIK) IsZero() bool { return n.digits.IsZero() }

// Equal reports whether both are the same number.
func (n NIK) Equal(o NIK) bool { return n.digits.Equal(o.digits) }

// Region returns the codes of the place of issue, in the clear.
func (n NIK) Region() Region {
	if n.IsZero() {
		return Region{}
	}
	s := n.Reveal()
	return Region{Province: s[0:2], Regency: s[2:4], District: s[4:6]}
}

// Gender returns the gender the day of birth encodes, in the clear.
func (n NIK) Gender() Gender {
	switch {
	case n.IsZero():
		return ""
	case n.twoDigits(6) > femaleDayOffset:
		return Female
	default:
		return Male
	}
}

// Serial returns the last four digits, in the clear.
func (n NIK) Serial() string {
	if n.IsZero() {
		return ""
	}
	return n.Reveal()[12:]
}

// BirthDate returns the latest day not after asOf that the NIK's birth date
// can mean: everybody is taken to be younger than a hundred. A centenarian is
// taken for a child, so decide nothing by it; MatchesBirthDate has no such
// doubt. It is the zero Date when neither of the two centuries has the day.
func (n NIK) BirthDate(asOf time.Time) Date {
	if n.IsZero() {
		return Date{}
	}
	today := time.Date(asOf.Year(), asOf.Month(), asOf.Day(), 0, 0, 0, 0, time.UTC)
	century := asOf.Year() / 100 * 100
	for _, c := range []int{century, century - 100} {
		if n.bornIn(c) && !n.birthday(c).After(today) {
			return DateOf(n.birthday(c))
		}
	}
	return Date{}
}

// MatchesBirthDate reports whether the NIK was issued to somebody born on d.
// It compares day, month and the two digits of the year, so the century need
// not be guessed. No NIK and no date match nothing.
func (n NIK) MatchesBirthDate(d Date) bool {
	if n.IsZero() || d.IsZero() {
		return false
	}
	born := d.Time()
	return born.Day() == n.day() && int(born.Month()) == n.twoDigits(8) && born.Year()%100 == n.twoDigits(10)
}

// bornIn reports whether the day exists in the century that begins with the
// year given: time.Date moves days that don't into the next month.
func (n NIK) bornIn(century int) bool {
	t := n.birthday(century)
	return t.Day() == n.day() && int(t.Month()) == n.twoDigits(8)
}

func (n NIK) birthday(century int) time.Time {
	return time.Date(century+n.twoDigits(10), time.Month(n.twoDigits(8)), n.day(), 0, 0, 0, 0, time.UTC)
}

func (n NIK) day() int {
	d := n.twoDigits(6)
	if d > femaleDayOffset {
		d -= femaleDayOffset
	}
	return d
}

func (n NIK) twoDigits(at int) int {
	s := n.Reveal()
	return int(s[at]-'0')*10 + int(s[at+1]-'0')
}
