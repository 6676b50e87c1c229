package quantumelixir

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// MaxSubjects is how many subjects one bulk screening takes.
const MaxSubjects = 100

// Subject is a person to screen. NIK and DateOfBirth are those read from the
// KTP and left out when unknown; the name is the form's.
type Subject struct {
	ExternalID  string // ExternalID
	CustomerID  string
	FullName    pii.Secret
	NIK         pii.Secret
	DateOfBirth pii.Date
	Email       pii.Secret // optional
}

func (s Subject) body() *vendors.Body {
	return vendors.NewBody().Set("lane", "onboarding").Set("customerId", s.CustomerID).
		Set("subjectType", "individual").SetSecret("fullName", s.FullName).SetSecret("nik", s.NIK).
		SetIf("dateOfBirth", s.DateOfBirth.Reveal()).Set("nationality", "ID").
		SetSecret("email", s.Email).Set("externalId", s.ExternalID)
}

// Screening is the answer about one subject: Status no_match, review or
// confirmed.
type Screening struct {
	ID            string
	CustomerID    string
	Status        string
	TopMatchScore float64
	StartedAt     time.Time // zero when absent
	CompletedAt   time.Time // zero when absent
	Matches       []Match
}

// Match is a listed person who resembles the subject: Category sanctions, pep
// or adverse_media.
type Match struct {
	ID          string
	Score       float64
	ListedName  pii.Secret
	Category    string
	WatchlistID string
}

type screeningWire struct {
	ScreeningID            string
	CustomerID             string
	Status                 string
	TopMatchScore          float64
	StartedAt, CompletedAt string
	Matches                []struct {
		ID             string
		Score          float64
		WatchlistEntry struct{ FullName, Category, WatchlistID string }
	}
}

func (w screeningWire) complete() bool { return w.ScreeningID != "" && w.Status != "" }

// screening checks besides that the answer is about s: an answer about another
// customer would clear, or accuse, the wrong person.
func (w screeningWire) screening(a vendors.Answer, s Subject) (Screening, error) {
	if !w.complete() {
		return Screening{}, a.Fail(lacking(a))
	}
	if w.CustomerID != "" && w.CustomerID != s.CustomerID {
		return Screening{}, a.Fail(vendors.ReasonMismatch)
	}
	out := Screening{
		ID: w.ScreeningID, CustomerID: s.CustomerID, Status: w.Status, TopMatchScore: w.TopMatchScore,
		StartedAt: instant(w.StartedAt), CompletedAt: instant(w.CompletedAt),
	}
	for _, m := range w.Matches {
		out.Matches = append(out.Matches, Match{
			ID: m.ID, Score: m.Score, ListedName: pii.NewSecret(m.WatchlistEntry.FullName),
			Category: m.WatchlistEntry.Category, WatchlistID: m.WatchlistEntry.WatchlistID,
		})
	}
	return out, nil
}

// Screen screens one subject.
func (c *Client) Screen(ctx context.Context, s Subject) (Screening, error) {
	a, err := c.screen(ctx, s.ExternalID, s.body())
	w, err := read[screeningWire](a, err)
	if err != nil {
		return Screening{}, err
	}
	return w.screening(a, s)
}

// ScreenResult is one subject's part of a bulk screening: an answer, or the
// *vendors.Error that took its place, always transient.
type ScreenResult struct {
	Screening Screening
	Err       error
}

type bulkWire struct {
	Results []struct {
		OK        bool
		Screening json.RawMessage
	}
}

func (w bulkWire) complete() bool { return len(w.Results) > 0 }

// ScreenBulk screens 1 to MaxSubjects subjects in one request, which costs one
// token of the rate limit. Results are in the order of the subjects. The error
// is for the call as a whole; an answer with another number of results than
// subjects is one, for nothing then says whose they are.
//
// Each subject carries its own external id, so the call carries no
// Idempotency-Key: after a partial failure its subjects travel in other company.
func (c *Client) ScreenBulk(ctx context.Context, subjects []Subject) ([]ScreenResult, error) {
	if len(subjects) == 0 || len(subjects) > MaxSubjects {
		return nil, vendors.Call{Product: c.aml.name, Name: screenCall}.Refuse(vendors.ReasonBadRequest)
	}
	list := make([]*vendors.Body, len(subjects))
	for i, s := range subjects {
		list[i] = s.body()
	}
	a, err := c.screen(ctx, "", vendors.NewBody().SetList("subjects", list))
	w, err := read[bulkWire](a, err)
	if err != nil {
		return nil, err
	}
	if len(w.Results) != len(subjects) {
		return nil, a.Fail(vendors.ReasonIncomplete)
	}
	out := make([]ScreenResult, len(subjects))
	for i, r := range w.Results {
		if !r.OK {
			out[i].Err = a.Fail(vendors.ReasonRejected)
			continue
		}
		var one screeningWire
		if len(r.Screening) > 0 {
			if out[i].Err = a.Decode(r.Screening, &one); out[i].Err != nil {
				continue
			}
		}
		out[i].Screening, out[i].Err = one.screening(a, subjects[i])
	}
	return out, nil
}

const screenCall = "screenings.create"

func (c *Client) screen(ctx context.Context, externalID string, body *vendors.Body) (vendors.Answer, error) {
	return c.post(ctx, c.aml, screenCall, vendors.BucketScreenings, "/api/screenings", externalID, body)
}
