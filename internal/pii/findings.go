package pii

import "slices"

// Signal is something an analyst should know about an identity. Which signals
// send a case to review is the policy's to say.
type Signal string

// The signals that form and card give by themselves.
const (
	// NIKMalformed: the NIK on the card is missing or ParseNIK refuses it.
	NIKMalformed Signal = "nik_malformed"
	// NIKBirthDateMismatch: the card's NIK and the card's birth date, both
	// readable, contradict each other.
	NIKBirthDateMismatch Signal = "nik_birth_date_mismatch"
	// FormNIKMismatch: the form gave a NIK and the card does not bear it out.
	FormNIKMismatch Signal = "form_nik_mismatch"
	// FormBirthDateMismatch: the form gave a birth date and the card does not
	// bear it out.
	FormBirthDateMismatch Signal = "form_birth_date_mismatch"
)

// Findings is what comparing a form with a card brought to light. It holds no
// personal data.
type Findings struct {
	// Name informs and never holds: Indonesian names are spelt too freely.
	Name NameComparison
	// Signals that hold, in the order of the constants.
	Signals []Signal
}

// Has reports whether the signal holds.
func (f Findings) Has(s Signal) bool { return slices.Contains(f.Signals, s) }

// Compare holds what the form said against what was read off the card. A
// claim that the card cannot confirm because it could not be read counts as a
// mismatch: somebody should look.
func Compare(form Applicant, ktp Identity) Findings {
	f := Findings{Name: CompareNames(form.FullName.Reveal(), ktp.FullName.Reveal())}
	born := ktp.BirthDate()

	nik, err := ParseNIK(ktp.NIK.Reveal())
	switch {
	case err != nil:
		f.Signals = append(f.Signals, NIKMalformed)
	case !born.IsZero() && !nik.MatchesBirthDate(born):
		f.Signals = append(f.Signals, NIKBirthDateMismatch)
	}
	if !form.NIK.IsZero() && !form.NIK.Equal(ktp.NIK) {
		f.Signals = append(f.Signals, FormNIKMismatch)
	}
	if !form.DateOfBirth.IsZero() && !form.DateOfBirth.Equal(born) {
		f.Signals = append(f.Signals, FormBirthDateMismatch)
	}
	return f
}
