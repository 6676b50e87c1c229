package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// progress shows where everybody is: a line per customer that is written over
// on a terminal, a line per change elsewhere.
type progress struct {
	mu        sync.Mutex
	out       io.Writer
	customers []*customer
	terminal  bool
	drawn     bool
	said      map[*customer]string
	begun     time.Time
}

func newProgress(out io.Writer, customers []*customer) *progress {
	return &progress{out: out, customers: customers, terminal: isTerminal(out), said: map[*customer]string{}, begun: time.Now()}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Control sequences (ECMA-48, DEC for wrapping): without wrapping off, a line
// longer than the terminal is two, and the way back up is wrong.
const (
	wrapOff, wrapOn = "\x1b[?7l", "\x1b[?7h"
	clearRest       = "\x1b[K"
)

// changed shows a customer's news.
func (p *progress) changed(c *customer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		p.draw()
		return
	}
	if line := c.line(); p.said[c] != line {
		p.said[c] = line
		fmt.Fprintf(p.out, "%5.1fs %s\n", time.Since(p.begun).Seconds(), line)
	}
}

func (p *progress) draw() {
	var b strings.Builder
	if p.drawn {
		fmt.Fprintf(&b, "\x1b[%dA", len(p.customers))
	}
	b.WriteString(wrapOff)
	for _, c := range p.customers {
		b.WriteString(c.line() + clearRest + "\n")
	}
	b.WriteString(wrapOn)
	p.drawn = true
	_, _ = io.WriteString(p.out, b.String())
}

func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		p.draw()
	}
}

// line is where the customer is now.
func (c *customer) line() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.state()
	if c.took > 0 {
		now = c.outcome()
	}
	return fmt.Sprintf("%s %s  %s  %s", c.mark(), pad(c.name, 21), pad(c.what, 48), now)
}

// mark is how it stands with the customer.
func (c *customer) mark() string {
	switch {
	case c.took == 0:
		return "·"
	case c.err != nil:
		return "✗"
	}
	return "✓"
}

// pathWidth is the widest the column of the path may be.
const pathWidth = 64

// table is the end of the story.
func table(out io.Writer, customers []*customer) {
	const row = "%s %s  %s  %s  %s  %s\n"
	name, outcome := 0, 0
	for _, c := range customers {
		name = max(name, utf8.RuneCountInString(c.name))
		outcome = max(outcome, utf8.RuneCountInString(c.outcome()))
	}
	fmt.Fprintf(out, "\n"+row, " ", pad("CUSTOMER", name), pad("PATH", pathWidth), pad("OUTCOME", outcome), pad("LEVEL", 8), "TIME")
	for _, c := range customers {
		path := wrap(c.path, pathWidth)
		fmt.Fprintf(out, row, c.mark(), pad(c.name, name), pad(path[0], pathWidth), pad(c.outcome(), outcome),
			pad(c.view.KYCLevel, 8), fmt.Sprintf("%.1fs", c.took.Seconds()))
		for _, more := range path[1:] {
			fmt.Fprintf(out, "  %s  %s\n", pad("", name), more)
		}
	}
}

// wrap joins the states with arrows into lines of at most width characters.
func wrap(path []string, width int) []string {
	lines := []string{""}
	for i, state := range path {
		if i > 0 {
			state = "→ " + state
		}
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = state
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(state) > width:
			lines = append(lines, state)
		default:
			*last += " " + state
		}
	}
	return lines
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
