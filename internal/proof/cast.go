package proof

import (
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// approved is the outcome of who needs a capture of each kind and these reviews.
func approved(level fsm.Level, reviews ...fsm.ReviewKind) Outcome {
	return Outcome{State: fsm.Approved, Level: level, KTPs: 1, Selfies: 1, Reviews: reviews}
}

// Cast is a set of customers who together go through everything a process can
// be killed in: each way to pass, a second selfie, every desk, a registry that
// is down and comes back, screenings in bulk, a vendor at its limit, an answer
// that must be read back, a verdict brought along, a parked row, a withdrawal.
func Cast() []Case {
	secondSelfie := approved(fsm.Premium)
	secondSelfie.Selfies = 2
	return []Case{
		{App: "premium", Person: "Citra Uji Lancar", Want: approved(fsm.Premium)},
		{App: "adopted", Person: "Intan Rekaan Hilang", Want: approved(fsm.Premium), Faults: []sandbox.Fault{
			{Call: "step-up", Kind: sandbox.FaultStatusAfter, Status: 409, Count: 1},
		}},
		{App: "review", Person: "Hasan Uji Tinjau", Want: approved(fsm.Premium, fsm.ReviewKTP)},
		{App: "selfie", Person: "Nina Uji Duakali", Want: secondSelfie},
		{App: "upgraded", Person: "Lestari Rekaan Sabar", Want: approved(fsm.Premium), Faults: []sandbox.Fault{
			{Call: "dukcapil.verify", Kind: sandbox.FaultStatus, Status: 401, Count: 1},
		}},
		{App: "pep", Person: "Maya Uji Pejabat", Want: approved(fsm.Premium, fsm.ReviewAML), Faults: []sandbox.Fault{
			{Call: "screenings.create", Kind: sandbox.FaultStatus, Status: 429, Count: 1},
		}},
		{App: "supplied", Person: "Ujiwati", Verdict: true, Want: approved(fsm.Premium)},
		{App: "parked", Person: "Bayu Rekaan Parkir", Parks: true, Want: approved(fsm.Premium), Faults: []sandbox.Fault{
			{Call: "evaluate", Kind: sandbox.FaultStatus, Status: 403, Count: 1},
		}},
		{App: "cancelled", Person: "Hasan Uji Tinjau", Cancel: "review",
			Want: Outcome{State: fsm.Cancelled, KTPs: 1}},
		{App: "everything", Person: "Tegar Uji Lengkap", Want: Outcome{
			State: fsm.Approved, Level: fsm.Standard, KTPs: 1, Selfies: 2,
			Reviews: []fsm.ReviewKind{fsm.ReviewKTP, fsm.ReviewDukcapil, fsm.ReviewAML, fsm.ReviewSignoff, fsm.ReviewFraud},
		}},
	}
}

// CastEnv makes screenings wait for company, by a limit that is never reached.
const CastEnv = "GERBANG_QE_LIMITS=screenings.create=60,customers.create=0,ktp.challenge=0,ktp.capture=0," +
	"face.challenge=0,step-up=0,dukcapil.ingest=0,evaluate=0,reads=0"
