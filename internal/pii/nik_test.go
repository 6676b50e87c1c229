package pii

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func day(t *testing.T, iso string) Date {
	t.Helper()
	d, err := ParseDate(iso)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Provinces 98 and 99 don't exist: these NIKs are nobody's.
func TestParseNIK(t *testing.T) {
	t.Parallel()
	asOf := time.Date(2025, 11, 3, 23, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		why, nik string
		region   Region
		born     string
		gender   Gender
		serial   string
	}{
		{"a man", "9902031708850001", Region{"99", "02", "03"}, "1985-08-17", Male, "0001"},
		{"a woman: day + 40", "9902035708859999", Region{"99", "02", "03"}, "1985-08-17", Female, "9999"},
		{"first day of a month", "9800000101700001", Region{"98", "00", "00"}, "1970-01-01", Male, "0001"},
		{"a woman's last day", "9802037112990002", Region{"98", "02", "03"}, "1999-12-31", Female, "0002"},
		{"born in this century", "9902030402050003", Region{"99", "02", "03"}, "2005-02-04", Male, "0003"},
		{"born today", "9902030311250003", Region{"99", "02", "03"}, "2025-11-03", Male, "0003"},
		{"not born tomorrow", "9902030411250003", Region{"99", "02", "03"}, "1925-11-04", Male, "0003"},
		{"leap day", "9902032902960004", Region{"99", "02", "03"}, "1996-02-29", Male, "0004"},
		{"leap day of 2000", "9902036902000004", Region{"99", "02", "03"}, "2000-02-29", Female, "0004"},
		{"the vendor's sandbox seed", "3171010101710001", Region{"31", "71", "01"}, "1971-01-01", Male, "0001"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			n, err := ParseNIK(c.nik)
			if err != nil {
				t.Fatal(err)
			}
			if n.Reveal() != c.nik || n.Region() != c.region || n.Gender() != c.gender || n.Serial() != c.serial {
				t.Errorf("got %s %v %s %s", n.Reveal(), n.Region(), n.Gender(), n.Serial())
			}
			if got := n.BirthDate(asOf).Reveal(); got != c.born {
				t.Errorf("born %s, want %s", got, c.born)
			}
			born := day(t, c.born)
			if !n.MatchesBirthDate(born) || !n.MatchesBirthDate(DateOf(born.Time().AddDate(-400, 0, 0))) {
				t.Error("does not match its own birth date, whatever the century")
			}
			for _, other := range []time.Time{born.Time().AddDate(0, 0, 1), born.Time().AddDate(0, 0, -31), born.Time().AddDate(1, 0, 0)} {
				if n.MatchesBirthDate(DateOf(other)) {
					t.Errorf("matches %s too", other)
				}
			}
		})
	}
}

func TestParseNIKRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, nik string
		want     error
	}{
		{"empty", "", ErrNIKLength},
		{"15 digits", "990203170885000", ErrNIKLength},
		{"17 digits", "99020317088500011", ErrNIKLength},
		{"spaces around", " 9902031708850001 ", ErrNIKLength},
		{"a letter O", "99O2031708850001", ErrNIKDigits},
		{"a sign", "-902031708850001", ErrNIKDigits},
		{"Arabic digits", strings.Repeat("٩", 8), ErrNIKDigits},
		{"province 00", "0002031708850001", ErrNIKRegion},
		{"day 00", "9902030008850001", ErrNIKBirthDate},
		{"day 32", "9902033208850001", ErrNIKBirthDate},
		{"day 40 is no woman's", "9902034008850001", ErrNIKBirthDate},
		{"day 72", "9902037208850001", ErrNIKBirthDate},
		{"month 00", "9902031700850001", ErrNIKBirthDate},
		{"month 13", "9902031713850001", ErrNIKBirthDate},
		{"31 April", "9902033104850001", ErrNIKBirthDate},
		{"29 February of no leap year", "9902032902850001", ErrNIKBirthDate},
		{"serial 0000", "9902031708850000", ErrNIKSerial},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			n, err := ParseNIK(c.nik)
			if !errors.Is(err, c.want) || !errors.Is(err, ErrNIKMalformed) || !n.IsZero() {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestZeroNIK(t *testing.T) {
	t.Parallel()
	var n NIK
	if !n.IsZero() || n.Region() != (Region{}) || n.Gender() != "" || n.Serial() != "" ||
		!n.BirthDate(time.Now()).IsZero() || n.MatchesBirthDate(day(t, "1985-08-17")) {
		t.Error("the zero NIK says something")
	}
	if testNIK(t).MatchesBirthDate(Date{}) || testNIK(t).Equal(n) || !testNIK(t).Equal(testNIK(t)) {
		t.Error("a NIK equals nothing")
	}
}

func FuzzParseNIK(f *testing.F) {
	for _, s := range []string{"", "9902031708850001", "9902035708850001", "0002031708850001", "9902032902000001", "99020317088500O1"} {
		f.Add(s)
	}
	asOf := time.Date(2025, 11, 3, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNIK(s)
		if err != nil {
			if !errors.Is(err, ErrNIKMalformed) || len(s) > 4 && strings.Contains(err.Error(), s) {
				t.Errorf("error %q for %q", err, s)
			}
			return
		}
		born := n.BirthDate(asOf)
		if born.IsZero() || born.Time().After(asOf) || !n.MatchesBirthDate(born) {
			t.Errorf("%q: born %s", s, born.Reveal())
		}
		d := born.Time().Day()
		if n.Gender() == Female {
			d += 40
		}
		r := n.Region()
		again := r.Province + r.Regency + r.District + fmt.Sprintf("%02d", d) + born.Time().Format("0106") + n.Serial()
		if again != s {
			t.Errorf("%q taken apart and put together is %q", s, again)
		}
	})
}

func TestDate(t *testing.T) {
	t.Parallel()
	d := day(t, "1985-08-07")
	if d.Reveal() != "1985-08-07" || d.DayFirst() != "07-08-1985" || !d.Time().Equal(time.Date(1985, 8, 7, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %s, %s, %s", d.Reveal(), d.DayFirst(), d.Time())
	}
	same, err := ParseDayFirst("07-08-1985")
	if err != nil || !same.Equal(d) || same.Equal(Date{}) {
		t.Errorf("ParseDayFirst: %v", err)
	}
	jakarta := time.FixedZone("WIB", 7*3600)
	if got := DateOf(time.Date(1985, 8, 7, 1, 0, 0, 0, jakarta)); !got.Equal(d) {
		t.Errorf("the day of a time in Jakarta is %s", got.Reveal())
	}
	var none Date
	if !none.IsZero() || none.Reveal() != "" || none.DayFirst() != "" || !none.Time().IsZero() {
		t.Error("the zero Date says something")
	}
	if !DateOf(time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		t.Error("year 12345 has a Date")
	}
	for _, bad := range []string{"", "1985-8-7", "1985-02-29", "1985-13-01", "07-08-1985", "1985-08-07T00:00:00Z", " 1985-08-07", "1985/08/07"} {
		if d, err := ParseDate(bad); !errors.Is(err, ErrDateMalformed) || !d.IsZero() {
			t.Errorf("ParseDate(%q) = %s, %v", bad, d.Reveal(), err)
		}
		if bad != "" && bad != "07-08-1985" {
			if _, err := ParseDayFirst(bad); err == nil || strings.Contains(err.Error(), bad) {
				t.Errorf("ParseDayFirst(%q): %v", bad, err)
			}
		}
	}
}
