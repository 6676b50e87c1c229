package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// step is one thing that a customer, an analyst or an operator does. It waits
// for its turn by itself.
type step func(context.Context, *customer) error

// showKTP photographs the identity card.
func showKTP(ctx context.Context, c *customer) error {
	return c.capture(ctx, "ktp", "capture_ktp", func(ch sandbox.FlashChallenge) json.RawMessage {
		return sandbox.SampleKTPBundle(ch, time.Now(), nil)
	})
}

// takeSelfie films the face.
func takeSelfie(ctx context.Context, c *customer) error {
	return c.capture(ctx, "face", "capture_selfie", func(ch sandbox.FlashChallenge) json.RawMessage {
		return sandbox.SampleFaceBundle(ch, time.Now())
	})
}

// person picks whose key decides.
type person func(keys) string

func analyst(k keys) string  { return k.analyst }
func signoff1(k keys) string { return k.signoff1 }
func signoff2(k keys) string { return k.signoff2 }

// review has a person claim the open case of a desk, read it and decide.
func review(kind string, who person, decision, reason string) step {
	return func(ctx context.Context, c *customer) error {
		key := who(c.stack.keys)
		path, etag, err := c.openCase(ctx, kind, key)
		if err != nil {
			return err
		}
		return c.do(ctx, decide(key, path, etag, decision, reason))
	}
}

// refusedReview has a person try to decide what is not theirs to decide.
func refusedReview(kind string, who person, decision, code string) step {
	return func(ctx context.Context, c *customer) error {
		key := who(c.stack.keys)
		path, etag, err := c.openCase(ctx, kind, key)
		if err != nil {
			return err
		}
		r := decide(key, path, etag, decision, "demo")
		r.refused = code
		if err := c.do(ctx, r); err != nil {
			return fmt.Errorf("this should have been refused with %s: %w", code, err)
		}
		return c.do(ctx, request{key: key, method: http.MethodDelete, path: path + "/claim"})
	}
}

func decide(key, path, etag, decision, reason string) request {
	return request{
		key: key, method: http.MethodPatch, path: path, header: map[string]string{"If-Match": etag},
		body: map[string]string{"decision": decision, "reasonCode": reason, "note": "decided by the demo"},
	}
}

// deskStates are where the cases of each desk lie.
var deskStates = map[string]string{
	"ktp": "ktp_review", "dukcapil": "dukcapil_review", "aml": "aml_review", "aml_signoff": "aml_signoff", "fraud": "fraud_review",
}

// openCase finds the customer's case on a desk, claims it and reads it; it
// returns its path and its ETag.
func (c *customer) openCase(ctx context.Context, kind, key string) (path, etag string, err error) {
	if err := c.await(ctx, "a review ("+kind+")", func() bool { return c.state() == deskStates[kind] }); err != nil {
		return "", "", err
	}
	var queue reviews
	if err := c.do(ctx, request{key: key, path: "/reviews?limit=200&kind=" + kind, into: &queue}); err != nil {
		return "", "", err
	}
	for _, r := range queue.Items {
		if r.OnboardingID != c.id {
			continue
		}
		path = "/reviews/" + r.ID
		if err := c.do(ctx, request{key: key, method: http.MethodPost, path: path + "/claim"}); err != nil {
			return "", "", err
		}
		header := http.Header{}
		err := c.do(ctx, request{key: key, path: path, got: header})
		return path, header.Get("ETag"), err
	}
	return "", "", fmt.Errorf("no open case on the desk %s", kind)
}

// supplyVerdict hands in what the registry told the client itself.
func supplyVerdict(ctx context.Context, c *customer) error {
	// A PNG of one pixel.
	const photo = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	v, err := c.move(ctx, request{
		key: c.stack.keys.sdk, method: http.MethodPut, path: "/onboardings/" + c.id + "/dukcapil-verdict",
		body: map[string]any{"valid": true, "photo": photo, "raw": map[string]string{"RESPONSE_CODE": "01"}},
	})
	if err != nil {
		return err
	}
	return c.seen(ctx, v)
}

// welcomedAtStandard waits until the customer is in without the registry's
// word, then has it come back.
func welcomedAtStandard(ctx context.Context, c *customer) error {
	waiting := func() bool { return c.view.Status == "approved" && c.view.Upgrade != nil }
	if err := c.await(ctx, "an approval that awaits its upgrade", waiting); err != nil {
		return err
	}
	if c.view.KYCLevel != "standard" {
		return fmt.Errorf("level %q before the upgrade", c.view.KYCLevel)
	}
	c.felt()
	c.stack.outagesOver()
	return nil
}

// sentOnByOperator waits until the onboarding is parked; an operator has the
// cause removed and sends it on.
func sentOnByOperator(ctx context.Context, c *customer) error {
	if err := c.await(ctx, "the call that is refused", func() bool { return c.state() == "evaluating_fraud" }); err != nil {
		return err
	}
	path := "/onboardings/" + c.id
	var e explanation
	for e.Parked == nil {
		if !again(ctx) {
			return fmt.Errorf("it was never parked: %w", context.Cause(ctx))
		}
		if err := c.do(ctx, request{key: c.stack.keys.operator, path: path + "/explanation", into: &e}); err != nil {
			return err
		}
	}
	c.felt()
	c.stack.outagesOver()
	return c.do(ctx, request{key: c.stack.keys.operator, method: http.MethodPost, path: path + "/retry"})
}

// cancel withdraws while the KTP is awaited.
func cancel(ctx context.Context, c *customer) error {
	if err := c.await(ctx, "capture_ktp", func() bool { return c.view.NextAction.Type == "capture_ktp" }); err != nil {
		return err
	}
	v, err := c.move(ctx, request{key: c.stack.keys.frontend, method: http.MethodPost, path: "/onboardings/" + c.id + "/cancel"})
	if err != nil {
		return err
	}
	return c.seen(ctx, v)
}
