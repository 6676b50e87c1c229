package fsm

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
)

// Policy is what a compliance officer may set. Each onboarding keeps the one
// it was created under; Version names it by its content.
type Policy struct {
	Products   Products                    `json:"products" yaml:"products"`
	Biometric  BiometricPolicy             `json:"biometric" yaml:"biometric"`
	Challenges ChallengePolicy             `json:"challenges" yaml:"challenges"`
	Waits      WaitPolicy                  `json:"waits" yaml:"waits"`
	Signals    SignalPolicy                `json:"signals" yaml:"signals"`
	AML        AMLPolicy                   `json:"aml" yaml:"aml"`
	Dukcapil   DukcapilPolicy              `json:"dukcapil" yaml:"dukcapil"`
	Reviews    map[ReviewKind]ReviewPolicy `json:"reviews" yaml:"reviews"`
}

// Products says which optional vendor products take part. A product that is
// not configured is switched off whatever the file says.
type Products struct {
	Dukcapil  bool `json:"dukcapil" yaml:"dukcapil"`
	AntiFraud bool `json:"antiFraud" yaml:"anti_fraud"`
}

// BiometricPolicy limits the selfie.
type BiometricPolicy struct {
	Attempts int `json:"attempts" yaml:"attempts"` // judged selfies before a decline, 1..5
}

// ChallengePolicy is passed to QE with every challenge.
type ChallengePolicy struct {
	Steps int           `json:"steps" yaml:"steps"` // 3..10 (QE)
	TTL   time.Duration `json:"ttl" yaml:"ttl"`     // 15 s..5 min (QE)
}

// WaitPolicy is how long a customer may take before the onboarding expires.
type WaitPolicy struct {
	KTP    time.Duration `json:"ktp" yaml:"ktp"`
	Selfie time.Duration `json:"selfie" yaml:"selfie"`
}

// SignalPolicy lists the signals that send a passed KTP to an analyst.
type SignalPolicy struct {
	Refer []Signal `json:"refer" yaml:"refer"`
}

// AMLPolicy governs screening hits.
type AMLPolicy struct {
	ConfirmedNeedsSignoff bool `json:"confirmedNeedsSignoff" yaml:"confirmed_needs_signoff"`
}

// DukcapilPolicy bounds the waiting for the registry.
type DukcapilPolicy struct {
	Budget          time.Duration `json:"budget" yaml:"budget"`                    // before going on at standard
	UpgradeDeadline time.Duration `json:"upgradeDeadline" yaml:"upgrade_deadline"` // before giving up on premium
}

// ReviewPolicy sets a desk's service level and, where listed, its reason codes
// by decision. Without a list any word of [a-z0-9_] is accepted.
type ReviewPolicy struct {
	SLA     time.Duration               `json:"sla" yaml:"sla"`
	Reasons map[ReviewDecision][]string `json:"reasons,omitempty" yaml:"reasons"`
}

//go:embed policy.yaml
var defaultPolicy []byte

// DefaultPolicy returns the embedded policy.
func DefaultPolicy() Policy {
	p, err := ParsePolicy(defaultPolicy)
	if err != nil {
		panic("fsm: embedded policy: " + err.Error())
	}
	return p
}

// ParsePolicy reads and validates a policy file (YAML). Unknown members are
// refused; the error names every fault at once.
func ParsePolicy(b []byte) (Policy, error) {
	var p Policy
	if err := yaml.UnmarshalWithOptions(b, &p, yaml.Strict()); err != nil {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	if err := p.Validate(); err != nil {
		return Policy{}, fmt.Errorf("check policy: %w", err)
	}
	return p, nil
}

var word = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// Validate reports every fault of the policy, joined.
func (p Policy) Validate() error {
	var faults []error
	within := func(name string, v, lo, hi time.Duration) {
		if v < lo || v > hi {
			faults = append(faults, fmt.Errorf("%s: %v is not within %v and %v", name, v, lo, hi))
		}
	}
	if p.Biometric.Attempts < 1 || p.Biometric.Attempts > 5 {
		faults = append(faults, fmt.Errorf("biometric.attempts: %d is not within 1 and 5", p.Biometric.Attempts))
	}
	if p.Challenges.Steps < 3 || p.Challenges.Steps > 10 {
		faults = append(faults, fmt.Errorf("challenges.steps: %d is not within 3 and 10", p.Challenges.Steps))
	}
	within("challenges.ttl", p.Challenges.TTL, 15*time.Second, 5*time.Minute)
	within("waits.ktp", p.Waits.KTP, time.Millisecond, 90*24*time.Hour)
	within("waits.selfie", p.Waits.Selfie, time.Millisecond, 90*24*time.Hour)
	within("dukcapil.budget", p.Dukcapil.Budget, time.Millisecond, time.Hour)
	within("dukcapil.upgrade_deadline", p.Dukcapil.UpgradeDeadline, time.Millisecond, 365*24*time.Hour)
	for _, s := range p.Signals.Refer {
		if !slices.Contains(Referrable(), s) {
			faults = append(faults, fmt.Errorf("signals.refer: %q may not refer; use one of %v", s, Referrable()))
		}
	}
	for kind, r := range p.Reviews {
		if !slices.Contains(ReviewKinds(), kind) {
			faults = append(faults, fmt.Errorf("reviews: unknown kind %q", kind))
			continue
		}
		within("reviews."+string(kind)+".sla", r.SLA, time.Second, 365*24*time.Hour)
		faults = append(faults, r.faults(kind)...)
	}
	for _, kind := range ReviewKinds() {
		if _, ok := p.Reviews[kind]; !ok {
			faults = append(faults, fmt.Errorf("reviews.%s: missing", kind))
		}
	}
	return errors.Join(faults...)
}

func (r ReviewPolicy) faults(kind ReviewKind) (faults []error) {
	for decision, words := range r.Reasons {
		if !slices.Contains(kind.Decisions(), decision) {
			faults = append(faults, fmt.Errorf("reviews.%s.reasons: no decision %q", kind, decision))
		}
		for _, w := range words {
			if !word.MatchString(w) {
				faults = append(faults, fmt.Errorf("reviews.%s.reasons.%s: %q is not a word of [a-z0-9_]", kind, decision, w))
			}
		}
	}
	return faults
}

// AllowsReason reports whether a reason code may be given for a decision.
func (p Policy) AllowsReason(kind ReviewKind, d ReviewDecision, code string) bool {
	if !word.MatchString(code) {
		return false
	}
	list := p.Reviews[kind].Reasons[d]
	return len(list) == 0 || slices.Contains(list, code)
}

// Encode returns the policy's canonical JSON, what is stored.
func (p Policy) Encode() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic("fsm: encode policy: " + err.Error()) // a struct of plain values always encodes
	}
	return b
}

// DecodePolicy reads a stored policy. Members of newer binaries are ignored.
func DecodePolicy(b []byte) (Policy, error) {
	var p Policy
	if err := json.Unmarshal(b, &p); err != nil {
		return Policy{}, fmt.Errorf("decode stored policy: %w", err)
	}
	return p, nil
}

// Version names the policy by the SHA-256 of its canonical JSON, in hex.
func (p Policy) Version() string {
	sum := sha256.Sum256(p.Encode())
	return hex.EncodeToString(sum[:])
}
