package gerbang_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/gerbang-id/gerbang"
	"github.com/gerbang-id/gerbang/internal/api"
)

// Formats beyond the specification's own. They are kin-openapi's globals: the
// validation of examples does not look at those of a document.
func init() {
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562))
	openapi3.DefineStringFormatValidator("email", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForEmail))
}

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(gerbang.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDocumentIsValid is the document's lint: structure, patterns, defaults,
// formats, and every example against its schema.
func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	doc := load(t)
	if doc.OpenAPI != "3.0.3" {
		t.Errorf("openapi: %s", doc.OpenAPI)
	}
	err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(),
		openapi3.EnableSchemaFormatValidation(), openapi3.EnableSchemaPatternValidation(), openapi3.EnableMultiError())
	if err != nil {
		t.Error(err)
	}
}

type operation struct {
	*openapi3.Operation
	name string // "GET /path"
	path *openapi3.PathItem
}

func operations(doc *openapi3.T) []operation {
	var all []operation
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for method, o := range item.Operations() {
			all = append(all, operation{o, method + " " + path, item})
		}
	}
	return all
}

func TestOperationsAreDescribed(t *testing.T) {
	t.Parallel()
	doc := load(t)
	ids := map[string]string{}
	for _, o := range operations(doc) {
		if o.Summary == "" || strings.HasSuffix(o.Summary, ".") || strings.TrimSpace(o.Description) == "" {
			t.Errorf("%s: needs a summary without a full stop, and a description", o.name)
		}
		if other, taken := ids[o.OperationID]; taken || !regexp.MustCompile(`^[a-z][A-Za-z]+$`).MatchString(o.OperationID) {
			t.Errorf("%s: operationId %q (taken by %q)", o.name, o.OperationID, other)
		}
		ids[o.OperationID] = o.name
		if len(o.Tags) != 1 || doc.Tags.Get(o.Tags[0]) == nil {
			t.Errorf("%s: tags %v, not one that is declared", o.name, o.Tags)
		}
	}
}

func TestOperationsNameTheirScope(t *testing.T) {
	t.Parallel()
	for _, o := range operations(load(t)) {
		if o.Security == nil {
			t.Errorf("%s: says nothing of security; write `security: []` where no key is needed", o.name)
			continue
		}
		scope, scoped := o.Extensions["x-required-scope"].(string)
		if len(*o.Security) == 0 {
			if scoped {
				t.Errorf("%s: needs no key, but a scope", o.name)
			}
			continue
		}
		if _, bearer := (*o.Security)[0]["bearerAuth"]; !bearer {
			t.Errorf("%s: security %v", o.name, *o.Security)
		}
		if !slices.Contains(api.Scopes(), api.Scope(scope)) {
			t.Errorf("%s: x-required-scope %q", o.name, scope)
		}
		if !strings.Contains(strings.Join(strings.Fields(o.Description), " "), "Scope: `"+scope+"`") {
			t.Errorf("%s: its description does not say Scope: `%s`", o.name, scope)
		}
	}
}

// TestOperationsGiveWhatTheyCanGive holds the refusals that every operation of
// a kind shares: leaving one out would make it undocumented, not impossible.
func TestOperationsGiveWhatTheyCanGive(t *testing.T) {
	t.Parallel()
	for _, o := range operations(load(t)) {
		var must []int
		if len(*o.Security) > 0 {
			must = append(must, 401, 403, 500, 503)
		}
		if o.RequestBody != nil {
			must = append(must, 400, 413, 415)
		}
		if strings.Contains(o.name, "{") {
			must = append(must, 404)
		}
		for _, p := range o.Parameters {
			if p.Value.In == openapi3.ParameterInQuery {
				must = append(must, 400)
			}
		}
		for _, status := range must {
			if o.Responses.Status(status) == nil {
				t.Errorf("%s: no %d", o.name, status)
			}
		}
	}
}

func TestResponsesNameTheirHeaders(t *testing.T) {
	t.Parallel()
	owed := map[string]string{"401": "WWW-Authenticate", "405": "Allow", "503": "Retry-After"}
	check := func(where, status string, r *openapi3.Response) {
		for _, header := range []string{"X-Request-Id", owed[status]} {
			if _, there := r.Headers[header]; header != "" && !there {
				t.Errorf("%s %s: no header %s", where, status, header)
			}
		}
		if m := r.Content["application/json"]; m != nil && m.Schema.Ref == "#/components/schemas/Onboarding" && r.Headers["ETag"] == nil {
			t.Errorf("%s %s: a view without its ETag", where, status)
		}
	}
	doc := load(t)
	for _, o := range operations(doc) {
		for status, r := range o.Responses.Map() {
			check(o.name, status, r.Value)
		}
	}
	check("components", "405", doc.Components.Responses["MethodNotAllowed"].Value)
}

func TestJSONHasExamples(t *testing.T) {
	t.Parallel()
	check := func(where string, content openapi3.Content) {
		for mediaType, m := range content {
			if strings.HasSuffix(mediaType, "json") && m.Example == nil && len(m.Examples) == 0 {
				t.Errorf("%s: %s without an example", where, mediaType)
			}
		}
	}
	for _, o := range operations(load(t)) {
		if o.RequestBody != nil {
			check(o.name+" request", o.RequestBody.Value.Content)
		}
		for status, r := range o.Responses.Map() {
			check(o.name+" "+status, r.Value.Content)
		}
	}
}

// TestProblems: each refusal is a Problem of its status, each example is one of
// the codes its response allows, and the table of errors knows them all.
func TestProblems(t *testing.T) {
	t.Parallel()
	doc := load(t)
	codes := words(t, doc, "ProblemCode")
	seen := map[string]string{}
	for name, r := range doc.Components.Responses {
		m := r.Value.Content["application/problem+json"]
		if m == nil {
			continue
		}
		narrowed := m.Schema.Value.AllOf[1].Value.Properties
		status := fmt.Sprint(narrowed["status"].Value.Enum[0])
		exemplified := map[string]bool{}
		for example, e := range m.Examples {
			problem := e.Value.Value.(map[string]any)
			code := problem["code"].(string)
			if problem["type"] != "urn:gerbang:problem:"+code {
				t.Errorf("%s, %s: type %v", name, example, problem["type"])
			}
			exemplified[code] = true
		}
		for _, code := range narrowed["code"].Value.Enum {
			seen[code.(string)] = status
			if !exemplified[code.(string)] && name != "ReviewConflict" {
				t.Errorf("%s: no example of %s", name, code)
			}
		}
	}
	for _, o := range operations(doc) {
		for status, r := range o.Responses.Map() {
			m := r.Value.Content["application/problem+json"]
			if n, _ := strconv.Atoi(status); (n >= http.StatusBadRequest) != (m != nil) {
				t.Errorf("%s %s: problem or not?", o.name, status)
				continue
			}
			if m != nil && fmt.Sprint(m.Schema.Value.AllOf[1].Value.Properties["status"].Value.Enum[0]) != status {
				t.Errorf("%s: %s has another status's problem", o.name, status)
			}
		}
	}
	for _, code := range codes {
		row := regexp.MustCompile("(?m)^ *\\| `" + code + "` \\| ([0-9]{3}) \\|").FindStringSubmatch(doc.Info.Description)
		switch {
		case row == nil:
			t.Errorf("%s is not in the table of errors", code)
		case code == "rate_limited":
			if seen[code] != "" {
				t.Error("rate_limited is answered, but the table calls it reserved")
			}
		case row[1] != seen[code]:
			t.Errorf("%s: table says %s, responses say %q", code, row[1], seen[code])
		}
	}
}

// TestObjectsSayWhetherTheyAreClosed: an object that names its members must say
// whether there may be others. Parts of an allOf only narrow the first one.
func TestObjectsSayWhetherTheyAreClosed(t *testing.T) {
	t.Parallel()
	var walk func(where string, ref *openapi3.SchemaRef)
	walk = func(where string, ref *openapi3.SchemaRef) {
		s := ref.Value
		if ref.Ref != "" && strings.Contains(where, ".") {
			return // walked under its own name
		}
		if s.Type.Is("object") && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil {
			t.Errorf("%s: additionalProperties not said", where)
		}
		for name, p := range s.Properties {
			walk(where+"."+name, p)
		}
		if s.Items != nil {
			walk(where+".[]", s.Items)
		}
	}
	for name, s := range load(t).Components.Schemas {
		walk(name, s)
	}
}

func TestComponentsAreUsed(t *testing.T) {
	t.Parallel()
	var doc struct {
		Components map[string]map[string]any `json:"components"`
	}
	b, err := load(t).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for kind, components := range doc.Components {
		for name := range components {
			ref := "#/components/" + kind + "/" + name
			used := strings.Contains(string(gerbang.OpenAPI), "'"+ref+"'")
			// No operation answers a method that is not one of the path's.
			if !used && kind != "securitySchemes" && name != "MethodNotAllowed" {
				t.Errorf("%s is used nowhere", ref)
			}
		}
	}
}
