package sandbox_test

import (
	"strings"
	"testing"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

func TestBulkScreening(t *testing.T) {
	t.Parallel()
	opt := unlimited()
	opt.Limits["screenings.create"] = 2
	r := newRig(t, opt)
	names := []string{"Siapa Saja", "Umar Patek", "Maya Uji Pejabat"}
	subjects := []object{}
	for i, name := range names {
		ref := "app-" + string(rune('1'+i))
		card := sandbox.DocumentOf(ref, name)
		subjects = append(subjects, subject(r.customer(ref, name), ref, name, card.NIK, card.DateOfBirth))
	}
	stranger := subject("cus_nobody", "app-9", "Tak Dikenal", "9901010101900001", "1990-01-01")
	a := r.post(screeningsPath, object{"subjects": []object{subjects[0], stranger, subjects[1], subjects[2]}})
	r.wantStatus(a, 200)
	for path, want := range map[string]any{
		"ok": true, "data.total": 4.0, "data.succeeded": 3.0, "data.failed": 1.0,
		"data.results.0.screening.status": "no_match", "data.results.0.subjectName": "Siapa Saja",
		"data.results.1.ok": false, "data.results.1.error": "customer not found", "data.results.1.subjectName": "Tak Dikenal",
		"data.results.2.screening.status": "confirmed", "data.results.3.screening.status": "review",
	} {
		r.wantAt(a, path, want)
	}
	if got := a.header.Get("X-RateLimit-Remaining"); got != "1" {
		t.Errorf("a bulk call costs one token, remaining %s", got)
	}

	// The same subject alone: the same screening again.
	single := r.post(screeningsPath, subjects[0])
	r.wantAt(single, "data.screeningId", a.at("data.results.0.screening.screeningId"))
	last := r.Journal()[len(r.Journal())-1]
	if last.Replayed != 1 || last.Done != 0 {
		t.Errorf("%+v", last)
	}
	r.SetLimits(map[string]int{"screenings.create": 0})
	r.wantViolation("unknown customer")

	for _, n := range []int{0, 101} {
		many := make([]object, n)
		for i := range many {
			many[i] = subjects[0]
		}
		r.wantStatus(r.post(screeningsPath, object{"subjects": many}), 400)
	}
}

func TestDukcapilRefusals(t *testing.T) {
	t.Parallel()
	good := func() object { return lookup("9918015901950018", "Ayu Uji Nihil", "19-01-1995") }
	with := func(member string, value any) object {
		body := good()
		body[member] = value
		return body
	}
	for _, tc := range []struct {
		name      string
		path      string
		body      object
		code      string
		violation string
	}{
		{"the person's own", verifyPath, good(), "13", ""},
		{"another institution", strings.Replace(verifyPath, "gerbang-sandbox", "lain", 1), good(), "16", ""},
		{"no password", verifyPath, with("PASSWORD", ""), "09", "empty Dukcapil credentials"},
		{"wrong password", verifyPath, with("PASSWORD", "x"), "03", ""},
		{"no address", verifyPath, with("IP_USER", "x"), "10", "IP_USER"},
		{"other address", verifyPath, with("IP_USER", "10.0.0.2"), "04", ""},
		{"no name", verifyPath, with("NAMA_LGKP", ""), "07", "missing"},
		{"threshold in another spelling", verifyPath, with("THRESHOLD", "90"), "07", "not the elements"},
		{"threshold as a number", verifyPath, with("TRESHOLD", 90), "07", "not the elements"},
		{"year first", verifyPath, with("TGL_LHR", "1995-01-19"), "07", "TGL_LHR"},
		{"gender in capitals", verifyPath, with("JENIS_KLMIN", "PEREMPUAN"), "07", "JENIS_KLMIN"},
		{"15 digits", verifyPath, with("NIK", "991801590195001"), "15", ""},
		{"serial 0000", verifyPath, with("NIK", "9918015901950000"), "15", ""},
		{"month 13", verifyPath, with("NIK", "9918015913950018"), "15", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sandbox.Options{})
			a := r.post(tc.path, tc.body)
			r.wantStatus(a, 200)
			r.wantAt(a, "content.0.RESPONSE_CODE", tc.code)
			r.wantAt(a, "numberOfElements", 1.0)
			if tc.violation == "" {
				r.wantNoViolations()
			} else {
				r.wantViolation(tc.violation)
			}
		})
	}
}

func TestDukcapilComparesElements(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	body := lookup("9901015403910001", "Cytra Uji Lancar", "15-03-1991")
	body["JENIS_KLMIN"], body["ALAMAT"] = "Laki-laki", "Jl. Rekaan"
	a := r.post(verifyPath, body)
	r.wantAt(a, "content.0.NIK", "Sesuai")
	r.wantAt(a, "content.0.TGL_LHR", "Tidak Sesuai")
	r.wantAt(a, "content.0.JENIS_KLMIN", "Tidak Sesuai")
	r.wantAt(a, "content.0.ALAMAT", "Sesuai")
	if name := str(a, "content.0.NAMA_LGKP"); !strings.HasPrefix(name, "Sesuai (9") {
		t.Errorf("name %q", name)
	}
	body["NAMA_LGKP"] = "Orang Lain"
	if name := str(r.post(verifyPath, body), "content.0.NAMA_LGKP"); !strings.HasPrefix(name, "Tidak Sesuai (") {
		t.Errorf("name %q", name)
	}
	// A NIK nobody showed: only its own digits can speak for the birth date.
	r.wantAt(r.post(verifyPath, lookup("9999994101900001", "Siapa Saja", "01-01-1990")), "content.0.TGL_LHR", "Sesuai")
	r.wantAt(r.post(verifyPath, lookup("9999994101900001", "Siapa Saja", "02-01-1990")), "content.0.TGL_LHR", "Tidak Sesuai")
	r.wantNoViolations()
}

func TestDukcapilGoesDownAndComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{})
	body := lookup("9901015403910001", "Citra Uji Lancar", "14-03-1991")
	r.wantStatus(r.post("/_sandbox/dukcapil", object{"up": false, "code": "06"}), 204)
	r.wantAt(r.post(verifyPath, body), "content.0.RESPONSE_CODE", "06")
	r.wantStatus(r.post("/_sandbox/dukcapil", object{"up": false}), 204)
	a := r.post(verifyPath, body)
	r.wantStatus(a, 503)
	if !strings.Contains(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("content type %s", a.header.Get("Content-Type"))
	}
	r.wantStatus(r.post("/_sandbox/dukcapil", object{"up": true}), 204)
	r.wantAt(r.post(verifyPath, body), "content.0.NIK", "Sesuai")
	r.wantNoViolations()
}
