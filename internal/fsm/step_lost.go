package fsm

// LostEvidence says why a capture has to be taken again: the vendor's answer
// could not be recovered, which is not the customer's doing.
type LostEvidence struct {
	Cause string `json:"cause"` // a word, e.g. challenge_consumed
}

// DecideLost sends the customer back for another capture at no cost: a
// recapture is not a judged attempt.
func DecideLost(c Case, _ LostEvidence) Decision {
	return Decision{Recapture, c.Facts}
}
