package fsm

// RegisterEvidence is QE's answer to creating the customer.
type RegisterEvidence struct {
	CustomerID string `json:"customerId"`
}

// DecideRegister: a customer id is all this step is for.
func DecideRegister(c Case, e RegisterEvidence) Decision {
	f := c.Facts
	f.CustomerID = e.CustomerID
	return Decision{Passed, f}
}
