package api

import (
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/go-playground/validator/v10"

	"github.com/gerbang-id/gerbang/internal/pii"
)

// validate reports every rule of the tags that v breaks, each by its JSON
// pointer and the tag's name.
func validate(v any) error {
	err := rules.Struct(v)
	var broken validator.ValidationErrors
	if !errors.As(err, &broken) {
		return err
	}
	faults := make([]fault, 0, len(broken))
	for _, b := range broken {
		_, path, _ := strings.Cut(b.Namespace(), ".")
		faults = append(faults, fault{Pointer: "/" + strings.ReplaceAll(path, ".", "/"), Rule: b.Tag()})
	}
	return errInvalid(faults...)
}

var rules = newRules()

// The shapes of texts. An application id becomes part of the external ids that
// vendors see, with suffixes after a colon, so it is kept plain.
var (
	applicationIDText = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)
	e164Text          = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`) // ITU-T E.164: at most 15 digits
	nikText           = regexp.MustCompile(`^[0-9]{16}$`)
	wordText          = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)
)

func newRules() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("json") })
	v.RegisterCustomTypeFunc(func(f reflect.Value) any { return f.Interface().(pii.Secret).Reveal() }, pii.Secret{})
	for tag, valid := range map[string]func(string) bool{
		"application_id": applicationIDText.MatchString,
		"e164":           e164Text.MatchString,
		"nik":            nikText.MatchString,
		"word":           wordText.MatchString,
		"text":           isText,
		"birthdate":      isBirthDate,
		"rfc3339":        isRFC3339,
		"photo":          isPhoto,
	} {
		err := v.RegisterValidation(tag, func(f validator.FieldLevel) bool { return valid(f.Field().String()) })
		if err != nil {
			panic("api: register rule: " + err.Error()) // the tags above are fine
		}
	}
	v.RegisterStructValidation(func(l validator.StructLevel) {
		verdict := l.Current().Interface().(verdictRequest)
		if verdict.Valid != nil && *verdict.Valid && verdict.Photo.IsZero() { // QE will not record it without
			l.ReportError(verdict.Photo, "photo", "Photo", "required", "")
		}
	}, verdictRequest{})
	return v
}

// isText: something to read, and nothing that isn't text.
func isText(s string) bool {
	return strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, unicode.IsControl)
}

// isBirthDate: YYYY-MM-DD, a day of the calendar, of somebody alive today.
func isBirthDate(s string) bool {
	d, err := time.Parse(time.DateOnly, s)
	return err == nil && d.Year() >= 1900 && d.Before(time.Now())
}

func isRFC3339(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

// isPhoto: base64 of what begins like a JPEG or a PNG.
func isPhoto(s string) bool {
	if !strings.HasPrefix(s, "/9j/") && !strings.HasPrefix(s, "iVBORw0KGg") {
		return false
	}
	_, err := io.Copy(io.Discard, base64.NewDecoder(base64.StdEncoding, strings.NewReader(s)))
	return err == nil
}
