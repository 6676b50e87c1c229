package sandbox_test

import (
	"strings"
	"testing"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// outcome is what one onboarding at the vendors came to.
type outcome struct {
	ktp, antiSpoof, nik, printed string
	selfies                      []string
	dukcapil                     []string
	aml, category, fraud         string
}

// walk takes a customer through every call, as often as the table has
// outcomes for, breaking no rule of the contract.
func walk(r *rig, ref, name string) outcome {
	r.Helper()
	var out outcome
	id := r.customer(ref, name)
	var ktp answer
	for _, n := range []string{"1", "2"} {
		ktp = r.post(ktpCapturePath, r.ktpBody(id, ref+":ktp:"+n))
		r.wantStatus(ktp, 200)
		out.ktp += str(ktp, "ktpBundle.verdict") + " "
	}
	out.antiSpoof, out.nik = str(ktp, "antiSpoof.fused"), str(ktp, "ktpBundle.ocr.nik")
	out.printed = str(ktp, "ktpBundle.ocr.fullName")
	born := str(ktp, "ktpBundle.ocr.dateOfBirth")
	if out.ktp == "failed failed " {
		return out
	}
	for _, n := range []string{"1", "2"} {
		a := r.post(stepUpPath, r.stepUpBody(id, ref+":step-up:"+n))
		r.wantStatus(a, 200)
		out.selfies = append(out.selfies, strings.Join([]string{
			map[any]string{true: "allow", false: "refuse"}[a.at("allow")], str(a, "liveness.verdict"), str(a, "match.verdict"),
		}, " "))
	}
	if born == "" {
		return out
	}
	for range 2 {
		a := r.post(verifyPath, lookup(out.nik, name, dayFirst(born)))
		r.wantStatus(a, 200)
		said := str(a, "content.0.RESPONSE_CODE")
		if said == "" {
			said = str(a, "content.0.NIK") + " " + str(a, "content.0.TGL_LHR") + " " + str(a, "content.0.NAMA_LGKP")
		}
		if str(a, "content.0.FOTO") != "" {
			said += " photo"
		}
		out.dukcapil = append(out.dukcapil, said)
	}
	screening := r.post(screeningsPath, subject(id, ref, name, out.nik, born))
	r.wantStatus(screening, 200)
	out.aml, out.category = str(screening, "data.status"), str(screening, "data.matches.0.watchlistEntry.category")
	fraud := r.post(evaluatePath, evaluation(id, ref, name))
	r.wantStatus(fraud, 200)
	out.fraud = str(fraud, "data.decision")
	return out
}

func str(a answer, path string) string { s, _ := a.at(path).(string); return s }

// Every test person meets what the table promises, and nothing else.
func TestEveryPersonMeetsTheirOutcome(t *testing.T) {
	t.Parallel()
	ktpWords := map[sandbox.KTPOutcome]string{
		"": "passed", sandbox.KTPUnclear: "passed", sandbox.KTPUnknown: sandbox.UnknownValue,
	}
	selfieWords := map[sandbox.SelfieOutcome]string{
		"": "allow live match", sandbox.SelfieMatch: "allow live match", sandbox.SelfieNoMatch: "refuse live no_match",
		sandbox.SelfieSpoof: "refuse spoof match", sandbox.SelfieUnclear: "refuse unclear match",
		sandbox.SelfieUnknown: "allow live " + sandbox.UnknownValue,
	}
	dukcapilWords := map[sandbox.DukcapilOutcome]string{
		"": "Sesuai Sesuai Sesuai (100) photo", sandbox.DukcapilValid: "Sesuai Sesuai Sesuai (100) photo",
		sandbox.DukcapilNoPhoto:     "Sesuai Sesuai Sesuai (100)",
		sandbox.DukcapilNameDiffers: "Sesuai Sesuai Tidak Sesuai (59) photo",
		sandbox.DukcapilBirthWrong:  "Sesuai Tidak Sesuai Sesuai (100)",
		sandbox.DukcapilNIKWrong:    "Tidak Sesuai Sesuai Sesuai (100)", "01": "01 photo",
	}
	amlWords := map[sandbox.AMLOutcome][2]string{
		"": {"no_match", ""}, sandbox.AMLPEP: {"review", "pep"}, sandbox.AMLMedia: {"review", "adverse_media"},
		sandbox.AMLSanctions: {"confirmed", "sanctions"}, sandbox.AMLUnknown: {sandbox.UnknownValue, "pep"},
	}
	word := func(table map[sandbox.KTPOutcome]string, o sandbox.KTPOutcome) string {
		if w, ok := table[o]; ok {
			return w
		}
		return string(o)
	}
	for _, p := range sandbox.Persons {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, unlimited())
			got := walk(r, "app-1", p.Name)
			r.wantNoViolations()
			if want := word(ktpWords, pick(p.KTP, 0)) + " " + word(ktpWords, pick(p.KTP, 1)) + " "; got.ktp != want {
				t.Errorf("KTP %q, want %q", got.ktp, want)
			}
			wantNIK := p.NIK
			switch p.Misread {
			case sandbox.MisreadNIKShort:
				wantNIK = p.NIK[:15]
			case sandbox.MisreadNothing:
				wantNIK = ""
			case sandbox.MisreadSpelling:
				if !strings.HasPrefix(got.printed, "MOH. ") {
					t.Errorf("printed name %q", got.printed)
				}
			}
			if got.nik != wantNIK {
				t.Errorf("NIK %q, want %q", got.nik, wantNIK)
			}
			for i, said := range got.selfies {
				if want := selfieWords[pick(p.Selfie, i)]; said != want {
					t.Errorf("selfie %d: %q, want %q", i+1, said, want)
				}
			}
			for i, said := range got.dukcapil {
				want, ok := dukcapilWords[pick(p.Dukcapil, i)]
				if !ok {
					want = string(pick(p.Dukcapil, i))
				}
				if p.Misread == sandbox.MisreadNIKShort {
					want = "15"
				}
				if said != want {
					t.Errorf("lookup %d: %q, want %q", i+1, said, want)
				}
			}
			if pick(p.KTP, 1) == sandbox.KTPFailed || p.Misread == sandbox.MisreadNothing {
				return
			}
			if want := amlWords[p.AML]; got.aml != want[0] || got.category != want[1] {
				t.Errorf("AML %s %s, want %v", got.aml, got.category, want)
			}
			fraud := map[sandbox.FraudOutcome]string{"": "allow", sandbox.FraudUnknown: sandbox.UnknownValue}[p.Fraud]
			if fraud == "" {
				fraud = string(p.Fraud)
			}
			if got.fraud != fraud {
				t.Errorf("fraud %s, want %s", got.fraud, fraud)
			}
		})
	}
}

func pick[T ~string](outcomes []T, n int) T {
	if len(outcomes) == 0 {
		return ""
	}
	return outcomes[min(n, len(outcomes)-1)]
}

// NIKs of the table are unique, parse, fit the birth date and are visibly
// invented, but for the vendor's own seed.
func TestPersonsAreInventedAndWellFormed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range sandbox.Persons {
		if seen[p.NIK] || seen[p.Name] {
			t.Errorf("%s is there twice", p.Name)
		}
		seen[p.NIK], seen[p.Name] = true, true
		if p.NIK != "3171010101710001" && !strings.HasPrefix(p.NIK, "99") {
			t.Errorf("%s: NIK %s looks real", p.Name, p.NIK)
		}
		day := []byte(p.NIK[6:8])
		if day[0] >= '4' {
			day[0] -= 4
		}
		if got, want := string(day)+p.NIK[8:12], p.DateOfBirth[8:10]+p.DateOfBirth[5:7]+p.DateOfBirth[2:4]; got != want {
			t.Errorf("%s: NIK says %s, birth date %s", p.Name, got, want)
		}
		if len(p.NIK) != 16 || p.NIK[12:] == "0000" {
			t.Errorf("%s: NIK %s", p.Name, p.NIK)
		}
	}
}

func TestNamesakesMeetTheOutcomeWithTheirOwnNIK(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	first, second := walk(r, "app-1", "Ayu Uji Nihil Kedua"), walk(r, "app-2", "ayu uji nihil")
	if first.dukcapil[0] != "13" || second.dukcapil[0] != "13" || first.nik == second.nik {
		t.Errorf("%+v and %+v", first, second)
	}
	if got := walk(r, "app-3", "Bambang Setiawan Hartono Kedua"); got.aml != "no_match" {
		t.Errorf("the second seed is a hit only with its NIK, got %s", got.aml)
	}
	if got := walk(r, "app-4", "Ujiwati Lain"); got.printed != "UJIWATI LAIN" {
		t.Errorf("a one-word name must not match as a prefix: %q", got.printed)
	}
	r.wantNoViolations()
}

func TestUnknownNamesGetADerivedOrSuppliedDocument(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	want := sandbox.DocumentOf("app-1", "Siapa Saja")
	if got := walk(r, "app-1", "Siapa Saja"); got.nik != want.NIK || got.aml != "no_match" || got.dukcapil[0] != "Sesuai Sesuai Sesuai (100) photo" {
		t.Errorf("%+v, want NIK %s", got, want.NIK)
	}
	if len(want.NIK) != 16 || want.NIK[:2] != "99" || want.NIK == sandbox.DocumentOf("app-2", "Siapa Saja").NIK {
		t.Errorf("derived NIK %s", want.NIK)
	}

	id := r.customer("app-3", "Siapa Lagi")
	ch := r.challenge(ktpChallengePath, id)
	bundle := sandbox.SampleKTPBundle(ch, start, map[string]string{"nik": "9977770101990001", "dateOfBirth": "1999-01-01"})
	a := r.post(ktpCapturePath, object{"customerId": id, "externalId": "app-3:ktp:1", "bundle": bundle})
	r.wantAt(a, "ktpBundle.ocr.nik", "9977770101990001")
	r.wantAt(a, "ktpBundle.ocr.dateOfBirth", "1999-01-01")
	r.wantNoViolations()
}
