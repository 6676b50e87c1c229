package fsm

// AMLEvidence is the screening's result, without the names on the lists.
type AMLEvidence struct {
	ScreeningID   string     `json:"screeningId"`
	Status        string     `json:"status"` // no_match, review, confirmed
	TopMatchScore float64    `json:"topMatchScore"`
	Matches       []AMLMatch `json:"matches,omitempty"`
}

// AMLMatch is one hit.
type AMLMatch struct {
	ID          string  `json:"id"`
	Score       float64 `json:"score"`
	Category    string  `json:"category,omitempty"` // sanctions, pep, adverse_media
	WatchlistID string  `json:"watchlistId,omitempty"`
}

// DecideAML: only no_match passes. A confirmed hit is an analyst's to confirm,
// never the machine's to decline.
func DecideAML(c Case, e AMLEvidence) Decision {
	f := c.Facts
	f.AMLStatus, f.ScreeningID = e.Status, e.ScreeningID
	switch e.Status {
	case "no_match":
		return f.cleared(c.Policy.Products.AntiFraud, Passed, PassedFinal, PassedProvisional)
	case "review", "confirmed":
		return Decision{Referred, f}
	default:
		return Decision{Referred, f.with(SignalUnknownVendorValue)}
	}
}
