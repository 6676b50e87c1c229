package fsm_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

func TestDefaultPolicy(t *testing.T) {
	t.Parallel()
	p := fsm.DefaultPolicy()
	want := fsm.Policy{
		Products:   fsm.Products{Dukcapil: true, AntiFraud: true},
		Biometric:  fsm.BiometricPolicy{Attempts: 2},
		Challenges: fsm.ChallengePolicy{Steps: 5, TTL: 2 * time.Minute},
		Waits:      fsm.WaitPolicy{KTP: 24 * time.Hour, Selfie: 24 * time.Hour},
		Signals:    fsm.SignalPolicy{Refer: []fsm.Signal{fsm.SignalNIKMalformed}},
		AML:        fsm.AMLPolicy{ConfirmedNeedsSignoff: true},
		Dukcapil:   fsm.DukcapilPolicy{Budget: 20 * time.Second, UpgradeDeadline: 30 * 24 * time.Hour},
		Reviews: map[fsm.ReviewKind]fsm.ReviewPolicy{
			fsm.ReviewKTP: {SLA: 4 * time.Hour}, fsm.ReviewDukcapil: {SLA: 24 * time.Hour}, fsm.ReviewAML: {SLA: 8 * time.Hour},
			fsm.ReviewSignoff: {SLA: 8 * time.Hour}, fsm.ReviewFraud: {SLA: 8 * time.Hour},
		},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("%+v", p)
	}
}

// TestPolicyVersionIsStable: rows name their policy by this hash for years. If
// this fails, the encoding changed, and stored policies no longer match theirs.
func TestPolicyVersionIsStable(t *testing.T) {
	t.Parallel()
	const want = "fadb8c0fa3bd3c61572c4ba9241bb7adc4294d54e5227f8db8cc1bbc48b50434"
	if got := fsm.DefaultPolicy().Version(); got != want {
		t.Errorf("version %s, want %s", got, want)
	}
}

func TestPolicyVersionNamesItsContent(t *testing.T) {
	t.Parallel()
	versions := map[string]string{fsm.DefaultPolicy().Version(): "default"}
	for name, change := range map[string]func(*fsm.Policy){
		"products.dukcapil":         func(p *fsm.Policy) { p.Products.Dukcapil = false },
		"products.anti_fraud":       func(p *fsm.Policy) { p.Products.AntiFraud = false },
		"biometric.attempts":        func(p *fsm.Policy) { p.Biometric.Attempts++ },
		"challenges.steps":          func(p *fsm.Policy) { p.Challenges.Steps++ },
		"challenges.ttl":            func(p *fsm.Policy) { p.Challenges.TTL++ },
		"waits.ktp":                 func(p *fsm.Policy) { p.Waits.KTP++ },
		"waits.selfie":              func(p *fsm.Policy) { p.Waits.Selfie++ },
		"signals.refer":             func(p *fsm.Policy) { p.Signals.Refer = fsm.Referrable() },
		"aml.confirmed":             func(p *fsm.Policy) { p.AML.ConfirmedNeedsSignoff = false },
		"dukcapil.budget":           func(p *fsm.Policy) { p.Dukcapil.Budget++ },
		"dukcapil.upgrade_deadline": func(p *fsm.Policy) { p.Dukcapil.UpgradeDeadline++ },
		"reviews.ktp.sla":           func(p *fsm.Policy) { p.Reviews[fsm.ReviewKTP] = fsm.ReviewPolicy{SLA: time.Hour} },
		"reviews.ktp.reasons": func(p *fsm.Policy) {
			p.Reviews[fsm.ReviewKTP] = fsm.ReviewPolicy{SLA: 4 * time.Hour, Reasons: map[fsm.ReviewDecision][]string{fsm.DecisionReject: {"forged"}}}
		},
	} {
		p := fsm.DefaultPolicy()
		change(&p)
		if other, seen := versions[p.Version()]; seen {
			t.Errorf("changing %s gives the version of %s", name, other)
		}
		versions[p.Version()] = name
	}
	if n := leaves(reflect.TypeFor[fsm.Policy]()); n != len(versions)-1 {
		t.Errorf("the policy has %d fields, this test changes %d", n, len(versions)-1)
	}
}

func leaves(t reflect.Type) int {
	if t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return 1
	}
	n := 0
	for i := range t.NumField() {
		n += leaves(t.Field(i).Type)
	}
	return n
}

func TestPolicyRoundTrip(t *testing.T) {
	t.Parallel()
	p := fsm.DefaultPolicy()
	p.Reviews[fsm.ReviewKTP] = fsm.ReviewPolicy{SLA: time.Hour, Reasons: map[fsm.ReviewDecision][]string{fsm.DecisionReject: {"forged"}}}
	got, err := fsm.DecodePolicy(p.Encode())
	if err != nil || !reflect.DeepEqual(got, p) || got.Version() != p.Version() {
		t.Errorf("%+v, %v", got, err)
	}
	newer := strings.Replace(string(p.Encode()), "{", `{"video":{"calls":3},`, 1)
	if got, err = fsm.DecodePolicy([]byte(newer)); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("a newer binary's policy: %+v, %v", got, err)
	}
	if _, err := fsm.DecodePolicy([]byte("not json")); err == nil {
		t.Error("decoded nonsense")
	}
}

const policyFile = `
products: {dukcapil: true, anti_fraud: true}
biometric: {attempts: 2}
challenges: {steps: 5, ttl: 2m}
waits: {ktp: 24h, selfie: 24h}
signals: {refer: [nik_malformed]}
aml: {confirmed_needs_signoff: true}
dukcapil: {budget: 20s, upgrade_deadline: 720h}
reviews: {ktp: {sla: 4h}, dukcapil: {sla: 24h}, aml: {sla: 8h}, aml_signoff: {sla: 8h}, fraud: {sla: 8h}}
`

// faults of a policy file: what is replaced by what, and what the error names.
var faults = []struct{ old, new, names string }{
	{"attempts: 2", "attempts: 0", "biometric.attempts: 0 "},
	{"attempts: 2", "attempts: 6", "biometric.attempts: 6 "},
	{"steps: 5", "steps: 2", "challenges.steps: 2 "},
	{"steps: 5", "steps: 11", "challenges.steps: 11 "},
	{"ttl: 2m", "ttl: 14s", "challenges.ttl: 14s "},
	{"ttl: 2m", "ttl: 6m", "challenges.ttl: 6m0s "},
	{"waits: {ktp: 24h", "waits: {ktp: 0s", "waits.ktp: 0s "},
	{"selfie: 24h", "selfie: 2161h", "waits.selfie: 2161h0m0s "},
	{"budget: 20s", "budget: 0s", "dukcapil.budget: 0s "},
	{"budget: 20s", "budget: 2h", "dukcapil.budget: 2h0m0s "},
	{"upgrade_deadline: 720h", "upgrade_deadline: 8761h", "dukcapil.upgrade_deadline: 8761h0m0s "},
	{"nik_malformed", "name_different", `signals.refer: "name_different" may not refer`},
	{"nik_malformed", "name_close", `signals.refer: "name_close" may not refer`},
	{"nik_malformed", "fraud_flag", `signals.refer: "fraud_flag" may not refer`},
	{"nik_malformed", "eye_colour", `signals.refer: "eye_colour" may not refer`},
	{"fraud: {sla: 8h}", "video: {sla: 8h}", `reviews: unknown kind "video"`},
	{"fraud: {sla: 8h}", "video: {sla: 8h}", "reviews.fraud: missing"},
	{"ktp: {sla: 4h}", "ktp: {sla: 0s}", "reviews.ktp.sla: 0s "},
	{"ktp: {sla: 4h}", "ktp: {sla: 4h, reasons: {reject: [Forged]}}", `reviews.ktp.reasons.reject: "Forged" is not a word`},
	{"fraud: {sla: 8h}", "fraud: {sla: 8h, reasons: {recapture: [blurred]}}", `reviews.fraud.reasons: no decision "recapture"`},
}

func TestPolicyFaultIsNamed(t *testing.T) {
	t.Parallel()
	if p, err := fsm.ParsePolicy([]byte(policyFile)); err != nil || p.Version() != fsm.DefaultPolicy().Version() {
		t.Fatalf("the same policy, written otherwise: %+v, %v", p, err)
	}
	for _, f := range faults {
		_, err := fsm.ParsePolicy([]byte(strings.Replace(policyFile, f.old, f.new, 1)))
		if err == nil || !strings.Contains(err.Error(), f.names) {
			t.Errorf("%s: %v", f.new, err)
		}
	}
}

func TestPolicyFaultsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	file, done := policyFile, []string{}
	for _, f := range faults {
		if !slices.Contains(done, f.old) {
			file = strings.Replace(file, f.old, f.new, 1)
			done = append(done, f.old)
		}
	}
	_, err := fsm.ParsePolicy([]byte(file))
	if err == nil {
		t.Fatal("accepted")
	}
	seen := map[string]bool{}
	for _, f := range faults {
		if !seen[f.old] && !strings.Contains(err.Error(), f.names) {
			t.Errorf("%q is not named in: %v", f.names, err)
		}
		seen[f.old] = true
	}
	if _, err := fsm.ParsePolicy(nil); err == nil {
		t.Error("an empty file is a policy")
	}
}

func TestPolicyRefusesUnknownMembers(t *testing.T) {
	t.Parallel()
	for _, f := range [][2]string{
		{"attempts: 2", "attempts: 2, atempts: 3"}, {"\nwaits:", "\nvideo: {}\nwaits:"}, {"sla: 4h", "sla: 4h, slo: 4h"},
		{"steps: 5", "steps: many"}, {"ttl: 2m", "ttl: soon"}, {"products:", "{{"},
	} {
		if _, err := fsm.ParsePolicy([]byte(strings.Replace(policyFile, f[0], f[1], 1))); err == nil {
			t.Errorf("%q accepted", f[1])
		}
	}
}

func TestAllowsReason(t *testing.T) {
	t.Parallel()
	p := fsm.DefaultPolicy()
	p.Reviews[fsm.ReviewKTP] = fsm.ReviewPolicy{SLA: time.Hour, Reasons: map[fsm.ReviewDecision][]string{fsm.DecisionReject: {"forged"}}}
	for _, tc := range []struct {
		kind     fsm.ReviewKind
		decision fsm.ReviewDecision
		code     string
		want     bool
	}{
		{fsm.ReviewKTP, fsm.DecisionReject, "forged", true},
		{fsm.ReviewKTP, fsm.DecisionReject, "blurred", false},
		{fsm.ReviewKTP, fsm.DecisionApprove, "anything_1", true},
		{fsm.ReviewFraud, fsm.DecisionReject, "anything_1", true},
		{fsm.ReviewFraud, fsm.DecisionReject, "", false},
		{fsm.ReviewFraud, fsm.DecisionReject, "Two words", false},
		{fsm.ReviewFraud, fsm.DecisionReject, strings.Repeat("a", 65), false},
	} {
		if got := p.AllowsReason(tc.kind, tc.decision, tc.code); got != tc.want {
			t.Errorf("%s %s %q: %v", tc.kind, tc.decision, tc.code, got)
		}
	}
}
