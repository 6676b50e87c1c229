package dukcapil

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

const (
	nik      = "3100004101900001" // visibly invented
	password = "s3cret&<word>"
)

// evening is 23:40 in Jakarta on the last day of a month.
var evening = time.Date(2025, 1, 31, 16, 40, 5, 0, time.UTC)

func birthday() pii.Date {
	d, err := pii.ParseDate("1990-01-09")
	if err != nil {
		panic(err)
	}
	return d
}

func person() Request {
	return Request{NIK: pii.NewSecret(nik), FullName: pii.NewSecret("Sari <Contoh>"), BirthDate: birthday()}
}

func registry(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	transport := vendors.NewTransport(time.Minute)
	t.Cleanup(func() { transport.CloseIdle(); srv.Close() })
	return New(Config{BaseURL: srv.URL + "/", CustomerID: "kontrak 7", UserID: pii.NewSecret("user-7"),
		Password: pii.NewSecret(password), IPUser: "192.0.2.7", Now: func() time.Time { return evening }},
		&vendors.Caller{Transport: transport})
}

func answering(t *testing.T, body string) *Client {
	return registry(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
}

func TestRequest(t *testing.T) {
	t.Parallel()
	full := person()
	full.BirthPlace, full.Gender, full.Address = pii.NewSecret("Kota"), pii.Female, pii.NewSecret("Jl. 1")
	full.FamilyCard, full.Province, full.Regency = pii.NewSecret("3100000000000001"), pii.NewSecret("P"), pii.NewSecret("K")
	full.District, full.Village, full.RT, full.RW = pii.NewSecret("C"), pii.NewSecret("L"), pii.NewSecret("001"), pii.NewSecret("002")
	common := `{"USER_ID":"user-7","PASSWORD":"s3cret&<word>","IP_USER":"192.0.2.7","TRESHOLD":"90","NIK":"` + nik +
		`","NAMA_LGKP":"Sari <Contoh>","TGL_LHR":"09-01-1990"`
	for want, r := range map[string]Request{
		common + `}`: person(),
		common + `,"TMPT_LHR":"Kota","JENIS_KLMIN":"Perempuan","ALAMAT":"Jl. 1","NO_KK":"3100000000000001","PROP_NAME":"P","KAB_NAME":"K","KEC_NAME":"C","KEL_NAME":"L","NO_RT":"001","NO_RW":"002"}`: full,
	} {
		c := registry(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != want {
				t.Errorf("body %s, want %s", body, want)
			}
			if r.Method != "POST" || r.URL.EscapedPath() != "/dukcapil/get_json/kontrak%207/CALL_VERIFY_BY_ELEMEN" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("sent %s %s as %s", r.Method, r.URL, r.Header.Get("Content-Type"))
			}
			_, _ = io.WriteString(w, `{"content":[{"RESPONSE_CODE":"01"}]}`)
		})
		if _, err := c.Verify(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
}

// content wraps a record as the registry does.
func content(record string) string {
	return `{"content":[` + record + `],"lastPage":true,"numberOfElements":1,"totalElements":1,"firstPage":true,"number":0,"size":10,"quotaLimiter":100}`
}

func TestReading(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2025, 2, 1, 0, 0, 0, 0, wib) // the next full hour too
	tests := []struct {
		record  string
		outcome Outcome
		reason  string
		code    string
		retryAt time.Time
	}{
		{record: `{"NIK":"Sesuai","NAMA_LGKP":"Sesuai (100)","TGL_LHR":"Sesuai"}`, outcome: Valid},
		{record: `{"NIK":"Sesuai","NAMA_LGKP":"Tidak Sesuai (59)","TGL_LHR":"Sesuai"}`, outcome: Valid}, // the name never decides
		{record: `{"NIK":"Sesuai","NAMA_LGKP":"entahlah","TGL_LHR":"Sesuai"}`, outcome: Valid},
		{record: `{"nik":" SESUAI ","TGL_LHR":"sesuai  ( 100 % )"}`, outcome: Valid},
		{record: `{"NIK":"Sesuai","TGL_LHR":"Sesuai","ALAMAT":"Tidak Sesuai (3)","JENIS_KLMIN":"Tidak Sesuai"}`, outcome: Valid},
		{record: `{"NIK":"Tidak Sesuai","TGL_LHR":"Sesuai"}`, outcome: NotValid, reason: "nik_mismatch"},
		{record: `{"NIK":"Sesuai","TGL_LHR":"  tidak\u00a0 SESUAI (59)"}`, outcome: NotValid, reason: "birth_date_mismatch"},
		{record: `{"NIK":"TidakSesuai","TGL_LHR":"Sesuai"}`, outcome: NotValid, reason: "nik_mismatch"},
		{record: `{"NIK":"Tidak Sesuai","TGL_LHR":"?"}`, outcome: NotValid, reason: "nik_mismatch"},
		{record: `{"NIK":"Sesuai"}`, outcome: Human, reason: "missing_verdict"},
		{record: `{"TGL_LHR":"Sesuai","NAMA_LGKP":"Sesuai (100)"}`, outcome: Human, reason: "missing_verdict"},
		{record: `{}`, outcome: Human, reason: "missing_verdict"},
		{record: `{"NIK":"Sesuai","TGL_LHR":"Hampir Sesuai"}`, outcome: Human, reason: "unknown_verdict"},
		{record: `{"NIK":"Sesuai","TGL_LHR":"Sesuai (101)"}`, outcome: Human, reason: "unknown_verdict"},
		{record: `{"NIK":"Sesuai","TGL_LHR":"Sesuai Sesuai"}`, outcome: Human, reason: "unknown_verdict"},
		{record: `{"NIK":true,"TGL_LHR":"Sesuai"}`, outcome: Human, reason: "unknown_verdict"},
		{record: `{"NIK":"Sesuai","TGL_LHR":null}`, outcome: Human, reason: "unknown_verdict"},
		{record: `{"NIK":"Sesuai","NIK":"Tidak Sesuai","TGL_LHR":"Sesuai"}`, outcome: Human, reason: "unknown_verdict"},
		{record: `{"RESPONSE_CODE":"01","RESPONSE_DESC":"Data ditemukan"}`, outcome: Valid, code: "01"},
		{record: `{"RESPONSE_CODE":"01","NIK":"Sesuai","TGL_LHR":"Tidak Sesuai"}`, outcome: NotValid, reason: "birth_date_mismatch", code: "01"},
		{record: `{"RESPONSE_CODE":"01","NIK":"?"}`, outcome: Human, reason: "unknown_verdict", code: "01"},
		{record: `{"RESPONSE_CODE":"02"}`, outcome: Human, reason: "unknown_code", code: "02"},
		{record: `{"RESPONSE_CODE":"03"}`, outcome: Misconfigured, reason: "login_failed", code: "03"},
		{record: `{"RESPONSE_CODE":"04"}`, outcome: Misconfigured, reason: "ip_not_allowed", code: "04"},
		{record: `{"RESPONSE_CODE":"05"}`, outcome: Unavailable, reason: "quota_reached", code: "05", retryAt: midnight},
		{record: `{"RESPONSE_CODE":5}`, outcome: Unavailable, reason: "quota_reached", code: "05", retryAt: midnight},
		{record: `{"RESPONSE_CODE":" 06 "}`, outcome: Unavailable, reason: "outside_access_hours", code: "06", retryAt: midnight},
		{record: `{"RESPONSE_CODE":"07"}`, outcome: Misconfigured, reason: "incomplete_parameters", code: "07"},
		{record: `{"RESPONSE_CODE":"08"}`, outcome: NotValid, reason: "nik_not_processable", code: "08"},
		{record: `{"RESPONSE_CODE":"09"}`, outcome: Misconfigured, reason: "empty_credentials", code: "09"},
		{record: `{"RESPONSE_CODE":"10"}`, outcome: Misconfigured, reason: "invalid_ip", code: "10"},
		{record: `{"RESPONSE_CODE":"11"}`, outcome: NotValid, reason: "deceased", code: "11"},
		{record: `{"RESPONSE_CODE":"12"}`, outcome: Human, reason: "several_records", code: "12"},
		{record: `{"RESPONSE_CODE":"13","RESPONSE_DESC":"NIK tidak ditemukan","RESPONSE":"x"}`, outcome: NotValid, reason: "nik_not_found", code: "13"},
		{record: `{"RESPONSE_CODE":"13","NIK":"Sesuai","TGL_LHR":"Sesuai"}`, outcome: NotValid, reason: "nik_not_found", code: "13"},
		{record: `{"RESPONSE_CODE":"14"}`, outcome: NotValid, reason: "record_inactive", code: "14"},
		{record: `{"RESPONSE_CODE":"15"}`, outcome: NotValid, reason: "not_found", code: "15"},
		{record: `{"RESPONSE_CODE":"16"}`, outcome: Misconfigured, reason: "institution_inactive", code: "16"},
		{record: `{"RESPONSE_CODE":"17"}`, outcome: Misconfigured, reason: "user_inactive", code: "17"},
		{record: `{"RESPONSE_CODE":"99"}`, outcome: Human, reason: "unknown_code", code: "99"},
		{record: `{"RESPONSE_CODE":"Sari","NIK":"Sesuai","TGL_LHR":"Sesuai"}`, outcome: Human, reason: "unknown_code", code: "unknown"},
		{record: `{"RESPONSE_CODE":"01","RESPONSE_CODE":"13"}`, outcome: Human, reason: "unknown_code", code: "unknown"},
		{record: `{"RESPONSE_CODE":"","NIK":"Sesuai","TGL_LHR":"Sesuai"}`, outcome: Valid},
		{record: `{"NIK":"Sesuai","TGL_LHR":"Sesuai"},{"NIK":"Sesuai","TGL_LHR":"Sesuai"}`, outcome: Human, reason: "several_records"},
		{record: ``, outcome: Human, reason: "empty_content"},
	}
	for _, tt := range tests {
		t.Run(tt.record, func(t *testing.T) {
			t.Parallel()
			a, err := answering(t, content(tt.record)).Verify(t.Context(), person())
			if err != nil {
				t.Fatal(err)
			}
			if a.Outcome != tt.outcome || a.Reason != tt.reason || a.Code != tt.code || !a.RetryAt.Equal(tt.retryAt) {
				t.Errorf("got %s %s %s %v, want %s %s %s %v", a.Outcome, a.Reason, a.Code, a.RetryAt, tt.outcome, tt.reason, tt.code, tt.retryAt)
			}
			if a.QuotaLimiter == nil || *a.QuotaLimiter != 100 {
				t.Errorf("quota %v", a.QuotaLimiter)
			}
			if v := a.Verdict(); v.Valid != (tt.outcome == Valid) || v.Reason.Reveal() != tt.reason {
				t.Errorf("verdict valid %v, reason %q", v.Valid, v.Reason.Reveal())
			}
		})
	}
}

func TestRetryAt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ reason, now, want string }{
		{"quota_reached", "2025-01-31T16:59:59Z", "2025-02-01T00:00:00+07:00"},
		{"quota_reached", "2025-01-31T17:00:00Z", "2025-02-02T00:00:00+07:00"}, // already the first in Jakarta
		{"quota_reached", "2024-12-31T05:00:00Z", "2025-01-01T00:00:00+07:00"},
		{"outside_access_hours", "2025-01-31T15:20:00Z", "2025-01-31T23:00:00+07:00"},
		{"outside_access_hours", "2025-01-31T15:00:00Z", "2025-01-31T23:00:00+07:00"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := retryAt(tt.reason, now).Format(time.RFC3339); got != tt.want {
			t.Errorf("%s at %s: %s, want %s", tt.reason, tt.now, got, tt.want)
		}
	}
}

func TestElementsPhotoAndRaw(t *testing.T) {
	t.Parallel()
	record := "{ \"NIK\" : \"Sesuai\", \"x\":1.0e+400, %s\"NAMA_LGKP\":\"Tidak Sesuai (59)\",\"TGL_LHR\":\"Sesuai\" ,\"NAMA_IBU\":\"Ibu <&>\u2028\"}"
	a, err := answering(t, content(fmt.Sprintf(record, `"FOTO":"/9j/+A==", `))).Verify(t.Context(), person())
	if err != nil {
		t.Fatal(err)
	}
	if a.Photo.Reveal() != "/9j/+A==" || a.NameSimilarity == nil || *a.NameSimilarity != 59 {
		t.Errorf("photo %q, similarity %v", a.Photo.Reveal(), a.NameSimilarity)
	}
	got := fmt.Sprintf("%d %s %s %s", len(a.Elements), a.Elements["NIK"].Verdict, a.Elements["NAMA_LGKP"].Verdict, a.Elements["TGL_LHR"].Verdict)
	if got != "3 sesuai tidak_sesuai sesuai" {
		t.Errorf("elements %s", got)
	}
	if want := "{\"NIK\":\"Sesuai\",\"x\":1.0e+400,\"NAMA_LGKP\":\"Tidak Sesuai (59)\",\"TGL_LHR\":\"Sesuai\",\"NAMA_IBU\":\"Ibu <&>\u2028\"}"; a.Raw.Reveal() != want {
		t.Errorf("raw %s, want %s", a.Raw.Reveal(), want)
	}
	if text := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Contains(text, "Ibu") || strings.Contains(text, "/9j/") {
		t.Errorf("the answer prints %s", text)
	}

	// Without a photo there is nothing to take out, and the bytes stay.
	plain := fmt.Sprintf(record, "")
	if a, err = answering(t, content(plain)).Verify(t.Context(), person()); err != nil || a.Raw.Reveal() != plain || !a.Photo.IsZero() {
		t.Errorf("raw %s, %v", a.Raw.Reveal(), err)
	}
}

// No answer means unavailable, whatever it looks like, and says nothing of the
// person or the credentials.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	cut := func(answer string, reset bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, answer)
			if reset {
				_ = conn.(interface{ SetLinger(int) error }).SetLinger(0)
			}
			_ = conn.Close()
		}
	}
	echo := password + " " + nik + " Sari"
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		kind    vendors.Kind
		cause   string
	}{
		"html":       {status(200, "<html>"+echo), vendors.Transient, "dukcapil.verify:html"},
		"empty":      {status(200, ""), vendors.Transient, "dukcapil.verify:incomplete"},
		"no content": {status(200, `{"error":"`+echo+`"}`), vendors.Transient, "dukcapil.verify:incomplete"},
		"null":       {status(200, `{"content":null}`), vendors.Transient, "dukcapil.verify:incomplete"},
		"text":       {status(200, `{"content":"`+echo+`"}`), vendors.Transient, "dukcapil.verify:incomplete"},
		"no record":  {status(200, `{"content":["`+echo+`"]}`), vendors.Transient, "dukcapil.verify:incomplete"},
		"broken":     {status(200, `{"content":[{"NIK":"Sesuai","TGL_LHR":"Sesuai"}`), vendors.Transient, "dukcapil.verify:unparsable"},
		"truncated":  {cut("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"content\":[{\"NIK\":\"Sesuai\"", false), vendors.Transient, "dukcapil.verify:truncated"},
		"reset":      {cut("", true), vendors.Transient, "dukcapil.verify:connection"},
		"closed":     {cut("", false), vendors.Transient, "dukcapil.verify:connection"},
		"oversized":  {status(200, strings.Repeat(" ", vendors.DefaultMaxResponse+1)), vendors.Transient, "dukcapil.verify:oversized"},
		"500":        {status(500, echo), vendors.Transient, "dukcapil.verify:500"},
		"503":        {status(503, "<html>"+echo), vendors.Transient, "dukcapil.verify:503"},
		"429":        {status(429, `{"error":"`+echo+`"}`), vendors.Transient, "dukcapil.verify:429"},
		"401":        {status(401, `{"error":"`+echo+`"}`), vendors.Permanent, "dukcapil.verify:401"},
		"403":        {status(403, `{"error":"`+echo+`"}`), vendors.Permanent, "dukcapil.verify:403"},
		"404":        {status(404, echo), vendors.Permanent, "dukcapil.verify:404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := registry(t, tt.handler).Verify(t.Context(), person())
			var e *vendors.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || e.Cause() != tt.cause {
				t.Fatalf("got %v, want %s %s", err, tt.kind, tt.cause)
			}
			text := fmt.Sprintf("%v %+v %#v", err, *e, e)
			for _, secret := range []string{password, nik, "Sari", "user-7"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q in %s", secret, text)
				}
			}
		})
	}
}

func TestHang(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := registry(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel(context.DeadlineExceeded)
		<-r.Context().Done()
	}).Verify(ctx, person())
	var e *vendors.Error
	if !errors.As(err, &e) || e.Reason != vendors.ReasonTimeout || !e.OutcomeUnknown() {
		t.Errorf("got %v", err)
	}
}

func TestNotConfigured(t *testing.T) {
	t.Parallel()
	_, err := New(Config{}, nil).Verify(t.Context(), person())
	var e *vendors.Error
	if !errors.As(err, &e) || e.Kind != vendors.Permanent || e.Reason != vendors.ReasonNotConfigured {
		t.Errorf("got %v", err)
	}
}

// FuzzRead: no answer panics, and none is valid unless NIK and birth date, or
// code 01, say so.
func FuzzRead(f *testing.F) {
	for _, record := range []string{`{"NIK":"Sesuai","NAMA_LGKP":"Sesuai (100)","TGL_LHR":"Sesuai"}`, `{"RESPONSE_CODE":"05"}`,
		`{"RESPONSE_CODE":1,"FOTO":"x","NIK":"Tidak Sesuai"}`, `{"FOTO":1,"a":{}}`, ``, `[]`} {
		f.Add([]byte(content(record)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := read(vendors.Answer{Status: 200, Body: body}, evening)
		if err != nil {
			if a.Outcome != "" {
				t.Error("an error with an outcome")
			}
			return
		}
		found := a.Code == "01" || a.Elements["NIK"].Verdict == Sesuai && a.Elements["TGL_LHR"].Verdict == Sesuai
		if a.Outcome == Valid && (!found || a.Elements["NIK"].Verdict == TidakSesuai || a.Elements["TGL_LHR"].Verdict == TidakSesuai) {
			t.Errorf("%s is valid", body)
		}
		if (a.Outcome == Unavailable) == a.RetryAt.IsZero() {
			t.Errorf("%s: %s until %v", body, a.Outcome, a.RetryAt)
		}
		if raw := a.Raw.Reveal(); raw != "" {
			if record, ok := readMembers([]byte(raw)); !ok || string(record.without("FOTO")) != raw {
				t.Errorf("raw %s", raw)
			}
		}
	})
}
