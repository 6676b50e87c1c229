package pii

import (
	"errors"
	"time"
)

// ErrDateMalformed is returned for a text that is no date of the calendar.
// It never contains the text.
var ErrDateMalformed = errors.New("pii: not a calendar date")

// dayFirst is how Indonesian papers, the KTP and Dukcapil write a date.
const dayFirst = "02-01-2006"

// Date is a day of the calendar, without a time or a zone: a birth date. It
// redacts itself. The zero value means no date.
type Date struct {
	redacted
	iso Secret // YYYY-MM-DD, or zero
}

// ParseDate reads YYYY-MM-DD. It returns ErrDateMalformed for anything else,
// days that don't exist included.
func ParseDate(s string) (Date, error) { return parseDate(time.DateOnly, s) }

// ParseDayFirst reads dd-mm-yyyy, the way the KTP shows a date. It returns
// ErrDateMalformed for anything else.
func ParseDayFirst(s string) (Date, error) { return parseDate(dayFirst, s) }

func parseDate(layout, s string) (Date, error) {
	t, err := time.Parse(layout, s)
	if err != nil {
		return Date{}, ErrDateMalformed // time's own error quotes the text
	}
	return DateOf(t), nil
}

// DateOf is the day of t, in t's location. Years beyond 0..9999 have no
// four-digit form and give the zero Date.
func DateOf(t time.Time) Date {
	if t.Year() < 0 || t.Year() > 9999 {
		return Date{}
	}
	return Date{iso: NewSecret(t.Format(time.DateOnly))}
}

// Reveal returns YYYY-MM-DD, or "" for no date.
func (d Date) Reveal() string { return d.iso.Reveal() }

// DayFirst returns dd-mm-yyyy, as Dukcapil's TGL_LHR wants it, or "" for no
// date.
func (d Date) DayFirst() string {
	if d.IsZero() {
		return ""
	}
	return d.Time().Format(dayFirst)
}

// Time returns midnight UTC of the day, or the zero time for no date.
func (d Date) Time() time.Time {
	t, err := time.Parse(time.DateOnly, d.iso.Reveal())
	if err != nil {
		return time.Time{}
	}
	return t
}

// IsZero reports whether there is no date.
func (d Date) IsZero() bool { return d.iso.IsZero() }

// Equal reports whether both are the same day.
func (d Date) Equal(o Date) bool { return d.iso.Equal(o.iso) }
