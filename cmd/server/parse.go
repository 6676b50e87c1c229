package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
)

// configError is everything that is wrong with the configuration, a line each.
type configError struct{ error }

// faults collects what is wrong with single settings while the command line is
// parsed, so that all of it can be told at once: the parser itself would stop
// at the first, and quote its value. Make it with newFaults.
type faults struct {
	of       map[*kong.Value]error
	given    map[*kong.Value]bool // on the command line
	defaults bool                 // the command line is read, variables and defaults follow
}

func newFaults() *faults {
	return &faults{of: map[*kong.Value]error{}, given: map[*kong.Value]bool{}}
}

// options teach the parser the types of our settings.
func (f *faults) options() []kong.Option {
	return []kong.Option{
		kong.WithBeforeReset(func() error { f.defaults = true; return nil }),
		setting(f, parseDuration), setting(f, parseCount), setting(f, parseByteSize), setting(f, parseAddress),
		setting(f, parseBaseURL), setting(f, parseDatabaseURL), setting(f, parseSecret), setting(f, parsePercent),
		setting(f, parseLimits), setting(f, parsePolicy), setting(f, parseLogLevel), setting(f, parseLogFormat),
		setting(f, parseLifetime),
	}
}

// setting maps every flag of type T. An empty variable is one that is not set.
// A flag outranks its variable, which may then be faulty.
func setting[T any](f *faults, parse func(string) (T, error)) kong.Option {
	return kong.TypeMapper(reflect.TypeFor[T](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("string", &text); err != nil {
			return err
		}
		if f.defaults && f.given[ctx.Value] {
			return nil
		}
		f.given[ctx.Value] = !f.defaults
		delete(f.of, ctx.Value)
		if text = strings.TrimSpace(text); text == "" {
			text = ctx.Value.Default
		}
		var value T
		if text != "" {
			var err error
			if value, err = parse(text); err != nil {
				f.of[ctx.Value] = err
			}
		}
		target.Set(reflect.ValueOf(&value).Elem())
		return nil
	}))
}

// checker is a command whose settings may contradict each other. Check may
// complete them; each error names its setting.
type checker interface{ Check() []error }

// of returns all faults of the chosen command's settings as a *configError,
// missing ones (tag `need`) among them.
func (f *faults) check(parsed *kong.Context) error {
	var all []error
	for _, flag := range parsed.Flags() {
		err := f.of[flag.Value]
		if err == nil && flag.Tag.Has("need") && flag.Target.IsZero() {
			err = errors.New("missing: " + flag.Help)
		}
		if err != nil {
			all = append(all, named(flag, err))
		}
	}
	if c, ok := parsed.Selected().Target.Addr().Interface().(checker); ok {
		all = append(all, c.Check()...)
	}
	if all == nil {
		return nil
	}
	return &configError{errors.Join(all...)}
}

// named puts the setting's name before each line of its fault.
func named(flag *kong.Flag, err error) error {
	name := "--" + flag.Name
	if len(flag.Envs) > 0 {
		name = flag.Envs[0] + " (" + name + ")"
	}
	return errors.New(name + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+name+": "))
}

// The types of settings. No parse function quotes a value that may be secret.
type (
	count       int
	byteSize    int64
	percent     string // as the registry takes it
	address     string // host:port
	baseURL     string
	databaseURL struct{ pii.Secret }
	lifetime    time.Duration
	logFormat   string
	policyFile  struct{ policy *fsm.Policy }
)

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a duration above zero like 200ms, 30s or 15m", s)
	}
	return d, nil
}

func parseCount(s string) (count, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a whole number above zero", s)
	}
	return count(n), nil
}

// parseByteSize reads 12MiB, 500KiB, 1GiB or a plain number of bytes.
func parseByteSize(s string) (byteSize, error) {
	digits, shift := s, 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if before, ok := strings.CutSuffix(s, unit); ok {
			digits, shift = strings.TrimSpace(before), 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a size like 12MiB", s)
	}
	return byteSize(n << shift), nil
}

func parsePercent(s string) (percent, error) {
	if n, err := strconv.Atoi(s); err != nil || n < 0 || n > 100 {
		return "", fmt.Errorf("%q is not within 0 and 100", s)
	}
	return percent(s), nil
}

func parseAddress(s string) (address, error) {
	_, port, err := net.SplitHostPort(s)
	if n, numErr := strconv.ParseUint(port, 10, 16); err != nil || numErr != nil || n > 65535 {
		return "", fmt.Errorf("%q is not an address like :8080 or 127.0.0.1:8080", s)
	}
	return address(s), nil
}

// parseBaseURL does not quote: an address with credentials in it is the very
// thing it refuses.
func parseBaseURL(s string) (baseURL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "", errors.New("not an absolute http or https URL")
	case u.User != nil:
		return "", errors.New("must not carry credentials; they have settings of their own")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("must not have a query or a fragment")
	}
	return baseURL(strings.TrimRight(s, "/")), nil
}

func parseDatabaseURL(s string) (databaseURL, error) {
	if _, err := pgx.ParseConfig(s); err != nil { // its text would quote
		return databaseURL{}, errors.New("not a Postgres URL like postgres://user:password@host:5432/name")
	}
	return databaseURL{pii.NewSecret(s)}, nil
}

func parseSecret(s string) (pii.Secret, error) { return pii.NewSecret(s), nil }

// parseLifetime reads Go's durations and whole days: 90d.
func parseLifetime(s string) (lifetime, error) {
	if digits, ok := strings.CutSuffix(s, "d"); ok {
		if days, err := strconv.ParseUint(digits, 10, 16); err == nil && days > 0 {
			return lifetime(time.Duration(days) * 24 * time.Hour), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a time like 90d or 12h", s)
	}
	return lifetime(d), nil
}

func parsePolicy(path string) (policyFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return policyFile{}, err
	}
	p, err := fsm.ParsePolicy(text)
	if err != nil {
		return policyFile{}, err
	}
	return policyFile{&p}, nil
}

func parseLogLevel(s string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return 0, fmt.Errorf("%q is not one of debug, info, warn, error", s)
	}
	return l, nil
}

func parseLogFormat(s string) (logFormat, error) {
	if s != "json" && s != "text" {
		return "", fmt.Errorf("%q is not one of json, text", s)
	}
	return logFormat(s), nil
}
