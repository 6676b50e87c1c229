package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPathsAreWrapped(t *testing.T) {
	t.Parallel()
	got := wrap([]string{"registering", "awaiting_ktp", "expired"}, 26)
	if want := []string{"registering → awaiting_ktp", "→ expired"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := wrap(nil, 26); !slices.Equal(got, []string{""}) {
		t.Errorf("no path: got %q", got)
	}
}

// pair is a customer who has ended well and one who is still under way.
func pair() []*customer {
	done := &customer{role: role{name: "Citra", what: "passes"}, path: []string{"registering", "approved"}, took: time.Second}
	done.view.Status, done.view.KYCLevel = "approved", "premium"
	return []*customer{done, {role: role{name: "Hasan", what: "in doubt"}, path: []string{"ktp_review"}}}
}

func TestOnATerminalLinesAreWrittenOver(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	both := pair()
	p := newProgress(&out, both)
	p.terminal = true
	p.changed(both[0])
	if strings.Contains(out.String(), "\x1b[2A") {
		t.Error("the first drawing has nothing to write over")
	}
	p.changed(both[1])
	p.close()
	if n := strings.Count(out.String(), "\x1b[2A"); n != 2 {
		t.Errorf("went up %d times, want 2", n)
	}
	if strings.Count(out.String(), wrapOff) != strings.Count(out.String(), wrapOn) {
		t.Error("the terminal is left without wrapping")
	}
}

func TestElsewhereEachChangeIsALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	both := pair()
	p := newProgress(&out, both)
	for _, c := range []*customer{both[0], both[1], both[1]} { // the last brings nothing new
		p.changed(c)
	}
	p.close()
	if n := strings.Count(out.String(), "\n"); n != 2 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("got %q", out.String())
	}
}

func TestTheTableShowsAll(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	table(&out, pair())
	for _, want := range []string{"✓ Citra", "registering → approved", "premium", "1.0s", "· Hasan"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
