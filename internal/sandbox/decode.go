package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/go-playground/validator/v10"
)

// check holds the contract's rules on fields: they stand as tags on the
// request types, and a rule's tag is the word the vendor's fieldErrors use.
var check = newValidator()

var (
	triggerForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	isoCountry  = regexp.MustCompile(`^[A-Z]{2}$`)
)

func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	for tag, form := range map[string]*regexp.Regexp{"trigger": triggerForm, "country": isoCountry} {
		matches := func(f validator.FieldLevel) bool { return form.MatchString(f.Field().String()) }
		if err := v.RegisterValidation(tag, matches); err != nil {
			panic(err)
		}
	}
	return v
}

// decode reads raw into dst and validates it; prefix leads the names of fields
// in errors. Members the contract does not know are a violation, but, as with
// the real vendor, no reason to refuse the call. lenient leaves them alone: a
// bundle is the SDK's, and a newer SDK may say more.
func (q *request) decode(raw []byte, dst any, prefix string, lenient bool) *refusal {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if !lenient {
		dec.DisallowUnknownFields()
	}
	err := dec.Decode(dst)
	if err != nil && strings.HasPrefix(err.Error(), "json: unknown field ") {
		q.violate("unknown field " + prefix + strings.TrimPrefix(err.Error(), "json: unknown field "))
		err = json.Unmarshal(raw, dst)
	}
	if mistyped := (*json.UnmarshalTypeError)(nil); errors.As(err, &mistyped) {
		return invalid(map[string][]string{prefix + mistyped.Field: {"type"}})
	}
	if err != nil {
		return &refusal{status: http.StatusBadRequest, message: "malformed JSON", violation: "malformed JSON"}
	}
	if faults := (validator.ValidationErrors)(nil); errors.As(check.Struct(dst), &faults) {
		fields := map[string][]string{}
		for _, f := range faults {
			// The namespace begins with the type's name, if it has one, and
			// shows embedded structs, which the wire does not.
			name := strings.TrimPrefix(f.Namespace(), reflect.TypeOf(dst).Elem().Name()+".")
			name = prefix + strings.TrimPrefix(name, "bundle.")
			fields[name] = append(fields[name], f.Tag())
		}
		return invalid(fields)
	}
	return nil
}

// invalid is the vendor's answer to a validation error.
func invalid(fields map[string][]string) *refusal {
	names := make([]string, 0, len(fields))
	for name, rules := range fields {
		names = append(names, name+" ("+strings.Join(rules, ", ")+")")
	}
	return &refusal{
		status: http.StatusBadRequest, message: "validation failed", fieldErrors: fields,
		violation: "invalid fields: " + strings.Join(sorted(names), ", "),
	}
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
