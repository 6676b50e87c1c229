package sandbox

import "net/http"

func (s *Sandbox) createCustomer(q *request) (reply, *refusal) {
	var in struct {
		FullName    string `json:"fullName" validate:"required"`
		ExternalRef string `json:"externalRef" validate:"required"`
	}
	if refused := q.decode(q.body, &in, "", false); refused != nil {
		return reply{}, refused
	}
	q.checkIdempotencyKey(in.ExternalRef)
	sum := contentOf(q.members)
	st := s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	key := recordKey{q.call.name, in.ExternalRef}
	if done := st.records[key]; done != nil {
		q.entry.CustomerID = done.customer.id
		answer, refused := replay(q, done, sum)
		// 200, not 201: nothing was created this time.
		return reply{status: http.StatusOK, body: answer}, refused
	}
	c := &customer{id: s.opt.NewID("cus_"), fullName: in.FullName, externalRef: in.ExternalRef, createdAt: q.now, level: "none"}
	c.who, _ = personNamed(in.FullName)
	q.entry.CustomerID = c.id
	answer := st.keep(q, c, key, sum, map[string]any{"data": map[string]any{
		"id": c.id, "fullName": c.fullName, "externalRef": c.externalRef, "kycLevel": c.level, "createdAt": at(c.createdAt),
	}})
	st.add(c)
	return reply{status: http.StatusCreated, body: answer}, nil
}

// tiers are QE's own, lowest first.
var tiers = map[string]int{"none": 0, "basic": 1, "standard": 2, "premium": 3}

// raise lifts the customer to a tier they are below of.
func (s *Sandbox) raise(c *customer, tier, reason string, q *request) {
	if tiers[tier] <= tiers[c.level] {
		return
	}
	c.history = append(c.history, tierChange{ID: s.opt.NewID("kyh_"), FromTier: c.level, ToTier: tier, Reason: reason, CreatedAt: at(q.now)})
	c.level, c.verifiedAt = tier, q.now
}

func (s *Sandbox) verified(c *customer, method, status string, score int, q *request) verification {
	v := verification{ID: s.opt.NewID("ver_"), Method: method, Status: status, Score: score, CreatedAt: at(q.now)}
	c.verifications = append(c.verifications, v)
	return v
}

// readKYC lists verifications and history oldest first. The contract gives no
// order, so clients must go by createdAt.
func (s *Sandbox) readKYC(q *request) (reply, *refusal) {
	st := s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.byID[q.entry.CustomerID]
	if c == nil {
		return reply{}, unknownCustomer
	}
	who := map[string]any{"id": c.id, "fullName": c.fullName, "kycLevel": c.level, "kycLastVerifiedAt": nil, "kycExpiresAt": nil}
	if !c.verifiedAt.IsZero() {
		who["kycLastVerifiedAt"], who["kycExpiresAt"] = at(c.verifiedAt), at(c.verifiedAt.AddDate(1, 0, 0))
	}
	return jsonReply(http.StatusOK, map[string]any{
		"customer": who, "eligible": tiers[c.level] >= tiers["standard"],
		"verifications": append([]verification{}, c.verifications...),
		"history":       append([]tierChange{}, c.history...),
	}), nil
}
