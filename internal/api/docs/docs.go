// Package docs serves the page that renders the API's OpenAPI document at
// /docs. Everything the page needs is in the binary, and its policy forbids the
// browser to load anything from elsewhere or to run an inline script.
//
// It imports nothing of ours and must not know what the document says.
package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	swaggerui "github.com/swaggest/swgui/v5/static"
)

//go:embed page
var page embed.FS

// policy admits what lies under our own host and nothing else. Swagger UI's
// style sheet draws its icons from data: URLs; its scripts need neither eval
// nor inline styles.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is a file of the page. Those of Swagger UI are kept compressed and are
// sent so to whoever accepts it.
type asset struct {
	name        string
	contentType string
	files       fs.FS
	path        string
	compressed  bool
	etag        string
}

func assets() []asset {
	return []asset{
		{name: "docs.css", contentType: "text/css; charset=utf-8", files: page, path: "page/docs.css"},
		{name: "docs.js", contentType: "text/javascript; charset=utf-8", files: page, path: "page/docs.js"},
		{name: "favicon-32x32.png", contentType: "image/png", files: swaggerui.FS, path: "favicon-32x32.png"},
		{name: "swagger-ui.css", contentType: "text/css; charset=utf-8", files: swaggerui.FS, path: "swagger-ui.css.gz", compressed: true},
		{name: "swagger-ui-bundle.js", contentType: "text/javascript; charset=utf-8", files: swaggerui.FS, path: "swagger-ui-bundle.js.gz", compressed: true},
	}
}

// Handler serves GET /docs and the page's parts at /docs/{asset}; specPath is
// where the page finds the OpenAPI document, on the same host. It panics when
// the binary was built without a part.
func Handler(specPath string) http.Handler {
	index := render(specPath)
	mux := http.NewServeMux()
	mux.HandleFunc("/docs", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(index))
	})
	for _, a := range assets() {
		a.etag = a.digest()
		mux.Handle("/docs/"+a.name, a)
	}
	mux.HandleFunc("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // a new version of the service is a new page
		mux.ServeHTTP(w, r)
	})
}

func render(specPath string) []byte {
	var b bytes.Buffer
	t := template.Must(template.ParseFS(page, "page/index.html"))
	if err := t.Execute(&b, specPath); err != nil {
		panic("docs: render page: " + err.Error())
	}
	return b.Bytes()
}

func (a asset) open() io.ReadSeeker {
	f, err := a.files.Open(a.path)
	if err != nil {
		panic("docs: " + err.Error()) // embedded, so there since the build
	}
	return f.(io.ReadSeeker) //nolint:forcetypeassert // an embed.FS promises it
}

func (a asset) digest() string {
	h := sha256.New()
	if _, err := io.Copy(h, a.open()); err != nil {
		panic("docs: hash " + a.name + ": " + err.Error())
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// ServeHTTP sends the asset, or 304 where the client has it.
func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	f := a.open()
	if !a.compressed {
		h.Set("ETag", `"`+a.etag+`"`)
		http.ServeContent(w, r, "", time.Time{}, f)
		return
	}
	h.Add("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		h.Set("ETag", `"`+a.etag+`-gzip"`) // another representation, another tag (RFC 9110, 8.8.3)
		http.ServeContent(w, r, "", time.Time{}, f)
		return
	}
	h.Set("ETag", `"`+a.etag+`"`)
	plain, err := gzip.NewReader(f)
	if err != nil {
		panic("docs: open " + a.name + ": " + err.Error()) // embedded, so sound since the build
	}
	_, _ = io.Copy(w, plain) // nobody is left to tell
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3).
func acceptsGzip(r *http.Request) bool {
	for item := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(item), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			return strings.TrimRight(strings.TrimSpace(weight), ".0") != "q=" // q=0 means: not this one
		}
	}
	return false
}

// notFound answers as the rest of the API does, with the request's id where the
// middleware has set it.
func notFound(w http.ResponseWriter, _ *http.Request) {
	id, err := json.Marshal(w.Header().Get("X-Request-Id"))
	if err != nil {
		panic("docs: encode request id: " + err.Error()) // a string always encodes
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, `{"type":"urn:gerbang:problem:not_found","title":"Not found","status":404,"code":"not_found","requestId":%s}`, id)
}
