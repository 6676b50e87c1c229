package docs_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gerbang-id/gerbang/internal/api/docs"
)

func serve(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(docs.Handler("/openapi.yaml"))
	t.Cleanup(s.Close)
	return s
}

// get asks without Go's own transparent decompression.
func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

var reference = regexp.MustCompile(`(?:src|href|data-spec)="([^"]*)"`)

func TestPageRefersToItsOwnHostOnly(t *testing.T) {
	t.Parallel()
	s := serve(t)
	resp, html := get(t, s.URL+"/docs")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("page: %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	found := reference.FindAllStringSubmatch(html, -1)
	if len(found) < 6 {
		t.Fatalf("the page refers to %d things only", len(found))
	}
	for _, m := range found {
		if !strings.HasPrefix(m[1], "/") || strings.HasPrefix(m[1], "//") {
			t.Errorf("the page refers to %q", m[1])
		}
		if strings.HasPrefix(m[1], "/docs/") {
			if resp, body := get(t, s.URL+m[1]); resp.StatusCode != http.StatusOK || body == "" {
				t.Errorf("%s: %d", m[1], resp.StatusCode)
			}
		}
	}
	if regexp.MustCompile(`<script[^>]*>[^<]|<style|\son[a-z]+=|\sstyle=`).MatchString(html) {
		t.Error("the page has inline scripts or styles, which its policy forbids")
	}
}

// foreign finds what makes a browser fetch from another host: imports and urls
// in style sheets, and absolute addresses anywhere.
var (
	foreign  = regexp.MustCompile(`(?:https?:)?//([a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*\.[a-z]{2,})`)
	fetching = regexp.MustCompile(`@import|url\(\s*["']?(?:https?:)?//`)
)

func TestAssetsFetchFromNowhereElse(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, name := range []string{"docs.js", "docs.css"} {
		if _, body := get(t, s.URL+"/docs/"+name); foreign.MatchString(body) {
			t.Errorf("%s names %q", name, foreign.FindString(body))
		}
	}
	_, css := get(t, s.URL+"/docs/swagger-ui.css")
	if fetching.MatchString(css) {
		t.Errorf("swagger-ui.css fetches %q", fetching.FindString(css))
	}
	for _, m := range foreign.FindAllStringSubmatch(css, -1) {
		if m[1] != "www.w3.org" { // the SVG namespace in data: URLs, which nobody fetches
			t.Errorf("swagger-ui.css names %s", m[1])
		}
	}

	// The bundle's comments, error messages and schema ids name hosts, and so
	// does the default validatorUrl. docs.js turns that one off, and the policy
	// forbids all of them; a host not seen before deserves a look.
	known := []string{
		"datatracker.ietf.org", "www.rfc-editor.org", "www.w3.org", "github.com", "spec.openapis.org", "json-schema.org",
		"validator.swagger.io", "swagger.io", "example.com", "spdx.org", "redux.js.org", "reactjs.org", "fb.me",
		"vladimirgorej.com", "twitter.com", "www.facebook.com", "www.tiktok.com", "instagram.com", "soundcloud.com",
	}
	_, bundle := get(t, s.URL+"/docs/swagger-ui-bundle.js")
	for _, m := range regexp.MustCompile(`https?://([a-zA-Z0-9.-]+\.[a-z]{2,})`).FindAllStringSubmatch(bundle, -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("swagger-ui-bundle.js names %s", m[1])
		}
	}
	if _, js := get(t, s.URL+"/docs/docs.js"); !strings.Contains(js, "validatorUrl: null") {
		t.Error("docs.js leaves the validator's badge on")
	}
}

func TestPolicyForbidsOtherHostsAndInlineScripts(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"/docs", "/docs/docs.js", "/docs/swagger-ui.css", "/docs/nothing"} {
		resp, _ := get(t, s.URL+path)
		policy := resp.Header.Get("Content-Security-Policy")
		directives := strings.Split(policy, "; ")
		if !slices.Contains(directives, "default-src 'none'") || !slices.Contains(directives, "script-src 'self'") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for _, d := range directives {
			_, sources, _ := strings.Cut(d, " ")
			for source := range strings.FieldsSeq(sources) {
				if !slices.Contains([]string{"'none'", "'self'"}, source) && d != "img-src 'self' data:" {
					t.Errorf("%s: policy admits %s", path, d)
				}
			}
		}
	}
}

func TestCompressedAssets(t *testing.T) {
	t.Parallel()
	s := serve(t)
	url := s.URL + "/docs/swagger-ui.css"
	plain, want := get(t, url)
	if plain.Header.Get("Content-Encoding") != "" || !strings.Contains(want, ".swagger-ui") {
		t.Fatalf("plain: encoding %q, %d bytes", plain.Header.Get("Content-Encoding"), len(want))
	}
	for header, compressed := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "deflate, gzip;q=1.0": true, "gzip;q=0": false, "gzip; q=0.0": false, "br": false,
	} {
		resp, body := get(t, url, "Accept-Encoding", header)
		if got := resp.Header.Get("Content-Encoding") == "gzip"; got != compressed {
			t.Errorf("%s: compressed %v", header, got)
			continue
		}
		if compressed {
			r, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			body = string(b)
		}
		if body != want {
			t.Errorf("%s: other content", header)
		}
	}
	resp, _ := get(t, url, "Accept-Encoding", "gzip")
	if resp.Header.Get("ETag") == plain.Header.Get("ETag") {
		t.Error("two representations share an ETag")
	}
	if again, body := get(t, url, "Accept-Encoding", "gzip", "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("unchanged asset: %d", again.StatusCode)
	}
}

func TestUnknownAsset(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"/docs/", "/docs/nothing.js", "/docs/page/docs.js", "/docs/swagger-ui.css.gz"} {
		resp, body := get(t, s.URL+path)
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(body, `"code":"not_found"`) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}
