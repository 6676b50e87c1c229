package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

var masterKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))

func TestServeTellsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte("biometric: {attempts: 9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "hunter2"
	faulty := map[string]string{
		"GERBANG_ADDR":               "8080",
		"DATABASE_URL":               "postgres://u:" + secret + "@host:notaport/x",
		"GERBANG_MASTER_KEY":         secret,
		"GERBANG_QE_IDENTITY_URL":    "https://someone:" + secret + "@vendor.test",
		"GERBANG_QE_IDENTITY_KEY":    "",
		"GERBANG_QE_AML_URL":         "vendor.test/" + secret,
		"GERBANG_QE_FRAUD_URL":       "https://vendor.test/anti-fraud",
		"GERBANG_DUKCAPIL_URL":       "https://vendor.test?key=" + secret,
		"GERBANG_DUKCAPIL_THRESHOLD": "101",
		"GERBANG_DUKCAPIL_BUDGET":    "0s",
		"GERBANG_LEASE":              "soon",
		"GERBANG_VENDOR_TIMEOUT":     "1s",
		"GERBANG_POLL_INTERVAL":      "often",
		"GERBANG_RETRY_BASE":         "2s",
		"GERBANG_RETRY_MAX":          "1s",
		"GERBANG_UPGRADE_RETRY":      "-1s",
		"GERBANG_MAX_ATTEMPTS":       "0",
		"GERBANG_QE_LIMITS":          "customers=1",
		"GERBANG_POLICY":             policy,
		"GERBANG_MAX_BODY":           "12MB",
		"GERBANG_MAX_CONNS":          "many",
		"GERBANG_SLOTS":              "-1",
		"GERBANG_LOG_LEVEL":          "loud",
		"GERBANG_LOG_FORMAT":         "xml",
		"GERBANG_DRAIN_TIMEOUT":      "1",
		"GERBANG_DUKCAPIL_USER_ID":   secret,
		"GERBANG_DUKCAPIL_PASSWORD":  secret,
		"GERBANG_DUKCAPIL_IP_USER":   "10.0.0.1",
	}
	var env []string
	for name, value := range faulty {
		env = append(env, name+"="+value)
	}
	got := runs(t, env, "serve")
	if got.code != exitUsage {
		t.Errorf("exit code %d", got.code)
	}
	told := "\n" + got.stderr
	for _, name := range []string{
		"GERBANG_ADDR", "DATABASE_URL", "GERBANG_MASTER_KEY", "GERBANG_QE_IDENTITY_URL", "GERBANG_QE_IDENTITY_KEY",
		"GERBANG_QE_AML_URL", "GERBANG_QE_AML_KEY", "GERBANG_QE_FRAUD_KEY", "GERBANG_DUKCAPIL_URL",
		"GERBANG_DUKCAPIL_THRESHOLD", "GERBANG_DUKCAPIL_BUDGET", "GERBANG_LEASE", "GERBANG_POLL_INTERVAL",
		"GERBANG_RETRY_MAX", "GERBANG_UPGRADE_RETRY", "GERBANG_MAX_ATTEMPTS", "GERBANG_QE_LIMITS", "GERBANG_POLICY",
		"GERBANG_MAX_BODY", "GERBANG_MAX_CONNS", "GERBANG_SLOTS", "GERBANG_LOG_LEVEL", "GERBANG_LOG_FORMAT",
		"GERBANG_DRAIN_TIMEOUT",
	} {
		if !strings.Contains(told, "\n  "+name+" (") {
			t.Errorf("nothing about %s", name)
		}
	}
	if strings.Contains(got.stdout+got.stderr, secret) {
		t.Error("a secret was printed")
	}
	if t.Failed() {
		t.Log(got.stderr)
	}
}

// A flag outranks its variable, so its value is what is checked.
func TestFlagsOutrankVariables(t *testing.T) {
	t.Parallel()
	got := runs(t, []string{"GERBANG_LEASE=nonsense"}, "serve", "--lease", "20s")
	if strings.Contains(got.stderr, "GERBANG_LEASE") {
		t.Error(got.stderr)
	}
	got = runs(t, []string{"GERBANG_LEASE=20s"}, "serve", "--lease", "nonsense")
	if !strings.Contains(got.stderr, "GERBANG_LEASE (--lease)") {
		t.Error(got.stderr)
	}
}

// What the parser does not understand may be a key whose flag got lost.
func TestUsageErrorsQuoteNoSecret(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"serve", "qe_sk_live_ABC234"},
		{"serve", "--qe-identity-key=", "qe_sk_live_ABC234"},
		{"serve", "--qe-idnetity-key=qe_sk_live_ABC234"},
		{"serve", "--master-key", "-qe_sk_live_ABC234"},
		{"qe_sk_live_ABC234"},
		{"keys", "create", "--client=c", "--role=qe_sk_live_ABC234"},
	} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, &out, &errs); code != exitUsage {
			t.Errorf("%q: exit code %d", args, code)
		}
		if strings.Contains(out.String()+errs.String(), "ABC234") || errs.Len() == 0 {
			t.Errorf("%q: %s%s", args, &out, &errs)
		}
	}
}

func TestSettingsPrintNoSecret(t *testing.T) {
	t.Parallel()
	var cli commands
	parser, err := kong.New(&cli, append(newFaults().options(), kong.Vars{"log_format": "json", "roles": "admin"})...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{
		"serve", "--master-key=hunter2", "--database-url=postgres://u:hunter2@host/x", "--qe-identity-key=hunter2",
		"--qe-aml-key=hunter2", "--qe-fraud-key=hunter2", "--dukcapil-user-id=hunter2", "--dukcapil-password=hunter2",
	}); err != nil {
		t.Fatal(err)
	}
	if cli.Serve.MasterKey.Reveal() != "hunter2" {
		t.Fatal("the key was not read")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, cli.Serve); strings.Contains(s, "hunter2") {
			t.Errorf("%s prints a secret", verb)
		}
	}
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	with := func(changes limits) limits {
		all := documentedLimits()
		maps.Copy(all, changes)
		return all
	}
	for _, tc := range []struct {
		text string
		want limits // nil: refused
	}{
		{"customers.create=7", with(limits{vendors.BucketCustomers: 7})},
		{" customers.create = 7 , step-up=0,", with(limits{vendors.BucketCustomers: 7, vendors.BucketStepUp: 0})},
		{"customers.create:7,ktp.capture:8", with(limits{vendors.BucketCustomers: 7, vendors.BucketKTPCapture: 8})},
		{`{"evaluate": 20000}`, with(limits{vendors.BucketEvaluate: 20000})},
		{"customers=7", nil},
		{"evaluate=-1", nil},
		{"evaluate=1.5", nil},
		{"evaluate", nil},
		{"evaluate=1,evaluate=2", nil},
		{`{"evaluate": "1"}`, nil},
		{`{"evaluate": 1`, nil},
	} {
		got, err := parseLimits(tc.text)
		if (err != nil) != (tc.want == nil) || err == nil && !maps.Equal(got, tc.want) {
			t.Errorf("%q: %v, %v", tc.text, got, err)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{
		"1": 1, "500KiB": 500 << 10, "12MiB": 12 << 20, "1 GiB": 1 << 30, "0": 0, "12MB": 0, "-1MiB": 0, "MiB": 0,
	} {
		if got, err := parseByteSize(text); got != want || (err != nil) != (want == 0) {
			t.Errorf("size %q: %d, %v", text, got, err)
		}
	}
	for text, want := range map[string]time.Duration{
		"90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "0d": 0, "-1h": 0, "d": 0, "soon": 0,
	} {
		if got, err := parseLifetime(text); time.Duration(got) != want || (err != nil) != (want == 0) {
			t.Errorf("lifetime %q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]baseURL{
		"http://127.0.0.1:8090/identity/": "http://127.0.0.1:8090/identity", "https://vendor.test": "https://vendor.test",
		"vendor.test": "", "//vendor.test": "", "ftp://vendor.test": "", "http://": "", "http://:80": "",
		"http://u@vendor.test": "", "http://vendor.test?": "", "http://vendor.test#a": "",
	} {
		if got, err := parseBaseURL(text); got != want || (err != nil) != (want == "") {
			t.Errorf("URL %q: %q, %v", text, got, err)
		}
	}
	for text, ok := range map[string]bool{":8080": true, "[::1]:0": true, "host:1": true, "8080": false, "h:http": false, "h:70000": false} {
		if _, err := parseAddress(text); (err == nil) != ok {
			t.Errorf("address %q: %v", text, err)
		}
	}
}

// Whoever sets one of two settings that belong together gets a fitting other.
func TestSettingsFollowEachOther(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ given, want workSettings }{
		{workSettings{}, workSettings{Lease: 30 * time.Second, VendorTimeout: 15 * time.Second, RetryMax: time.Minute}},
		{workSettings{Lease: 2 * time.Second}, workSettings{Lease: 2 * time.Second, VendorTimeout: time.Second, RetryMax: time.Minute}},
		{workSettings{Lease: 2 * time.Second, VendorTimeout: 2 * time.Second},
			workSettings{Lease: 2 * time.Second, VendorTimeout: time.Second, RetryMax: time.Minute}},
		{workSettings{VendorTimeout: time.Minute, RetryBase: time.Hour},
			workSettings{Lease: 2 * time.Minute, VendorTimeout: time.Minute, RetryMax: time.Hour}},
	} {
		got := tc.given.complete()
		if got.Lease != tc.want.Lease || got.VendorTimeout != tc.want.VendorTimeout || got.RetryMax != tc.want.RetryMax {
			t.Errorf("%+v", got)
		}
		if wrong := got.faults(); wrong != nil {
			t.Error(wrong)
		}
	}
}

// The policy may ask for what is not configured; it does not get it.
func TestPolicyIsLessWhatIsNotConfigured(t *testing.T) {
	t.Parallel()
	bought := vendorSettings{FraudURL: "http://f.test", FraudKey: pii.NewSecret("k"), DukcapilURL: "http://d.test"}
	work := workSettings{DukcapilBudget: 3 * time.Second}
	if p := work.policy(bought); !p.Products.Dukcapil || !p.Products.AntiFraud || p.Dukcapil.Budget != 3*time.Second {
		t.Errorf("%+v", p.Products)
	}
	if p := work.policy(vendorSettings{}); p.Products.Dukcapil || p.Products.AntiFraud {
		t.Errorf("%+v", p.Products)
	}
	if p := (workSettings{}).policy(bought); p.Dukcapil.Budget != 20*time.Second {
		t.Errorf("budget %v", p.Dukcapil.Budget)
	}
}
