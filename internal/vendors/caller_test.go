package vendors_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/vendors"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func newCaller(t *testing.T) *vendors.Caller {
	t.Helper()
	transport := vendors.NewTransport(time.Minute)
	t.Cleanup(transport.CloseIdle)
	return &vendors.Caller{Transport: transport, Now: func() time.Time { return noon }}
}

func post(url string) vendors.Call {
	return vendors.Call{
		Product: "identity", Name: "customers.create", Bucket: vendors.BucketCustomers,
		Method: http.MethodPost, URL: url, Header: http.Header{"Idempotency-Key": {"app-1"}},
		Body: vendors.NewBody().Set("fullName", "Sari Contoh"), QuoteRefusals: true,
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func failure(t *testing.T, err error) *vendors.Error {
	t.Helper()
	var e *vendors.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *vendors.Error", err, err)
	}
	return e
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status  int
		header  map[string]string
		body    string
		kind    vendors.Kind
		unknown bool
		want    vendors.Error // the fields to compare
		text    string
	}{
		{status: 400, body: `{"error":"fullName Sari is bad","details":{"fieldErrors":{"nik":["bad 3100004101900001"],"fullName":["required"],"Sari Contoh":["x"],"a3100004101900001":["x"]}}}`,
			kind: vendors.Permanent, want: vendors.Error{Fields: []string{"fullName", "nik"}},
			text: "vendor identity: customers.create: status 400: fields fullName, nik"},
		{status: 401, body: `{"error":"invalid key qe_sk_live_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"}`, kind: vendors.Permanent,
			want: vendors.Error{Message: "invalid key ***"}, text: `vendor identity: customers.create: status 401: "invalid key ***"`},
		{status: 403, body: `{"error":"missing scope: customers:write"}`, kind: vendors.Permanent,
			want: vendors.Error{Message: "missing scope: customers:write"},
			text: `vendor identity: customers.create: status 403: "missing scope: customers:write"`},
		{status: 403, body: `{"error":"no access to 3100004101900001 sari@contoh.example"}`, kind: vendors.Permanent,
			want: vendors.Error{Message: "no access to *** ***"}, text: `vendor identity: customers.create: status 403: "no access to *** ***"`},
		{status: 403, body: `{"error":"` + strings.Repeat("long ", 100) + `"}`, kind: vendors.Permanent,
			want: vendors.Error{Message: strings.Repeat("long ", 24)}, text: `vendor identity: customers.create: status 403: "` + strings.Repeat("long ", 24) + `"`},
		{status: 404, body: `{"error":"Sari not found"}`, kind: vendors.Permanent, text: "vendor identity: customers.create: status 404"},
		{status: 405, kind: vendors.Permanent, text: "vendor identity: customers.create: status 405"},
		{status: 409, body: `{"error":"challenge consumed by Sari"}`, kind: vendors.Conflict, text: "vendor identity: customers.create: status 409"},
		{status: 413, kind: vendors.Permanent, text: "vendor identity: customers.create: status 413"},
		{status: 415, kind: vendors.Permanent, text: "vendor identity: customers.create: status 415"},
		{status: 422, body: `{"error":"Sari","details":{"fieldErrors":{"nationality":["x"]}}}`, kind: vendors.Permanent,
			want: vendors.Error{Fields: []string{"nationality"}}, text: "vendor identity: customers.create: status 422: fields nationality"},
		{status: 429, header: map[string]string{"Retry-After": "17"}, body: `{"error":"rate limit exceeded","bucket":"screenings.create","limit":60}`,
			kind: vendors.Transient, want: vendors.Error{RetryAfter: 17 * time.Second, Bucket: "screenings.create", Limit: 60, Message: "rate limit exceeded"},
			text: `vendor identity: customers.create: status 429: "rate limit exceeded"`},
		{status: 429, header: map[string]string{"Retry-After": noon.Add(90 * time.Second).Format(http.TimeFormat)}, body: "not json",
			kind: vendors.Transient, want: vendors.Error{RetryAfter: 90 * time.Second, Bucket: vendors.BucketCustomers},
			text: "vendor identity: customers.create: status 429"},
		{status: 429, header: map[string]string{"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(noon.Unix() + 30)},
			kind: vendors.Transient, want: vendors.Error{RetryAfter: 30 * time.Second, Bucket: vendors.BucketCustomers},
			text: "vendor identity: customers.create: status 429"},
		{status: 429, header: map[string]string{"Retry-After": "99999999999"}, kind: vendors.Transient,
			want: vendors.Error{RetryAfter: 24 * time.Hour, Bucket: vendors.BucketCustomers}, text: "vendor identity: customers.create: status 429"},
		{status: 408, kind: vendors.Transient, unknown: true, text: "vendor identity: customers.create: status 408"},
		{status: 500, body: `{"error":"Sari crashed it"}`, kind: vendors.Transient, unknown: true, text: "vendor identity: customers.create: status 500"},
		{status: 502, body: "<html>Bad gateway</html>", kind: vendors.Transient, unknown: true, text: "vendor identity: customers.create: status 502"},
		{status: 503, header: map[string]string{"Retry-After": "-5"}, body: `{"error":"upstream degraded"}`,
			kind: vendors.Transient, unknown: true, text: "vendor identity: customers.create: status 503"},
		{status: 307, header: map[string]string{"Location": "/elsewhere"}, kind: vendors.Transient, unknown: true, text: "vendor identity: customers.create: status 307"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			t.Parallel()
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					t.Errorf("a redirect was followed to %s", r.URL.Path)
				}
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := newCaller(t).Do(t.Context(), post(url+"/"))
			e := failure(t, err)
			if e.Kind != tt.kind || e.Retryable() != (tt.kind == vendors.Transient) || e.OutcomeUnknown() != tt.unknown || e.Status != tt.status {
				t.Errorf("kind %s, unknown %v, status %d; want %s, %v, %d", e.Kind, e.OutcomeUnknown(), e.Status, tt.kind, tt.unknown, tt.status)
			}
			if e.RetryAfter != tt.want.RetryAfter || e.Bucket != tt.want.Bucket || e.Limit != tt.want.Limit ||
				strings.TrimSpace(e.Message) != strings.TrimSpace(tt.want.Message) || !slices.Equal(e.Fields, tt.want.Fields) {
				t.Errorf("got %+v, want %+v", *e, tt.want)
			}
			if e.Error() != tt.text {
				t.Errorf("text %q, want %q", e.Error(), tt.text)
			}
			if want := fmt.Sprintf("identity.customers.create:%d", tt.status); e.Cause() != want {
				t.Errorf("cause %q, want %q", e.Cause(), want)
			}
		})
	}
}

// A 401 of a vendor whose texts are not to be quoted says nothing.
func TestRefusalNotQuoted(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":"login of hunter2 failed"}`, 401)
	})
	call := post(url)
	call.QuoteRefusals = false
	_, err := newCaller(t).Do(t.Context(), call)
	if e := failure(t, err); e.Message != "" {
		t.Errorf("message %q", e.Message)
	}
}

// hijack takes the connection of a request whose body has been read, which is
// to say that the work has been done.
func hijack(t *testing.T, w http.ResponseWriter, r *http.Request) *net.TCPConn {
	t.Helper()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Error(err)
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return nil
	}
	return conn.(*net.TCPConn)
}

func TestUnusableAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerFunc
		reason  string
		status  int
	}{
		{"html", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, " <!doctype html><p>maintenance")
		}, vendors.ReasonHTML, 200},
		{"empty", func(http.ResponseWriter, *http.Request) {}, vendors.ReasonIncomplete, 200},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, vendors.ReasonIncomplete, 204},
		{"oversized", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(slices.Repeat([]byte(" "), vendors.DefaultMaxResponse+1))
		}, vendors.ReasonOversized, 200},
		{"truncated", func(w http.ResponseWriter, r *http.Request) {
			conn := hijack(t, w, r)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"data\":{\"id\":\"cus")
			_ = conn.Close()
		}, vendors.ReasonTruncated, 200},
		{"reset after the work", func(w http.ResponseWriter, r *http.Request) {
			conn := hijack(t, w, r)
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}, vendors.ReasonConnection, 0},
		{"closed after the work", func(w http.ResponseWriter, r *http.Request) { _ = hijack(t, w, r).Close() }, vendors.ReasonConnection, 0},
		{"no HTTP", func(w http.ResponseWriter, r *http.Request) {
			conn := hijack(t, w, r)
			_, _ = io.WriteString(conn, "Sari Contoh 3100004101900001\r\n\r\n")
			_ = conn.Close()
		}, vendors.ReasonConnection, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := newCaller(t).Do(t.Context(), post(serve(t, tt.handler)))
			e := failure(t, err)
			if e.Reason != tt.reason || e.Status != tt.status || e.Kind != vendors.Transient || !e.OutcomeUnknown() {
				t.Errorf("got %+v unknown %v, want %s with status %d", *e, e.OutcomeUnknown(), tt.reason, tt.status)
			}
			if strings.Contains(e.Error(), "Sari") {
				t.Errorf("personal data in %q", e)
			}
			if want := "identity.customers.create:" + tt.reason; e.Cause() != want {
				t.Errorf("cause %q, want %q", e.Cause(), want)
			}
		})
	}
}

// Reading stops at the bound: an endless answer ends.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	const socketBuffers = 64 << 20 // more than they hold
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for sent := 0; ; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
			if sent > socketBuffers {
				t.Error("reading went on")
				return
			}
		}
	})
	c := newCaller(t)
	c.MaxResponse = 4096
	_, err := c.Do(t.Context(), post(url))
	if e := failure(t, err); e.Reason != vendors.ReasonOversized {
		t.Errorf("got %v", e)
	}
}

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, err = newCaller(t).Do(t.Context(), post("http://"+l.Addr().String()))
	e := failure(t, err)
	if e.Reason != vendors.ReasonRefused || e.OutcomeUnknown() || !e.Retryable() {
		t.Errorf("got %v, unknown %v", e, e.OutcomeUnknown())
	}
}

func TestTLSNotTrusted(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, err := newCaller(t).Do(t.Context(), post(srv.URL))
	if e := failure(t, err); e.Reason != vendors.ReasonTLS || e.OutcomeUnknown() {
		t.Errorf("got %v, unknown %v", e, e.OutcomeUnknown())
	}
}

// hang serves requests that are taken and never answered.
func hang(t *testing.T, taken func()) string {
	return serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		taken()
		<-r.Context().Done()
	})
}

func TestHang(t *testing.T) {
	t.Parallel()
	t.Run("timeout", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t)
		c.Timeout = 50 * time.Millisecond
		_, err := c.Do(t.Context(), post(hang(t, func() {})))
		e := failure(t, err)
		if e.Reason != vendors.ReasonTimeout || !e.OutcomeUnknown() || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, unknown %v", e, e.OutcomeUnknown())
		}
	})
	t.Run("canceled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := newCaller(t).Do(ctx, post(hang(t, cancel)))
		e := failure(t, err)
		if e.Reason != vendors.ReasonCanceled || !e.OutcomeUnknown() || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, unknown %v", e, e.OutcomeUnknown())
		}
	})
	t.Run("hang within the answer", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"data":`)
			_ = http.NewResponseController(w).Flush()
			cancel()
			<-r.Context().Done()
		})
		_, err := newCaller(t).Do(ctx, post(url))
		if e := failure(t, err); e.Reason != vendors.ReasonCanceled || !e.OutcomeUnknown() {
			t.Errorf("got %v, unknown %v", e, e.OutcomeUnknown())
		}
	})
}

func TestOnRate(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 500} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Limit", "120")
			w.Header().Set("X-RateLimit-Remaining", "7")
			w.Header().Set("X-RateLimit-Reset", "1740830460")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "{}")
		})
		var heard []string
		c := newCaller(t)
		c.OnRate = func(bucket string, limit, remaining int, reset time.Time) {
			heard = append(heard, fmt.Sprint(bucket, " ", limit, " ", remaining, " ", reset.Unix()))
		}
		_, _ = c.Do(t.Context(), post(url)) // either way
		if want := []string{"customers.create 120 7 1740830460"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
	}
}

// A 429 says itself when to come back, in seconds: its X-RateLimit-Reset, an
// instant on the vendor's clock, must not close the bucket for longer.
func TestOnRateLeavesRetryAfterAlone(t *testing.T) {
	t.Parallel()
	for _, retryAfter := range []string{"", "2"} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Limit", "120")
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", "1740830460")
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
		heard := 0
		c := newCaller(t)
		c.OnRate = func(string, int, int, time.Time) { heard++ }
		_, _ = c.Do(t.Context(), post(url)) // refused either way
		if want := map[string]int{"": 1, "2": 0}[retryAfter]; heard != want {
			t.Errorf("Retry-After %q: heard %d times, want %d", retryAfter, heard, want)
		}
	}
}

// What cannot be sent is refused without a connection.
func TestNotSent(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	for name, bad := range map[string]string{"no object": `[1]`, "broken": `{"a":`, "two": `{},"b":{}`, "empty": ``} {
		call := post(url)
		call.Body = vendors.NewBody().SetObject("bundle", []byte(bad))
		_, err := newCaller(t).Do(t.Context(), call)
		if e := failure(t, err); e.Reason != vendors.ReasonBadRequest || e.Kind != vendors.Permanent || e.OutcomeUnknown() {
			t.Errorf("%s: got %v", name, e)
		}
	}
}
