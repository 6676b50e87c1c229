package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors/dukcapil"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

// The groups of settings. A field's tags are its documentation: `need` marks
// what a command cannot do without. Secrets are better given by variable: the
// flags of a process are visible to everybody on its machine.

type databaseSettings struct {
	DatabaseURL databaseURL `need:"" env:"DATABASE_URL" placeholder:"URL" help:"the Postgres database, as a URL"`
}

type logSettings struct {
	LogLevel  slog.Level `env:"GERBANG_LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"least level logged: debug, info, warn or error"`
	LogFormat logFormat  `env:"GERBANG_LOG_FORMAT" default:"${log_format}" placeholder:"FORMAT" help:"json or text"`
}

func (s logSettings) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

type vendorSettings struct {
	IdentityURL baseURL    `name:"qe-identity-url" need:"" env:"GERBANG_QE_IDENTITY_URL" placeholder:"URL" help:"Quantum Elixir Identity, the part before /api"`
	IdentityKey pii.Secret `name:"qe-identity-key" need:"" env:"GERBANG_QE_IDENTITY_KEY" placeholder:"KEY" help:"its key"`
	AMLURL      baseURL    `name:"qe-aml-url" need:"" env:"GERBANG_QE_AML_URL" placeholder:"URL" help:"Quantum Elixir AML, the part before /api"`
	AMLKey      pii.Secret `name:"qe-aml-key" need:"" env:"GERBANG_QE_AML_KEY" placeholder:"KEY" help:"its key"`
	FraudURL    baseURL    `name:"qe-fraud-url" env:"GERBANG_QE_FRAUD_URL" placeholder:"URL" help:"Quantum Elixir Anti-Fraud, the part before /api; empty: not bought"`
	FraudKey    pii.Secret `name:"qe-fraud-key" env:"GERBANG_QE_FRAUD_KEY" placeholder:"KEY" help:"its key"`

	DukcapilURL        baseURL    `env:"GERBANG_DUKCAPIL_URL" placeholder:"URL" help:"Dukcapil, the part before /dukcapil/get_json; empty: no agreement (PKS)"`
	DukcapilCustomerID string     `env:"GERBANG_DUKCAPIL_CUSTOMER_ID" placeholder:"ID" help:"the agreement's customer id"`
	DukcapilUserID     pii.Secret `env:"GERBANG_DUKCAPIL_USER_ID" placeholder:"ID" help:"its user id"`
	DukcapilPassword   pii.Secret `env:"GERBANG_DUKCAPIL_PASSWORD" placeholder:"PASSWORD" help:"its password"`
	DukcapilIPUser     string     `env:"GERBANG_DUKCAPIL_IP_USER" placeholder:"IP" help:"the address registered with it"`
	DukcapilThreshold  percent    `env:"GERBANG_DUKCAPIL_THRESHOLD" default:"90" placeholder:"PERCENT" help:"name similarity from which Dukcapil says Sesuai; it decides nothing here"`
}

// faults: a product that is configured by halves.
func (s vendorSettings) faults() (wrong []error) {
	if s.FraudURL != "" && s.FraudKey.IsZero() {
		wrong = append(wrong, errors.New("GERBANG_QE_FRAUD_KEY (--qe-fraud-key): missing: GERBANG_QE_FRAUD_URL is set"))
	}
	if s.DukcapilURL == "" {
		return wrong
	}
	for _, x := range []struct {
		name    string
		missing bool
	}{
		{"GERBANG_DUKCAPIL_CUSTOMER_ID (--dukcapil-customer-id)", s.DukcapilCustomerID == ""},
		{"GERBANG_DUKCAPIL_USER_ID (--dukcapil-user-id)", s.DukcapilUserID.IsZero()},
		{"GERBANG_DUKCAPIL_PASSWORD (--dukcapil-password)", s.DukcapilPassword.IsZero()},
		{"GERBANG_DUKCAPIL_IP_USER (--dukcapil-ip-user)", s.DukcapilIPUser == ""},
	} {
		if x.missing {
			wrong = append(wrong, errors.New(x.name+": missing: GERBANG_DUKCAPIL_URL is set"))
		}
	}
	return wrong
}

func (s vendorSettings) quantumElixir() quantumelixir.Config {
	return quantumelixir.Config{
		Identity:  quantumelixir.Endpoint{BaseURL: string(s.IdentityURL), Key: s.IdentityKey},
		AML:       quantumelixir.Endpoint{BaseURL: string(s.AMLURL), Key: s.AMLKey},
		AntiFraud: quantumelixir.Endpoint{BaseURL: string(s.FraudURL), Key: s.FraudKey},
	}
}

func (s vendorSettings) dukcapil() dukcapil.Config {
	return dukcapil.Config{
		BaseURL: string(s.DukcapilURL), CustomerID: s.DukcapilCustomerID, UserID: s.DukcapilUserID,
		Password: s.DukcapilPassword, IPUser: s.DukcapilIPUser, Threshold: string(s.DukcapilThreshold),
	}
}

// workSettings say how the service works.
type workSettings struct {
	Policy         policyFile    `env:"GERBANG_POLICY" placeholder:"FILE" help:"the policy, YAML; empty: the built-in one"`
	DukcapilBudget time.Duration `env:"GERBANG_DUKCAPIL_BUDGET" placeholder:"20s" help:"how long an onboarding waits for Dukcapil before it goes on at standard; overrides the policy's dukcapil.budget"`
	QELimits       limits        `env:"GERBANG_QE_LIMITS" placeholder:"BUCKET=N,..." help:"calls a minute the contract allows, by bucket, 0 = unlimited; those not named as the vendor documents"`

	// Lease and VendorTimeout follow each other where only one is given.
	Lease         time.Duration `env:"GERBANG_LEASE" placeholder:"30s" help:"how long a process holds an onboarding it works on"`
	VendorTimeout time.Duration `env:"GERBANG_VENDOR_TIMEOUT" placeholder:"15s" help:"how long one vendor call may take; one that is not shorter than the lease is cut to half of it"`
	PollInterval  time.Duration `env:"GERBANG_POLL_INTERVAL" default:"1s" placeholder:"1s" help:"how often due onboardings are looked for"`
	RetryBase     time.Duration `env:"GERBANG_RETRY_BASE" default:"500ms" placeholder:"500ms" help:"wait before the first retry; doubles up to the maximum"`
	RetryMax      time.Duration `env:"GERBANG_RETRY_MAX" placeholder:"1m" help:"longest wait between retries"`
	MaxAttempts   count         `env:"GERBANG_MAX_ATTEMPTS" default:"25" placeholder:"25" help:"attempts of one step before it is parked for an operator"`
	UpgradeRetry  time.Duration `env:"GERBANG_UPGRADE_RETRY" default:"15m" placeholder:"15m" help:"first wait before Dukcapil is asked again for an upgrade"`

	MaxBody      byteSize      `env:"GERBANG_MAX_BODY" default:"12MiB" placeholder:"12MiB" help:"largest request body"`
	MaxConns     count         `env:"GERBANG_MAX_CONNS" default:"16" placeholder:"16" help:"connections to Postgres"`
	Slots        count         `env:"GERBANG_SLOTS" default:"64" placeholder:"64" help:"onboardings worked on at once"`
	DrainTimeout time.Duration `env:"GERBANG_DRAIN_TIMEOUT" default:"25s" placeholder:"25s" help:"how long the end may take after SIGTERM"`
}

// Defaults of what depends on another setting.
const (
	defaultLease         = 30 * time.Second
	defaultVendorTimeout = 15 * time.Second
	defaultRetryMax      = time.Minute
)

// complete fills in what follows from other settings.
func (s workSettings) complete() workSettings {
	switch {
	case s.Lease == 0 && s.VendorTimeout == 0:
		s.Lease, s.VendorTimeout = defaultLease, defaultVendorTimeout
	case s.Lease == 0:
		s.Lease = max(defaultLease, 2*s.VendorTimeout)
	case s.VendorTimeout == 0:
		s.VendorTimeout = min(defaultVendorTimeout, s.Lease/2)
	case s.VendorTimeout >= s.Lease: // an answer after the lease is somebody else's to fetch
		s.VendorTimeout = s.Lease / 2
	}
	s.RetryMax = cmp.Or(s.RetryMax, max(defaultRetryMax, s.RetryBase))
	if s.QELimits == nil {
		s.QELimits = documentedLimits()
	}
	return s
}

// faults: settings that contradict each other. Call it on completed ones.
func (s workSettings) faults() (wrong []error) {
	if s.RetryMax < s.RetryBase {
		wrong = append(wrong, fmt.Errorf("GERBANG_RETRY_MAX (--retry-max): %v is shorter than GERBANG_RETRY_BASE, %v",
			s.RetryMax, s.RetryBase))
	}
	if s.DukcapilBudget > time.Hour {
		wrong = append(wrong, fmt.Errorf("GERBANG_DUKCAPIL_BUDGET (--dukcapil-budget): %v is longer than an hour", s.DukcapilBudget))
	}
	return wrong
}

// policy is the file's, less the products that are not configured.
func (s workSettings) policy(v vendorSettings) fsm.Policy {
	p := fsm.DefaultPolicy()
	if s.Policy.policy != nil {
		p = *s.Policy.policy
	}
	p.Products.Dukcapil = p.Products.Dukcapil && v.DukcapilURL != ""
	p.Products.AntiFraud = p.Products.AntiFraud && v.FraudURL != ""
	p.Dukcapil.Budget = cmp.Or(s.DukcapilBudget, p.Dukcapil.Budget)
	return p
}

// keyring reads the master key.
func keyring(masterKey pii.Secret) (*store.Keyring, error) {
	k, err := store.NewKeyring(masterKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("GERBANG_MASTER_KEY (--master-key): %w", err)
	}
	return k, nil
}
