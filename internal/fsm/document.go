package fsm

import (
	"fmt"
	"strings"
)

// Diagram draws the table as a Mermaid state diagram. Cancel edges are left
// out: they would hide everything else.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> registering\n")
	for _, e := range table {
		if e.Event == Cancel {
			continue
		}
		fmt.Fprintf(&b, "    %s --> %s: %s\n", e.From, e.To, e.label())
	}
	for _, s := range States() {
		if s.Kind() == Final {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	return b.String()
}

func (e Edge) label() string {
	if e.Reason == "" {
		return string(e.Event)
	}
	return fmt.Sprintf("%s (%s)", e.Event, e.Reason)
}

const documentHead = `<!-- Generated from internal/fsm; do not edit. A test compares it: go test ./internal/fsm -update -->

# The states of an onboarding

A row in a **work** state is the resumer's: it makes one call to a vendor, then
one move. In a **wait** state a customer or an analyst acts. A **final** state
is never left. The diagram leaves out ` + "`cancel`" + `; the table below has it.

`

// Document is docs/states.md: the diagram, and for every state its kind, the
// public status it shows as, and how it is left.
func Document() string {
	var b strings.Builder
	b.WriteString(documentHead)
	fmt.Fprintf(&b, "```mermaid\n%s```\n\n", Diagram())
	b.WriteString("| state | kind | shown as | left by |\n|---|---|---|---|\n")
	for _, s := range States() {
		var exits []string
		for _, e := range table {
			if e.From == s {
				exits = append(exits, fmt.Sprintf("%s → %s", e.label(), e.To))
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s, s.Kind(), s.Status(), strings.Join(exits, " · "))
	}
	return b.String()
}
