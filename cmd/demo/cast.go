package main

import (
	"strings"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// role is who a customer is, what they and the staff do, and how it must end.
type role struct {
	what   string
	name   string // most are test persons of the sandbox; any other name passes everything
	hasty  bool   // applies at the server whose policy gives them no time
	outage *sandbox.Fault
	steps  []step
	want   ending
}

// ending is what must have happened.
type ending struct {
	path    []string
	outcome string // public status, and reason
	level   string
}

// via reads a path of states, with names for its usual stretches.
func via(path string) []string {
	path = strings.NewReplacer(
		"<ktp>", "registering awaiting_ktp verifying_ktp",
		"<selfie>", "awaiting_selfie verifying_selfie",
		"<registry>", "checking_dukcapil recording_dukcapil",
		"<checks>", "screening_aml evaluating_fraud",
	).Replace(path)
	return strings.Fields(path)
}

func approved(level, path string) ending { return ending{via(path), "approved", level} }
func declined(reason, path string) ending {
	return ending{path: via(path), outcome: "declined: " + reason}
}

// passed are the steps of a customer nobody stops.
var passed = []step{showKTP, takeSelfie}

// cast is everybody. Together they enter every state there is.
var cast = []role{
	{
		what: "everything passes", name: "Citra Uji Lancar", steps: passed,
		want: approved("premium", "<ktp> <selfie> <registry> <checks> approved"),
	},
	{
		what: "KTP in doubt, an analyst approves", name: "Hasan Uji Tinjau",
		steps: []step{showKTP, review("ktp", analyst, "approve", "card_is_genuine"), takeSelfie},
		want:  approved("premium", "<ktp> ktp_review <selfie> <registry> <checks> approved"),
	},
	{
		what: "KTP in doubt, photographed again", name: "Rina Uji Ulang",
		steps: []step{showKTP, review("ktp", analyst, "recapture", "unreadable"), showKTP, takeSelfie},
		want:  approved("premium", "<ktp> ktp_review awaiting_ktp verifying_ktp <selfie> <registry> <checks> approved"),
	},
	{
		what: "KTP is forged", name: "Gilang Uji Palsu", steps: []step{showKTP},
		want: declined("ktp_failed", "<ktp> declined"),
	},
	{
		what: "second selfie matches", name: "Nina Uji Duakali", steps: []step{showKTP, takeSelfie, takeSelfie},
		want: approved("premium", "<ktp> <selfie> <selfie> <registry> <checks> approved"),
	},
	{
		what: "two selfies, neither matches", name: "Omar Uji Beda", steps: []step{showKTP, takeSelfie, takeSelfie},
		want: declined("biometric_mismatch", "<ktp> <selfie> <selfie> declined"),
	},
	{
		what: "not in the civil registry, approved all the same", name: "Ayu Uji Nihil",
		steps: []step{showKTP, takeSelfie, review("dukcapil", analyst, "approve", "family_card_seen")},
		want:  approved("standard", "<ktp> <selfie> <registry> dukcapil_review <checks> approved"),
	},
	{
		what: "possible AML hit, cleared", name: "Maya Uji Pejabat",
		steps: []step{showKTP, takeSelfie, review("aml", analyst, "approve", "namesake")},
		want:  approved("premium", "<ktp> <selfie> <registry> screening_aml aml_review evaluating_fraud approved"),
	},
	{
		what: "confirmed AML hit, two people sign", name: "Nanda Uji Sanksi",
		steps: []step{
			showKTP, takeSelfie, review("aml", signoff1, "approve", "namesake"),
			refusedReview("aml_signoff", analyst, "approve", "forbidden"),
			refusedReview("aml_signoff", signoff1, "approve", "self_approval_forbidden"),
			review("aml_signoff", signoff2, "approve", "namesake"),
		},
		want: approved("premium", "<ktp> <selfie> <registry> screening_aml aml_review aml_signoff evaluating_fraud approved"),
	},
	{
		what: "fraud in doubt, an analyst rejects", name: "Qori Uji Curiga",
		steps: []step{showKTP, takeSelfie, review("fraud", analyst, "reject", "device_farm")},
		want:  declined("not_eligible", "<ktp> <selfie> <registry> <checks> fraud_review declined"),
	},
	{
		what: "fraud, blocked", name: "Rian Uji Blokir", steps: passed,
		want: declined("not_eligible", "<ktp> <selfie> <registry> <checks> declined"),
	},
	{
		what: "Dukcapil is down, then back", name: "Lestari Rekaan Sabar",
		outage: &sandbox.Fault{Call: "dukcapil.verify", Kind: sandbox.FaultStatus, Status: 503},
		steps:  []step{showKTP, takeSelfie, welcomedAtStandard},
		want:   approved("premium", "<ktp> <selfie> checking_dukcapil <checks> upgrading recording_upgrade approved"),
	},
	{
		what: "the client brings Dukcapil's verdict", name: "Ujiwati", steps: []step{supplyVerdict, showKTP, takeSelfie},
		want: approved("premium", "<ktp> <selfie> recording_dukcapil <checks> approved"),
	},
	{
		what: "parked by a vendor's 403, sent on", name: "Bayu Rekaan Parkir",
		outage: &sandbox.Fault{Call: "evaluate", Kind: sandbox.FaultStatus, Status: 403},
		steps:  []step{showKTP, takeSelfie, sentOnByOperator},
		want:   approved("premium", "<ktp> <selfie> <registry> <checks> approved"),
	},
	{
		what: "withdraws", name: "Wulan Rekaan Batal", steps: []step{cancel},
		want: ending{path: via("registering awaiting_ktp cancelled"), outcome: "cancelled"},
	},
	{
		what: "never shows a KTP", name: "Yanto Rekaan Lupa", hasty: true,
		want: ending{path: via("registering awaiting_ktp expired"), outcome: "expired"},
	},
}
