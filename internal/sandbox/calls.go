package sandbox

import "net/http"

// call is one endpoint of a vendor: its name is also the name of its rate
// bucket, of its faults and of its journal entries.
type call struct {
	name    string
	product string
	pattern string
	// scope of the key. Only customers:write is documented by name; the
	// others follow its form.
	scope string
	// limit is the vendor's default number of calls per minute.
	limit int
	// handle does the work and returns the answer, or why it is refused.
	handle func(*Sandbox, *request) (reply, *refusal)
	// enumKeys are the members the unknown_enum fault falsifies.
	enumKeys []string
}

// calls is the contract's list of endpoints.
var calls = []*call{
	{
		name: "customers.create", product: ProductIdentity, pattern: "POST /identity/api/customers",
		scope: "customers:write", limit: 120, handle: (*Sandbox).createCustomer, enumKeys: []string{"kycLevel"},
	},
	{
		name: "ktp.challenge", product: ProductIdentity, pattern: "POST /identity/api/identity/document/ktp/challenge",
		scope: "documents:write", limit: 30, handle: (*Sandbox).ktpChallenge, enumKeys: []string{"purpose"},
	},
	{
		name: "ktp.capture", product: ProductIdentity, pattern: "POST /identity/api/identity/document/ktp/capture",
		scope: "documents:write", limit: 20, handle: (*Sandbox).ktpCapture, enumKeys: []string{"verdict"},
	},
	{
		name: "face.challenge", product: ProductIdentity, pattern: "POST /identity/api/identity/face/flash-challenge",
		scope: "biometrics:write", limit: 120, handle: (*Sandbox).faceChallenge, enumKeys: []string{"purpose"},
	},
	{
		name: "step-up", product: ProductIdentity, pattern: "POST /identity/api/identity/auth/step-up",
		scope: "biometrics:write", limit: 20, handle: (*Sandbox).stepUp, enumKeys: []string{"verdict"},
	},
	{
		name: "dukcapil.ingest", product: ProductIdentity, pattern: "POST /identity/api/identity/nik/dukcapil",
		scope: "documents:write", limit: 30, handle: (*Sandbox).ingestDukcapil, enumKeys: []string{"status"},
	},
	{
		name: "kyc.get", product: ProductIdentity, pattern: "GET /identity/api/identity/kyc/{customerId}",
		scope: "customers:read", limit: 600, handle: (*Sandbox).readKYC, enumKeys: []string{"status", "kycLevel"},
	},
	{
		name: "screenings.create", product: ProductAML, pattern: "POST /aml/api/screenings",
		scope: "screenings:write", limit: 60, handle: (*Sandbox).screen, enumKeys: []string{"status"},
	},
	{
		name: "evaluate", product: ProductAntiFraud, pattern: "POST /anti-fraud/api/evaluate",
		scope: "evaluations:write", limit: 100, handle: (*Sandbox).evaluate, enumKeys: []string{"decision"},
	},
	{
		name: "dukcapil.verify", product: ProductDukcapil,
		pattern: "POST /dukcapil/get_json/{customerId}/CALL_VERIFY_BY_ELEMEN",
		handle:  (*Sandbox).verifyElements, enumKeys: []string{"NIK"},
	},
}

// callNamed returns nil for a name the contract does not have.
func callNamed(name string) *call {
	for _, c := range calls {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (s *Sandbox) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, c := range calls {
		mux.HandleFunc(c.pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, c) })
	}
	s.controlRoutes(mux)
	mux.HandleFunc("/", s.unknownPath)
	return mux
}
