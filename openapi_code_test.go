package gerbang_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/gerbang-id/gerbang"
	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
)

func TestRolesTableIsTrue(t *testing.T) {
	t.Parallel()
	text := load(t).Info.Description
	for _, role := range api.Roles() {
		row := regexp.MustCompile("(?m)^ *\\| `" + role + "` \\|(.*)$").FindString(text)
		if row == "" {
			t.Errorf("role %s is not in the table", role)
			continue
		}
		if len(api.ScopesOf(role)) == len(api.Scopes()) {
			if !strings.Contains(row, "| all") {
				t.Errorf("role %s has all scopes: %s", role, row)
			}
			continue
		}
		for _, scope := range api.Scopes() {
			if has := slices.Contains(api.ScopesOf(role), scope); has != strings.Contains(row, "`"+string(scope)+"`") {
				t.Errorf("role %s, scope %s: %v, but the table says %s", role, scope, has, row)
			}
		}
	}
}

func TestEnumsAreTheCodes(t *testing.T) {
	t.Parallel()
	doc := load(t)
	states := texts(fsm.States())
	events := map[string]bool{string(fsm.Created): true, string(fsm.VerdictSupplied): true, string(fsm.RetryRequested): true}
	reasons, decisions := map[string]bool{}, map[string]bool{}
	for _, e := range fsm.Edges() {
		events[string(e.Event)] = true
		if e.Reason != "" {
			reasons[e.Reason.Public()] = true
		}
	}
	for _, k := range fsm.ReviewKinds() {
		for _, d := range k.Decisions() {
			decisions[string(d)] = true
		}
	}
	offered := slices.Collect(maps.Keys(decisions))
	for name, want := range map[string][]string{
		"State":               states,
		"StateBefore":         append(slices.Clone(states), "null"),
		"Status":              texts(fsm.Statuses()),
		"EventName":           slices.Collect(maps.Keys(events)),
		"ReviewKind":          texts(fsm.ReviewKinds()),
		"ReviewDecision":      offered,
		"ReviewDecisionMade":  append(slices.Clone(offered), "null"),
		"PublicDeclineReason": append(slices.Collect(maps.Keys(reasons)), "null"),
		"KYCLevel":            append(constants(t, "Level"), "null"),
		"Signal":              constants(t, "Signal"),
		"Scope":               texts(api.Scopes()),
	} {
		got := words(t, doc, name)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("components.schemas.%s:\n document %v\n code     %v", name, got, want)
		}
	}
}

func words(t *testing.T, doc *openapi3.T, schema string) []string {
	t.Helper()
	ref := doc.Components.Schemas[schema]
	if ref == nil {
		t.Fatalf("no schema %s", schema)
	}
	out := make([]string, 0, len(ref.Value.Enum))
	for _, v := range ref.Value.Enum {
		if v == nil {
			v = "null"
		}
		out = append(out, v.(string))
	}
	return out
}

func texts[T ~string](list []T) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}

// constants reads internal/fsm's constants of a string type from its source,
// so that one added there is missed here.
func constants(t *testing.T, typeName string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "internal/fsm/facts.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != typeName {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
		return true
	})
	return out
}

// TestPeopleAreInvented: every NIK is well-formed but of a province that does
// not exist, every address is in a domain set aside for examples (RFC 2606).
func TestPeopleAreInvented(t *testing.T) {
	t.Parallel()
	text := string(gerbang.OpenAPI)
	niks := regexp.MustCompile(`\b[0-9]{16}\b`).FindAllString(text, -1)
	if len(niks) == 0 {
		t.Error("no NIK in any example")
	}
	for _, digits := range niks {
		if _, err := pii.ParseNIK(digits); err != nil || !strings.HasPrefix(digits, "9999") {
			t.Errorf("%s could be somebody's, or nobody's: %v", digits, err)
		}
	}
	for _, m := range regexp.MustCompile(`[\w.]+@([\w.]+)`).FindAllStringSubmatch(text, -1) {
		if m[1] != "example.com" {
			t.Errorf("%s is not in example.com", m[0])
		}
	}
}

// TestPublicOperationsDoNotTipOff: what a frontend's or an SDK's key can read
// names neither screening nor fraud, not even in an enum (UU 8/2010, article 12).
func TestPublicOperationsDoNotTipOff(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`(?i)aml|fraud|screening|sanction|watchlist|\bpep\b|launder|terror`)
	for _, o := range operations(load(t)) {
		scope, _ := o.Extensions["x-required-scope"].(string)
		if !slices.Contains([]string{"onboardings:read", "onboardings:write", "captures:write"}, scope) {
			continue
		}
		b, err := json.Marshal(o.Responses)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range o.Responses.Map() {
			for _, m := range r.Value.Content {
				for _, e := range m.Examples {
					example, err := json.Marshal(e.Value)
					if err != nil {
						t.Fatal(err)
					}
					b = append(b, example...)
				}
			}
		}
		if found := forbidden.Find(b); found != nil {
			t.Errorf("%s tells of %q", o.name, found)
		}
	}
	for _, name := range []string{"Onboarding", "Status", "NextAction", "Upgrade", "PublicDeclineReason", "AllowedAction", "ProblemCode"} {
		b, err := json.Marshal(load(t).Components.Schemas[name].Value)
		if err != nil {
			t.Fatal(err)
		}
		if found := forbidden.Find(b); found != nil {
			t.Errorf("schema %s tells of %q", name, found)
		}
	}
}
