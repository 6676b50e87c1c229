package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// bundle is what the two kinds of capture bundle have in common. Only the
// parts that are checked or used are kept, and none after the call.
type bundle struct {
	Version      string   `json:"version" validate:"required,eq=1.0"`
	SDKVersion   string   `json:"sdkVersion" validate:"required"`
	Platform     string   `json:"platform" validate:"required,oneof=rn-ios rn-android ios android flutter web"`
	Frames       []string `json:"frames" validate:"required,min=1"`
	CapturedAt   string   `json:"capturedAt" validate:"required,datetime=2006-01-02T15:04:05Z07:00"`
	Signature    string   `json:"signature" validate:"required"`
	Nonce        string   `json:"flashChallengeNonce"`
	FlashSamples []struct {
		TMs   float64 `json:"tMs"`
		MeanR float64 `json:"meanR"`
		MeanG float64 `json:"meanG"`
		MeanB float64 `json:"meanB"`
	} `json:"flashSamples"`
	OCRFields     map[string]any `json:"ocrFields"`
	OCRConfidence map[string]any `json:"ocrConfidence"`
}

type faceBundle struct {
	bundle
	Challenges []string `json:"challenges" validate:"required"`
	Responses  []struct {
		Challenge string `json:"challenge" validate:"required"`
		Satisfied *bool  `json:"satisfied" validate:"required"`
	} `json:"responses" validate:"required,dive"`
	PassiveLivenessScores []float64 `json:"passiveLivenessScores" validate:"required"`
}

func (q *request) decodeBundle(raw json.RawMessage, dst any, common *bundle) *refusal {
	if refused := q.decode(raw, dst, "bundle.", true); refused != nil {
		return refused
	}
	for i, frame := range common.Frames {
		if !isBase64(frame) {
			return invalid(map[string][]string{"bundle.frames[" + strconv.Itoa(i) + "]": {"base64"}})
		}
	}
	return nil
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil && s != ""
}

// Sign is the signature of our sample bundles: hex HMAC-SHA256 with the
// challenge's hmacSecret over nonce + "." + hex SHA-256 of the frames' base64
// texts, joined by newlines. The vendor documents no signing string; the
// sandbox accepts any non-empty signature unless Switches.VerifySignatures.
func Sign(hmacSecret, nonce string, frames []string) string {
	mac := hmac.New(sha256.New, []byte(hmacSecret))
	mac.Write([]byte(nonce + "." + hexSum([]byte(strings.Join(frames, "\n")))))
	return hex.EncodeToString(mac.Sum(nil))
}

// pixel is a PNG of one pixel, in base64: the sandbox's frames and photos.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// SampleKTPBundle is a signed bundle an SDK could have made for the challenge
// at that time. Set ocrFields (nik, fullName, dateOfBirth, ...) to choose what
// the OCR reads; nil leaves it to the sandbox.
func SampleKTPBundle(ch FlashChallenge, at time.Time, ocrFields map[string]string) json.RawMessage {
	b := sampleBundle(ch, at)
	if ocrFields != nil {
		b["ocrFields"] = ocrFields
	}
	return jsonReply(0, b).body
}

// SampleFaceBundle is the same for a selfie.
func SampleFaceBundle(ch FlashChallenge, at time.Time) json.RawMessage {
	b := sampleBundle(ch, at)
	b["challenges"] = []string{"blink"}
	b["responses"] = []map[string]any{{"challenge": "blink", "satisfied": true}}
	b["passiveLivenessScores"] = []float64{0.97}
	return jsonReply(0, b).body
}

func sampleBundle(ch FlashChallenge, at time.Time) map[string]any {
	frames := []string{pixel}
	return map[string]any{
		"version": "1.0", "sdkVersion": "2.4.0", "platform": "web", "frames": frames,
		"capturedAt": at.UTC().Format(time.RFC3339), "flashChallengeNonce": ch.Nonce,
		"signature": Sign(ch.HMACSecret, ch.Nonce, frames),
	}
}
