package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/api"
)

// endpoints are all that need a key, each with the scope design section 5
// names for it.
var endpoints = []struct {
	method, path string
	scope        api.Scope
}{
	{"POST", "/onboardings", api.OnboardingsWrite},
	{"GET", "/onboardings", api.OnboardingsRead},
	{"GET", "/onboardings/{id}", api.OnboardingsRead},
	{"POST", "/onboardings/{id}/cancel", api.OnboardingsWrite},
	{"POST", "/onboardings/{id}/ktp/challenge", api.CapturesWrite},
	{"POST", "/onboardings/{id}/ktp/capture", api.CapturesWrite},
	{"POST", "/onboardings/{id}/face/challenge", api.CapturesWrite},
	{"POST", "/onboardings/{id}/face/capture", api.CapturesWrite},
	{"PUT", "/onboardings/{id}/dukcapil-verdict", api.CapturesWrite},
	{"GET", "/onboardings/{id}/events", api.AuditRead},
	{"GET", "/onboardings/{id}/explanation", api.Operations},
	{"POST", "/onboardings/{id}/retry", api.Operations},
	{"POST", "/parked/retry", api.Operations},
	{"GET", "/reviews", api.ReviewsRead},
	{"GET", "/reviews/{id}", api.ReviewsRead},
	{"PATCH", "/reviews/{id}", api.ReviewsWrite},
	{"POST", "/reviews/{id}/claim", api.ReviewsWrite},
	{"DELETE", "/reviews/{id}/claim", api.ReviewsWrite},
}

// granted is which role has which scope, written out a second time.
var granted = map[string]string{
	"frontend": "onboardings:read onboardings:write",
	"sdk":      "captures:write onboardings:read",
	"analyst":  "reviews:read reviews:write onboardings:read",
	"signoff":  "reviews:read reviews:write reviews:signoff onboardings:read",
	"operator": "operations onboardings:read",
	"auditor":  "audit:read onboardings:read reviews:read",
	"admin": "onboardings:write onboardings:read captures:write audit:read operations reviews:read reviews:write " +
		"reviews:signoff webhooks:manage",
}

// Every endpoint with every role's key, and an id that nobody has: a key
// without the scope gets 403 and learns nothing else, the others get further.
func TestRoleMatrix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if len(granted) != len(api.Roles()) {
		t.Errorf("roles: %v", api.Roles())
	}
	unknown := uuid.NewString()
	for _, role := range append(api.Roles(), "dismissed") { // a role of the future, or of the past, may nothing
		scopes := strings.Fields(granted[role])
		if got := len(api.ScopesOf(role)); got != len(scopes) {
			t.Errorf("%s has %d scopes", role, got)
		}
		for _, e := range endpoints {
			a := w.do(role, e.method, strings.ReplaceAll(e.path, "{id}", unknown), nil)
			may := slices.Contains(scopes, string(e.scope))
			switch {
			case a.status == 401, (a.status == 403) == may:
				t.Errorf("%s: %s %s: %d", role, e.method, e.path, a.status)
			case !may:
				if p := a.want(403, "forbidden").problem(); p.RequiredScope != string(e.scope) {
					t.Errorf("%s %s: needs %s, says %s", e.method, e.path, e.scope, p.RequiredScope)
				}
			}
		}
	}
}

func TestWithoutALiveKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.key("frontend")
	id := w.create("Citra Uji Lancar")
	parts := strings.Split(good, "_")
	w.unchanged(func() {
		for name, authorization := range map[string]string{
			"none":           "",
			"another scheme": "Basic " + good,
			"no key":         "Bearer",
			"not ours":       "Bearer qe_sk_sandbox_x",
			"malformed":      "Bearer gbk_\x27or1=1_" + parts[2],
			"no secret":      "Bearer gbk_" + parts[1] + "_",
			"wrong secret":   "Bearer gbk_" + parts[1] + "_" + strings.Repeat("0", 64),
			"unknown id":     "Bearer gbk_" + strings.Repeat("0", 16) + "_" + parts[2],
			"in two halves":  "Bearer gbk_" + parts[1] + parts[2][:1] + "_" + parts[2][1:],
		} {
			a := w.do("", "POST", "/onboardings/"+id+"/cancel", nil, header{"Authorization": authorization})
			if a.want(401, "unauthenticated"); a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: no challenge", name)
			}
		}
		w.do("", "GET", "/onboardings/"+id+"?key="+good, nil).want(401, "unauthenticated")
	})
	for _, e := range endpoints {
		w.do("", e.method, strings.ReplaceAll(e.path, "{id}", id), nil).want(401, "unauthenticated")
	}
	w.do("", "GET", "/onboardings/"+id, nil, header{"Authorization": "bearer " + good}).want(200) // the scheme's case is free

	revoked := w.key("sdk")
	w.must(w.st.RevokeAPIKey(t.Context(), strings.Split(revoked, "_")[1]))
	w.do("sdk", "GET", "/onboardings/"+id, nil).want(401, "unauthenticated")
	if _, err := w.db.Pool.Exec(t.Context(), `UPDATE api_keys SET expires_at = now() WHERE role = 'analyst' OR id = $1`,
		strings.Split(w.key("analyst"), "_")[1]); err != nil {
		t.Fatal(err)
	}
	w.do("analyst", "GET", "/onboardings/"+id, nil).want(401, "unauthenticated")
}

// Another client's onboardings and reviews do not exist, whatever the role.
func TestForeignIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.reach("Hasan Uji Tinjau", "ktp")
	rev := w.openReview(id)
	w.unchanged(func() {
		for _, e := range endpoints {
			if !strings.Contains(e.path, "{id}") {
				continue
			}
			its := id
			if strings.HasPrefix(e.path, "/reviews") {
				its = rev.ID
			}
			path := strings.ReplaceAll(e.path, "{id}", its)
			w.do("globex/admin", e.method, path, bodyFor(e.path), header{"If-Match": rev.etag()}).want(404, "not_found")
			for _, malformed := range []string{"1", "not-an-id", "%00", strings.ToUpper(its) + "0", "{" + its + "}", "urn:uuid:" + its} {
				path := strings.ReplaceAll(e.path, "{id}", malformed)
				w.do("admin", e.method, path, bodyFor(e.path), header{"If-Match": rev.etag()}).want(404, "not_found")
			}
		}
		for _, list := range []string{"/onboardings", "/reviews"} {
			if a := w.do("globex/admin", "GET", list, nil).want(200); string(a.body) != `{"items":[],"nextCursor":null}` {
				t.Errorf("%s tells of another client: %s", list, a.body)
			}
		}
		a := w.do("globex/admin", "POST", "/parked/retry", map[string]any{"cause": "identity.customers.create:401"}).want(200)
		if string(a.body) != `{"matched":0,"retried":0,"dryRun":false,"ids":[]}` {
			t.Errorf("parked: %s", a.body)
		}
	})
}

// bodyFor is a body that is fine in itself.
func bodyFor(path string) any {
	switch {
	case strings.HasSuffix(path, "ktp/capture"):
		return captureBody("ktp", "never-issued", 1)
	case strings.HasSuffix(path, "face/capture"):
		return captureBody("face", "never-issued", 1)
	case strings.HasSuffix(path, "dukcapil-verdict"):
		return map[string]any{"valid": false, "reason": "nik_not_found"}
	case path == "/reviews/{id}":
		return map[string]any{"decision": "approve", "reasonCode": "looked_at"}
	}
	return nil
}

func TestKeysOfPersonsAndSystems(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.openReview(w.reach("Hasan Uji Tinjau", "ktp"))
	w.decide("analyst:ani", first, "reject").want(200)
	second := w.openReview(w.reach("Hasan Uji Tinjau Kedua", "ktp"))
	var decided review
	w.decide("analyst", second, "reject").want(200).read(&decided)
	k, err := w.st.APIKey(t.Context(), strings.Split(w.key("analyst"), "_")[1])
	w.must(err)
	if decided.DecidedBy == nil || *decided.DecidedBy != "key:"+k.ID {
		t.Errorf("a system's key decided as %v", decided.DecidedBy)
	}
	events, err := w.st.Events(t.Context(), "acme", uuid.MustParse(first.OnboardingID))
	w.must(err)
	if got := events[len(events)-1].Actor; got != "person:ani" {
		t.Errorf("a person decided as %s", got)
	}
}

func TestScopesAreCopies(t *testing.T) {
	t.Parallel()
	api.ScopesOf("sdk")[0] = api.Operations
	if slices.Contains(api.ScopesOf("sdk"), api.Operations) {
		t.Error("the presets can be changed")
	}
}
