package fsm_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

var update = flag.Bool("update", false, "write docs/states.md from the table")

const statesFile = "../../docs/states.md"

func TestDocumentIsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	if *update {
		if err := os.WriteFile(statesFile, []byte(fsm.Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(statesFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != fsm.Document() {
		t.Errorf("%s is not what the table says; run go test ./internal/fsm -update", statesFile)
	}
}

func TestDocumentHasEveryEdge(t *testing.T) {
	t.Parallel()
	diagram, document := fsm.Diagram(), fsm.Document()
	if !strings.Contains(document, "```mermaid\n"+diagram+"```\n") {
		t.Error("the document lacks the diagram")
	}
	drawn := 0
	for _, e := range fsm.Edges() {
		arrow := string(e.From) + " --> " + string(e.To) + ": " + string(e.Event)
		if strings.Contains(diagram, arrow) == (e.Event == fsm.Cancel) {
			t.Errorf("%s: the diagram has every edge but cancel", arrow)
		}
		if e.Event != fsm.Cancel {
			drawn++
		}
		if e.Reason != "" && !strings.Contains(diagram, arrow+" ("+string(e.Reason)+")") {
			t.Errorf("%s: reason not drawn", arrow)
		}
	}
	if n := strings.Count(diagram, ": "); n != drawn {
		t.Errorf("%d labelled arrows for %d edges", n, drawn)
	}
	for _, s := range fsm.States() {
		if !strings.Contains(document, "\n| "+string(s)+" | "+string(s.Kind())+" | "+string(s.Status())+" |") {
			t.Errorf("%s has no line in the document", s)
		}
	}
}
