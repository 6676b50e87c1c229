package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// onboardingView is what a customer's frontend may know, and the only type
// that tells it. What is not a member here cannot leak: no state, no review's
// name, no vendor's word. Telling a customer of a suspicion is forbidden
// (UU 8/2010, article 12).
type onboardingView struct {
	ID            string       `json:"id"`
	ApplicationID string       `json:"applicationId"`
	Status        fsm.Status   `json:"status"`
	NextAction    nextAction   `json:"nextAction"`
	KYCLevel      *fsm.Level   `json:"kycLevel"`
	Upgrade       *upgradeView `json:"upgrade"`
	DeclineReason *string      `json:"declineReason"`
	Version       int64        `json:"version"`
	CreatedAt     time.Time    `json:"createdAt"`
	UpdatedAt     time.Time    `json:"updatedAt"`
	StatusSince   time.Time    `json:"statusSince"`
}

// nextAction is what the frontend should do now. Attempt and AttemptsLeft count
// the current attempt; both are 0 when there is nothing to attempt.
type nextAction struct {
	Type         action     `json:"type"`
	Attempt      int        `json:"attempt"`
	AttemptsLeft int        `json:"attemptsLeft"`
	ExpiresAt    *time.Time `json:"expiresAt"`
}

type action string

const (
	captureKTP    action = "capture_ktp"
	captureSelfie action = "capture_selfie"
	actionWait    action = "wait"
	actionNone    action = "none"
)

// upgradeView tells that the registry is still to be asked about a customer who
// was approved without it.
type upgradeView struct {
	Target        fsm.Level  `json:"target"`
	Reason        string     `json:"reason"`
	NextAttemptAt *time.Time `json:"nextAttemptAt"`
	Deadline      time.Time  `json:"deadline"`
}

func viewOf(v store.View) onboardingView {
	return onboardingView{
		ID: v.ID.String(), ApplicationID: v.ApplicationID, Status: v.State.Status(), NextAction: nextActionOf(v),
		KYCLevel: orNull(v.Level), Upgrade: upgradeOf(v), DeclineReason: orNull(v.DeclineReason.Public()),
		Version: v.Version, CreatedAt: v.CreatedAt.UTC(), UpdatedAt: v.UpdatedAt.UTC(), StatusSince: v.StatusSince.UTC(),
	}
}

func nextActionOf(v store.View) nextAction {
	switch {
	case v.State == fsm.AwaitingKTP:
		return nextAction{Type: captureKTP, Attempt: v.Facts.KTPSubmissions + 1, AttemptsLeft: 1, ExpiresAt: utc(v.DueAt)}
	case v.State == fsm.AwaitingSelfie:
		return nextAction{
			Type: captureSelfie, Attempt: v.Facts.SelfieAttempts + 1,
			AttemptsLeft: v.Policy.Biometric.Attempts - v.Facts.SelfieAttempts, ExpiresAt: utc(v.DueAt),
		}
	case v.State.Status() == fsm.StatusProcessing, v.State.Status() == fsm.StatusInReview:
		return nextAction{Type: actionWait}
	}
	return nextAction{Type: actionNone}
}

func upgradeOf(v store.View) *upgradeView {
	if v.State != fsm.Upgrading && v.State != fsm.RecordingUpgrade {
		return nil
	}
	// The status changed when the row entered upgrading, and not since.
	return &upgradeView{
		Target: fsm.Premium, Reason: "dukcapil_unavailable", NextAttemptAt: utc(v.DueAt),
		Deadline: v.StatusSince.Add(v.Policy.Dukcapil.UpgradeDeadline).UTC(),
	}
}

// writeView sends the public view with its version as a strong ETag.
func writeView(w http.ResponseWriter, status int, v store.View) error {
	w.Header().Set("ETag", etag(v.Version))
	if v.State.Status() == fsm.StatusProcessing {
		w.Header().Set("Retry-After", "1")
	}
	return writeJSON(w, status, viewOf(v))
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// noneMatch reports whether If-None-Match names the tag; the comparison is
// weak (RFC 9110, 13.1.2).
func noneMatch(header, tag string) bool {
	for item := range strings.SplitSeq(header, ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.TrimPrefix(item, "W/") == tag {
			return true
		}
	}
	return false
}

// matchVersion reads If-Match as one version. The comparison is strong (RFC
// 9110, 13.1.1), so a weak tag, and anything that is no tag of ours, is a
// version that never was: 0.
func matchVersion(header string) (int64, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" { // "whatever it is now" is no decision on what was seen
		return 0, errIfMatchRequired
	}
	inner, opened := strings.CutPrefix(header, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	version, err := strconv.ParseInt(inner, 10, 64)
	if !opened || !closed || err != nil || etag(version) != header {
		return 0, nil
	}
	return version, nil
}

// orNull is null for an empty text.
func orNull[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
