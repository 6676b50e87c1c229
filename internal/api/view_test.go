package api

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// tipOff finds the words a customer must not read, also as part of a name like
// aml_review or fraudScore.
var tipOff = regexp.MustCompile(`(?i)(^|[^a-z])(aml|pep)([^a-z]|$)|fraud|screen|sanction|watch.?list`)

// The view of every state there is, with facts that know it all, carries none
// of the words; neither do its members' names.
func TestPublicViewNeverTells(t *testing.T) {
	t.Parallel()
	due := time.Now()
	reasons := []fsm.DeclineReason{
		"", fsm.KTPFailed, fsm.KTPRejected, fsm.BiometricMismatch, fsm.DukcapilRejected, fsm.AMLRejected, fsm.FraudBlock, fsm.FraudRejected,
	}
	for _, state := range fsm.States() {
		for _, reason := range reasons {
			for _, level := range []fsm.Level{"", fsm.Standard, fsm.Premium} {
				v := store.View{
					ID: uuid.New(), ApplicationID: "APP-1", State: state, Version: 7, Policy: fsm.DefaultPolicy(), Level: level,
					DeclineReason: reason, DueAt: &due, Facts: fsm.Facts{
						AMLStatus: "confirmed", ScreeningID: "scr_aml", FraudDecision: "fraud", AMLReviewer: "pep",
						DukcapilReason: "sanction", Signals: []fsm.Signal{fsm.SignalFraudFlag},
					},
				}
				body, err := json.Marshal(viewOf(v))
				if err != nil {
					t.Fatal(err)
				}
				if word := tipOff.Find(body); word != nil {
					t.Errorf("%s/%s tells %q: %s", state, reason, word, body)
				}
			}
		}
	}
	for _, name := range memberNames(reflect.TypeFor[onboardingView]()) {
		if tipOff.MatchString(name) {
			t.Errorf("a member is named %s", name)
		}
	}
}

// memberNames are the JSON names of all members, at any depth.
func memberNames(t reflect.Type) (names []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return nil
	}
	for _, f := range reflect.VisibleFields(t) {
		names = append(names, f.Tag.Get("json"))
		names = append(names, memberNames(f.Type)...)
	}
	return names
}

func TestMemberNamesAreFound(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"id", "expiresAt", "deadline", "declineReason"} {
		if !slices.Contains(memberNames(reflect.TypeFor[onboardingView]()), name) {
			t.Errorf("%s was not walked to", name)
		}
	}
}

// Nor does any problem's text: all of them are written in one file.
func TestProblemsNeverTell(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	texts := regexp.MustCompile(`"[^"]*"`).FindAll(code, -1)
	if len(texts) < 40 {
		t.Fatalf("only %d texts found", len(texts))
	}
	for _, text := range texts {
		if tipOff.Match(text) {
			t.Errorf("a problem says %s", text)
		}
	}
}

func TestUpgradeDeadline(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("WIB", 7*3600))
	for _, state := range []fsm.State{fsm.Upgrading, fsm.RecordingUpgrade} {
		v := viewOf(store.View{State: state, Policy: fsm.DefaultPolicy(), Level: fsm.Standard, StatusSince: since, StateSince: since.Add(time.Hour)})
		if want := since.Add(30 * 24 * time.Hour).UTC(); v.Upgrade == nil || v.Upgrade.Deadline != want {
			t.Errorf("%s: %+v, want %v", state, v.Upgrade, want)
		}
	}
	if v := viewOf(store.View{State: fsm.DukcapilReview, Level: fsm.Standard}); v.Upgrade != nil || *v.KYCLevel != fsm.Standard || v.Status != fsm.StatusInReview {
		t.Errorf("a late answer under review: %+v", v)
	}
}
