package dukcapil

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// Outcome is what an answer comes to.
type Outcome string

const (
	// Valid: NIK and birth date belong together, or the registry said found (01).
	Valid Outcome = "valid"
	// NotValid: they don't, or the registry knows no living, active record.
	NotValid Outcome = "not_valid"
	// Human: several records, or an answer this reading does not know.
	Human Outcome = "human"
	// Unavailable: the daily quota is used up, or it is outside access hours;
	// Answer.RetryAt says when to ask again.
	Unavailable Outcome = "unavailable"
	// Misconfigured: our credentials, address or parameters are refused. For the
	// customer that is unavailable, for the operator an alert.
	Misconfigured Outcome = "misconfigured"
)

// The verdicts on an element. Unclear is any text that is neither.
const (
	Sesuai      = "sesuai"
	TidakSesuai = "tidak_sesuai"
	Unclear     = "unclear"
)

// Element is the verdict on one element of the request.
type Element struct {
	Verdict    string
	Similarity *int // 0..100; nil when not given
}

// Answer is the registry's answer. Everything but Photo and Raw is free of
// personal data.
type Answer struct {
	Outcome        Outcome
	Code           string             // RESPONSE_CODE, two digits; empty when there was none
	Reason         string             // a word; empty when valid
	Elements       map[string]Element // by the registry's names: NIK, NAMA_LGKP, ...
	NameSimilarity *int               // of NAMA_LGKP; recorded, never decides
	Photo          pii.Secret         // FOTO, base64, where the agreement includes it
	Raw            pii.Secret         // content[0] without FOTO, a JSON object
	RetryAt        time.Time          // set when unavailable
	QuotaLimiter   *int               // the registry's quotaLimiter; nil when not given
}

// Verdict is the answer in the form in which it is recorded with a vendor.
func (a Answer) Verdict() pii.Verdict {
	return pii.Verdict{Valid: a.Outcome == Valid, Photo: a.Photo, Raw: a.Raw, Reason: pii.NewSecret(a.Reason)}
}

// codes reads RESPONSE_CODE. 01 is not here: it is valid unless an element
// contradicts it.
var codes = map[string]struct {
	outcome Outcome
	reason  string
}{
	"03": {Misconfigured, "login_failed"},
	"04": {Misconfigured, "ip_not_allowed"},
	"05": {Unavailable, "quota_reached"},
	"06": {Unavailable, "outside_access_hours"},
	"07": {Misconfigured, "incomplete_parameters"},
	"08": {NotValid, "nik_not_processable"},
	"09": {Misconfigured, "empty_credentials"},
	"10": {Misconfigured, "invalid_ip"},
	"11": {NotValid, "deceased"},
	"12": {Human, "several_records"},
	"13": {NotValid, "nik_not_found"},
	"14": {NotValid, "record_inactive"},
	"15": {NotValid, "not_found"},
	"16": {Misconfigured, "institution_inactive"},
	"17": {Misconfigured, "user_inactive"},
}

// elementNames are those the registry may be asked about. Other members of an
// answer stay in Raw alone: they may hold data.
var elementNames = map[string]bool{
	"NIK": true, "NAMA_LGKP": true, "TGL_LHR": true, "TMPT_LHR": true, "JENIS_KLMIN": true, "ALAMAT": true,
	"NO_KK": true, "PROP_NAME": true, "KAB_NAME": true, "KEC_NAME": true, "KEL_NAME": true, "NO_RT": true, "NO_RW": true,
}

// read reads an answer as the contract says. What the contract leaves open:
// an answer without content is none (transient); empty content and more than
// one record are for a human; a member that comes twice with two verdicts is
// unclear.
func read(a vendors.Answer, now time.Time) (Answer, error) {
	var wire struct {
		Content      []json.RawMessage
		QuotaLimiter json.RawMessage
	}
	if err := a.Decode(a.Body, &wire); err != nil {
		return Answer{}, err
	}
	if wire.Content == nil {
		return Answer{}, a.Fail(vendors.ReasonIncomplete)
	}
	out := Answer{QuotaLimiter: quota(wire.QuotaLimiter)}
	if len(wire.Content) == 0 {
		out.Outcome, out.Reason = Human, "empty_content"
		return out, nil
	}
	record, ok := readMembers(wire.Content[0])
	if !ok {
		return Answer{}, a.Fail(vendors.ReasonIncomplete)
	}
	out.take(record)
	out.Raw = pii.NewSecret(string(record.without("FOTO")))
	out.Outcome, out.Reason = out.judge()
	if len(wire.Content) > 1 {
		out.Outcome, out.Reason = Human, "several_records"
	}
	if out.Outcome == Unavailable {
		out.RetryAt = retryAt(out.Reason, now)
	}
	return out, nil
}

func (a *Answer) take(record members) {
	for _, m := range record.list {
		switch name := strings.ToUpper(strings.TrimSpace(m.name)); {
		case name == "RESPONSE_CODE":
			c := code(m.value)
			if a.Code != "" && a.Code != c {
				c = unknownCode
			}
			a.Code = c
		case name == "FOTO":
			a.Photo = pii.NewSecret(text(m.value))
		case elementNames[name]:
			e := element(text(m.value))
			if before, twice := a.Elements[name]; twice && before.Verdict != e.Verdict {
				e = Element{Verdict: Unclear}
			}
			if a.Elements == nil {
				a.Elements = map[string]Element{}
			}
			a.Elements[name] = e
		}
	}
	a.NameSimilarity = a.Elements["NAMA_LGKP"].Similarity
}

// judge applies the contract's reading. NIK and birth date are the identity;
// no other element decides.
func (a *Answer) judge() (Outcome, string) {
	if known, ok := codes[a.Code]; ok {
		return known.outcome, known.reason
	}
	if a.Code != "" && a.Code != "01" {
		return Human, "unknown_code"
	}
	nik, born := a.Elements["NIK"].Verdict, a.Elements["TGL_LHR"].Verdict
	switch {
	case nik == TidakSesuai:
		return NotValid, "nik_mismatch"
	case born == TidakSesuai:
		return NotValid, "birth_date_mismatch"
	case nik == Unclear, born == Unclear:
		return Human, "unknown_verdict"
	case a.Code == "01", nik == Sesuai && born == Sesuai:
		return Valid, ""
	default:
		return Human, "missing_verdict"
	}
}

// wib is Jakarta's time. Indonesia keeps no summer time, so that no time zone
// database is needed.
var wib = time.FixedZone("WIB", 7*60*60)

// retryAt is when an unavailable registry is worth asking again. The quota
// turns with the day in Jakarta. The access hours are set by each agreement and
// not known here, so the next full hour is tried: windows open on the hour, and
// a lookup that comes too early costs one request and no quota.
func retryAt(reason string, now time.Time) time.Time {
	local := now.In(wib)
	if reason == "quota_reached" {
		return time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, wib)
	}
	return local.Truncate(time.Hour).Add(time.Hour)
}

// verdictText is "Sesuai", "Tidak Sesuai", and either with a similarity.
var verdictText = regexp.MustCompile(`(?i)^(tidak\s*)?sesuai\s*(?:\(\s*(\d{1,3})(?:[.,]\d+)?\s*%?\s*\))?$`)

func element(s string) Element {
	found := verdictText.FindStringSubmatch(strings.Join(strings.Fields(s), " "))
	if found == nil {
		return Element{Verdict: Unclear}
	}
	e := Element{Verdict: Sesuai}
	if found[1] != "" {
		e.Verdict = TidakSesuai
	}
	if found[2] != "" {
		similarity, _ := strconv.Atoi(found[2]) // at most three digits
		if similarity > 100 {
			return Element{Verdict: Unclear}
		}
		e.Similarity = &similarity
	}
	return e
}

// quota reads a count, written as a number or as text.
func quota(raw json.RawMessage) *int {
	n, err := strconv.Atoi(strings.Trim(string(raw), `" `))
	if err != nil {
		return nil
	}
	return &n
}

// unknownCode stands for a code whose text is not kept.
const unknownCode = "unknown"

// code is a response code in two digits, whether it came as "05", "5" or 5. A
// code that is no small number is unknown, and its text is not kept.
func code(raw json.RawMessage) string {
	s := strings.Trim(string(raw), `" `)
	if s == "" || s == "null" {
		return ""
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return unknownCode
	}
	return fmt.Sprintf("%02d", n)
}

// text is a JSON string's text without the spaces around it; "" for any other
// value.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return strings.TrimSpace(s)
}
