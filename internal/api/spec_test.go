package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// What the router serves and what the document describes is the same.
func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	h := api.New(api.Config{Docs: http.NotFoundHandler(), Metrics: http.NotFoundHandler()})
	var served, documented []string
	err := chi.Walk(h.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served = append(served, method+" "+route)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := document()
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented = append(documented, method+" "+path)
			scope, _ := op.Extensions["x-required-scope"].(string)
			i := slices.IndexFunc(endpoints, func(e struct {
				method, path string
				scope        api.Scope
			}) bool {
				return e.method == method && e.path == path
			})
			switch {
			case i < 0 && scope != "":
				t.Errorf("%s %s: documented with a scope, not in the role matrix", method, path)
			case i >= 0 && scope != string(endpoints[i].scope):
				t.Errorf("%s %s: needs %s, documented %q", method, path, endpoints[i].scope, scope)
			}
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	for _, route := range served {
		if !slices.Contains(documented, route) {
			t.Errorf("%s is served and not documented", route)
		}
	}
	for _, route := range documented {
		if !slices.Contains(served, route) {
			t.Errorf("%s is documented and not served", route)
		}
	}
}

// Enums in the document are those of the code.
func TestEnumsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, _ := document()
	for schema, want := range map[string][]string{
		"Status":        words(fsm.Statuses()),
		"State":         words(fsm.States()),
		"Scope":         words(api.Scopes()),
		"ReviewKind":    words(fsm.ReviewKinds()),
		"ReviewState":   words([]store.ReviewState{store.ReviewOpen, store.ReviewDecided, store.ReviewWithdrawn}),
		"AllowedAction": {"capture_ktp", "capture_selfie", "supply_dukcapil_verdict", "cancel"},
	} {
		s := doc.Components.Schemas[schema]
		if s == nil {
			t.Errorf("no schema %s", schema)
			continue
		}
		if got := enum(s.Value); !slices.Equal(got, sorted(want)) {
			t.Errorf("%s: documented %q, known %q", schema, got, sorted(want))
		}
	}
	// The codes are those of design section 5, and each is made somewhere.
	var made []string
	for _, m := range regexp.MustCompile(`newProblem\(http\.Status\w+, "([a-z_]+)"`).FindAllStringSubmatch(source(t, "problem.go"), -1) {
		if !slices.Contains(made, m[1]) {
			made = append(made, m[1])
		}
	}
	made = append(made, "rate_limited") // reserved
	if got := enum(doc.Components.Schemas["ProblemCode"].Value); !slices.Equal(got, sorted(made)) {
		t.Errorf("codes: documented %q, made %q", got, sorted(made))
	}
	spec := source(t, "../../openapi.yaml")
	for _, role := range api.Roles() {
		if !strings.Contains(spec, "| `"+role+"` |") {
			t.Errorf("role %s is not documented", role)
		}
	}
}

func enum(s *openapi3.Schema) []string {
	var out []string
	for _, v := range s.Enum {
		if word, ok := v.(string); ok {
			out = append(out, word)
		}
	}
	return sorted(out)
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func TestPublicPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, mediaType := range map[string]string{
		"/healthz": "application/json", "/readyz": "application/json", "/openapi.yaml": "application/yaml",
		"/docs": "text/html", "/docs/docs.css": "text/css", "/metrics": "text/plain",
	} {
		a := w.do("", "GET", path, nil).want(200)
		if !strings.HasPrefix(a.header.Get("Content-Type"), mediaType) {
			t.Errorf("%s as %s", path, a.header.Get("Content-Type"))
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: headers %v", path, a.header)
		}
		a = w.do("", "POST", path, nil).want(405, "method_not_allowed")
		if a.header.Get("Allow") != "GET" {
			t.Errorf("%s allows %q", path, a.header.Get("Allow"))
		}
	}
	w.do("", "GET", "/docs/nothing.js", nil).want(404)
	w.st.Close()
	w.do("", "GET", "/healthz", nil).want(200)
	if a := w.do("", "GET", "/readyz", nil).want(503, "vendor_unavailable"); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
