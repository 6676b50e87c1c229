package sandbox

import (
	"net/http"
	"time"
)

// challenge is one flash challenge. It can be consumed once.
type challenge struct {
	purpose, nonce, secret string
	customer               *customer
	expiresAt              time.Time
	consumedBy             string // external id; empty while unused
}

// FlashChallenge is the vendor's challenge object.
type FlashChallenge struct {
	ID         string   `json:"id"`
	Purpose    string   `json:"purpose"`
	Nonce      string   `json:"nonce"`
	Colors     []string `json:"colors"`
	HoldMS     []int    `json:"holdMs"`
	ExpiresAt  string   `json:"expiresAt"`
	HMACSecret string   `json:"hmacSecret"`
}

var flashColors = []string{"#FF0000", "#00FF00", "#0000FF", "#FFFF00", "#FF00FF", "#00FFFF", "#FFFFFF"}

func (s *Sandbox) ktpChallenge(q *request) (reply, *refusal)  { return s.issue(q, "ktp") }
func (s *Sandbox) faceChallenge(q *request) (reply, *refusal) { return s.issue(q, "face") }

func (s *Sandbox) issue(q *request, purpose string) (reply, *refusal) {
	var in struct {
		CustomerID string `json:"customerId" validate:"required"`
		Steps      int    `json:"steps" validate:"required,min=3,max=10"`
		TTL        int    `json:"ttlMs" validate:"required,min=15000,max=300000"`
	}
	if refused := q.decode(q.body, &in, "", false); refused != nil {
		return reply{}, refused
	}
	st := s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.byID[in.CustomerID]
	if c == nil {
		return reply{}, unknownCustomer
	}
	ch := &challenge{
		purpose: purpose, nonce: s.opt.NewID("nonce_"), secret: s.opt.NewID("qe_whsec_"),
		customer: c, expiresAt: q.now.Add(time.Duration(in.TTL) * time.Millisecond),
	}
	st.challenge[ch.nonce] = ch
	c.nonces = append(c.nonces, ch.nonce)
	shown := FlashChallenge{
		ID: s.opt.NewID("fc_"), Purpose: purpose, Nonce: ch.nonce, ExpiresAt: at(ch.expiresAt), HMACSecret: ch.secret,
	}
	for i := range in.Steps {
		shown.Colors = append(shown.Colors, flashColors[i%len(flashColors)])
		shown.HoldMS = append(shown.HoldMS, 500)
	}
	return jsonReply(http.StatusOK, map[string]any{"flashChallenge": shown}), nil
}

// consume uses a bundle's challenge up for an external id, under the state's
// lock. The same external id never gets here twice: its answer is replayed
// before. A bundle without a nonce uses none.
func (st *state) consume(b *bundle, purpose string, c *customer, externalID string, q *request) *refusal {
	if b.Nonce == "" {
		return nil
	}
	ch := st.challenge[b.Nonce]
	switch {
	case ch == nil:
		return &refusal{status: http.StatusUnprocessableEntity, message: "unknown flash challenge", violation: "unknown challenge nonce"}
	case ch.purpose != purpose || ch.customer != c:
		return &refusal{status: http.StatusUnprocessableEntity, message: "flash challenge was issued for another purpose or customer", violation: "challenge of another purpose or customer"}
	case ch.consumedBy != "":
		return &refusal{status: http.StatusConflict, message: "flash challenge was already consumed"}
	case !q.now.Before(ch.expiresAt):
		return &refusal{status: http.StatusUnprocessableEntity, message: "flash challenge expired"}
	}
	if q.set.switches.VerifySignatures && b.Signature != Sign(ch.secret, ch.nonce, b.Frames) {
		return &refusal{status: http.StatusUnprocessableEntity, message: "bundle signature does not verify"}
	}
	ch.consumedBy = externalID
	return nil
}
