package fsm_test

import (
	"slices"
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

var declineReasons = []fsm.DeclineReason{
	fsm.KTPFailed, fsm.KTPRejected, fsm.BiometricMismatch, fsm.DukcapilRejected,
	fsm.AMLRejected, fsm.FraudBlock, fsm.FraudRejected,
}

func TestStatus(t *testing.T) {
	t.Parallel()
	want := map[fsm.State]fsm.Status{
		fsm.Registering:       fsm.StatusProcessing,
		fsm.AwaitingKTP:       fsm.StatusAwaitingInput,
		fsm.VerifyingKTP:      fsm.StatusProcessing,
		fsm.KTPReview:         fsm.StatusInReview,
		fsm.AwaitingSelfie:    fsm.StatusAwaitingInput,
		fsm.VerifyingSelfie:   fsm.StatusProcessing,
		fsm.CheckingDukcapil:  fsm.StatusProcessing,
		fsm.RecordingDukcapil: fsm.StatusProcessing,
		fsm.DukcapilReview:    fsm.StatusInReview,
		fsm.ScreeningAML:      fsm.StatusProcessing,
		fsm.AMLReview:         fsm.StatusInReview,
		fsm.AMLSignoff:        fsm.StatusInReview,
		fsm.EvaluatingFraud:   fsm.StatusProcessing,
		fsm.FraudReview:       fsm.StatusInReview,
		fsm.Approved:          fsm.StatusApproved,
		fsm.Upgrading:         fsm.StatusApproved,
		fsm.RecordingUpgrade:  fsm.StatusApproved,
		fsm.Declined:          fsm.StatusDeclined,
		fsm.Expired:           fsm.StatusExpired,
		fsm.Cancelled:         fsm.StatusCancelled,
	}
	shown := map[fsm.Status]bool{}
	for _, s := range fsm.States() {
		if s.Status() != want[s] {
			t.Errorf("%s shows as %s, want %s", s, s.Status(), want[s])
		}
		shown[s.Status()] = true
	}
	for _, s := range fsm.Statuses() {
		if !shown[s] {
			t.Errorf("no state shows as %s", s)
		}
		delete(shown, s)
	}
	if len(shown) != 0 {
		t.Errorf("Statuses lacks %v", shown)
	}
	if s := fsm.State("reviewing_video").Status(); s != fsm.StatusProcessing {
		t.Errorf("a newer binary's state shows as %s", s)
	}
}

// TestPublicReasons: Indonesian law forbids telling a customer that AML or
// fraud had anything to do with a decline.
func TestPublicReasons(t *testing.T) {
	t.Parallel()
	want := map[fsm.DeclineReason]string{
		"": "", fsm.KTPFailed: "ktp_failed", fsm.KTPRejected: "ktp_failed", fsm.BiometricMismatch: "biometric_mismatch",
	}
	for _, r := range append(declineReasons, "", "from_a_newer_binary") {
		public, ok := want[r]
		if !ok {
			public = "not_eligible"
		}
		if got := r.Public(); got != public {
			t.Errorf("%q is told as %q, want %q", r, got, public)
		}
		if !slices.Contains([]string{"", "ktp_failed", "biometric_mismatch", "not_eligible"}, r.Public()) {
			t.Errorf("%q tells %q", r, r.Public())
		}
	}
}
