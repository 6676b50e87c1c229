package quantumelixir

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gerbang-id/gerbang/internal/vendors"
)

func reasonOf(err error) string {
	var e *vendors.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && e.Kind == vendors.Transient:
		return e.Reason
	default:
		return err.Error()
	}
}

func TestScreenBulk(t *testing.T) {
	t.Parallel()
	subjects := make([]Subject, 7)
	for i := range subjects {
		subjects[i] = subject
		subjects[i].CustomerID = fmt.Sprint("cus_", i+1)
	}
	c, got := vendorAnswering(t, 200, `{"ok":true,"data":{"total":7,"succeeded":3,"failed":4,"results":[
		{"ok":true,"screening":{"screeningId":"scr_1","customerId":"cus_1","status":"no_match"},"subjectName":"Sari"},
		{"ok":false,"error":"Sari is malformed","subjectName":"Sari"},
		{"ok":true,"screening":{"screeningId":"scr_3","customerId":"cus_1","status":"no_match"}},
		{"ok":true,"screening":{"screeningId":"scr_4"}},
		{"ok":true},
		{"ok":true,"screening":{"screeningId":"scr_6","status":"review","topMatchScore":70,"matches":[{"id":"m"}]}},
		{"ok":"yes","screening":{"screeningId":"scr_7","customerId":"cus_7","status":"no_match"}}]}}`)
	results, err := c.ScreenBulk(t.Context(), subjects)
	if err != nil {
		t.Fatal(err)
	}
	var read []string
	for _, r := range results {
		read = append(read, strings.Join([]string{r.Screening.ID, r.Screening.CustomerID, r.Screening.Status, reasonOf(r.Err)}, "/"))
	}
	want := "[scr_1/cus_1/no_match/ ///rejected ///mismatch ///incomplete ///incomplete scr_6/cus_6/review/ ///rejected]"
	if fmt.Sprint(read) != want {
		t.Errorf("read %v, want %s", read, want)
	}
	if got.path != "/aml/api/screenings" || got.idempotencyKey != "" || got.requests != 1 ||
		!strings.HasPrefix(got.body, `{"subjects":[`+subjectJSON+`,{"lane":`) || !strings.HasSuffix(got.body, `"externalId":"app-1"}]}`) {
		t.Errorf("sent %+v", *got)
	}
}

// When the number of results is not that of the subjects, nothing says whose
// they are.
func TestScreenBulkMiscounted(t *testing.T) {
	t.Parallel()
	one := `{"ok":true,"screening":{"screeningId":"scr_1","customerId":"cus_1","status":"no_match"}}`
	for _, body := range []string{`{"data":{"results":[]}}`, `{"data":{"results":[` + one + `]}}`, `{"data":{"results":[` + one + `,` + one + `,` + one + `]}}`} {
		c, _ := vendorAnswering(t, 200, body)
		if results, err := c.ScreenBulk(t.Context(), []Subject{subject, subject}); reasonOf(err) != vendors.ReasonIncomplete || results != nil {
			t.Errorf("%s gave %v, %v", body, results, err)
		}
	}
}

func TestScreenBulkSize(t *testing.T) {
	t.Parallel()
	c, got := vendorAnswering(t, 200, "{}")
	for _, n := range []int{0, MaxSubjects + 1} {
		var e *vendors.Error
		if _, err := c.ScreenBulk(t.Context(), make([]Subject, n)); !errors.As(err, &e) || e.Kind != vendors.Permanent || e.Reason != vendors.ReasonBadRequest {
			t.Errorf("%d subjects gave %v", n, err)
		}
	}
	if got.requests != 0 {
		t.Error("sent all the same")
	}
}

// An answer about somebody else is none.
func TestAnswersAboutAnother(t *testing.T) {
	t.Parallel()
	c, _ := vendorAnswering(t, 200, `{"data":{"screeningId":"scr_1","customerId":"cus_2","status":"no_match","customer":{"id":"cus_2"}}}`)
	if _, err := c.Screen(t.Context(), subject); reasonOf(err) != vendors.ReasonMismatch {
		t.Errorf("screening: %v", err)
	}
	if _, err := c.GetKYC(t.Context(), "cus_1"); reasonOf(err) != vendors.ReasonMismatch {
		t.Errorf("kyc: %v", err)
	}
}
