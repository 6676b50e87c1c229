package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Document is what the OCR reads from a KTP. Unreadable fields are absent.
type Document struct {
	NIK          string `json:"nik,omitempty"`
	FullName     string `json:"fullName,omitempty"`
	DateOfBirth  string `json:"dateOfBirth,omitempty"` // YYYY-MM-DD
	PlaceOfBirth string `json:"placeOfBirth,omitempty"`
	Gender       string `json:"gender,omitempty"` // as printed: LAKI-LAKI, PEREMPUAN
	Address      string `json:"address,omitempty"`
}

// DocumentOf is the KTP a customer shows: a test person's own, or one derived
// from the externalRef the customer was created with, always the same for the
// same ref. Use it to fill in a form that agrees with the card.
func DocumentOf(externalRef, fullName string) Document {
	return documentOf(externalRef, fullName, nil)
}

// documentOf lets the bundle's own ocrFields (of strings) speak for customers
// who are nobody's exact namesake.
func documentOf(externalRef, fullName string, ocrFields map[string]any) Document {
	who, exact := personNamed(fullName)
	d := derived(externalRef, fullName)
	if exact {
		d = printed(who.NIK, who.Name, birthOf(who.DateOfBirth))
	} else {
		d.overlay(ocrFields)
	}
	if who != nil {
		d.misread(who.Misread)
	}
	return d
}

// printed is a card in the civil registry's capitals.
func printed(nik, name string, birth time.Time) Document {
	gender := "LAKI-LAKI"
	if nik[6] >= '4' {
		gender = "PEREMPUAN"
	}
	return Document{
		NIK: nik, FullName: strings.ToUpper(name), DateOfBirth: birth.Format(time.DateOnly),
		PlaceOfBirth: "KOTA CONTOH", Gender: gender, Address: "JL. REKAAN NO. 99 RT 001 RW 001",
	}
}

// derived invents a NIK of the non-existing regions 99xxxx: born 1960 to 2004,
// serial 0001 to 9999.
func derived(externalRef, fullName string) Document {
	sum := sha256.Sum256([]byte(externalRef))
	draw := func(i int, n uint32) int { return int(binary.BigEndian.Uint32(sum[4*i:]) % n) }
	birth := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, draw(0, 45*365))
	day := birth.Day() + 40*draw(1, 2)
	nik := fmt.Sprintf("99%02d%02d%02d%s%04d", 1+draw(2, 99), 1+draw(3, 99), day, birth.Format("0106"), 1+draw(4, 9999))
	return printed(nik, fullName, birth)
}

func (d *Document) overlay(fields map[string]any) {
	for name, field := range map[string]*string{
		"nik": &d.NIK, "fullName": &d.FullName, "dateOfBirth": &d.DateOfBirth,
		"placeOfBirth": &d.PlaceOfBirth, "gender": &d.Gender, "address": &d.Address,
	} {
		if v, ok := fields[name].(string); ok {
			*field = v
		}
	}
}

func (d *Document) misread(m Misread) {
	switch m {
	case MisreadNIKShort:
		d.NIK = d.NIK[:max(0, len(d.NIK)-1)]
	case MisreadBirth:
		d.DateOfBirth = birthOf(d.DateOfBirth).AddDate(0, 0, 1).Format(time.DateOnly)
	case MisreadSpelling:
		d.FullName = strings.Replace(d.FullName, "MUHAMMAD", "MOH.", 1)
	case MisreadNothing:
		*d = Document{}
	}
}

// nikWellFormed: 16 digits, a date that exists (day + 40 for women), a serial
// other than 0000.
func nikWellFormed(nik string) bool {
	if len(nik) != 16 || strings.Trim(nik, "0123456789") != "" || nik[12:] == "0000" {
		return false
	}
	day := []byte(nik[6:8])
	if day[0] >= '4' {
		day[0] -= 4
	}
	_, err := time.Parse("020106", string(day)+nik[8:12])
	return err == nil
}

// birthDigits is a NIK's DDMMYY with the women's 40 taken off.
func birthDigits(nik string) string {
	day := []byte(nik[6:12])
	if day[0] >= '4' {
		day[0] -= 4
	}
	return string(day)
}
